import { expect, it } from "vitest";
import { letterFilters, letterParameters } from "./filters";

it("an address that makes no sense filters nothing", () => {
  expect(letterFilters({ topic: "x", reason: 1, state: "gone", batch: {}, letter: "-1" })).toEqual(
    {},
  );
});

it("open ones are listed unless told otherwise", () => {
  expect(letterParameters(letterFilters({}))).toEqual({ state: "open" });
  expect(letterParameters(letterFilters({ state: "all", batch: "7" }))).toEqual({ batch_id: "7" });
});
