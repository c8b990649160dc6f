import { queryOptions, skipToken } from "@tanstack/react-query";
import { ApiError, unwrap } from "../api/errors";
import { retryIntervalMs } from "../api/queryClient";
import { recorder } from "../api/recorder";
import type { ImageFilter } from "../batch/imageFilter";

/** How often to poll for a result that is expected. */
export const POLL_MS = 2_000;

/** The latest result of an image path, its boxes in reading order; polled while there is none. */
export function imageQuery(imagePath: string) {
  return queryOptions({
    queryKey: ["image", imagePath],
    queryFn: ({ signal }) => {
      const query = { image_path: imagePath };
      return unwrap(recorder.GET("/v1/images", { params: { query }, signal }));
    },
    refetchInterval: ({ state }) =>
      isNotFound(state.error) ? POLL_MS : retryIntervalMs(state.error),
  });
}

/** Whether the API answered 404: the recorder has no result yet. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** The latest result versions of an image; polled while a reprocessing is unfinished. */
export function resultVersionsQuery(imagePath: string) {
  return queryOptions({
    queryKey: ["result-versions", imagePath],
    queryFn: ({ signal }) => {
      const query = { image_path: imagePath, limit: 5 };
      return unwrap(recorder.GET("/v1/result-versions", { params: { query }, signal }));
    },
    refetchInterval: ({ state }) =>
      state.data?.items[0]?.new === null ? POLL_MS : retryIntervalMs(state.error),
  });
}

/** The images before and after an image of a batch, among those that the filter selects. */
export function neighboursQuery(batchId: string, chainId: string, filter: ImageFilter) {
  return queryOptions({
    queryKey: ["batch", batchId, "neighbours", chainId, filter],
    queryFn: ({ signal }) => {
      const params = { path: { batch_id: batchId }, query: { chain_id: chainId, ...filter } };
      return unwrap(recorder.GET("/v1/batches/{batch_id}/neighbours", { params, signal }));
    },
  });
}

/** A chain with its tasks; skipped while the chain id is unknown. */
export function chainQuery(chainId: string | null | undefined) {
  return queryOptions({
    queryKey: ["chain", chainId],
    queryFn: chainId
      ? ({ signal }) => {
          const path = { chain_id: chainId };
          return unwrap(recorder.GET("/v1/chains/{chain_id}", { params: { path }, signal }));
        }
      : skipToken,
  });
}
