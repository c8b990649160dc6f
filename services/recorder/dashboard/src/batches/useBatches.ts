import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { recorder } from "../api/recorder";
import type { BatchFilter } from "./batchFilter";

const PAGE_SIZE = 50;
const REFRESH_MS = 750;

/**
 * Batches, the newest first. Pages are refetched one request at a time; an unchanged page is
 * answered 304, without a body.
 */
export function useBatches(filter: BatchFilter) {
  return useInfiniteQuery({
    queryKey: ["batches", filter],
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        recorder.GET("/v1/batches", {
          params: { query: { ...filter, cursor: pageParam, limit: PAGE_SIZE } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: (query) => REFRESH_MS * Math.max(1, query.state.data?.pages.length ?? 1),
    placeholderData: keepPreviousData,
  });
}
