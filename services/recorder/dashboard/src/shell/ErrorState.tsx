import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { ApiError } from "../api/errors";

/** An error and what the user can do about it; `retry` adds a button. */
export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError;
  const title = known ? error.title : "This page failed";
  const detail = known ? error.detail : String(error);
  const advice = known ? error.advice : "Reload the page. If it fails again, report the error.";
  return (
    <Alert role="alert" color="red" title={title} icon={<IconAlertTriangle aria-hidden />}>
      <Stack gap="xs">
        <Text size="sm">{detail}</Text>
        <Text size="sm">{advice}</Text>
        {retry && (
          <Group>
            <Button size="xs" variant="default" onClick={retry}>
              Try again
            </Button>
          </Group>
        )}
      </Stack>
    </Alert>
  );
}
