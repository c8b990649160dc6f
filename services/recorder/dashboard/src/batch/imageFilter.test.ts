import { expect, it } from "vitest";
import { expectedCount, imageFilter } from "./imageFilter";

const batch = { seen_images: 10, completed_images: 6, failed_images: 3 };

it("reads the filters of the URL, and ignores unknown values", () => {
  expect(imageFilter({ status: "FAILURE", reason: "no_text" })).toEqual({
    status: "FAILURE",
    reason: "no_text",
  });
  expect(imageFilter({ warning: "low_confidence" })).toEqual({ warning: "low_confidence" });
  expect(imageFilter({ name: "scan 1" })).toEqual({ name: "scan 1" });
  expect(imageFilter({ status: "LOST", reason: "", warning: "no_such" })).toEqual({});
});

it("takes the expected count from the batch's counts", () => {
  expect(expectedCount({}, batch)).toBe(10);
  expect(expectedCount({ status: "SUCCESS" }, batch)).toBe(6);
  expect(expectedCount({ status: "FAILURE" }, batch)).toBe(3);
});

it("expects no count that the batch does not have", () => {
  expect(expectedCount({ status: "REVOKED" }, batch)).toBeUndefined();
  expect(expectedCount({ status: "SUCCESS", warning: "small_text" }, batch)).toBeUndefined();
  expect(expectedCount({ status: "FAILURE", reason: "timeout" }, batch)).toBeUndefined();
  expect(expectedCount({ name: "scan" }, batch)).toBeUndefined();
});
