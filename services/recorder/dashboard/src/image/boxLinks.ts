import { boundsOf, overlap, type Region, type TextBox } from "./geometry";

/**
 * Boxes in a URL: `left,top,right,bottom` in whole pixels, joined by `;`.
 *
 * Bounds identify a box: results have no box id, and indexes change with each result version.
 */
export function linkOfBoxes(boxes: readonly TextBox[]): string {
  return boxes
    .map((box) => {
      const { left, top, right, bottom } = roundRegion(boundsOf(box.bbox));
      return [left, top, right, bottom].join(",");
    })
    .join(";");
}

/** The indexes of the boxes that the link names; boxes that no longer exist are left out. */
export function boxesOfLink(link: string, boxes: readonly TextBox[]): ReadonlySet<number> {
  const candidates = boxes.map((box) => roundRegion(boundsOf(box.bbox)));
  const found = link
    .split(";")
    .map(parseRegion)
    .map((region) => (region === null ? -1 : nearestBox(region, candidates)));
  return new Set(found.filter((index) => index >= 0));
}

const MIN_OVERLAP = 0.5;

function nearestBox(region: Region, candidates: readonly Region[]): number {
  let best = -1;
  let bestOverlap = MIN_OVERLAP;
  for (const [index, candidate] of candidates.entries()) {
    if (isSame(candidate, region)) return index;
    const overlapWithRegion = overlap(candidate, region);
    if (overlapWithRegion > bestOverlap) [best, bestOverlap] = [index, overlapWithRegion];
  }
  return best;
}

function parseRegion(text: string): Region | null {
  const edges = text.split(",").map(Number);
  const [left, top, right, bottom] = edges;
  if (edges.length !== 4 || !edges.every(Number.isFinite)) return null;
  return { left, top, right, bottom } as Region;
}

function roundRegion({ left, top, right, bottom }: Region): Region {
  return {
    left: Math.round(left),
    top: Math.round(top),
    right: Math.round(right),
    bottom: Math.round(bottom),
  };
}

function isSame(one: Region, other: Region): boolean {
  return (
    one.left === other.left &&
    one.top === other.top &&
    one.right === other.right &&
    one.bottom === other.bottom
  );
}
