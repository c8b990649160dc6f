import { describe, expect, it } from "vitest";
import { bandCounts, bandOf, percent } from "./confidence";

const box = (confidence: number) => ({ text: "a", confidence, bbox: [] });

describe("bands", () => {
  it("include their lower bound", () => {
    expect([1, 0.95, 0.9499, 0.8, 0.7999, 0].map((one) => bandOf(one).name)).toEqual([
      "high",
      "high",
      "medium",
      "medium",
      "low",
      "low",
    ]);
  });

  it("are counted in order", () => {
    expect(bandCounts([box(0.99), box(0.1), box(0.85), box(0.2)])).toEqual([1, 1, 2]);
  });
});

describe("percent", () => {
  it("rounds down", () => {
    expect([0, 0.29, 0.999, 1].map(percent)).toEqual(["0 %", "29 %", "99 %", "100 %"]);
  });
});
