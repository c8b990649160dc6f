import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function SearchPage() {
  return (
    <Stack>
      <PageTitle title="Search" />
    </Stack>
  );
}
