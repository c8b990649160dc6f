import { Alert, Button, Group, List, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { count } from "../shell/format";
import { type Action, applyAction } from "./deadLetterActions";

/** An action to confirm; `value` replaces the record's value, for a single dead letter only. */
export interface PendingAction {
  action: Action;
  ids: number[];
  value?: Record<string, unknown>;
}

const EXPLANATIONS = {
  redrive:
    "The recorder sends each record to its topic again. If it fails again, its dead letter is open again. A dead letter that has not failed since its last redrive is skipped.",
  drop: "Dropped dead letters are no longer open. Kafka keeps their records, and images that failed because of them stay failed.",
} as const;
const DONE_LABELS = { redrive: "redriven", drop: "dropped" } as const;

interface Props {
  pending: PendingAction | null;
  onClose(): void;
  onDone(): void;
}

/** Asks for confirmation, applies the action, and shows its result. */
export function ActionDialog({ pending, onClose, onDone }: Props) {
  const client = useQueryClient();
  const mutation = useMutation({
    mutationFn: ({ action, ids, value }: PendingAction) => applyAction(action, ids, value),
    onSuccess: onDone,
    // An error may come after some requests succeeded.
    onSettled: () => {
      client.invalidateQueries({ queryKey: ["dead-letters"] });
      client.invalidateQueries({ queryKey: ["dead-letter"] });
    },
  });
  const { reset } = mutation;
  useEffect(() => {
    if (pending !== null) reset();
  }, [pending, reset]);
  if (pending === null) return null;
  const { action, ids } = pending;
  const target = ids.length === 1 ? `dead letter ${ids[0]}` : `${count(ids.length)} dead letters`;
  const title = `${action === "drop" ? "Drop" : "Redrive"} ${target}?`;
  return (
    <Modal
      opened
      onClose={onClose}
      title={mutation.isSuccess ? "Result" : title}
      closeButtonProps={{ "aria-label": "Close" }}
      zIndex={300}
    >
      <Stack aria-live="polite">
        {mutation.isSuccess ? (
          <Text>
            {count(mutation.data.done.length)} of {count(ids.length)} {DONE_LABELS[action]}.
          </Text>
        ) : (
          <Text>{EXPLANATIONS[action]}</Text>
        )}
        {mutation.isSuccess && mutation.data.failures.length > 0 && (
          <Alert color="red" title="Failed">
            <List size="sm">
              {mutation.data.failures.map(({ id, detail }) => (
                <List.Item key={id}>
                  {id}: {detail}
                </List.Item>
              ))}
            </List>
          </Alert>
        )}
        {mutation.isError && (
          <Alert color="red" title="Request failed">
            {mutation.error.message}
          </Alert>
        )}
        <Group justify="end">
          <Button variant="default" onClick={onClose}>
            {mutation.isSuccess ? "Close" : "Cancel"}
          </Button>
          {!mutation.isSuccess && (
            <Button
              color={action === "drop" ? "red" : "blue"}
              loading={mutation.isPending}
              onClick={() => mutation.mutate(pending)}
              data-autofocus
            >
              {action === "drop" ? "Drop" : "Redrive"}
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
