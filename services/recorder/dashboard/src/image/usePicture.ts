import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { networkError, toApiError } from "../api/errors";
import { pictureUrl } from "../api/pictures";
import type { Size } from "./geometry";

const STALE_TIME_MS = 300_000;

export type Picture =
  | { state: "loading" }
  | { state: "shown"; url: string; size: Size }
  | { state: "missing"; error: Error };

/**
 * The picture of a path, at most `width` pixels wide; `size` is that of the original image, as for
 * boxes.
 */
export function usePicture(imagePath: string, { width, enabled = true }: Options = {}): Picture {
  const { data, error } = useQuery({ ...pictureQuery(imagePath, width), enabled });
  const url = useObjectUrl(data?.blob);
  if (data && url) return { state: "shown", url, size: data.size };
  return error ? { state: "missing", error } : { state: "loading" };
}

interface Options {
  width?: number;
  /** Whether to request it. */
  enabled?: boolean;
}

function pictureQuery(imagePath: string, width: number | undefined) {
  return queryOptions({
    queryKey: ["picture", imagePath, width],
    // Not an <img> with this URL: it gives neither the size of the original nor the error.
    queryFn: async ({ signal }) => {
      const originalUrl = pictureUrl(imagePath);
      const url = width === undefined ? originalUrl : `${originalUrl}&width=${width}`;
      const response = await fetch(url, { signal }).catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw networkError(error);
      });
      if (!response.ok) {
        const problem: unknown = await response.json().catch(() => null);
        throw toApiError(response, problem);
      }
      const [wide, high] = ["X-Picture-Width", "X-Picture-Height"].map((name) =>
        Number(response.headers.get(name)),
      );
      return { blob: await response.blob(), size: { width: wide ?? 0, height: high ?? 0 } };
    },
    staleTime: STALE_TIME_MS,
  });
}

function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!blob) return;
    const objectUrl = URL.createObjectURL(blob);
    setUrl(objectUrl);
    return () => {
      setUrl(undefined);
      URL.revokeObjectURL(objectUrl);
    };
  }, [blob]);
  return url;
}
