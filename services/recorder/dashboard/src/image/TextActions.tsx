import { Button, Group, Menu } from "@mantine/core";
import { IconCheck, IconCopy, IconDownload, IconX } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { copyText } from "./copyText";
import { exportUrl, FORMATS } from "./exportLinks";
import type { TextBox } from "./geometry";
import { textOf } from "./text";

const SAID_MS = 2000;

interface Props {
  imagePath: string;
  /** All that is shown, in reading order. */
  boxes: readonly TextBox[];
  selected: readonly TextBox[];
}

/** Copy what is selected, or all that is shown; download all in a format. */
export function TextActions({ imagePath, boxes, selected }: Props) {
  const [copied, setCopied] = useState<"yes" | "no" | null>(null);
  useEffect(() => {
    if (copied === null) return;
    const timer = setTimeout(() => setCopied(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const chosen = selected.length > 0 ? selected : boxes;
  const copy = async () => setCopied((await copyText(textOf(chosen))) ? "yes" : "no");
  return (
    <Group gap="xs">
      <Button
        size="compact-md"
        variant="light"
        leftSection={{ yes: <IconCheck size={16} />, no: <IconX size={16} />, none: <IconCopy size={16} /> }[copied ?? "none"]}
        disabled={chosen.length === 0}
        onClick={copy}
        aria-live="polite"
      >
        {{ yes: "Copied", no: "The browser refused", none: copyLabel(selected.length) }[copied ?? "none"]}
      </Button>
      <Menu>
        <Menu.Target>
          <Button size="compact-md" variant="light" leftSection={<IconDownload size={16} />}>
            Download
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMATS.map(({ format, label }) => (
            <Menu.Item key={format} component="a" href={exportUrl(imagePath, format)} download>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

function copyLabel(selected: number): string {
  if (selected === 0) return "Copy all text";
  return selected === 1 ? "Copy selected line" : `Copy ${selected} lines`;
}
