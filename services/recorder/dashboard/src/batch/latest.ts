import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { answered } from "../api/errors";
import { type Batch, recorder } from "../api/recorder";
import type { BatchProgress } from "../api/useBatchEvents";

/**
 * A batch by the read API; refetched when an event changes its status, revision, run or total. A
 * failed refetch keeps the previous data.
 */
export function useBatch(batchId: string, progress: BatchProgress | undefined) {
  const row = useQuery({
    queryKey: ["batch", batchId, "row"],
    queryFn: ({ signal }) =>
      answered(
        recorder.GET("/v1/batches/{batch_id}", { params: { path: { batch_id: batchId } }, signal }),
      ),
  });
  const { refetch } = row;
  const told =
    progress && [progress.status, progress.revision, progress.run, progress.total_images].join(":");
  useEffect(() => {
    if (told !== undefined) {
      refetch();
    }
  }, [told, refetch]);
  return row;
}

/** The batch, updated by its latest event. */
export function latest(row: Batch, progress: BatchProgress | undefined): Batch {
  if (progress === undefined) {
    return row;
  }
  const { ended: _ended, images_per_s: _rate, eta_s: _eta, ...told } = progress;
  return { ...row, ...told };
}

/** A string that changes whenever the batch or one of its images changes. */
export function versionOf(batch: Batch): string {
  return [
    batch.status,
    batch.revision,
    batch.run,
    batch.seen_images,
    batch.completed_images,
    batch.failed_images,
    batch.revoked_images,
  ].join(":");
}
