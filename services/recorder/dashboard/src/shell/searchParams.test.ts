import { expect, it } from "vitest";
import { parseSearch, stringifySearch, texts } from "./searchParams";

it("tells any text in both directions as it is", () => {
  const search = { q: 'a&b=1 "ü" +', path: "file:///data/a%20b.png", number: "123", word: "true" };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
});

it("leaves out what is empty", () => {
  expect(stringifySearch({ q: "", path: undefined })).toBe("");
});

it("takes known names alone", () => {
  expect(texts("q", "page")({ q: "x", page: "", other: "y" })).toEqual({ q: "x" });
});
