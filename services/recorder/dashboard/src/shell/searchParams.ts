/** URL parameters are plain text, not JSON, so that users can write links by hand. */
export function parseSearch(search: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(search));
}

/** Empty values are left out. */
export function stringifySearch(search: Record<string, unknown>): string {
  const entries = Object.entries(search).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "",
  );
  const text = new URLSearchParams(entries).toString();
  return text === "" ? "" : `?${text}`;
}

/** Validates a route's URL parameters: optional texts with these names; others are dropped. */
export function textParams<Name extends string>(...names: Name[]) {
  return (search: Record<string, unknown>): { [name in Name]?: string } => {
    const known = names.filter((name) => typeof search[name] === "string" && search[name] !== "");
    return Object.fromEntries(known.map((name) => [name, search[name]])) as {
      [name in Name]?: string;
    };
  };
}
