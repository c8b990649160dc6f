import { expect, it } from "vitest";
import { deadLetterFilters, deadLetterParameters } from "./filters";

it("invalid URL parameters are ignored", () => {
  expect(
    deadLetterFilters({ topic: "x", reason: 1, state: "gone", batch: {}, letter: "-1" }),
  ).toEqual({});
});

it("the default state is open", () => {
  expect(deadLetterParameters(deadLetterFilters({}))).toEqual({ state: "open" });
  expect(deadLetterParameters(deadLetterFilters({ state: "all", batch: "7" }))).toEqual({
    batch_id: "7",
  });
});
