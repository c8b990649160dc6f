import { IMAGE_OUTCOMES, parseEnum, REASONS, WARNINGS } from "../api/labels";
import type { Batch } from "../api/recorder";

/** Selects images of a batch by status, reason and warning. */
export interface ImageFilter {
  status?: keyof typeof IMAGE_OUTCOMES;
  reason?: keyof typeof REASONS;
  warning?: keyof typeof WARNINGS;
}

/** The filter of the URL parameters; unknown values are ignored. */
export function imageFilter(search: {
  status?: string;
  reason?: string;
  warning?: string;
}): ImageFilter {
  const status = parseEnum(IMAGE_OUTCOMES, search.status);
  const reason = parseEnum(REASONS, search.reason);
  const warning = parseEnum(WARNINGS, search.warning);
  return {
    ...(status && { status }),
    ...(reason && { reason }),
    ...(warning && { warning }),
  };
}

/** Whether any filter is set. */
export function isFiltered(filter: ImageFilter): boolean {
  return Object.keys(filter).length > 0;
}

/** How many images match the filter, by the batch's counts; undefined if no count says so. */
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
