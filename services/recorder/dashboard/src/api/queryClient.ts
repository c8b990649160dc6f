import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const TRIES = 3;
const PAUSE_MS = 1_000;
const LONGER_PAUSE_MS = 3_000;

const passes = (error: Error | null) => error instanceof ApiError && error.passes;

/** Milliseconds until what failed is asked again by itself, if that may help. */
export function pauseAfter(error: Error | null): number | false {
  return passes(error) && LONGER_PAUSE_MS;
}

/**
 * Answers of the APIs. What passes by itself is asked again: a few times before the page says that
 * it failed, and then until it succeeds. A query with an interval of its own says so there.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failed, error) => passes(error) && failed < TRIES,
      retryDelay: PAUSE_MS,
      refetchInterval: ({ state }) => pauseAfter(state.error),
      staleTime: 1_000,
    },
  },
});
