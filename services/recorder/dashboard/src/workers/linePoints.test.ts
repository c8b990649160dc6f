import { expect, it } from "vitest";
import { linePoints } from "./linePoints";

it("the maximum is at the top, 0 at the bottom", () => {
  expect(linePoints([0, 5, 10], 100, 20)).toBe("0,20 50,10 100,0");
});

it("zeros or no values are a line at the bottom", () => {
  expect(linePoints([0, 0], 100, 20)).toBe("0,20 100,20");
  expect(linePoints([], 100, 20)).toBe("");
});
