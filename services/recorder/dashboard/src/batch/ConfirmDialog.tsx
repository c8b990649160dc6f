import { Button, Group, Modal, Stack } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { ErrorState } from "../shell/ErrorState";

interface Props {
  title: string;
  children: ReactNode;
  /** The label of the confirm button. */
  action: string;
  color?: string;
  /** Sends the request; `key` is its idempotency key, the same for each try of this dialog. */
  onConfirm: (key: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks for confirmation; stays open and shows the error if the request fails. */
export function ConfirmDialog({ title, children, action, color, onConfirm, onClose }: Props) {
  const [key] = useState(randomKey);
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => onConfirm(key),
    onSuccess: onClose,
  });
  return (
    <Modal opened onClose={onClose} title={title}>
      <Stack>
        {children}
        {error !== null && <ErrorState error={error} />}
        <Group justify="end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Close
          </Button>
          <Button color={color ?? "blue"} loading={isPending} onClick={() => mutate()}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

// Not randomUUID: browsers provide it in secure contexts only.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
