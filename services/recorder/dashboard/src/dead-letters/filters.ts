/** Which dead letters are listed, and which is looked at, as the address of the page tells it. */

import type { DeadLettersAsked } from "../api/recorder";

export const TOPICS = [
  "images.submitted",
  "images.submitted.urgent",
  "images.submitted.gpu",
  "ocr.results",
  "tasks.lifecycle",
  "batches.commands",
] as const;
export const REASONS = ["invalid", "refused_by_database"] as const satisfies readonly NonNullable<
  DeadLettersAsked["reason"]
>[];
export const STATES = ["open", "redriven", "dropped", "all"] as const;

export interface LetterFilters {
  topic?: (typeof TOPICS)[number];
  reason?: (typeof REASONS)[number];
  /** Open ones if it is left out. */
  state?: (typeof STATES)[number];
  batch?: string;
  /** The one that is looked at. */
  letter?: string;
}

/** The filters that an address means; what it cannot mean is left out. */
export function letterFilters(search: Record<string, unknown>): LetterFilters {
  const { batch, letter } = search as { batch?: unknown; letter?: unknown };
  const filters: LetterFilters = {};
  const topic = TOPICS.find((one) => one === search.topic);
  if (topic) filters.topic = topic;
  const reason = REASONS.find((one) => one === search.reason);
  if (reason) filters.reason = reason;
  const state = STATES.find((one) => one === search.state);
  if (state && state !== "open") filters.state = state;
  if (typeof batch === "string" && batch !== "") filters.batch = batch.slice(0, 255);
  if (typeof letter === "string" && /^[1-9]\d{0,15}$/.test(letter)) filters.letter = letter;
  return filters;
}

/** The same as the API's parameters. */
export function letterParameters({
  topic,
  reason,
  state = "open",
  batch,
}: LetterFilters): DeadLettersAsked {
  return {
    ...(topic && { topic }),
    ...(reason && { reason }),
    ...(state !== "all" && { state }),
    ...(batch && { batch_id: batch }),
  };
}
