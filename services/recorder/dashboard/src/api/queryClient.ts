import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const MAX_RETRIES = 3;
const RETRY_DELAY_MS = 1_000;
const REFETCH_AFTER_ERROR_MS = 3_000;

const isRetryable = (error: Error | null) => error instanceof ApiError && error.retryable;

/** Milliseconds until a failed query is refetched; false if the error is not retryable. */
export function retryIntervalMs(error: Error | null): number | false {
  return isRetryable(error) && REFETCH_AFTER_ERROR_MS;
}

/**
 * Caches the APIs' responses. After a retryable error a query retries a few times, then shows the
 * error and refetches until it succeeds. A query with its own `refetchInterval` overrides this.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failed, error) => isRetryable(error) && failed < MAX_RETRIES,
      retryDelay: RETRY_DELAY_MS,
      refetchInterval: ({ state }) => retryIntervalMs(state.error),
      staleTime: 1_000,
    },
  },
});
