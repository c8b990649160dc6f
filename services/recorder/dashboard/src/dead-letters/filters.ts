/** The URL parameters of the dead letters' page. */

import { DEAD_LETTER_STATES, parseEnum, REJECTIONS, TOPICS } from "../api/labels";
import type { DeadLettersQuery } from "../api/recorder";

/** Options of the state filter: the API's states, and all. */
export const STATES = { ...DEAD_LETTER_STATES, all: "All" } as const;

export interface DeadLetterFilters {
  topic?: keyof typeof TOPICS;
  reason?: keyof typeof REJECTIONS;
  /** Default: open. */
  state?: keyof typeof STATES;
  batch?: string;
  /** The dead letter that the drawer shows. */
  letter?: string;
}

/** The filters of the URL parameters; invalid values are ignored. */
export function deadLetterFilters(search: Record<string, unknown>): DeadLetterFilters {
  const { batch, letter } = search as { batch?: unknown; letter?: unknown };
  const filters: DeadLetterFilters = {};
  const topic = parseEnum(TOPICS, search.topic);
  if (topic) filters.topic = topic;
  const reason = parseEnum(REJECTIONS, search.reason);
  if (reason) filters.reason = reason;
  const state = parseEnum(STATES, search.state);
  if (state && state !== "open") filters.state = state;
  if (typeof batch === "string" && batch !== "") filters.batch = batch.slice(0, 255);
  if (typeof letter === "string" && /^[1-9]\d{0,15}$/.test(letter)) filters.letter = letter;
  return filters;
}

/** The filters as parameters of the read API. */
export function deadLetterParameters({
  topic,
  reason,
  state = "open",
  batch,
}: DeadLetterFilters): DeadLettersQuery {
  return {
    ...(topic && { topic }),
    ...(reason && { reason }),
    ...(state !== "all" && { state }),
    ...(batch && { batch_id: batch }),
  };
}
