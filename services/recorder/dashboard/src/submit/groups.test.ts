import { describe, expect, it } from "vitest";
import { groupFiles, namedFileIndexes, splitGroup } from "./groups";

const MIB = 1024 * 1024;

describe("groupFiles", () => {
  it("keeps the order, and puts no more than 50 files or 64 MiB in one", () => {
    const small = Array.from({ length: 51 }, (_, index) => ({ index, size: 1 }));
    expect(groupFiles(small).map((group) => group.length)).toEqual([50, 1]);
    expect(groupFiles(small).flat()).toEqual(small);
    const large = [{ size: 40 * MIB }, { size: 24 * MIB }, { size: 1 }, { size: 200 * MIB }];
    expect(groupFiles(large)).toEqual([large.slice(0, 2), large.slice(2, 3), large.slice(3)]);
  });

  it("makes no group of nothing", () => expect(groupFiles([])).toEqual([]));
});

describe("splitGroup", () => {
  it("puts the named files alone, and keeps the others together in their order", () => {
    expect(splitGroup(["a", "b", "c", "d"], new Set([2]))).toEqual([["a", "b"], ["c"], ["d"]]);
    expect(splitGroup(["a", "b"], new Set([0]))).toEqual([["a"], ["b"]]);
  });

  it("halves where none is named, and ends at one file", () => {
    expect(splitGroup(["a", "b", "c"], new Set())).toEqual([["a", "b"], ["c"]]);
    expect(splitGroup(["a"], new Set([0]))).toEqual([]);
  });
});

it("namedFileIndexes reads the places of files, and nothing else", () => {
  const errors = [{ pointer: "#/files/3" }, { pointer: "#/files" }, { pointer: "#/options" }, null];
  expect(namedFileIndexes(errors)).toEqual(new Set([3]));
  expect(namedFileIndexes(undefined)).toEqual(new Set());
});
