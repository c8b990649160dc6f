import { describe, expect, it } from "vitest";
import { diffLines } from "./diff";

const written = (before: string, after: string) =>
  diffLines(before, after).map(
    ({ kind, line }) => `${{ both: " ", old: "-", new: "+" }[kind]}${line}`,
  );

describe("diffLines", () => {
  it("keeps what both have, and tells old before new", () => {
    expect(written("Invoice\nTota1\n12.00", "Invoice\nTotal\n12.00")).toEqual([
      " Invoice",
      "-Tota1",
      "+Total",
      " 12.00",
    ]);
  });

  it("has all of one text if the other is empty", () => {
    expect(written("a\nb", "")).toEqual(["-a", "-b"]);
    expect(written("", "a\nb")).toEqual(["+a", "+b"]);
    expect(written("", "")).toEqual([]);
  });

  it("changes as little as it can", () => {
    expect(written("a\nb\nc\nd", "b\nc\nx\nd")).toEqual(["-a", " b", " c", "+x", " d"]);
  });
});
