/**
 * A chain's tasks as bars. Each run has its own scale: a retry may come days after the first run.
 */

/** The fields of a task that the timeline needs; times are ISO 8601. */
export interface TimedTask {
  task_id: string;
  run: number;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface Bar<T> {
  task: T;
  /** When the task waited and when it ran, as shares of the run's length from 0 to 1. */
  waited: Span | null;
  worked: Span | null;
}

export interface Span {
  from: number;
  to: number;
}

export interface Run<T> {
  run: number;
  beganAt: Date;
  lengthS: number;
  bars: Bar<T>[];
}

/**
 * The runs, the latest first. A task waits from its creation by the recorder; a task that the
 * recorder created after its start has no known wait. An unfinished task lasts until `now`.
 */
export function runsOf<T extends TimedTask>(tasks: readonly T[], now: Date): Run<T>[] {
  const byRun = new Map<number, T[]>();
  for (const task of tasks) byRun.set(task.run, [...(byRun.get(task.run) ?? []), task]);
  return [...byRun]
    .sort(([one], [other]) => other - one)
    .map(([run, ofRun]) => runOf(run, ofRun, now.getTime()));
}

function runOf<T extends TimedTask>(run: number, tasks: readonly T[], now: number): Run<T> {
  const timed = tasks.map((task) => {
    const created = Date.parse(task.created_at);
    const started = task.started_at === null ? null : Date.parse(task.started_at);
    const finished = task.finished_at === null ? null : Date.parse(task.finished_at);
    return { task, created, started, finished };
  });
  const begin = Math.min(
    ...timed.map(({ created, started }) => Math.min(created, started ?? created)),
  );
  const ends = timed.map(({ created, finished }) => finished ?? Math.max(now, created));
  // Clocks differ between machines: a task may end before the run seems to begin.
  const length = Math.max(...ends.map((end) => end - begin), 1);
  const share = (moment: number) => Math.min(Math.max((moment - begin) / length, 0), 1);
  const bars = timed.map(({ task, created, started, finished }): Bar<T> => {
    const waitedUntil = started ?? finished ?? now;
    return {
      task,
      waited: created < waitedUntil ? { from: share(created), to: share(waitedUntil) } : null,
      worked: started === null ? null : { from: share(started), to: share(finished ?? now) },
    };
  });
  return { run, beganAt: new Date(begin), lengthS: length / 1000, bars };
}
