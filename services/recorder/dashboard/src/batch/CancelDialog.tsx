import { Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { answered } from "../api/errors";
import { INITIATOR, type IngestClient } from "../api/ingest";
import type { Batch } from "../api/recorder";
import { counted } from "../shell/format";
import { ConfirmDialog } from "./ConfirmDialog";

interface Props {
  client: IngestClient;
  batch: Batch;
  onClose: () => void;
}

/** Asks before a batch is cancelled. */
export function CancelDialog({ client, batch, onClose }: Props) {
  const open =
    batch.total_images - batch.completed_images - batch.failed_images - batch.revoked_images;
  const cancel = async (key: string) => {
    await answered(
      client.POST("/v1/batches/{batch_id}/cancel", {
        params: { path: { batch_id: batch.batch_id }, header: { "Idempotency-Key": key } },
        body: { initiated_by: INITIATOR },
      }),
    );
    notifications.show({
      title: "Cancelled",
      message: "The batch ends now; an image that is being read may still be counted as read.",
    });
  };
  return (
    <ConfirmDialog
      title="Cancel this batch?"
      action="Cancel the batch"
      color="red"
      carryOut={cancel}
      onClose={onClose}
    >
      <Text size="sm">
        {batch.total_known
          ? `${counted(open, "image")} will not be read. `
          : "What is not read yet will not be read. "}
        What was read stays; a retry reads the others later.
      </Text>
    </ConfirmDialog>
  );
}
