import { expect, it } from "vitest";
import { partialOutcome } from "./outcome";

const ended = {
  status: "FAILURE",
  total_images: 1047,
  completed_images: 1044,
  failed_images: 3,
  revoked_images: 0,
};

it("tells how many images an ended batch read and how many not", () => {
  expect(partialOutcome(ended)).toBe("1,044 of 1,047 read, 3 failed");
  expect(partialOutcome({ ...ended, completed_images: 1042, revoked_images: 2 })).toBe(
    "1,042 of 1,047 read, 3 failed, 2 revoked",
  );
});

it("tells nothing of a batch that goes on, or that read all", () => {
  expect(partialOutcome({ ...ended, status: "RUNNING" })).toBeUndefined();
  expect(
    partialOutcome({ ...ended, status: "SUCCESS", completed_images: 1047, failed_images: 0 }),
  ).toBeUndefined();
});
