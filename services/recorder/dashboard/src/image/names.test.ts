import { describe, expect, it } from "vitest";
import { imageName } from "./names";

describe("imageName", () => {
  it("is the source name with its page", () => {
    expect(imageName("s3://scans/ab12/2.png", "receipts.pdf", 2)).toBe("receipts.pdf, page 2");
    expect(imageName("s3://scans/ab12.png", "receipt.png", null)).toBe("receipt.png");
  });

  it("is the last part of the path without a source name", () => {
    expect(imageName("file:///data/a.png", null, null)).toBe("a.png");
    expect(imageName("file:///data/folder/", undefined, undefined)).toBe("folder");
    expect(imageName("///", null, null)).toBe("///");
  });
});
