export interface Change {
  kind: "both" | "old" | "new";
  line: string;
}

/** A line diff by longest common subsequence; a changed line is an old line and a new one. */
export function diffLines(before: string, after: string): Change[] {
  const old = linesOf(before);
  const now = linesOf(after);
  // common[i][j]: how many lines old from i and now from j have in common.
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const row = common[i] as Uint32Array;
      row[j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const changes: Change[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    const [oldLine, newLine] = [old[i], now[j]];
    if (oldLine !== undefined && oldLine === newLine) {
      changes.push({ kind: "both", line: oldLine });
      i++;
      j++;
    } else if (oldLine !== undefined && at(i + 1, j) >= at(i, j + 1)) {
      changes.push({ kind: "old", line: oldLine });
      i++;
    } else {
      changes.push({ kind: "new", line: newLine ?? "" });
      j++;
    }
  }
  return changes;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}
