import { useEffect, useState } from "react";

/** An event of the recorder's `/v1/batches/{batch_id}/events`. */
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

/**
 * `live`: events arrive within a second; `reconnecting`: the stream broke off and is opened again.
 */
export type Connection = "connecting" | "live" | "reconnecting";

const RECONNECT_MS = 3_000;

/**
 * The latest event of a batch, and the state of its stream. An ended batch is followed too: a late
 * success or a retry changes it.
 */
export function useBatchEvents(batchId: string) {
  const [progress, setProgress] = useState<BatchProgress>();
  const [connection, setConnection] = useState<Connection>("connecting");

  useEffect(() => {
    setProgress(undefined);
    return subscribe(batchId, setProgress, setConnection);
  }, [batchId]);

  return { progress, connection };
}

/**
 * Subscribes to a batch's events; returns the function that unsubscribes. A hidden page closes its
 * stream: all pages of a browser share few connections to a server.
 */
function subscribe(
  batchId: string,
  onProgress: (progress: BatchProgress) => void,
  onConnection: (connection: Connection) => void,
): () => void {
  let source: EventSource | undefined;
  let timer: number | undefined;

  const onEvent = (event: MessageEvent<string>) => onProgress(JSON.parse(event.data));
  const open = () => {
    const newSource = new EventSource(`/v1/batches/${encodeURIComponent(batchId)}/events`);
    newSource.addEventListener("open", () => onConnection("live"));
    newSource.addEventListener("progress", onEvent);
    newSource.addEventListener("end", onEvent);
    newSource.addEventListener("error", () => {
      onConnection("reconnecting");
      // The browser reconnects a lost connection by itself, with Last-Event-ID; after an error status
      // (404, 503) it never does.
      if (newSource.readyState === EventSource.CLOSED) {
        timer = window.setTimeout(open, RECONNECT_MS);
      }
    });
    source = newSource;
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
      onConnection("connecting");
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
