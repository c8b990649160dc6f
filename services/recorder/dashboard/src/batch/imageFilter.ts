import type { Batch } from "../api/recorder";
import { IMAGE_OUTCOMES, knownValue, REASONS, WARNINGS } from "../api/vocabulary";

/** Which images of a batch: by what became of them, why, and what speaks against their text. */
export interface ImageFilter {
  status?: keyof typeof IMAGE_OUTCOMES;
  reason?: keyof typeof REASONS;
  warning?: keyof typeof WARNINGS;
}

/** The filter that an address asks for; what is no filter counts as none. */
export function imageFilter(search: {
  status?: string;
  reason?: string;
  warning?: string;
}): ImageFilter {
  const status = knownValue(IMAGE_OUTCOMES, search.status);
  const reason = knownValue(REASONS, search.reason);
  const warning = knownValue(WARNINGS, search.warning);
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
