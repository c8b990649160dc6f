/** The URL parameters of the task list. */

import { parseEnum, REASONS, TASK_STATUSES } from "../api/labels";
import type { TasksQuery } from "../api/recorder";

export const PERIODS_H = ["1", "24", "168"] as const;

export interface TaskFilters {
  name?: string;
  status?: keyof typeof TASK_STATUSES;
  worker?: string;
  /** A batch's id. */
  batch?: string;
  reason?: keyof typeof REASONS;
  retried?: "yes";
  order?: "slowest";
  /** Tasks started in the last so many hours; `slowest` needs such a period. */
  hours?: (typeof PERIODS_H)[number];
}

/** The filters of the URL parameters; invalid values are ignored. */
export function taskFilters(search: Record<string, unknown>): TaskFilters {
  const filters: TaskFilters = {};
  const name = text(search.name);
  if (name) filters.name = name;
  const status = parseEnum(TASK_STATUSES, search.status);
  if (status) filters.status = status;
  const worker = text(search.worker);
  if (worker) filters.worker = worker;
  const batch = text(search.batch);
  if (batch) filters.batch = batch;
  const reason = parseEnum(REASONS, search.reason);
  if (reason) filters.reason = reason;
  if (search.retried === "yes") filters.retried = "yes";
  if (search.order === "slowest") filters.order = "slowest";
  const hours = PERIODS_H.find((one) => one === search.hours);
  if (hours) filters.hours = hours;
  if (filters.order && !filters.hours) filters.hours = "24";
  return filters;
}

/** The filters as parameters of the read API. */
export function taskParameters(filters: TaskFilters, now: Date): TasksQuery {
  const { name, status, worker, batch, reason, retried, order, hours } = filters;
  return {
    ...(name && { task_name: name }),
    ...(status && { status }),
    ...(worker && { worker }),
    ...(batch && { batch_id: batch }),
    ...(reason && { reason }),
    ...(retried && { min_retries: 1 }),
    ...(order && { order }),
    ...(hours && { started_from: hoursBefore(now, Number(hours)) }),
  };
}

/** The time some hours before `now`, in ISO 8601. */
export function hoursBefore(now: Date, hours: number): string {
  return new Date(now.getTime() - hours * 3_600_000).toISOString();
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 255) : "";
}
