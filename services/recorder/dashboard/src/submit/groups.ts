/** Groups files into requests, and splits a refused request. */

const MOST_FILES = 50;
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Groups consecutive files, each group small enough that a retry is cheap; a large file is alone.
 */
export function inGroups<T extends { size: number }>(files: readonly T[]): T[][] {
  const groups: T[][] = [];
  let bytes = 0;
  for (const file of files) {
    const group = groups.at(-1);
    if (group === undefined || group.length === MOST_FILES || bytes + file.size > MOST_BYTES) {
      groups.push([file]);
      bytes = file.size;
    } else {
      group.push(file);
      bytes += file.size;
    }
  }
  return groups;
}

/**
 * Splits a refused group, in the order of the files: each file that the response names is alone; if
 * it names none, the group is halved. A group of one file cannot be split.
 */
export function divided<T>(group: readonly T[], named: ReadonlySet<number>): T[][] {
  if (group.length < 2) return [];
  if (named.size === 0) {
    const half = Math.ceil(group.length / 2);
    return [group.slice(0, half), group.slice(half)];
  }
  const groups: T[][] = [];
  let following: T[] = [];
  group.forEach((file, place) => {
    if (!named.has(place)) {
      following.push(file);
      return;
    }
    if (following.length > 0) groups.push(following);
    groups.push([file]);
    following = [];
  });
  if (following.length > 0) groups.push(following);
  return groups;
}

/** The indexes of the files that a problem document's errors point to (`#/files/3`). */
export function filesNamed(errors: unknown): Set<number> {
  const places = new Set<number>();
  if (!Array.isArray(errors)) return places;
  for (const error of errors) {
    const place = /^#\/files\/(\d+)$/.exec(String(error?.pointer))?.[1];
    if (place !== undefined) places.add(Number(place));
  }
  return places;
}
