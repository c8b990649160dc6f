import { IMAGE_OUTCOMES, parseEnum, REASONS, WARNINGS } from "../api/labels";
import type { Batch } from "../api/recorder";

/** Selects images of a batch by status, reason, warning and a part of the name. */
export interface ImageFilter {
  status?: keyof typeof IMAGE_OUTCOMES;
  reason?: keyof typeof REASONS;
  warning?: keyof typeof WARNINGS;
  name?: string;
}

/** A batch's filtered list of images, as URL parameters of an image's page. */
export interface ImageListParams extends ImageFilter {
  batch: string;
}

/** The filter of the URL parameters; unknown values are ignored. */
export function imageFilter(search: {
  status?: string | undefined;
  reason?: string | undefined;
  warning?: string | undefined;
  name?: string | undefined;
}): ImageFilter {
  const status = parseEnum(IMAGE_OUTCOMES, search.status);
  const reason = parseEnum(REASONS, search.reason);
  const warning = parseEnum(WARNINGS, search.warning);
  return {
    ...(status && { status }),
    ...(reason && { reason }),
    ...(warning && { warning }),
    ...(search.name && { name: search.name }),
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
  if (filter.reason !== undefined || filter.warning !== undefined || filter.name !== undefined) {
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
