import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asApiError, noAnswer } from "../api/errors";
import { pictureUrl } from "../api/pictures";
import type { Size } from "./geometry";

const KEPT_MS = 300_000;

export type Picture =
  | { state: "loading" }
  | { state: "shown"; url: string; size: Size }
  | { state: "missing"; error: Error };

/**
 * The picture of a path, at most `width` pixels wide; `size` is that of the original image, as for
 * boxes.
 */
export function usePicture(imagePath: string, { width, wanted = true }: Options = {}): Picture {
  const { data, error } = useQuery({ ...pictureQuery(imagePath, width), enabled: wanted });
  const url = useObjectUrl(data?.blob);
  if (data && url) return { state: "shown", url, size: data.size };
  return error ? { state: "missing", error } : { state: "loading" };
}

interface Options {
  width?: number;
  /** Whether to request it. */
  wanted?: boolean;
}

function pictureQuery(imagePath: string, width: number | undefined) {
  return queryOptions({
    queryKey: ["picture", imagePath, width],
    // Not an <img> with this URL: it gives neither the size of the original nor the error.
    queryFn: async ({ signal }) => {
      const whole = pictureUrl(imagePath);
      const url = width === undefined ? whole : `${whole}&width=${width}`;
      const answer = await fetch(url, { signal }).catch((error: unknown) => {
        if (signal.aborted) throw error;
        throw noAnswer(error);
      });
      if (!answer.ok) {
        const problem: unknown = await answer.json().catch(() => null);
        throw asApiError(answer, problem);
      }
      const [wide, high] = ["X-Picture-Width", "X-Picture-Height"].map((name) =>
        Number(answer.headers.get(name)),
      );
      return { blob: await answer.blob(), size: { width: wide ?? 0, height: high ?? 0 } };
    },
    staleTime: KEPT_MS,
  });
}

function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!blob) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      setUrl(undefined);
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}
