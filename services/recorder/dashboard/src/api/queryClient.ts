import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const TRIES = 3;
const PAUSE_MS = 1_000;
const LONGER_PAUSE_MS = 3_000;

const passes = (error: Error | null) => error instanceof ApiError && error.passes;

/** Milliseconds until a failed query is refetched; false if the error is not retryable. */
export function pauseAfter(error: Error | null): number | false {
  return passes(error) && LONGER_PAUSE_MS;
}

/**
 * Caches the APIs' responses. After a retryable error a query retries a few times, then shows the
 * error and refetches until it succeeds. A query with its own `refetchInterval` overrides this.
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
