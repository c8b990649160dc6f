import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function ImagePage() {
  return (
    <Stack>
      <PageTitle title="Image" />
    </Stack>
  );
}
