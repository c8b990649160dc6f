import { expect, it } from "vitest";
import { runsOf } from "./timeline";

const NOW = new Date("2026-05-01T12:10:00Z");

function task(run: number, created: string, started: string | null, finished: string | null) {
  const at = (time: string) => `2026-05-01T${time}Z`;
  return {
    task_id: `${run}-${created}`,
    run,
    created_at: at(created),
    started_at: started && at(started),
    finished_at: finished && at(finished),
  };
}

it("a task waits until it starts, then works until it ends", () => {
  const [run] = runsOf([task(1, "12:00:00", "12:00:10", "12:00:40")], NOW);
  expect(run?.lengthS).toBe(40);
  expect(run?.bars[0]?.waited).toEqual({ from: 0, to: 0.25 });
  expect(run?.bars[0]?.worked).toEqual({ from: 0.25, to: 1 });
});

it("each run has its own scale, the latest first", () => {
  const runs = runsOf(
    [task(1, "12:00:00", "12:00:00", "12:00:04"), task(2, "12:05:00", "12:05:00", "12:05:01")],
    NOW,
  );
  expect(runs.map((one) => [one.run, one.lengthS])).toEqual([
    [2, 1],
    [1, 4],
  ]);
});

it("a task created after its start has no known wait", () => {
  const [run] = runsOf([task(1, "12:00:20", "12:00:10", "12:00:20")], NOW);
  expect(run?.bars[0]?.waited).toBeNull();
  expect(run?.bars[0]?.worked).toEqual({ from: 0, to: 1 });
});

it("a task without a start waits until now, and one without an end runs until now", () => {
  const [run] = runsOf(
    [task(1, "12:00:00", null, null), task(1, "12:05:00", "12:05:00", null)],
    NOW,
  );
  expect(run?.bars[0]).toMatchObject({ waited: { from: 0, to: 1 }, worked: null });
  expect(run?.bars[1]).toMatchObject({ waited: null, worked: { from: 0.5, to: 1 } });
});

it("clock differences draw no bar outside of the scale", () => {
  const [run] = runsOf([task(1, "12:00:10", "12:00:10", "12:00:00")], NOW);
  expect(run?.bars[0]?.worked).toEqual({ from: 0, to: 0 });
});
