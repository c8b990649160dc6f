import { describe, expect, it } from "vitest";
import { groupFiles, namedFileIndexes, splitGroup } from "./groups";

const MIB = 1024 * 1024;

describe("groupFiles", () => {
  it("keeps the order, with at most 50 files or 64 MiB in a group", () => {
    const small = Array.from({ length: 51 }, (_, index) => ({ index, size: 1 }));
    expect(groupFiles(small).map((group) => group.length)).toEqual([50, 1]);
    expect(groupFiles(small).flat()).toEqual(small);
    const large = [{ size: 40 * MIB }, { size: 24 * MIB }, { size: 1 }, { size: 200 * MIB }];
    expect(groupFiles(large)).toEqual([large.slice(0, 2), large.slice(2, 3), large.slice(3)]);
  });

  it("makes no group without files", () => expect(groupFiles([])).toEqual([]));
});

describe("splitGroup", () => {
  it("puts each named file alone, and keeps the others together in order", () => {
    expect(splitGroup(["a", "b", "c", "d"], new Set([2]))).toEqual([["a", "b"], ["c"], ["d"]]);
    expect(splitGroup(["a", "b"], new Set([0]))).toEqual([["a"], ["b"]]);
  });

  it("halves the group if no file is named, and splits no single file", () => {
    expect(splitGroup(["a", "b", "c"], new Set())).toEqual([["a", "b"], ["c"]]);
    expect(splitGroup(["a"], new Set([0]))).toEqual([]);
  });
});

it("namedFileIndexes reads the indexes of files only", () => {
  const errors = [{ pointer: "#/files/3" }, { pointer: "#/files" }, { pointer: "#/options" }, null];
  expect(namedFileIndexes(errors)).toEqual(new Set([3]));
  expect(namedFileIndexes(undefined)).toEqual(new Set());
});
