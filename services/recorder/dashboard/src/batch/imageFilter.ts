import type { Batch } from "../api/recorder";

/** Which images of a batch: by what became of them, why, and what speaks against their text. */
export interface ImageFilter {
  status?: Status;
  reason?: Reason;
  warning?: Warning;
}

export type Status = (typeof STATUSES)[number]["value"];
export type Reason = (typeof REASONS)[number]["value"];
export type Warning = (typeof WARNINGS)[number]["value"];

/** What an image can be, in the words of whoever looks at a batch. */
export const STATUSES = [
  { value: "SUCCESS", label: "Read" },
  { value: "FAILURE", label: "Failed" },
  { value: "REVOKED", label: "Revoked" },
  { value: "PENDING", label: "Waiting" },
  { value: "STARTED", label: "Being read" },
  { value: "RETRY", label: "Tried again" },
] as const;

/** Why an image was not read. */
export const REASONS = [
  { value: "no_text", label: "No text" },
  { value: "not_found", label: "Not found" },
  { value: "refused", label: "Refused" },
  { value: "undecodable", label: "Undecodable" },
  { value: "too_large", label: "Too large" },
  { value: "engine", label: "Engine failed" },
  { value: "timeout", label: "Took too long" },
  { value: "revoked", label: "Revoked" },
  { value: "dead_lettered", label: "Dead-lettered" },
] as const;

/** Why what was read may be wrong. */
export const WARNINGS = [
  { value: "unreadable_script", label: "Script the engine cannot read" },
  { value: "low_confidence", label: "Engine not sure" },
  { value: "small_text", label: "Very small text" },
] as const;

/** The filter that an address asks for; what is no filter counts as none. */
export function imageFilter(search: {
  status?: string;
  reason?: string;
  warning?: string;
}): ImageFilter {
  const status = STATUSES.find(({ value }) => value === search.status)?.value;
  const reason = REASONS.find(({ value }) => value === search.reason)?.value;
  const warning = WARNINGS.find(({ value }) => value === search.warning)?.value;
  return {
    ...(status && { status }),
    ...(reason && { reason }),
    ...(warning && { warning }),
  };
}

/** Whether the filter leaves any image out. */
export function isNarrowed(filter: ImageFilter): boolean {
  return Object.keys(filter).length > 0;
}

/** A status, reason or warning in words; as it is if it has none. */
export function inWords(value: string): string {
  return [...STATUSES, ...REASONS, ...WARNINGS].find((one) => one.value === value)?.label ?? value;
}

/** How many images the filter finds as far as the batch's counts tell; undefined if they do not. */
export function expectedCount(
  filter: ImageFilter,
  batch: Pick<Batch, "seen_images" | "completed_images" | "failed_images">,
): number | undefined {
  if (filter.reason !== undefined || filter.warning !== undefined) {
    return undefined;
  }
  switch (filter.status) {
    case undefined:
      return batch.seen_images;
    case "SUCCESS":
      return batch.completed_images;
    case "FAILURE":
      return batch.failed_images;
    default:
      return undefined;
  }
}
