import { expect, it } from "vitest";
import { parseSearch, stringifySearch, textParams } from "./searchParams";

it("any text survives a round trip", () => {
  const search = { q: 'a&b=1 "ü" +', path: "file:///data/a%20b.png", number: "123", word: "true" };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
});

it("leaves out empty values", () => {
  expect(stringifySearch({ q: "", path: undefined })).toBe("");
});

it("keeps known names only", () => {
  expect(textParams("q", "page")({ q: "x", page: "", other: "y" })).toEqual({ q: "x" });
});
