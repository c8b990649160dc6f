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
import { answered } from "../api/errors";
import { type DeadLetterDetail, recorder } from "../api/recorder";
import { ErrorState } from "../shell/ErrorState";
import { moment } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { BytesView } from "./BytesView";
import { corrected, readable } from "./bytes";
import type { Wanted } from "./ChangeDialog";

interface Props {
  id: number | null;
  onClose(): void;
  onChange(wanted: Wanted): void;
}

/** A dead letter and its record. */
export function LetterDrawer({ id, onClose, onChange }: Props) {
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

function Content({ id, onChange }: { id: number; onChange(wanted: Wanted): void }) {
  const letter = useQuery({
    queryKey: ["dead-letter", id],
    queryFn: ({ signal }) =>
      answered(
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
  onChange(wanted: Wanted): void;
}) {
  const [correction, setCorrection] = useState<string | null>(null);
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
        {!letter.gone && correction === null && (
          <Button
            size="xs"
            variant="default"
            onClick={() => setCorrection(readable(letter.value?.text ?? ""))}
          >
            Edit value …
          </Button>
        )}
      </Group>
      {correction !== null && (
        <Correction
          typed={correction}
          onType={setCorrection}
          onSend={(value) => onChange({ action: "redrive", ids: [letter.id], value })}
          onCancel={() => setCorrection(null)}
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
      <Part title="Key">
        <BytesView label="Key" bytes={letter.key ?? null} />
      </Part>
      <Part title="Value">
        <BytesView label="Value" bytes={letter.value ?? null} />
      </Part>
      <Part title="Headers">
        {(letter.headers ?? []).map(({ name, value }, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: names may repeat, and the list never changes
          <div key={place}>
            <Text size="sm" fw={600}>
              {name}
            </Text>
            <BytesView label={`Header ${name}`} bytes={value} />
          </div>
        ))}
      </Part>
    </>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </section>
  );
}

interface CorrectionProps {
  typed: string;
  onType(typed: string): void;
  onSend(value: Record<string, unknown>): void;
  onCancel(): void;
}

function Correction({ typed, onType, onSend, onCancel }: CorrectionProps) {
  const result = corrected(typed);
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
