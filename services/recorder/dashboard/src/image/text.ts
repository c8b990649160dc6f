import { boundsOf, type Region, type TextBox } from "./geometry";

/**
 * The text of boxes that come in reading order, a line for each line of the picture.
 *
 * Two boxes stand on one line if the middle of each lies beside the other; the first stands for its
 * line. That is how the recorder orders them.
 */
export function textOf(boxes: readonly TextBox[]): string {
  const lines: { first: Region; texts: string[] }[] = [];
  for (const box of boxes) {
    const place = boundsOf(box.bbox);
    const line = lines.at(-1);
    if (line && besideEachOther(line.first, place)) line.texts.push(box.text);
    else lines.push({ first: place, texts: [box.text] });
  }
  return lines.map(({ texts }) => texts.join(" ")).join("\n");
}

function besideEachOther(one: Region, other: Region): boolean {
  return middle(other) < one.bottom && middle(one) > other.top;
}

function middle({ top, bottom }: Region): number {
  return (top + bottom) / 2;
}
