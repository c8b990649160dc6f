import { describe, expect, it } from "vitest";
import { boundsOf, overlap, sizeOfBoxes, svgPoints, union } from "./geometry";

const SLANTED = [
  [10, 22],
  [110, 12],
  [112, 30],
  [12, 40],
];

describe("shapes", () => {
  it("computes the bounds of a slanted polygon", () => {
    expect(boundsOf(SLANTED)).toEqual({ left: 10, top: 12, right: 112, bottom: 40 });
  });

  it("formats points for SVG", () => {
    expect(svgPoints(SLANTED)).toBe("10,22 110,12 112,30 12,40");
  });

  it("computes the union of regions", () => {
    const joined = union([
      { left: 5, top: 8, right: 10, bottom: 12 },
      { left: 7, top: 1, right: 20, bottom: 9 },
    ]);
    expect(joined).toEqual({ left: 5, top: 1, right: 20, bottom: 12 });
  });

  it("computes intersection over union", () => {
    const one = { left: 0, top: 0, right: 10, bottom: 10 };
    expect(overlap(one, one)).toBe(1);
    expect(overlap(one, { left: 5, top: 0, right: 15, bottom: 10 })).toBeCloseTo(1 / 3);
    expect(overlap(one, { left: 10, top: 0, right: 20, bottom: 10 })).toBe(0);
  });

  it("computes a page size from boxes", () => {
    const box = { text: "a", confidence: 1, bbox: SLANTED };
    expect(sizeOfBoxes([box])).toEqual({ width: 122, height: 52 });
    expect(sizeOfBoxes([])).toBeNull();
  });
});
