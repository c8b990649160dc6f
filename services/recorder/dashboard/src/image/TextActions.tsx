import { Button, Group, Menu } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconCopy, IconDownload } from "@tabler/icons-react";
import { IMAGE_FORMATS, selectOptions } from "../api/labels";
import { counted } from "../shell/format";
import { copyText } from "./copyText";
import { exportUrl } from "./exportUrl";
import type { TextBox } from "./geometry";
import { textOf } from "./text";

interface Props {
  imagePath: string;
  /** The visible boxes, in reading order. */
  boxes: readonly TextBox[];
  selected: readonly TextBox[];
}

/** Copies the selected lines, or all visible ones; downloads the image's result in a format. */
export function TextActions({ imagePath, boxes, selected }: Props) {
  const chosen = selected.length > 0 ? selected : boxes;
  const copy = async () => {
    const copied = await copyText(textOf(chosen));
    notifications.show(
      copied
        ? { message: `${counted(chosen.length, "line")} copied.` }
        : { color: "red", message: "The browser denied access to the clipboard." },
    );
  };
  return (
    <Group gap="xs">
      <Button
        size="compact-md"
        variant="light"
        leftSection={<IconCopy size={16} aria-hidden />}
        disabled={chosen.length === 0}
        onClick={copy}
      >
        {selected.length > 0 ? `Copy selected (${selected.length})` : "Copy all text"}
      </Button>
      <Menu>
        <Menu.Target>
          <Button
            size="compact-md"
            variant="light"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            Download
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {selectOptions(IMAGE_FORMATS).map(({ value: format, label }) => (
            <Menu.Item key={format} component="a" href={exportUrl(imagePath, format)} download>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
