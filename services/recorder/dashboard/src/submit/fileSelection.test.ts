import { expect, it } from "vitest";
import { fileWarning, SUPPORTED_KINDS } from "./fileSelection";

it("warns of files that cannot be read", () => {
  expect(fileWarning({ name: "notes.txt", size: 5 })).toBe("not a supported kind");
  expect(fileWarning({ name: "scan", size: 5 })).toBe("not a supported kind");
  expect(fileWarning({ name: "scan.png", size: 0 })).toBe("empty");
});

it("does not warn of supported files", () => {
  for (const name of ["scan.png", "SCAN.JPG", "two.parts.pdf"]) {
    expect(fileWarning({ name, size: 5 })).toBeNull();
  }
  expect(SUPPORTED_KINDS).toContain("jpeg, jpg");
});
