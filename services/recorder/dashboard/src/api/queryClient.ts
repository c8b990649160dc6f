import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./errors";

const TRIES = 3;

/** Answers of the APIs; what passes by itself is asked again some times. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failed, error) => error instanceof ApiError && error.passes && failed < TRIES,
      staleTime: 1_000,
    },
  },
});
