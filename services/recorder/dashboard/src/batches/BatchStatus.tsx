import type { Batch } from "../api/recorder";
import { StatusBadge } from "../shell/StatusBadge";
import { partialOutcome } from "./outcome";

/** A batch's status; its colour is that of a warning if the batch read some of its images. */
export function BatchStatus({ batch }: { batch: Batch }) {
  const isPartial = partialOutcome(batch) !== undefined && batch.completed_images > 0;
  return <StatusBadge status={batch.status} {...(isPartial && { color: "yellow" })} />;
}
