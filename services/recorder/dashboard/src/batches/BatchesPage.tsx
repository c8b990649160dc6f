import { Anchor, Button, Code, Group, Stack } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { LoadingState } from "../shell/LoadingState";
import { PageTitle } from "../shell/PageTitle";
import { BatchFilters } from "./BatchFilters";
import { BatchList } from "./BatchList";
import { batchFilter } from "./batchFilter";
import { useBatches } from "./useBatches";

const route = getRouteApi("/");

/** The list of batches with their progress. */
export function BatchesPage() {
  const filter = batchFilter(route.useSearch());
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } =
    useBatches(filter);
  const batches = data?.pages.flatMap((page) => page.items);
  return (
    <Stack>
      <PageTitle title="Batches" />
      <BatchFilters />
      {error !== null && <ErrorState error={error} retry={refetch} />}
      {batches === undefined && error === null && <LoadingState />}
      {batches?.length === 0 && <NoBatches chosen={Object.keys(filter).length > 0} />}
      {batches !== undefined && batches.length > 0 && <BatchList batches={batches} />}
      {hasNextPage && (
        <Group justify="center">
          <Button variant="default" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
            Load more batches
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function NoBatches({ chosen }: { chosen: boolean }) {
  return chosen ? (
    <EmptyState title="No matching batches">
      Name and initiator must match exactly. Change or clear the filters.
    </EmptyState>
  ) : (
    <EmptyState title="No batches yet">
      <Anchor size="sm" renderRoot={(props) => <Link to="/submit" {...props} />}>
        Submit images
      </Anchor>{" "}
      here, or run <Code>.venv/bin/ocrstream submit FOLDER</Code>. The batch appears immediately.
    </EmptyState>
  );
}
