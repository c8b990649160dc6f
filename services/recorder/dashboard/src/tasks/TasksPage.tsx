import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function TasksPage() {
  return (
    <Stack>
      <PageTitle title="Tasks" />
    </Stack>
  );
}
