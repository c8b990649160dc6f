import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function ChainPage() {
  return (
    <Stack>
      <PageTitle title="Chain" />
    </Stack>
  );
}
