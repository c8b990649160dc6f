import { Button, Group, Tooltip } from "@mantine/core";
import { IconBan, IconRefresh } from "@tabler/icons-react";
import { lazyRouteComponent as lazy } from "@tanstack/react-router";
import { Suspense, useState } from "react";
import { useIngest } from "../api/ingest";
import type { Batch } from "../api/recorder";
import { hasEnded } from "../shell/StatusBadge";
import { ExportMenu } from "./ExportMenu";

const CancelDialog = lazy(() => import("./CancelDialog"), "CancelDialog");
const RetryDialog = lazy(() => import("./RetryDialog"), "RetryDialog");

/** Retry, cancel and export. A disabled action's tooltip says why it is disabled. */
export function BatchActions({ batch }: { batch: Batch }) {
  const ingest = useIngest();
  const [open, setOpen] = useState<"cancel" | "retry">();
  const close = () => setOpen(undefined);

  const cannotRetry =
    ingest.unavailable ??
    (batch.failed_images + batch.revoked_images === 0
      ? "The batch has no failed or revoked images."
      : undefined);
  const cannotCancel =
    ingest.unavailable ?? (hasEnded(batch.status) ? "The batch has ended." : undefined);
  return (
    <Group gap="xs">
      <ActionButton
        label="Retry"
        icon={IconRefresh}
        disabledBecause={cannotRetry}
        onClick={() => setOpen("retry")}
      />
      <ActionButton
        label="Cancel"
        icon={IconBan}
        disabledBecause={cannotCancel}
        onClick={() => setOpen("cancel")}
      />
      <ExportMenu batchId={batch.batch_id} />
      <Suspense>
        {ingest.client && open === "retry" && (
          <RetryDialog client={ingest.client} batch={batch} onClose={close} />
        )}
        {ingest.client && open === "cancel" && (
          <CancelDialog client={ingest.client} batch={batch} onClose={close} />
        )}
      </Suspense>
    </Group>
  );
}

interface ActionProps {
  label: string;
  icon: typeof IconBan;
  disabledBecause: string | undefined;
  onClick: () => void;
}

function ActionButton({ label, icon: Icon, disabledBecause, onClick }: ActionProps) {
  const disabled = disabledBecause !== undefined;
  // Not `disabled`: a disabled button gets neither focus nor pointer events, so no tooltip.
  return (
    <Tooltip
      label={disabledBecause}
      disabled={!disabled}
      events={{ hover: true, focus: true, touch: true }}
      multiline
      maw={320}
    >
      <Button
        variant="default"
        leftSection={<Icon size={16} aria-hidden />}
        aria-disabled={disabled}
        {...(disabled
          ? { "data-disabled": true, "aria-description": disabledBecause }
          : { onClick })}
      >
        {label}
      </Button>
    </Tooltip>
  );
}
