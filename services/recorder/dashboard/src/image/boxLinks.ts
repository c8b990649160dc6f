import { boundsOf, overlap, type Region, type TextBox } from "./geometry";

/**
 * Boxes in a URL: `left,top,right,bottom` in whole pixels, joined by `;`.
 *
 * Bounds identify a box: results have no box id, and indexes change with each result version.
 */
export function linkTo(boxes: readonly TextBox[]): string {
  return boxes
    .map((box) => {
      const { left, top, right, bottom } = rounded(boundsOf(box.bbox));
      return [left, top, right, bottom].join(",");
    })
    .join(";");
}

/** The indexes of the boxes that the link names; boxes that no longer exist are left out. */
export function linked(link: string, boxes: readonly TextBox[]): ReadonlySet<number> {
  const places = boxes.map((box) => rounded(boundsOf(box.bbox)));
  const found = link
    .split(";")
    .map(parsed)
    .map((region) => (region === null ? -1 : nearest(region, places)));
  return new Set(found.filter((index) => index >= 0));
}

const ALIKE = 0.5;

function nearest(region: Region, places: readonly Region[]): number {
  let best = -1;
  let most = ALIKE;
  for (const [index, place] of places.entries()) {
    if (same(place, region)) return index;
    const share = overlap(place, region);
    if (share > most) [best, most] = [index, share];
  }
  return best;
}

function parsed(text: string): Region | null {
  const edges = text.split(",").map(Number);
  const [left, top, right, bottom] = edges;
  if (edges.length !== 4 || !edges.every(Number.isFinite)) return null;
  return { left, top, right, bottom } as Region;
}

function rounded({ left, top, right, bottom }: Region): Region {
  return {
    left: Math.round(left),
    top: Math.round(top),
    right: Math.round(right),
    bottom: Math.round(bottom),
  };
}

function same(one: Region, other: Region): boolean {
  return (
    one.left === other.left &&
    one.top === other.top &&
    one.right === other.right &&
    one.bottom === other.bottom
  );
}
