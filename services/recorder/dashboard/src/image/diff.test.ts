import { describe, expect, it } from "vitest";
import { diffLines } from "./diff";

const written = (before: string, after: string) =>
  diffLines(before, after).map(
    ({ kind, line }) => `${{ both: " ", old: "-", new: "+" }[kind]}${line}`,
  );

describe("diffLines", () => {
  it("keeps common lines, and puts old lines before new ones", () => {
    expect(written("Invoice\nTota1\n12.00", "Invoice\nTotal\n12.00")).toEqual([
      " Invoice",
      "-Tota1",
      "+Total",
      " 12.00",
    ]);
  });

  it("has all lines of one text if the other is empty", () => {
    expect(written("a\nb", "")).toEqual(["-a", "-b"]);
    expect(written("", "a\nb")).toEqual(["+a", "+b"]);
    expect(written("", "")).toEqual([]);
  });

  it("makes the fewest changes", () => {
    expect(written("a\nb\nc\nd", "b\nc\nx\nd")).toEqual(["-a", " b", " c", "+x", " d"]);
  });
});
