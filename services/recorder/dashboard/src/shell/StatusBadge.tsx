import { Badge } from "@mantine/core";

/** What becomes of batches, chains, tasks and images, and the colour of each. */
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

/** Whether nothing more is expected; a retry or a late success may still come. */
export function hasEnded(status: string): boolean {
  return ENDED.has(status);
}

/** A status by word and colour. */
export function StatusBadge({ status }: { status: string }) {
  return (
    <Badge color={STATUS_COLORS[status] ?? "gray"} variant="light" miw="max-content">
      {status}
    </Badge>
  );
}
