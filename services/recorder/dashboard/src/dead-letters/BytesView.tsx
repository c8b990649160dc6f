import { Code, Text } from "@mantine/core";
import { type Bytes, hexDump, readable } from "./bytes";

const MOST_LETTERS = 100_000;
const MOST_BYTES = 4096;

/** UTF-8 bytes as text, other bytes as a hex dump. */
export function BytesView({ label, bytes }: { label: string; bytes: Bytes | null }) {
  if (bytes === null) {
    return (
      <Text size="sm" c="dimmed">
        none
      </Text>
    );
  }
  const shown =
    typeof bytes.text === "string"
      ? shortened(readable(bytes.text))
      : hexDump(bytes.base64 ?? "", MOST_BYTES);
  return (
    // It scrolls, so the keyboard must be able to focus it.
    <Code
      block
      tabIndex={0}
      role="region"
      aria-label={label}
      mah={400}
      style={{ overflow: "auto" }}
    >
      {shown === "" ? "(empty)" : shown}
    </Code>
  );
}

function shortened(text: string): string {
  if (text.length <= MOST_LETTERS) return text;
  return `${text.slice(0, MOST_LETTERS)}\n… ${text.length - MOST_LETTERS} more characters`;
}
