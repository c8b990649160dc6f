/**
 * Labels of the API's enum values. The compiler rejects a value without a label, and a label of an
 * unknown value.
 */

import type { DeadLettersQuery } from "./recorder";
import type { components } from "./recorder.openapi";

type Schemas = components["schemas"];
type Labels<Value extends string> = Record<Value, string>;

/** Image statuses, as a batch's page names them. */
export const IMAGE_OUTCOMES = {
  SUCCESS: "Read",
  FAILURE: "Failed",
  REVOKED: "Revoked",
  PENDING: "Waiting",
  STARTED: "Being read",
  RETRY: "Retrying",
} as const satisfies Labels<Exclude<Schemas["ProcessStatus"], "RUNNING">>;

export const TASK_STATUSES = {
  PENDING: "Pending",
  STARTED: "Started",
  RETRY: "Retry",
  SUCCESS: "Success",
  FAILURE: "Failure",
  REVOKED: "Revoked",
} as const satisfies Labels<Exclude<Schemas["ProcessStatus"], "RUNNING">>;

export const BATCH_STATUSES = {
  PENDING: "Pending",
  STARTED: "Started",
  RUNNING: "Running",
  SUCCESS: "Success",
  FAILURE: "Failure",
  REVOKED: "Revoked",
} as const satisfies Labels<Exclude<Schemas["ProcessStatus"], "RETRY">>;

/** Reasons of a failed or revoked image. */
export const REASONS = {
  no_text: "No text",
  not_found: "Not found",
  refused: "Refused",
  undecodable: "Undecodable",
  too_large: "Too large",
  engine: "Engine failed",
  timeout: "Timeout",
  revoked: "Revoked",
  dead_lettered: "Dead-lettered",
} as const satisfies Labels<Schemas["Reason"]>;

/** Warnings about a successful result. */
export const WARNINGS = {
  unreadable_script: "Script not supported by the engine",
  low_confidence: "Low confidence",
  small_text: "Very small text",
  reduced_resolution: "Reduced resolution",
} as const satisfies Labels<Schemas["WarningCode"]>;

/** Reasons of a dead letter. */
export const REJECTIONS = {
  invalid: "Invalid",
  refused_by_database: "Refused by the database",
} as const satisfies Labels<NonNullable<DeadLettersQuery["reason"]>>;

export const DEAD_LETTER_STATES = {
  open: "Open",
  redriven: "Redriven",
  dropped: "Dropped",
} as const satisfies Labels<NonNullable<DeadLettersQuery["state"]>>;

/** Topics whose records can become dead letters; the labels are the names. */
export const TOPICS = {
  "images.submitted": "images.submitted",
  "images.submitted.urgent": "images.submitted.urgent",
  "images.submitted.gpu": "images.submitted.gpu",
  "ocr.results": "ocr.results",
  "tasks.lifecycle": "tasks.lifecycle",
  "batches.commands": "batches.commands",
} as const satisfies Labels<NonNullable<DeadLettersQuery["topic"]>>;

/** Export formats of an image. */
export const IMAGE_FORMATS = {
  txt: "Text",
  md: "Markdown",
  pdf: "Searchable PDF",
  jsonl: "JSON Lines, with boxes",
  csv: "CSV, a row for each box",
  hocr: "hOCR",
  alto: "ALTO XML",
} as const satisfies Labels<Schemas["Format"]>;

/** Export formats of a batch. */
export const BATCH_FORMATS = {
  ...IMAGE_FORMATS,
  zip: "ZIP, a file for each image",
} as const satisfies Labels<Schemas["BatchFormat"]>;

/** The options of a select, in the order of the labels. */
export function selectOptions(labels: Record<string, string>): { value: string; label: string }[] {
  return Object.entries(labels).map(([value, label]) => ({ value, label }));
}

/** The URL parameter as an enum value; undefined if it is none. */
export function parseEnum<Value extends string>(
  labels: Labels<Value>,
  text: unknown,
): Value | undefined {
  return typeof text === "string" && Object.hasOwn(labels, text) ? (text as Value) : undefined;
}

/** The label of an image's status, reason or warning; the value itself if it has none. */
export function labelOf(value: string): string {
  const labels: Record<string, string> = { ...IMAGE_OUTCOMES, ...REASONS, ...WARNINGS };
  return labels[value] ?? value;
}
