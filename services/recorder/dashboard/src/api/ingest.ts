import { queryOptions, useQuery } from "@tanstack/react-query";
import createClient, { type Client } from "openapi-fetch";
import { unwrap } from "./errors";
import type { paths } from "./ingest.openapi";

export type IngestClient = Client<paths>;

/** The `initiated_by` of this page's requests. */
export const INITIATOR = "dashboard";

/** Ingest's API: it submits images, and cancels and retries batches. */
export interface Ingest {
  url: string;
  client: IngestClient;
}

/** Ingest, or why this page cannot call it. */
export type IngestState =
  | (Ingest & { unavailable?: never })
  | { unavailable: string; client?: never };

const ingestQuery = queryOptions({
  queryKey: ["dashboard.json"],
  queryFn: async ({ signal }): Promise<IngestState> => {
    const { ingest_url: url } = await unwrap<{ ingest_url: string }>(fetchSettings(signal));
    return url === ""
      ? { unavailable: NOT_CONFIGURED }
      : { url, client: createClient<paths>({ baseUrl: url }) };
  },
  staleTime: Number.POSITIVE_INFINITY,
});

const NOT_CONFIGURED =
  "The recorder does not know ingest's address: set the recorder's OCRSTREAM_INGEST_URL to it, and ingest's OCRSTREAM_ALLOWED_ORIGINS to this page's address.";
const NOT_LOADED = "The dashboard has not loaded ingest's address yet.";

/** Ingest, by the settings that the recorder serves; the page requests them once. */
export function useIngest(): IngestState {
  return useQuery(ingestQuery).data ?? { unavailable: NOT_LOADED };
}

async function fetchSettings(signal: AbortSignal) {
  const response = await fetch("/dashboard.json", { signal });
  const body: unknown = await response.json();
  return response.ok
    ? { data: body as { ingest_url: string }, response }
    : { error: body, response };
}
