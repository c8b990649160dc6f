import { Anchor, Badge, Checkbox, Table, Text } from "@mantine/core";
import type { DeadLetterItem } from "../api/recorder";
import { moment } from "../shell/format";
import { WideTable } from "../shell/WideTable";

const COLORS = { open: "red", redriven: "green", dropped: "gray" } as const;

interface Props {
  letters: DeadLetterItem[];
  selected: ReadonlySet<number>;
  onSelect(selected: ReadonlySet<number>): void;
  onOpen(id: number): void;
}

/** Dead letters with checkboxes to select them. */
export function DeadLetterTable({ letters, selected, onSelect, onOpen }: Props) {
  const all = letters.every(({ id }) => selected.has(id));
  const some = letters.some(({ id }) => selected.has(id));
  const toggle = (id: number) => {
    const others = new Set(selected);
    if (!others.delete(id)) others.add(id);
    onSelect(others);
  };
  return (
    <WideTable label="Dead letters" minWidth={720}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={40}>
            <Checkbox
              aria-label="Select all shown"
              checked={all}
              indeterminate={some && !all}
              onChange={() => onSelect(new Set(all ? [] : letters.map(({ id }) => id)))}
            />
          </Table.Th>
          <Table.Th>Dead letter</Table.Th>
          <Table.Th>State</Table.Th>
          <Table.Th>Record</Table.Th>
          <Table.Th>Reason</Table.Th>
          <Table.Th>Batch</Table.Th>
          <Table.Th>Created</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {letters.map((letter) => (
          <Table.Tr key={letter.id}>
            <Table.Td>
              <Checkbox
                aria-label={`Select dead letter ${letter.id}`}
                checked={selected.has(letter.id)}
                onChange={() => toggle(letter.id)}
              />
            </Table.Td>
            <Table.Td>
              <Anchor component="button" onClick={() => onOpen(letter.id)}>
                {letter.id}
              </Anchor>
            </Table.Td>
            <Table.Td>
              <Badge color={COLORS[letter.state]} variant="light" miw="max-content">
                {letter.state}
              </Badge>
            </Table.Td>
            <Table.Td>
              {letter.topic}
              <Text size="xs" c="dimmed">
                partition {letter.partition}, offset {letter.offset}
              </Text>
            </Table.Td>
            <Table.Td maw={320}>
              {letter.reason}
              <Text size="xs" c="dimmed" lineClamp={2}>
                {letter.error}
              </Text>
            </Table.Td>
            <Table.Td>{letter.batch_id}</Table.Td>
            <Table.Td>{moment(letter.created_at)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </WideTable>
  );
}
