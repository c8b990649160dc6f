import type { TextBox } from "./geometry";

/**
 * How sure the engine was, as it is shown.
 *
 * Their colours (image.css) differ in lightness, too, and each has a line of its own: none needs the
 * eye to tell red from green.
 */
export const BANDS = [
  { name: "sure", label: "sure", from: 0.95 },
  { name: "fair", label: "fair", from: 0.8 },
  { name: "doubtful", label: "doubtful", from: 0 },
] as const;

export type Band = (typeof BANDS)[number];

export function bandOf(confidence: number): Band {
  return BANDS.find((band) => confidence >= band.from) ?? BANDS[2];
}

/** How many boxes are in each band, in the order of the bands. */
export function bandCounts(boxes: readonly TextBox[]): number[] {
  return BANDS.map((band) => boxes.filter((box) => bandOf(box.confidence) === band).length);
}

/** A confidence in percent, cut and not rounded: 0.999 is not 100 %. */
export function percent(confidence: number): string {
  return `${Math.floor(confidence * 100 + 1e-6)} %`;
}
