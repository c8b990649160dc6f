import { queryOptions, skipToken } from "@tanstack/react-query";
import { ApiError, answered } from "../api/errors";
import { pauseAfter } from "../api/queryClient";
import { recorder } from "../api/recorder";

/** How long to wait for what is on its way. */
export const SOON_MS = 2_000;

/** The newest result of a path, its boxes in reading order; asked again while there is none. */
export function imageQuery(imagePath: string) {
  return queryOptions({
    queryKey: ["image", imagePath],
    queryFn: ({ signal }) => {
      const query = { image_path: imagePath };
      return answered(recorder.GET("/v1/images", { params: { query }, signal }));
    },
    refetchInterval: ({ state }) => (isUnknown(state.error) ? SOON_MS : pauseAfter(state.error)),
  });
}

/** Whether nothing has been told of it yet. */
export function isUnknown(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** The last times that an image was reprocessed; asked again while one goes on. */
export function resultVersionsQuery(imagePath: string) {
  return queryOptions({
    queryKey: ["result-versions", imagePath],
    queryFn: ({ signal }) => {
      const query = { image_path: imagePath, limit: 5 };
      return answered(recorder.GET("/v1/result-versions", { params: { query }, signal }));
    },
    refetchInterval: ({ state }) =>
      state.data?.items[0]?.new === null ? SOON_MS : pauseAfter(state.error),
  });
}

/** A chain with its tasks; nothing is asked while it is not known which. */
export function chainQuery(chainId: string | null | undefined) {
  return queryOptions({
    queryKey: ["chain", chainId],
    queryFn: chainId
      ? ({ signal }) => {
          const path = { chain_id: chainId };
          return answered(recorder.GET("/v1/chains/{chain_id}", { params: { path }, signal }));
        }
      : skipToken,
  });
}
