import { ActionIcon, Group, Progress, Table, Text } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { bytes, count, counted } from "../shell/format";
import type { ChosenFile } from "./uploads";

const MAX_ROWS = 100;
/** Refused files come first: the user must look at them. */
const ORDER = { refused: 0, sending: 1, waiting: 2, sent: 3 } as const;

interface Props {
  files: readonly ChosenFile[];
  onRemove: ((id: number) => void) | null;
}

/** The files of the upload and the state of each. */
export function ChosenFiles({ files, onRemove }: Props) {
  if (files.length === 0) return null;
  const size = files.reduce((sum, one) => sum + one.file.size, 0);
  const shown = [...files]
    .sort((one, other) => ORDER[one.state] - ORDER[other.state])
    .slice(0, MAX_ROWS);
  return (
    <section aria-label="Files">
      <Text size="sm" c="dimmed">
        {counted(files.length, "file")}, {bytes(size)}
      </Text>
      <Table aria-label="Files" layout="fixed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>File</Table.Th>
            <Table.Th w={90} ta="right">
              Size
            </Table.Th>
            <Table.Th>State</Table.Th>
            {onRemove !== null && <Table.Th w={48} aria-label="Remove" />}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((one) => (
            <Table.Tr key={one.id}>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{one.file.name}</Table.Td>
              <Table.Td ta="right">{bytes(one.file.size)}</Table.Td>
              <Table.Td>
                <State one={one} />
              </Table.Td>
              {onRemove !== null && (
                <Table.Td>
                  <ActionIcon
                    variant="subtle"
                    aria-label={`Remove ${one.file.name}`}
                    onClick={() => onRemove(one.id)}
                  >
                    <IconX size={16} />
                  </ActionIcon>
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {files.length > shown.length && (
        <Text size="sm" c="dimmed">
          … and {count(files.length - shown.length)} more
        </Text>
      )}
    </section>
  );
}

function State({ one }: { one: ChosenFile }) {
  switch (one.state) {
    case "waiting":
      return (
        <Text size="sm" c="dimmed">
          waiting
        </Text>
      );
    case "sending": {
      const share = Math.floor((100 * one.sentBytes) / Math.max(one.file.size, 1));
      return (
        <Group gap="xs" wrap="nowrap">
          <Progress value={share} aria-label={`Upload of ${one.file.name}`} flex={1} />
          <Text size="sm">{share} %</Text>
        </Group>
      );
    }
    case "sent":
      return (
        <Text size="sm">{one.images === 1 ? "submitted" : `submitted, ${one.images} pages`}</Text>
      );
    case "refused":
      return (
        <Text size="sm" c="red">
          refused: {one.error}
        </Text>
      );
  }
}
