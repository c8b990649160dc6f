/** Bytes as the API tells them: as text if they are UTF-8, else in base64. */
export interface Bytes {
  text?: string | null;
  base64?: string | null;
}

const A_LINE = 16;

/** The bytes of base64, as `hexdump -C` shows them: where, sixteen bytes, and what of it is ASCII. */
export function hexDump(base64: string, mostBytes: number): string {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const shown = bytes.subarray(0, mostBytes);
  const lines: string[] = [];
  for (let start = 0; start < shown.length; start += A_LINE) {
    const line = [...shown.subarray(start, start + A_LINE)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    const place = start.toString(16).padStart(8, "0");
    lines.push(`${place}  ${hex.padEnd(A_LINE * 3 - 1)}  ${ascii.join("")}`);
  }
  if (bytes.length > shown.length) lines.push(`… ${bytes.length - shown.length} bytes more`);
  return lines.join("\n");
}

/** JSON with a line for each member; text that is none stays as it is. */
export function readable(text: string): string {
  try {
    // Numbers that JavaScript cannot hold would change; the value is shown to be trusted.
    if (/\d{16}/.test(text)) return text;
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The object that a corrected value is, or why it is none. */
export function corrected(text: string): { value: Record<string, unknown> } | { error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: `This is no JSON: ${error instanceof Error ? error.message : error}` };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { error: "An event is a JSON object: { … }" };
  }
  return { value: value as Record<string, unknown> };
}
