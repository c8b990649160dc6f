import { describe, expect, it } from "vitest";
import { cropAround } from "./crop";

const PAGE = { width: 1000, height: 1400 };

function at(left: number, top: number, width = 100, height = 20) {
  return { left, top, right: left + width, bottom: top + height };
}

describe("cropAround", () => {
  it("centres a hit, with a margin", () => {
    expect(cropAround([at(450, 690)], PAGE, 4)).toEqual({
      left: 250,
      top: 637.5,
      right: 750,
      bottom: 762.5,
    });
  });

  it("stays on the page", () => {
    expect(cropAround([at(0, 0)], PAGE, 4)).toMatchObject({ left: 0, top: 0 });
    expect(cropAround([at(900, 1380)], PAGE, 4)).toMatchObject({ right: 1000, bottom: 1400 });
  });

  it("shows all hits that fit with the first", () => {
    const both = cropAround([at(100, 600), at(800, 640)], PAGE, 4);
    expect(both.left).toBeLessThanOrEqual(100);
    expect(both.right).toBeGreaterThanOrEqual(900);
    const first = cropAround([at(100, 100), at(100, 1300)], PAGE, 4);
    expect(first).toEqual(cropAround([at(100, 100)], PAGE, 4));
  });

  it("keeps its ratio on a page that is too small", () => {
    const crop = cropAround([at(10, 10)], { width: 400, height: 50 }, 4);
    expect((crop.right - crop.left) / (crop.bottom - crop.top)).toBeCloseTo(4);
    expect(crop.top).toBeLessThan(0);
  });
});
