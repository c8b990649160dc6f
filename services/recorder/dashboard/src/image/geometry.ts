/** Shapes in pixels of the original image. */

export type Point = readonly [x: number, y: number];

/** An axis-aligned rectangle. */
export interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface TextBox {
  text: string;
  /** From 0 to 1. */
  confidence: number;
  /** Four points. */
  bbox: number[][];
}

/** The bounding box of a polygon. */
export function boundsOf(polygon: readonly (readonly number[])[]): Region {
  const xs = polygon.map(([x = 0]) => x);
  const ys = polygon.map(([, y = 0]) => y);
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs),
    bottom: Math.max(...ys),
  };
}

/** The bounding box of one or more regions. */
export function union(regions: readonly Region[]): Region {
  return {
    left: Math.min(...regions.map((one) => one.left)),
    top: Math.min(...regions.map((one) => one.top)),
    right: Math.max(...regions.map((one) => one.right)),
    bottom: Math.max(...regions.map((one) => one.bottom)),
  };
}

/** A polygon as the SVG attribute `points`. */
export function svgPoints(polygon: readonly (readonly number[])[]): string {
  return polygon.map(([x, y]) => `${x},${y}`).join(" ");
}

/** Intersection over union of two regions, from 0 to 1. */
export function overlap(one: Region, other: Region): number {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (area(one) + area(other) - shared);
}

function area({ left, top, right, bottom }: Region): number {
  return (right - left) * (bottom - top);
}

/** A page size that contains all boxes, for an image without a picture. */
export function sizeOfBoxes(boxes: readonly TextBox[]): Size | null {
  if (boxes.length === 0) return null;
  const { left, top, right, bottom } = union(boxes.map((box) => boundsOf(box.bbox)));
  // The right and bottom margins equal the left and top ones.
  return {
    width: Math.max(1, right + Math.max(0, left)),
    height: Math.max(1, bottom + Math.max(0, top)),
  };
}
