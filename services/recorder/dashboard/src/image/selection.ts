/** Which boxes are selected, by their places in reading order. */
export type Selection = ReadonlySet<number>;

export const NOTHING: Selection = new Set();

/** What a click on `index` leaves selected: it alone, or nothing if it was that. */
export function only(selection: Selection, index: number): Selection {
  return selection.size === 1 && selection.has(index) ? NOTHING : new Set([index]);
}

/** With `index` if it was not selected, else without it. */
export function toggled(selection: Selection, index: number): Selection {
  const changed = new Set(selection);
  if (!changed.delete(index)) changed.add(index);
  return changed;
}

/** All from `anchor` to `index`, in whatever direction, among those that are `shown`. */
export function range(anchor: number, index: number, shown: (index: number) => boolean): Selection {
  const [first, last] = anchor < index ? [anchor, index] : [index, anchor];
  const all = Array.from({ length: last - first + 1 }, (_, place) => first + place);
  return new Set(all.filter(shown));
}
