import { infiniteQueryOptions } from "@tanstack/react-query";
import { answered } from "../api/errors";
import { recorder } from "../api/recorder";

const HITS = 20;

/** What a search is: it stands in the page's address. */
export interface SearchOf {
  q: string;
  mode: "substring" | "word";
  /** Only images of this batch. */
  batch: string | undefined;
}

/** The images that a search finds, newest first, page by page. */
export function searchQuery({ q, mode, batch }: SearchOf) {
  return infiniteQueryOptions({
    queryKey: ["search", q, mode, batch],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        q,
        mode,
        limit: HITS,
        ...(batch !== undefined && { batch_id: batch }),
        ...(pageParam !== null && { cursor: pageParam }),
      };
      return answered(recorder.GET("/v1/search", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
}
