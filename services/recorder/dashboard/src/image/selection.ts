/** The indexes of the selected boxes, in reading order. */
export type Selection = ReadonlySet<number>;

export const EMPTY_SELECTION: Selection = new Set();

/** The selection after a click: `index` alone, or nothing if it was selected alone. */
export function selectOnly(selection: Selection, index: number): Selection {
  return selection.size === 1 && selection.has(index) ? EMPTY_SELECTION : new Set([index]);
}

/** The selection with `index` added, or removed if it was selected. */
export function toggle(selection: Selection, index: number): Selection {
  const changed = new Set(selection);
  if (!changed.delete(index)) changed.add(index);
  return changed;
}

/** All indexes between `anchor` and `index` that are `shown`, in either direction. */
export function range(anchor: number, index: number, shown: (index: number) => boolean): Selection {
  const [first, last] = anchor < index ? [anchor, index] : [index, anchor];
  const all = Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  return new Set(all.filter(shown));
}
