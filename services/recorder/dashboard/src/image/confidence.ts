import type { TextBox } from "./geometry";

/**
 * Confidence bands; `from` is inclusive.
 *
 * Their colours (Image.module.css) also differ in lightness and in line style, so that colour-blind
 * users can tell them apart.
 */
export const BANDS = [
  { name: "high", label: "high", from: 0.95 },
  { name: "medium", label: "medium", from: 0.8 },
  { name: "low", label: "low", from: 0 },
] as const;

export type Band = (typeof BANDS)[number];

export function bandOf(confidence: number): Band {
  return BANDS.find((band) => confidence >= band.from) ?? BANDS[2];
}

/** How many boxes are in each band, in the order of the bands. */
export function bandCounts(boxes: readonly TextBox[]): number[] {
  return BANDS.map((band) => boxes.filter((box) => bandOf(box.confidence) === band).length);
}

/** A confidence in percent, rounded down: 0.999 is not 100 %. */
export function percent(confidence: number): string {
  return `${Math.floor(confidence * 100 + 1e-6)} %`;
}
