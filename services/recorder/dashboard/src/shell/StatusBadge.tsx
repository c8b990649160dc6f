import { Badge } from "@mantine/core";

/** Colours of the statuses of batches, chains, tasks and images. */
export const STATUS_COLORS: Record<string, string> = {
  PENDING: "gray",
  STARTED: "blue",
  RUNNING: "blue",
  RETRY: "yellow",
  SUCCESS: "green",
  FAILURE: "red",
  REVOKED: "grape",
};

const ENDED = new Set(["SUCCESS", "FAILURE", "REVOKED"]);

/** Whether the status is final; a retry or a late success may still change it. */
export function hasEnded(status: string): boolean {
  return ENDED.has(status);
}

/** A status as text and colour, which is the status's own unless `color` is given. */
export function StatusBadge({ status, color }: { status: string; color?: string }) {
  return (
    <Badge color={color ?? STATUS_COLORS[status] ?? "gray"} variant="light" miw="max-content">
      {status}
    </Badge>
  );
}
