import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function WorkersPage() {
  return (
    <Stack>
      <PageTitle title="Workers" />
    </Stack>
  );
}
