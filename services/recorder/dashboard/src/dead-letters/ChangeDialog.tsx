import { Alert, Button, Group, List, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { count } from "../shell/format";
import { type Action, change } from "./changing";

/** An action to confirm; `value` replaces the record's value, for a single dead letter only. */
export interface Wanted {
  action: Action;
  ids: number[];
  value?: Record<string, unknown>;
}

const TOLD = {
  redrive:
    "The recorder sends each record to its topic again. If it fails again, its dead letter is open again. A dead letter that has not failed since its last redrive is skipped.",
  drop: "Dropped dead letters are no longer open. Kafka keeps their records, and images that failed because of them stay failed.",
} as const;
const DONE = { redrive: "redriven", drop: "dropped" } as const;

interface Props {
  wanted: Wanted | null;
  onClose(): void;
  onDone(): void;
}

/** Asks for confirmation, applies the action, and shows its result. */
export function ChangeDialog({ wanted, onClose, onDone }: Props) {
  const client = useQueryClient();
  const changing = useMutation({
    mutationFn: ({ action, ids, value }: Wanted) => change(action, ids, value),
    onSuccess: onDone,
    // An error may come after some requests succeeded.
    onSettled: () => {
      client.invalidateQueries({ queryKey: ["dead-letters"] });
      client.invalidateQueries({ queryKey: ["dead-letter"] });
    },
  });
  const { reset } = changing;
  useEffect(() => {
    if (wanted !== null) reset();
  }, [wanted, reset]);
  if (wanted === null) return null;
  const { action, ids } = wanted;
  const some = ids.length === 1 ? `dead letter ${ids[0]}` : `${count(ids.length)} dead letters`;
  const title = `${action === "drop" ? "Drop" : "Redrive"} ${some}?`;
  return (
    <Modal
      opened
      onClose={onClose}
      title={changing.isSuccess ? "Result" : title}
      closeButtonProps={{ "aria-label": "Close" }}
      zIndex={300}
    >
      <Stack aria-live="polite">
        {changing.isSuccess ? (
          <Text>
            {count(changing.data.done.length)} of {count(ids.length)} {DONE[action]}.
          </Text>
        ) : (
          <Text>{TOLD[action]}</Text>
        )}
        {changing.isSuccess && changing.data.failures.length > 0 && (
          <Alert color="red" title="Failed">
            <List size="sm">
              {changing.data.failures.map(({ id, detail }) => (
                <List.Item key={id}>
                  {id}: {detail}
                </List.Item>
              ))}
            </List>
          </Alert>
        )}
        {changing.isError && (
          <Alert color="red" title="Request failed">
            {changing.error.message}
          </Alert>
        )}
        <Group justify="end">
          <Button variant="default" onClick={onClose}>
            {changing.isSuccess ? "Close" : "Cancel"}
          </Button>
          {!changing.isSuccess && (
            <Button
              color={action === "drop" ? "red" : "blue"}
              loading={changing.isPending}
              onClick={() => changing.mutate(wanted)}
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
