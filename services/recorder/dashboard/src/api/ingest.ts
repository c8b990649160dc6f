import { queryOptions, useQuery } from "@tanstack/react-query";
import createClient, { type Client } from "openapi-fetch";
import { answered } from "./errors";
import type { paths } from "./ingest.openapi";

export type IngestClient = Client<paths>;

/** Who asks, as ingest is told. */
export const INITIATOR = "dashboard";

/** Ingest, where images are submitted and batches cancelled and retried. */
export interface Ingest {
  url: string;
  client: IngestClient;
}

/** Ingest, or why there is none. */
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
  "The recorder was not told where ingest is: set OCRSTREAM_INGEST_URL, and OCRSTREAM_ALLOWED_ORIGINS of ingest to this page's address.";
const NOT_KNOWN = "Where ingest is could not be asked yet.";

/** What ingest is to this page; it is asked for once. */
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
