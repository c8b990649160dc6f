import { Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { unwrap } from "../api/errors";
import { INITIATOR, type IngestClient } from "../api/ingest";
import type { Batch } from "../api/recorder";
import { counted } from "../shell/format";
import { ConfirmDialog } from "./ConfirmDialog";

interface Props {
  client: IngestClient;
  batch: Batch;
  onClose: () => void;
}

/** Asks for confirmation, then cancels the batch. */
export function CancelDialog({ client, batch, onClose }: Props) {
  const open =
    batch.total_images - batch.completed_images - batch.failed_images - batch.revoked_images;
  const cancel = async (key: string) => {
    await unwrap(
      client.POST("/v1/batches/{batch_id}/cancel", {
        params: { path: { batch_id: batch.batch_id }, header: { "Idempotency-Key": key } },
        body: { initiated_by: INITIATOR },
      }),
    );
    notifications.show({
      title: "Batch cancelled",
      message:
        "Workers skip its remaining images. An image that is already being read may still succeed.",
    });
  };
  return (
    <ConfirmDialog
      title="Cancel this batch?"
      action="Cancel the batch"
      color="red"
      onConfirm={cancel}
      onClose={onClose}
    >
      <Text size="sm">
        {batch.total_known
          ? `Cancelling revokes ${counted(open, "image")} without a result.  `
          : "Cancelling revokes all images without a result.  "}
        Existing results are kept. A retry submits the revoked images again.
      </Text>
    </ConfirmDialog>
  );
}
