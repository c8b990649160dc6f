import { Badge, Card, Group, Text } from "@mantine/core";
import type { Batch } from "../api/recorder";
import type { BatchProgress, Connection } from "../api/useBatchEvents";
import { BatchBar } from "../batches/BatchBar";
import { BatchStatus } from "../batches/BatchStatus";
import { partialOutcome } from "../batches/outcome";
import { count, counted, duration, moment, rate, secondsBetween } from "../shell/format";
import { hasEnded } from "../shell/StatusBadge";
import classes from "./Batch.module.css";

interface Props {
  batch: Batch;
  progress: BatchProgress | undefined;
  connection: Connection;
}

/** The batch's progress, live by its events. */
export function ProgressPanel({ batch, progress, connection }: Props) {
  const open = batch.total_images - done(batch);
  return (
    <Card withBorder component="section" aria-label="Progress">
      <Group justify="space-between" mb="xs">
        <Group gap="xs">
          <BatchStatus batch={batch} />
          <Text size="sm">
            {partialOutcome(batch) ??
              (batch.total_known
                ? `${count(done(batch))} of ${counted(batch.total_images, "image")} done`
                : `${counted(batch.seen_images, "image")} so far, total not known yet`)}
          </Text>
        </Group>
        <LiveBadge connection={connection} />
      </Group>
      <BatchBar batch={batch} size="lg" />
      <dl className={classes.facts}>
        <Fact name="Read" value={count(batch.completed_images)} />
        <Fact name="Failed" value={count(batch.failed_images)} />
        <Fact name="Revoked" value={count(batch.revoked_images)} />
        {batch.total_known && <Fact name="Remaining" value={count(Math.max(0, open))} />}
        {typeof progress?.images_per_s === "number" && (
          <Fact name="Rate" value={rate(progress.images_per_s)} />
        )}
        {typeof progress?.eta_s === "number" && (
          <Fact name="Time left" value={`about ${duration(progress.eta_s)}`} />
        )}
        {batch.started_at !== null && <Fact name="Started" value={moment(batch.started_at)} />}
        {hasEnded(batch.status) && batch.started_at !== null && batch.finished_at !== null && (
          <Fact
            name="Duration"
            value={duration(secondsBetween(batch.started_at, batch.finished_at))}
          />
        )}
        {batch.initiated_by !== null && <Fact name="Initiated by" value={batch.initiated_by} />}
        {batch.run > 1 && <Fact name="Run" value={count(batch.run)} />}
      </dl>
      {batch.error_message !== null && (
        <Text size="sm" c="red">
          {batch.error_message}
        </Text>
      )}
    </Card>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function LiveBadge({ connection }: { connection: Connection }) {
  const [color, text] = {
    connecting: ["gray", "Connecting"],
    live: ["green", "Live"],
    reconnecting: ["yellow", "Disconnected: reconnecting"],
  }[connection] as [string, string];
  return (
    <Badge color={color} variant="dot" role="status">
      {text}
    </Badge>
  );
}

function done(batch: Batch): number {
  return batch.completed_images + batch.failed_images + batch.revoked_images;
}
