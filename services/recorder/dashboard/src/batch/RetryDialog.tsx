import { Checkbox, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
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

/** Asks for confirmation, then retries the batch's failed and revoked images. */
export function RetryDialog({ client, batch, onClose }: Props) {
  const [includeNoText, setIncludeNoText] = useState(false);
  const retry = async (key: string) => {
    // A different choice is a different request, so it needs a different key.
    const header = { "Idempotency-Key": `${key}-${includeNoText}` };
    await unwrap(
      client.POST("/v1/batches/{batch_id}/retry", {
        params: { path: { batch_id: batch.batch_id }, header },
        body: { include_no_text: includeNoText, initiated_by: INITIATOR },
      }),
    );
    notifications.show({
      title: "Retry requested",
      message: "Workers read the images again. The counts change within seconds.",
    });
  };
  return (
    <ConfirmDialog title="Retry this batch?" action="Retry" onConfirm={retry} onClose={onClose}>
      <Text size="sm">
        {counted(batch.failed_images, "image")} failed, {counted(batch.revoked_images, "image")}{" "}
        revoked. The recorder submits them again. Existing results are kept.
      </Text>
      <Checkbox
        label="Also retry images without text"
        checked={includeNoText}
        onChange={(event) => setIncludeNoText(event.currentTarget.checked)}
      />
    </ConfirmDialog>
  );
}
