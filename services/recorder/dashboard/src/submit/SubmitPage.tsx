import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";

export function SubmitPage() {
  return (
    <Stack>
      <PageTitle title="Submit" />
    </Stack>
  );
}
