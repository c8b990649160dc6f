import { boundsOf, type Region, type TextBox } from "./geometry";

/**
 * The text of boxes in reading order, one text line for each line of the picture.
 *
 * A box joins a line if its vertical centre lies within the line's first box and vice versa. The
 * recorder orders boxes by the same rule.
 */
export function textOf(boxes: readonly TextBox[]): string {
  const lines: { first: Region; last: Region; text: string }[] = [];
  for (const box of boxes) {
    const bounds = boundsOf(box.bbox);
    const line = lines.at(-1);
    if (line && onSameLine(line.first, bounds)) {
      const solid = ENDS_SOLID.test(line.text) && BEGINS_SOLID.test(box.text);
      line.text += (solid && isNear(line.last, bounds) ? "" : " ") + box.text;
      line.last = bounds;
    } else lines.push({ first: bounds, last: bounds, text: box.text });
  }
  return lines.map(({ text }) => text).join("\n");
}

// Chinese and Japanese are set without blanks between words, like in exports.
const SOLID =
  "[\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Bopomofo}\\u3001-\\u303f\\uff01-\\uff9f]";
const BEGINS_SOLID = new RegExp(`^${SOLID}`, "u");
const ENDS_SOLID = new RegExp(`${SOLID}$`, "u");

/** Whether there is no room for a character between them. */
function isNear(one: Region, other: Region): boolean {
  const gap = Math.max(other.left - one.right, one.left - other.right);
  return gap < Math.min(one.bottom - one.top, other.bottom - other.top);
}

function onSameLine(one: Region, other: Region): boolean {
  return middle(other) < one.bottom && middle(one) > other.top;
}

function middle({ top, bottom }: Region): number {
  return (top + bottom) / 2;
}
