import type { Batch } from "../api/recorder";

/** Which images of a batch: by what became of them, and why. */
export interface ImageFilter {
  status?: Status;
  reason?: Reason;
}

export type Status = (typeof STATUSES)[number]["value"];
export type Reason = (typeof REASONS)[number]["value"];

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

/** The filter that an address asks for; what is no filter counts as none. */
export function imageFilter(search: { status?: string; reason?: string }): ImageFilter {
  const status = STATUSES.find(({ value }) => value === search.status)?.value;
  const reason = REASONS.find(({ value }) => value === search.reason)?.value;
  return { ...(status && { status }), ...(reason && { reason }) };
}

/** A status or reason in words; as it is if it has none. */
export function inWords(value: string): string {
  return [...STATUSES, ...REASONS].find((one) => one.value === value)?.label ?? value;
}

/** How many images the filter finds as far as the batch's counts tell; undefined if they do not. */
export function expectedCount(
  filter: ImageFilter,
  batch: Pick<Batch, "seen_images" | "completed_images" | "failed_images">,
): number | undefined {
  if (filter.reason !== undefined) {
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
