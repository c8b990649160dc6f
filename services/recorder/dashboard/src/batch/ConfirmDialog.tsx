import { Button, Group, Modal, Stack } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { ErrorState } from "../shell/ErrorState";

interface Props {
  title: string;
  children: ReactNode;
  /** What the confirming button says. */
  action: string;
  color?: string;
  /** Carries it out; `key` names this attempt, so that a repetition does it once. */
  carryOut: (key: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is done; stays open with the reason if it fails. */
export function ConfirmDialog({ title, children, action, color, carryOut, onClose }: Props) {
  const [key] = useState(randomKey);
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => carryOut(key),
    onSuccess: onClose,
  });
  return (
    <Modal opened onClose={onClose} title={title}>
      <Stack>
        {children}
        {error !== null && <ErrorState error={error} />}
        <Group justify="end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Leave it
          </Button>
          <Button color={color ?? "blue"} loading={isPending} onClick={() => mutate()}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

// Not randomUUID: pages that come over plain HTTP from another machine have none.
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
