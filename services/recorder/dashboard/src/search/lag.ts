import { count, counted, duration } from "../shell/format";

export interface IndexLag {
  waiting_images: number;
  oldest_waiting_s: number;
}

const MAX_COUNTED = 10_000;

/** Describes the search index's lag; null if it has none. */
export function lagText({ waiting_images, oldest_waiting_s }: IndexLag): string | null {
  if (waiting_images === 0) return null;
  const images =
    waiting_images < MAX_COUNTED
      ? counted(waiting_images, "image")
      : `${count(MAX_COUNTED)} images or more`;
  return `Waiting for indexing: ${images}, the oldest for ${duration(oldest_waiting_s)}.`;
}
