import { Code, Text } from "@mantine/core";
import { type Bytes, hexDump, prettyJson } from "./bytes";

const MAX_CHARACTERS = 100_000;
const MAX_BYTES = 4096;

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
      ? truncated(prettyJson(bytes.text))
      : hexDump(bytes.base64 ?? "", MAX_BYTES);
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

function truncated(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text;
  return `${text.slice(0, MAX_CHARACTERS)}\n… ${text.length - MAX_CHARACTERS} more characters`;
}
