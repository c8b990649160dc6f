import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const TRIES = 3;
const PAUSE_MS = 1_000;

/** Answers of the APIs; what passes by itself is asked again some times. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failed, error) => error instanceof ApiError && error.passes && failed < TRIES,
      retryDelay: PAUSE_MS,
      staleTime: 1_000,
    },
  },
});
