import { count, counted, duration } from "../shell/format";

export interface IndexLag {
  waiting_images: number;
  oldest_waiting_s: number;
}

const MOST_COUNTED = 10_000;

/** What to say of an index that is behind; null if it is not. */
export function lagText({ waiting_images, oldest_waiting_s }: IndexLag): string | null {
  if (waiting_images === 0) return null;
  const images =
    waiting_images < MOST_COUNTED
      ? counted(waiting_images, "image")
      : `${count(MOST_COUNTED)} images or more`;
  return `Not found by what they say now: ${images}, the first for ${duration(oldest_waiting_s)}.`;
}
