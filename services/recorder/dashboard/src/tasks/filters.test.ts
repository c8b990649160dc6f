import { expect, it } from "vitest";
import { taskFilters, taskParameters } from "./filters";

const NOW = new Date("2026-05-01T12:00:00Z");

it("invalid URL parameters are ignored", () => {
  expect(taskFilters({ status: "DONE", reason: 7, hours: "2", retried: "no", name: {} })).toEqual(
    {},
  );
});

it("the default period of the slowest tasks is a day", () => {
  const filters = taskFilters({ order: "slowest" });
  expect(taskParameters(filters, NOW)).toEqual({
    order: "slowest",
    started_from: "2026-04-30T12:00:00.000Z",
  });
});

it("filters become the API's parameters", () => {
  const filters = taskFilters({
    name: "12",
    status: "FAILURE",
    reason: "engine",
    retried: "yes",
    batch: "b-1",
  });
  expect(taskParameters(filters, NOW)).toEqual({
    task_name: "12",
    status: "FAILURE",
    reason: "engine",
    batch_id: "b-1",
    min_retries: 1,
  });
});
