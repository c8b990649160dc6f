/** Which dead letters are listed, and which is looked at, as the address of the page tells it. */

import type { DeadLettersAsked } from "../api/recorder";
import { DEAD_LETTER_STATES, knownValue, REJECTIONS, TOPICS } from "../api/vocabulary";

/** States to choose from: those of the contract, or none in particular. */
export const STATES = { ...DEAD_LETTER_STATES, all: "All" } as const;

export interface LetterFilters {
  topic?: keyof typeof TOPICS;
  reason?: keyof typeof REJECTIONS;
  /** Open ones if it is left out. */
  state?: keyof typeof STATES;
  batch?: string;
  /** The one that is looked at. */
  letter?: string;
}

/** The filters that an address means; what it cannot mean is left out. */
export function letterFilters(search: Record<string, unknown>): LetterFilters {
  const { batch, letter } = search as { batch?: unknown; letter?: unknown };
  const filters: LetterFilters = {};
  const topic = knownValue(TOPICS, search.topic);
  if (topic) filters.topic = topic;
  const reason = knownValue(REJECTIONS, search.reason);
  if (reason) filters.reason = reason;
  const state = knownValue(STATES, search.state);
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
