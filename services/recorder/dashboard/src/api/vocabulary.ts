/**
 * The contract's values in words. The compiler refuses a value that has no words here, and words for
 * a value that the contract does not know.
 */

import type { DeadLettersAsked } from "./recorder";
import type { components } from "./recorder.openapi";

type Schemas = components["schemas"];
type Words<Value extends string> = Record<Value, string>;

/** What an image can be, in the words of whoever looks at a batch. */
export const IMAGE_OUTCOMES = {
  SUCCESS: "Read",
  FAILURE: "Failed",
  REVOKED: "Revoked",
  PENDING: "Waiting",
  STARTED: "Being read",
  RETRY: "Tried again",
} as const satisfies Words<Exclude<Schemas["ProcessStatus"], "RUNNING">>;

export const TASK_STATUSES = {
  PENDING: "Pending",
  STARTED: "Started",
  RETRY: "Retry",
  SUCCESS: "Success",
  FAILURE: "Failure",
  REVOKED: "Revoked",
} as const satisfies Words<Exclude<Schemas["ProcessStatus"], "RUNNING">>;

export const BATCH_STATUSES = {
  PENDING: "Pending",
  STARTED: "Started",
  RUNNING: "Running",
  SUCCESS: "Success",
  FAILURE: "Failure",
  REVOKED: "Revoked",
} as const satisfies Words<Exclude<Schemas["ProcessStatus"], "RETRY">>;

/** Why an image was not read. */
export const REASONS = {
  no_text: "No text",
  not_found: "Not found",
  refused: "Refused",
  undecodable: "Undecodable",
  too_large: "Too large",
  engine: "Engine failed",
  timeout: "Took too long",
  revoked: "Revoked",
  dead_lettered: "Dead-lettered",
} as const satisfies Words<Schemas["Reason"]>;

/** Why what was read may be wrong. */
export const WARNINGS = {
  unreadable_script: "Script the engine cannot read",
  low_confidence: "Engine not sure",
  small_text: "Very small text",
} as const satisfies Words<Schemas["WarningCode"]>;

/** Why a record could not be applied. */
export const REJECTIONS = {
  invalid: "Invalid",
  refused_by_database: "Refused by the database",
} as const satisfies Words<NonNullable<DeadLettersAsked["reason"]>>;

export const DEAD_LETTER_STATES = {
  open: "Open",
  redriven: "Redriven",
  dropped: "Dropped",
} as const satisfies Words<NonNullable<DeadLettersAsked["state"]>>;

/** Topics whose records can become dead letters; they have no other words. */
export const TOPICS = {
  "images.submitted": "images.submitted",
  "images.submitted.urgent": "images.submitted.urgent",
  "images.submitted.gpu": "images.submitted.gpu",
  "ocr.results": "ocr.results",
  "tasks.lifecycle": "tasks.lifecycle",
  "batches.commands": "batches.commands",
} as const satisfies Words<NonNullable<DeadLettersAsked["topic"]>>;

/** What one image can be exported as. */
export const IMAGE_FORMATS = {
  txt: "Text",
  md: "Markdown",
  pdf: "Searchable PDF",
  jsonl: "JSON Lines, with boxes",
  csv: "CSV, a row for each box",
  hocr: "hOCR",
  alto: "ALTO XML",
} as const satisfies Words<Schemas["Format"]>;

/** What a batch can be exported as. */
export const BATCH_FORMATS = {
  ...IMAGE_FORMATS,
  zip: "ZIP, a file for each image",
} as const satisfies Words<Schemas["BatchFormat"]>;

/** What a select offers: all values, in the order in which they stand here. */
export function choices(words: Record<string, string>): { value: string; label: string }[] {
  return Object.entries(words).map(([value, label]) => ({ value, label }));
}

/** The value that a text of an address means, if it means one. */
export function knownValue<Value extends string>(
  words: Words<Value>,
  text: unknown,
): Value | undefined {
  return typeof text === "string" && Object.hasOwn(words, text) ? (text as Value) : undefined;
}

/** An outcome, reason or warning of an image in words; as it is if it has none. */
export function inWords(value: string): string {
  const words: Record<string, string> = { ...IMAGE_OUTCOMES, ...REASONS, ...WARNINGS };
  return words[value] ?? value;
}
