import { useEffect, useState } from "react";

/** A batch as its events tell it; see the recorder's `/v1/batches/{batch_id}/events`. */
export interface BatchProgress {
  batch_id: string;
  batch_name: string | null;
  status: string;
  ended: boolean;
  progress: number;
  revision: number;
  run: number;
  total_images: number;
  total_known: boolean;
  seen_images: number;
  completed_images: number;
  failed_images: number;
  revoked_images: number;
  started_at: string | null;
  finished_at: string | null;
  images_per_s: number | null;
  eta_s: number | null;
}

/** `live`: told within a second; `away`: the stream broke off, and is tried again by itself. */
export type Connection = "connecting" | "live" | "away";

const RECONNECT_MS = 3_000;

/**
 * The newest state of a batch and of the stream that tells it. An ended batch is listened to as
 * well, since a late success or a retry changes it.
 */
export function useBatchEvents(batchId: string) {
  const [progress, setProgress] = useState<BatchProgress>();
  const [connection, setConnection] = useState<Connection>("connecting");

  useEffect(() => {
    setProgress(undefined);
    return follow(batchId, setProgress, setConnection);
  }, [batchId]);

  return { progress, connection };
}

/**
 * Listens until the function that it returns is called. A hidden page does not listen: a browser
 * has few connections to a server, and all its pages share them.
 */
function follow(
  batchId: string,
  tell: (progress: BatchProgress) => void,
  tellConnection: (connection: Connection) => void,
): () => void {
  let source: EventSource | undefined;
  let timer: number | undefined;

  const onEvent = (event: MessageEvent<string>) => tell(JSON.parse(event.data));
  const open = () => {
    const opened = new EventSource(`/v1/batches/${encodeURIComponent(batchId)}/events`);
    opened.addEventListener("open", () => tellConnection("live"));
    opened.addEventListener("progress", onEvent);
    opened.addEventListener("end", onEvent);
    opened.addEventListener("error", () => {
      tellConnection("away");
      // The browser takes up a lost connection again with Last-Event-ID by itself; after a refusal
      // (404, 503) it gives up for good.
      if (opened.readyState === EventSource.CLOSED) {
        timer = window.setTimeout(open, RECONNECT_MS);
      }
    });
    source = opened;
  };
  const close = () => {
    window.clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const onVisibility = () => {
    if (document.hidden) {
      close();
    } else if (source === undefined) {
      tellConnection("connecting");
      open();
    }
  };

  onVisibility();
  document.addEventListener("visibilitychange", onVisibility);
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    close();
  };
}
