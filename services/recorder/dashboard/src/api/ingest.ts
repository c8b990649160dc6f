import { queryOptions, useQuery } from "@tanstack/react-query";
import createClient, { type Client } from "openapi-fetch";
import { answered } from "./errors";
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
export type MaybeIngest = (Ingest & { off?: never }) | { off: string; client?: never };

const ingestQuery = queryOptions({
  queryKey: ["dashboard.json"],
  queryFn: async ({ signal }): Promise<MaybeIngest> => {
    const { ingest_url: url } = await answered<{ ingest_url: string }>(settings(signal));
    return url === "" ? { off: NOT_SET } : { url, client: createClient<paths>({ baseUrl: url }) };
  },
  staleTime: Number.POSITIVE_INFINITY,
});

const NOT_SET =
  "The recorder does not know ingest's address: set the recorder's OCRSTREAM_INGEST_URL to it, and ingest's OCRSTREAM_ALLOWED_ORIGINS to this page's address.";
const NOT_KNOWN = "The dashboard has not loaded ingest's address yet.";

/** Ingest, by the settings that the recorder serves; the page requests them once. */
export function useIngest(): MaybeIngest {
  return useQuery(ingestQuery).data ?? { off: NOT_KNOWN };
}

async function settings(signal: AbortSignal) {
  const response = await fetch("/dashboard.json", { signal });
  const body: unknown = await response.json();
  return response.ok
    ? { data: body as { ingest_url: string }, response }
    : { error: body, response };
}
