/** Groups files into requests, and splits a refused request. */

const MAX_FILES = 50;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Groups consecutive files, each group small enough that a retry is cheap; a large file is alone.
 */
export function groupFiles<T extends { size: number }>(files: readonly T[]): T[][] {
  const groups: T[][] = [];
  let bytes = 0;
  for (const file of files) {
    const group = groups.at(-1);
    if (group === undefined || group.length === MAX_FILES || bytes + file.size > MAX_BYTES) {
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
export function splitGroup<T>(group: readonly T[], named: ReadonlySet<number>): T[][] {
  if (group.length < 2) return [];
  if (named.size === 0) {
    const half = Math.ceil(group.length / 2);
    return [group.slice(0, half), group.slice(half)];
  }
  const groups: T[][] = [];
  let unnamed: T[] = [];
  group.forEach((file, index) => {
    if (!named.has(index)) {
      unnamed.push(file);
      return;
    }
    if (unnamed.length > 0) groups.push(unnamed);
    groups.push([file]);
    unnamed = [];
  });
  if (unnamed.length > 0) groups.push(unnamed);
  return groups;
}

/** The indexes of the files that a problem document's errors point to (`#/files/3`). */
export function namedFileIndexes(errors: unknown): Set<number> {
  const indexes = new Set<number>();
  if (!Array.isArray(errors)) return indexes;
  for (const error of errors) {
    const index = /^#\/files\/(\d+)$/.exec(String(error?.pointer))?.[1];
    if (index !== undefined) indexes.add(Number(index));
  }
  return indexes;
}
