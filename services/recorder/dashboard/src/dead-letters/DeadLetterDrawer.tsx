import {
  Alert,
  Anchor,
  Button,
  Drawer,
  Group,
  Stack,
  Table,
  Text,
  Textarea,
  Title,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { unwrap } from "../api/errors";
import { type DeadLetterDetail, recorder } from "../api/recorder";
import { ErrorState } from "../shell/ErrorState";
import { moment } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import type { PendingAction } from "./ActionDialog";
import { BytesView } from "./BytesView";
import { parseEditedValue, prettyJson } from "./bytes";

interface Props {
  id: number | null;
  onClose(): void;
  onChange(pending: PendingAction): void;
}

/** A dead letter and its record. */
export function DeadLetterDrawer({ id, onClose, onChange }: Props) {
  return (
    <Drawer
      opened={id !== null}
      onClose={onClose}
      position="right"
      size="xl"
      title={`Dead letter ${id}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {id !== null && <Content key={id} id={id} onChange={onChange} />}
    </Drawer>
  );
}

function Content({ id, onChange }: { id: number; onChange(pending: PendingAction): void }) {
  const letter = useQuery({
    queryKey: ["dead-letter", id],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/dead-letters/{letter_id}", {
          params: { path: { letter_id: id } },
          signal,
        }),
      ),
  });
  if (letter.isPending) return <LoadingState />;
  if (letter.isError) return <ErrorState error={letter.error} retry={() => letter.refetch()} />;
  return <Detail letter={letter.data} onChange={onChange} />;
}

function Detail({
  letter,
  onChange,
}: {
  letter: DeadLetterDetail;
  onChange(pending: PendingAction): void;
}) {
  const [editedValue, setEditedValue] = useState<string | null>(null);
  return (
    <Stack>
      <Facts letter={letter} />
      <Group>
        <Button size="xs" onClick={() => onChange({ action: "redrive", ids: [letter.id] })}>
          Redrive
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => onChange({ action: "drop", ids: [letter.id] })}
        >
          Drop
        </Button>
        {!letter.gone && editedValue === null && (
          <Button
            size="xs"
            variant="default"
            onClick={() => setEditedValue(prettyJson(letter.value?.text ?? ""))}
          >
            Edit value …
          </Button>
        )}
      </Group>
      {editedValue !== null && (
        <ValueEditor
          typed={editedValue}
          onType={setEditedValue}
          onSend={(value) => onChange({ action: "redrive", ids: [letter.id], value })}
          onCancel={() => setEditedValue(null)}
        />
      )}
      {letter.gone ? (
        <Alert title="Kafka has deleted the record">
          Its content is lost. Submit its image again.
        </Alert>
      ) : (
        <Record letter={letter} />
      )}
    </Stack>
  );
}

function Facts({ letter }: { letter: DeadLetterDetail }) {
  const { chain_id: chainId, batch_id: batchId } = letter;
  return (
    <Table aria-label="Dead letter" layout="fixed">
      <Table.Tbody>
        <Fact name="State">
          {letter.state}, redriven {letter.redrives} times
        </Fact>
        <Fact name="Record">
          {letter.topic}, partition {letter.partition}, offset {letter.offset},{" "}
          {moment(letter.timestamp)}
        </Fact>
        <Fact name="Reason">{letter.reason}</Fact>
        <Fact name="Error">{letter.error}</Fact>
        {chainId !== null && (
          <Fact name="Chain">
            <Anchor
              renderRoot={(props) => <Link {...props} to="/chains/$chainId" params={{ chainId }} />}
            >
              {chainId}
            </Anchor>
          </Fact>
        )}
        {batchId !== null && (
          <Fact name="Batch">
            <Anchor
              renderRoot={(props) => (
                <Link {...props} to="/batches/$batchId" params={{ batchId }} />
              )}
            >
              {batchId}
            </Anchor>
          </Fact>
        )}
      </Table.Tbody>
    </Table>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w={90}>{name}</Table.Th>
      <Table.Td style={{ overflowWrap: "anywhere" }}>{children}</Table.Td>
    </Table.Tr>
  );
}

function Record({ letter }: { letter: DeadLetterDetail }) {
  return (
    <>
      <Section title="Key">
        <BytesView label="Key" bytes={letter.key ?? null} />
      </Section>
      <Section title="Value">
        <BytesView label="Value" bytes={letter.value ?? null} />
      </Section>
      <Section title="Headers">
        {(letter.headers ?? []).map(({ name, value }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: names may repeat, and the list never changes
          <div key={index}>
            <Text size="sm" fw={600}>
              {name}
            </Text>
            <BytesView label={`Header ${name}`} bytes={value} />
          </div>
        ))}
      </Section>
    </>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </section>
  );
}

interface ValueEditorProps {
  typed: string;
  onType(typed: string): void;
  onSend(value: Record<string, unknown>): void;
  onCancel(): void;
}

function ValueEditor({ typed, onType, onSend, onCancel }: ValueEditorProps) {
  const result = parseEditedValue(typed);
  return (
    <Stack gap="xs">
      <Textarea
        label="Corrected value"
        description="The recorder sends it to the topic instead of the record's value. The record itself does not change."
        error={"error" in result && result.error}
        value={typed}
        onChange={(event) => onType(event.currentTarget.value)}
        autosize
        minRows={4}
        maxRows={16}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        data-autofocus
      />
      <Group>
        <Button
          size="xs"
          disabled={"error" in result}
          onClick={() => "value" in result && onSend(result.value)}
        >
          Redrive with this value
        </Button>
        <Button size="xs" variant="default" onClick={onCancel}>
          Discard
        </Button>
      </Group>
    </Stack>
  );
}
