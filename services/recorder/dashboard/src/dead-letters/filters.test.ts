import { expect, it } from "vitest";
import { letterFilters, letterParameters } from "./filters";

it("invalid URL parameters are ignored", () => {
  expect(letterFilters({ topic: "x", reason: 1, state: "gone", batch: {}, letter: "-1" })).toEqual(
    {},
  );
});

it("the default state is open", () => {
  expect(letterParameters(letterFilters({}))).toEqual({ state: "open" });
  expect(letterParameters(letterFilters({ state: "all", batch: "7" }))).toEqual({ batch_id: "7" });
});
