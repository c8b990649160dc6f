import { describe, expect, it } from "vitest";
import { EMPTY_SELECTION, range, selectOnly, toggle } from "./selection";

describe("selection", () => {
  it("has one box after a click, and none after a second click", () => {
    const one = selectOnly(EMPTY_SELECTION, 4);
    expect([...one]).toEqual([4]);
    expect(selectOnly(one, 4).size).toBe(0);
    expect([...selectOnly(new Set([4, 5]), 4)]).toEqual([4]);
  });

  it("toggles single boxes without changing the previous selection", () => {
    const before = new Set([1]);
    expect([...toggle(before, 3)]).toEqual([1, 3]);
    expect([...toggle(before, 1)]).toEqual([]);
    expect([...before]).toEqual([1]);
  });

  it("extends in both directions over visible boxes", () => {
    const odd = (index: number) => index % 2 === 1;
    expect([...range(2, 6, odd)]).toEqual([3, 5]);
    expect([...range(6, 2, odd)]).toEqual([3, 5]);
  });
});
