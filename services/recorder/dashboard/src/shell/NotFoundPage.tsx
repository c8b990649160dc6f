import { Anchor, Stack } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { EmptyState } from "./EmptyState";
import { PageTitle } from "./PageTitle";

/** The page for unknown addresses. */
export function NotFoundPage() {
  return (
    <Stack>
      <PageTitle title="Page not found" />
      <EmptyState title="This address has no page">
        Open the{" "}
        <Anchor underline="always" renderRoot={(props) => <Link to="/" {...props} />}>
          batches
        </Anchor>
        , or choose a page from the navigation.
      </EmptyState>
    </Stack>
  );
}
