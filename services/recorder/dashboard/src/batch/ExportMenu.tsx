import { Button, Menu } from "@mantine/core";
import { IconChevronDown, IconDownload } from "@tabler/icons-react";
import { BATCH_FORMATS, selectOptions } from "../api/labels";

/** Downloads a batch in any export format. */
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
        {selectOptions(BATCH_FORMATS).map(({ value: format, label }) => (
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
