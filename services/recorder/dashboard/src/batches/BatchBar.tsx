import { Progress, type ProgressRootProps } from "@mantine/core";
import type { Batch } from "../api/recorder";
import { STATUS_COLORS } from "../shell/StatusBadge";

const PARTS = [
  { column: "completed_images", status: "SUCCESS", label: "read" },
  { column: "failed_images", status: "FAILURE", label: "failed" },
  { column: "revoked_images", status: "REVOKED", label: "revoked" },
] as const;

/** A progress bar: read, failed and revoked images as shares of the batch's total. */
export function BatchBar({ batch, ...props }: { batch: Batch } & ProgressRootProps) {
  const total = Math.max(batch.total_images, batch.seen_images, 1);
  const summary = PARTS.map(({ column, label }) => `${batch[column]} ${label}`).join(", ");
  return (
    <Progress.Root
      role="progressbar"
      aria-label={`Progress of ${batch.batch_name ?? batch.batch_id}`}
      aria-valuenow={Math.floor(batch.progress)}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={`${Math.floor(batch.progress)} %: ${summary}`}
      {...props}
    >
      {PARTS.filter(({ column }) => batch[column] > 0).map(({ column, status }) => (
        <Progress.Section
          key={column}
          withAria={false}
          value={(100 * batch[column]) / total}
          color={STATUS_COLORS[status] ?? "gray"}
        />
      ))}
    </Progress.Root>
  );
}
