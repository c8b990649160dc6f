import { expect, it } from "vitest";
import { linePoints } from "./linePoints";

it("the greatest value touches the top, nothing lies on the ground", () => {
  expect(linePoints([0, 5, 10], 100, 20)).toBe("0,20 50,10 100,0");
});

it("nothing at all is a line on the ground", () => {
  expect(linePoints([0, 0], 100, 20)).toBe("0,20 100,20");
  expect(linePoints([], 100, 20)).toBe("");
});
