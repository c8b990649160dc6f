import { expect, it } from "vitest";
import { hexDump, parseEditedValue, prettyJson } from "./bytes";

it("hexDump shows offset, bytes and ASCII", () => {
  const base64 = btoa(`${String.fromCharCode(0, 255)}<b>abcdefghijklmn`);
  expect(hexDump(base64, 100).split("\n")).toEqual([
    "00000000  00 ff 3c 62 3e 61 62 63 64 65 66 67 68 69 6a 6b  ..<b>abcdefghijk",
    "00000010  6c 6d 6e                                         lmn",
  ]);
});

it("hexDump says how many bytes it leaves out", () => {
  expect(hexDump(btoa("abc"), 2)).toContain("… 1 more bytes");
});

it("prettyJson indents JSON, and changes nothing else", () => {
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJson("{no json")).toBe("{no json");
  expect(prettyJson('{"a":12345678901234567890}')).toBe('{"a":12345678901234567890}');
});

it("parseEditedValue accepts objects only, and says what is wrong with other values", () => {
  expect(parseEditedValue('{"a": 1}')).toEqual({ value: { a: 1 } });
  expect(parseEditedValue("[1]")).toHaveProperty("error");
  expect(parseEditedValue("{")).toHaveProperty("error");
});
