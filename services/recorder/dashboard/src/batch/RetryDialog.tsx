import { Checkbox, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
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

/** Asks before the failed and revoked images of a batch are read again. */
export function RetryDialog({ client, batch, onClose }: Props) {
  const [includeNoText, setIncludeNoText] = useState(false);
  const retry = async (key: string) => {
    // Another choice is another request, not a repetition of it.
    const header = { "Idempotency-Key": `${key}-${includeNoText}` };
    await answered(
      client.POST("/v1/batches/{batch_id}/retry", {
        params: { path: { batch_id: batch.batch_id }, header },
        body: { include_no_text: includeNoText, initiated_by: INITIATOR },
      }),
    );
    notifications.show({
      title: "Retry asked for",
      message: "The images go back to the workers; the counts follow within moments.",
    });
  };
  return (
    <ConfirmDialog
      title="Read again what was not read?"
      action="Retry"
      carryOut={retry}
      onClose={onClose}
    >
      <Text size="sm">
        {counted(batch.failed_images, "image")} failed, {counted(batch.revoked_images, "image")}{" "}
        revoked. They are submitted again; what was read stays.
      </Text>
      <Checkbox
        label="Those without any text, too"
        checked={includeNoText}
        onChange={(event) => setIncludeNoText(event.currentTarget.checked)}
      />
    </ConfirmDialog>
  );
}
