import { describe, expect, it } from "vitest";
import { boxesOfLink, linkOfBoxes } from "./boxLinks";

function box(left: number, top: number, right: number, bottom: number) {
  const bbox = [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
  return { text: "a", confidence: 1, bbox };
}

const BOXES = [box(10, 10, 110, 30), box(10.4, 40.2, 110, 60), box(10, 41, 110, 61)];

describe("links to boxes", () => {
  it("identify boxes by their bounds", () => {
    expect(linkOfBoxes(BOXES.slice(0, 2))).toBe("10,10,110,30;10,40,110,60");
    for (const [index, one] of BOXES.entries()) {
      expect([...boxesOfLink(linkOfBoxes([one]), BOXES)]).toEqual([index]);
    }
    expect([...boxesOfLink(linkOfBoxes(BOXES), BOXES)]).toEqual([0, 1, 2]);
  });

  it("find a box that another result version has moved a little", () => {
    expect([...boxesOfLink("12,9,108,31", BOXES)]).toEqual([0]);
  });

  it("leave out boxes that do not exist", () => {
    expect([...boxesOfLink("500,500,600,520", BOXES)]).toEqual([]);
    expect([...boxesOfLink("10,10,110,30;500,500,600,520", BOXES)]).toEqual([0]);
  });

  it("ignore invalid links", () => {
    for (const text of ["", ";", "a,b,c,d", "1,2,3", "1,2,3,NaN"]) {
      expect(boxesOfLink(text, BOXES).size).toBe(0);
    }
  });
});
