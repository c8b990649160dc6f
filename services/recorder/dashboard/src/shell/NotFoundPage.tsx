import { Anchor, Stack } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { EmptyState } from "./EmptyState";
import { PageTitle } from "./PageTitle";

/** An address that is no page. */
export function NotFoundPage() {
  return (
    <Stack>
      <PageTitle title="No such page" />
      <EmptyState title="Nothing is at this address">
        See the{" "}
        <Anchor underline="always" renderRoot={(props) => <Link to="/" {...props} />}>
          batches
        </Anchor>
        , or choose a page from the navigation.
      </EmptyState>
    </Stack>
  );
}
