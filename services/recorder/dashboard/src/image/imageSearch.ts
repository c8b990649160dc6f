import { textParams } from "../shell/searchParams";

/**
 * The URL parameters of an image's page. `batch`, `chain` and the filters tell the list that the
 * page was opened from, and its place there.
 */
export const imageSearch = textParams(
  "path",
  "box",
  "q",
  "batch",
  "chain",
  "status",
  "reason",
  "warning",
  "name",
);
