import { Button, Menu } from "@mantine/core";
import { IconChevronDown, IconDownload } from "@tabler/icons-react";

const FORMATS = [
  { format: "txt", label: "Text" },
  { format: "md", label: "Markdown" },
  { format: "pdf", label: "Searchable PDF" },
  { format: "jsonl", label: "JSON Lines, with boxes" },
  { format: "csv", label: "CSV, a row for each box" },
  { format: "hocr", label: "hOCR" },
  { format: "alto", label: "ALTO XML" },
  { format: "zip", label: "ZIP, a file for each image" },
] as const;

/** Downloads of a batch in every format that the recorder makes. */
export function ExportMenu({ batchId }: { batchId: string }) {
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
          rightSection={<IconChevronDown size={16} aria-hidden />}
        >
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {FORMATS.map(({ format, label }) => (
          <Menu.Item
            key={format}
            component="a"
            href={`/v1/batches/${encodeURIComponent(batchId)}/export?format=${format}`}
            download
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
