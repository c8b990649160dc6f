import { describe, expect, it } from "vitest";
import { focusOn, pan, reveal, wholeView, zoom } from "./view";

const STAGE = { width: 1000, height: 800 };
const PAGE = { width: 2000, height: 3000 };
const STAMP = { width: 100, height: 50 };

describe("wholeView", () => {
  it("shows the whole picture in the middle", () => {
    const view = wholeView(PAGE, STAGE);
    expect(view.scale).toBeCloseTo(768 / 3000);
    expect(view.y).toBeCloseTo(16);
    expect(view.x).toBeCloseTo((1000 - 2000 * view.scale) / 2);
  });

  it("does not enlarge a small picture", () => {
    expect(wholeView(STAMP, STAGE)).toEqual({ x: 450, y: 375, scale: 1 });
  });
});

describe("zoom", () => {
  it("keeps the point under the pointer", () => {
    const before = { x: -300, y: -500, scale: 1 };
    const after = zoom(before, 1.5, [400, 300], PAGE, STAGE);
    const under = (view: typeof before) => [
      (400 - view.x) / view.scale,
      (300 - view.y) / view.scale,
    ];
    expect(under(after)).toEqual(under(before));
    expect(after.scale).toBe(1.5);
  });

  it("is limited to the whole picture and to scale 16", () => {
    const whole = wholeView(PAGE, STAGE);
    expect(zoom(whole, 0.1, [0, 0], PAGE, STAGE).scale).toBe(whole.scale);
    expect(zoom(whole, 1e6, [0, 0], PAGE, STAGE).scale).toBe(16);
  });
});

describe("pan", () => {
  it("keeps the picture on the stage", () => {
    const view = { x: 0, y: 0, scale: 1 };
    expect(pan(view, 1e6, 1e6, PAGE, STAGE)).toEqual({ x: 16, y: 16, scale: 1 });
    expect(pan(view, -1e6, -1e6, PAGE, STAGE)).toEqual({ x: -1016, y: -2216, scale: 1 });
  });

  it("keeps a small picture centred", () => {
    const view = wholeView(STAMP, STAGE);
    expect(pan(view, 50, 50, STAMP, STAGE)).toEqual(view);
  });
});

describe("reveal", () => {
  const view = { x: 0, y: 0, scale: 1 };

  it("does not move a visible region", () => {
    const seen = { left: 100, top: 100, right: 300, bottom: 120 };
    expect(reveal(view, seen, PAGE, STAGE)).toEqual(view);
  });

  it("moves by the least distance", () => {
    const below = { left: 100, top: 1000, right: 300, bottom: 1020 };
    expect(reveal(view, below, PAGE, STAGE)).toEqual({ x: 0, y: -236, scale: 1 });
  });

  it("shows the beginning of a region that is too long", () => {
    const long = { left: 500, top: 100, right: 1900, bottom: 120 };
    expect(reveal(view, long, PAGE, STAGE).x).toBe(-484);
  });
});

describe("focusOn", () => {
  it("centres a line at a readable scale", () => {
    const line = { left: 900, top: 1500, right: 1100, bottom: 1520 };
    const view = focusOn(line, PAGE, STAGE);
    expect(view.scale).toBe(2);
    expect(view.x + 1000 * view.scale).toBe(500);
    expect(view.y + 1510 * view.scale).toBe(400);
  });

  it("never shows less than the whole picture", () => {
    const all = { left: 0, top: 0, right: 2000, bottom: 3000 };
    expect(focusOn(all, PAGE, STAGE).scale).toBe(wholeView(PAGE, STAGE).scale);
  });
});
