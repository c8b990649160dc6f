import { boundsOf, type Region, type TextBox } from "./geometry";

/**
 * The text of boxes in reading order, one text line for each line of the picture.
 *
 * A box joins a line if its vertical centre lies within the line's first box and vice versa. The
 * recorder orders boxes by the same rule.
 */
export function textOf(boxes: readonly TextBox[]): string {
  const lines: { first: Region; texts: string[] }[] = [];
  for (const box of boxes) {
    const bounds = boundsOf(box.bbox);
    const line = lines.at(-1);
    if (line && onSameLine(line.first, bounds)) line.texts.push(box.text);
    else lines.push({ first: bounds, texts: [box.text] });
  }
  return lines.map(({ texts }) => texts.join(" ")).join("\n");
}

function onSameLine(one: Region, other: Region): boolean {
  return middle(other) < one.bottom && middle(one) > other.top;
}

function middle({ top, bottom }: Region): number {
  return (top + bottom) / 2;
}
