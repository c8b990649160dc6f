import { Anchor, Card, Group, Stack, Table, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import type { Batch } from "../api/recorder";
import { count, counted, duration, moment, rate, secondsBetween } from "../shell/format";
import { hasEnded } from "../shell/StatusBadge";
import { BatchBar } from "./BatchBar";
import classes from "./BatchList.module.css";
import { BatchStatus } from "./BatchStatus";
import { partialOutcome } from "./outcome";

/** Batches as a table; as cards on narrow screens. */
export function BatchList({ batches }: { batches: Batch[] }) {
  const narrow = useMediaQuery("(max-width: 62em)", undefined, { getInitialValueInEffect: false });
  return narrow ? <BatchCards batches={batches} /> : <BatchTable batches={batches} />;
}

function BatchTable({ batches }: { batches: Batch[] }) {
  return (
    <Table aria-label="Batches" verticalSpacing="sm" highlightOnHover>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Batch</Table.Th>
          <Table.Th>Status</Table.Th>
          <Table.Th w="26%">Progress</Table.Th>
          <Table.Th ta="right">Failed</Table.Th>
          <Table.Th ta="right">Rate</Table.Th>
          <Table.Th ta="right">Time</Table.Th>
          <Table.Th>Initiated by</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {batches.map((batch) => (
          <Table.Tr key={batch.batch_id}>
            <Table.Td>
              <BatchLink batch={batch} />
              {batch.started_at !== null && (
                <Text size="xs" c="dimmed">
                  {moment(batch.started_at)}
                </Text>
              )}
            </Table.Td>
            <Table.Td>
              <BatchStatus batch={batch} />
            </Table.Td>
            <Table.Td>
              <BatchBar batch={batch} />
              <Text size="xs" c="dimmed" mt={4}>
                {doneText(batch)}
              </Text>
            </Table.Td>
            <Table.Td ta="right" {...(batch.failed_images > 0 && { c: "red" })}>
              {count(batch.failed_images)}
            </Table.Td>
            <Table.Td className={classes.number}>{rateText(batch) ?? "–"}</Table.Td>
            <Table.Td className={classes.number}>{timeText(batch) ?? "–"}</Table.Td>
            <Table.Td>{batch.initiated_by ?? "–"}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function BatchCards({ batches }: { batches: Batch[] }) {
  return (
    <Stack gap="sm" role="list" aria-label="Batches">
      {batches.map((batch) => {
        const facts = [
          batch.failed_images > 0 && !hasEnded(batch.status)
            ? `${count(batch.failed_images)} failed`
            : undefined,
          rateText(batch),
          timeText(batch),
          batch.initiated_by ?? undefined,
        ].filter((fact) => fact !== undefined);
        return (
          <Card key={batch.batch_id} withBorder padding="sm" role="listitem">
            <Group justify="space-between" wrap="nowrap" align="start" mb="xs">
              <BatchLink batch={batch} />
              <BatchStatus batch={batch} />
            </Group>
            <BatchBar batch={batch} />
            <Text size="xs" c="dimmed" mt={4}>
              {[doneText(batch), ...facts].join(" · ")}
            </Text>
          </Card>
        );
      })}
    </Stack>
  );
}

function BatchLink({ batch }: { batch: Batch }) {
  return (
    <Anchor
      fw={600}
      renderRoot={(props) => (
        <Link to="/batches/$batchId" params={{ batchId: batch.batch_id }} {...props} />
      )}
    >
      {batch.batch_name ?? batch.batch_id}
    </Anchor>
  );
}

function doneText(batch: Batch): string {
  const partial = partialOutcome(batch);
  if (partial !== undefined) return partial;
  const done = batch.completed_images + batch.failed_images + batch.revoked_images;
  return batch.total_known
    ? `${count(done)} of ${counted(batch.total_images, "image")}`
    : `${count(done)} of ${count(batch.seen_images)} so far`;
}

function rateText(batch: Batch): string | undefined {
  return batch.images_per_s === null ? undefined : rate(batch.images_per_s);
}

/** The duration of an ended batch, or the estimated time left of an unfinished one. */
function timeText(batch: Batch): string | undefined {
  if (!hasEnded(batch.status)) {
    return batch.eta_s === null ? undefined : `${duration(batch.eta_s)} left`;
  }
  return batch.started_at === null || batch.finished_at === null
    ? undefined
    : duration(secondsBetween(batch.started_at, batch.finished_at));
}
