import { describe, expect, it } from "vitest";
import { textOf } from "./text";

function box(text: string, left: number, top: number, height = 20) {
  const bbox = [
    [left, top],
    [left + 50, top],
    [left + 50, top + height],
    [left, top + height],
  ];
  return { text, confidence: 1, bbox };
}

describe("text", () => {
  it("has the lines of the picture", () => {
    const boxes = [box("Total", 0, 0), box("12,000", 200, 4), box("합계", 0, 30)];
    expect(textOf(boxes)).toBe("Total 12,000\n합계");
  });

  it("does not join lines on a slope", () => {
    const boxes = [box("a", 0, 0), box("b", 60, 8), box("c", 120, 16)];
    expect(textOf(boxes)).toBe("a b\nc");
  });

  it("joins Chinese and Japanese without blanks where there is no room for a character", () => {
    const boxes = [box("請求", 0, 0), box("書、", 55, 0), box("カナ", 110, 0), box("金額", 190, 0)];
    expect(textOf(boxes)).toBe("請求書、カナ 金額");
    expect(textOf([box("합계", 0, 0), box("금액", 55, 0)])).toBe("합계 금액");
    expect(textOf([box("請求書", 0, 0), box("A4", 55, 0)])).toBe("請求書 A4");
  });

  it("starts a new line for a box below a line's centre", () => {
    expect(textOf([box("large", 0, 0), box("small", 60, 12, 10)])).toBe("large\nsmall");
  });

  it("is empty without boxes", () => {
    expect(textOf([])).toBe("");
  });
});
