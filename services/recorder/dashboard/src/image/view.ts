/** The position of a picture in its stage, and the arithmetic of zoom and pan. */
import type { Point, Region, Size } from "./geometry";

/** The picture's top left corner in pixels of the stage, and stage pixels per picture pixel. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

const MARGIN = 16;
const MAX_SCALE = 16;

/** The whole picture, centred, at scale 1 at most. */
export function wholeView(picture: Size, stage: Size): View {
  const scale = Math.min(1, fittingScale(picture, stage));
  return within({ x: 0, y: 0, scale }, picture, stage);
}

/** Multiplies the scale by `factor`; the picture's point at `point` of the stage stays there. */
export function zoom(view: View, factor: number, point: Point, picture: Size, stage: Size): View {
  const minScale = Math.min(1, fittingScale(picture, stage));
  const scale = Math.min(Math.max(view.scale * factor, minScale), MAX_SCALE);
  const grown = scale / view.scale;
  const [x, y] = point;
  const zoomed = { x: x - (x - view.x) * grown, y: y - (y - view.y) * grown, scale };
  return within(zoomed, picture, stage);
}

export function pan(view: View, dx: number, dy: number, picture: Size, stage: Size): View {
  return within({ ...view, x: view.x + dx, y: view.y + dy }, picture, stage);
}

/**
 * Pans by the least distance that makes the region visible; a larger region is aligned left and
 * top.
 */
export function reveal(view: View, region: Region, picture: Size, stage: Size): View {
  const move = (begin: number, end: number, room: number) => {
    if (begin < MARGIN || end - begin > room - 2 * MARGIN) return MARGIN - begin;
    return Math.min(0, room - MARGIN - end);
  };
  const { x, y, scale } = view;
  const dx = move(x + region.left * scale, x + region.right * scale, stage.width);
  const dy = move(y + region.top * scale, y + region.bottom * scale, stage.height);
  return pan(view, dx, dy, picture, stage);
}

/** The region, centred at a readable scale. */
export function focusOn(region: Region, picture: Size, stage: Size): View {
  const size = { width: region.right - region.left, height: region.bottom - region.top };
  // Shows the region's surroundings too.
  const withMargin = { width: size.width * 2, height: size.height * 6 };
  const scale = Math.max(
    wholeView(picture, stage).scale,
    Math.min(2, fittingScale(withMargin, stage)),
  );
  const x = stage.width / 2 - ((region.left + region.right) / 2) * scale;
  const y = stage.height / 2 - ((region.top + region.bottom) / 2) * scale;
  return within({ x, y, scale }, picture, stage);
}

/**
 * Moves the view so that the picture covers the stage; centres it in a direction in which it
 * cannot.
 */
export function within(view: View, picture: Size, stage: Size): View {
  const clampOffset = (at: number, length: number, room: number) => {
    if (length + 2 * MARGIN <= room) return (room - length) / 2;
    return Math.min(MARGIN, Math.max(at, room - length - MARGIN));
  };
  return {
    x: clampOffset(view.x, picture.width * view.scale, stage.width),
    y: clampOffset(view.y, picture.height * view.scale, stage.height),
    scale: view.scale,
  };
}

function fittingScale(picture: Size, stage: Size): number {
  const width = Math.max(1, stage.width - 2 * MARGIN) / Math.max(1, picture.width);
  const height = Math.max(1, stage.height - 2 * MARGIN) / Math.max(1, picture.height);
  return Math.min(width, height);
}
