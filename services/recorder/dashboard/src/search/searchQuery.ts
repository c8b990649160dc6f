import { infiniteQueryOptions } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { recorder } from "../api/recorder";

const PAGE_SIZE = 20;

/** A search, as the page's URL parameters give it. */
export interface SearchParams {
  q: string;
  mode: "substring" | "word";
  /** Limits the search to this batch. */
  batch: string | undefined;
}

/** The hits of a search, newest first, page by page. */
export function searchQuery({ q, mode, batch }: SearchParams) {
  return infiniteQueryOptions({
    queryKey: ["search", q, mode, batch],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        q,
        mode,
        limit: PAGE_SIZE,
        ...(batch !== undefined && { batch_id: batch }),
        ...(pageParam !== null && { cursor: pageParam }),
      };
      return unwrap(recorder.GET("/v1/search", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
}
