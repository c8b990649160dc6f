import type { Batch } from "../api/recorder";
import { count } from "../shell/format";
import { hasEnded } from "../shell/StatusBadge";

type Outcome = Pick<
  Batch,
  "status" | "total_images" | "completed_images" | "failed_images" | "revoked_images"
>;

/** How many images an ended batch read and how many not; undefined if it read all, or goes on. */
export function partialOutcome(batch: Outcome): string | undefined {
  const { completed_images: read, failed_images: failed, revoked_images: revoked } = batch;
  if (!hasEnded(batch.status) || failed + revoked === 0) return undefined;
  const parts = [`${count(read)} of ${count(batch.total_images)} read`];
  if (failed > 0) parts.push(`${count(failed)} failed`);
  if (revoked > 0) parts.push(`${count(revoked)} revoked`);
  return parts.join(", ");
}
