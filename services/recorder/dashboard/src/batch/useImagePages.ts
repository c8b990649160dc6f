import { keepPreviousData, queryOptions, useQueries, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { type BatchImage, recorder } from "../api/recorder";
import type { ImageFilter } from "./imageFilter";

export const PAGE_SIZE = 500;
const REFRESH_MS = 250;

/** A range of list indexes; the end is excluded. */
export interface Range {
  start: number;
  end: number;
}

interface ImageListQuery {
  batchId: string;
  filter: ImageFilter;
  /** The batch's version; pages fetched at another version may be stale. */
  version: string;
}

/**
 * The pages of a batch's images up to the end of `range`; each page's cursor comes from the page
 * before it. Visible pages are refetched when the batch's version changes.
 */
export function useImagePages(listQuery: ImageListQuery, visible: Range) {
  const client = useQueryClient();
  const cursors: (string | null)[] = [null];
  while (cursors.length * PAGE_SIZE < visible.end) {
    const cursor = cursors[cursors.length - 1] ?? null;
    const next = client.getQueryData(pageQuery(listQuery, cursor).queryKey)?.next_cursor;
    if (typeof next !== "string") {
      break;
    }
    cursors.push(next);
  }
  const pages = useQueries({
    queries: cursors.map((cursor, number) => {
      const inSight = number * PAGE_SIZE < visible.end && (number + 1) * PAGE_SIZE > visible.start;
      return {
        ...pageQuery(listQuery, cursor),
        placeholderData: keepPreviousData,
        staleTime: Number.POSITIVE_INFINITY,
        refetchInterval: (query: { state: { data?: ImagePage | undefined } }) =>
          inSight && query.state.data?.version !== listQuery.version && REFRESH_MS,
      };
    }),
  });
  const last = pages[pages.length - 1];
  return {
    images: pages.flatMap((page) => page.data?.items ?? []),
    /** Whether the batch has more images than these. */
    more: last?.data === undefined || last.data.next_cursor !== null,
    error: pages.find((page) => page.error !== null)?.error ?? null,
    retry: () => Promise.all(pages.filter((page) => page.isError).map((page) => page.refetch())),
  };
}

interface ImagePage {
  items: BatchImage[];
  next_cursor: string | null;
  version: string;
}

function pageQuery({ batchId, filter, version }: ImageListQuery, cursor: string | null) {
  return queryOptions({
    queryKey: ["batch", batchId, "images", filter, cursor] as const,
    queryFn: async ({ signal }): Promise<ImagePage> => {
      const page = await unwrap(
        recorder.GET("/v1/batches/{batch_id}/images", {
          params: { path: { batch_id: batchId }, query: { ...filter, cursor, limit: PAGE_SIZE } },
          signal,
        }),
      );
      return { ...page, version };
    },
  });
}
