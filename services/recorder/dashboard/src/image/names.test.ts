import { describe, expect, it } from "vitest";
import { imageName } from "./names";

describe("imageName", () => {
  it("is the file that was sent, with its page", () => {
    expect(imageName("s3://scans/ab12/2.png", "receipts.pdf", 2)).toBe("receipts.pdf, page 2");
    expect(imageName("s3://scans/ab12.png", "receipt.png", null)).toBe("receipt.png");
  });

  it("is the end of the path if nobody named it", () => {
    expect(imageName("file:///data/a.png", null, null)).toBe("a.png");
    expect(imageName("file:///data/folder/", undefined, undefined)).toBe("folder");
    expect(imageName("///", null, null)).toBe("///");
  });
});
