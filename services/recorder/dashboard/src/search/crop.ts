import { type Region, type Size, union } from "../image/geometry";

/** The least width of a crop, as a share of the page: it shows the text around a hit. */
const MIN_WIDTH_SHARE = 0.5;
const LINES_AROUND = 2;

/**
 * The part of a page that shows the first hit, the other hits that fit, and a margin. Its width is
 * `ratio` times its height; it extends beyond the page only if the page is too small for that.
 */
export function cropAround(hits: readonly Region[], page: Size, ratio: number): Region {
  const [first, ...others] = hits;
  if (!first) return { left: 0, top: 0, right: page.width, bottom: page.width / ratio };
  const margin = LINES_AROUND * Math.min(first.right - first.left, first.bottom - first.top);
  const widthAround = ({ left, top, right, bottom }: Region) =>
    Math.max(
      right - left + 2 * margin,
      (bottom - top + 2 * margin) * ratio,
      MIN_WIDTH_SHARE * page.width,
    );
  let shown = first;
  for (const hit of others) {
    const both = union([shown, hit]);
    if (widthAround(both) <= page.width) shown = both;
  }
  const width = widthAround(shown);
  const height = width / ratio;
  const left = clampStart((shown.left + shown.right - width) / 2, width, page.width);
  const top = clampStart((shown.top + shown.bottom - height) / 2, height, page.height);
  return { left, top, right: left + width, bottom: top + height };
}

function clampStart(begin: number, length: number, room: number): number {
  if (length >= room) return (room - length) / 2;
  return Math.min(Math.max(begin, 0), room - length);
}
