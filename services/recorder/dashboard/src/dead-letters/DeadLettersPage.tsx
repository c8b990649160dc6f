import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function DeadLettersPage() {
  return (
    <Stack>
      <PageTitle title="Dead letters" />
    </Stack>
  );
}
