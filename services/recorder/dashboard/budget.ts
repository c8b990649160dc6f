import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

/**
 * Fails the build if any page's first load, all scripts and styles that it waits for, is larger
 * than `limit` bytes gzipped.
 */
export function budget(limit: number): Plugin {
  return {
    name: "budget",
    apply: "build",
    writeBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const entry = chunks.find((one) => one.isEntry);
      if (entry === undefined) {
        throw new Error("the bundle has no entry");
      }
      for (const page of entry.dynamicImports) {
        const files = needed(bundle, [entry.fileName, page]);
        const size = [...files].reduce((sum, file) => sum + gzipped(bundle, file), 0);
        const told = `${page}: ${Math.ceil(size / 1000)} kB gzipped in ${files.size} files`;
        if (size > limit) {
          throw new Error(`${told}, more than the ${limit / 1000} kB of a first load`);
        }
        this.info(told);
      }
    },
  };
}

/** These files and all that they import at once, styles included. */
function needed(bundle: Rollup.OutputBundle, names: string[]): Set<string> {
  const found = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const file = bundle[name];
    if (found.has(name) || file === undefined) {
      continue;
    }
    found.add(name);
    if (file.type === "chunk") {
      waiting.push(...file.imports, ...(file.viteMetadata?.importedCss ?? []));
    }
  }
  return found;
}

function gzipped(bundle: Rollup.OutputBundle, name: string): number {
  const file = bundle[name];
  const content = file?.type === "chunk" ? file.code : (file?.source ?? "");
  return gzipSync(content).length;
}
