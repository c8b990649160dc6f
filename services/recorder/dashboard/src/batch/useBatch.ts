import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { unwrap } from "../api/errors";
import { type Batch, recorder } from "../api/recorder";
import type { BatchProgress } from "../api/useBatchEvents";

/**
 * A batch by the read API; refetched when an event changes its status, revision, run or total. A
 * failed refetch keeps the previous data.
 */
export function useBatch(batchId: string, progress: BatchProgress | undefined) {
  const row = useQuery(batchQuery(batchId));
  const { refetch } = row;
  const eventKey =
    progress && [progress.status, progress.revision, progress.run, progress.total_images].join(":");
  useEffect(() => {
    if (eventKey !== undefined) {
      refetch();
    }
  }, [eventKey, refetch]);
  return row;
}

/** A batch by the read API. */
export function batchQuery(batchId: string) {
  return queryOptions({
    queryKey: ["batch", batchId, "row"],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/batches/{batch_id}", { params: { path: { batch_id: batchId } }, signal }),
      ),
  });
}

/** The batch, updated by its latest event. */
export function withProgress(row: Batch, progress: BatchProgress | undefined): Batch {
  if (progress === undefined) {
    return row;
  }
  const { ended: _ended, images_per_s: _rate, eta_s: _eta, ...changed } = progress;
  return { ...row, ...changed };
}

/** A string that changes whenever the batch or one of its images changes. */
export function batchVersion(batch: Batch): string {
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
