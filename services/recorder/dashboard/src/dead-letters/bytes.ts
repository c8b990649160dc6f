/** Bytes of the API: `text` if they are UTF-8, else `base64`. */
export interface Bytes {
  text?: string | null;
  base64?: string | null;
}

const BYTES_PER_LINE = 16;

/** Decodes base64 and formats it like `hexdump -C`: offset, sixteen bytes, ASCII. */
export function hexDump(base64: string, maxBytes: number): string {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const shown = bytes.subarray(0, maxBytes);
  const lines: string[] = [];
  for (let start = 0; start < shown.length; start += BYTES_PER_LINE) {
    const line = [...shown.subarray(start, start + BYTES_PER_LINE)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    const offset = start.toString(16).padStart(8, "0");
    lines.push(`${offset}  ${hex.padEnd(BYTES_PER_LINE * 3 - 1)}  ${ascii.join("")}`);
  }
  if (bytes.length > shown.length) lines.push(`… ${bytes.length - shown.length} more bytes`);
  return lines.join("\n");
}

/** Indents JSON; returns other text unchanged. */
export function prettyJson(text: string): string {
  try {
    // JavaScript would round such large numbers, and the page must show the exact value.
    if (/\d{16}/.test(text)) return text;
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Parses the edited value; returns the object, or the error to show. */
export function parseEditedValue(
  text: string,
): { value: Record<string, unknown> } | { error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `Invalid JSON:  ${error instanceof Error ? error.message : error}` };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { error: "An event is a JSON object: { … }" };
  }
  return { value: value as Record<string, unknown> };
}
