import { Badge, Button, Group, Table } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { retryIntervalMs } from "../api/queryClient";
import { type Batch, recorder } from "../api/recorder";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { count } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { hasEnded } from "../shell/StatusBadge";

const REFRESH_MS = 2_000;
const COLORS = { open: "blue", completed: "green", failed: "red" } as const;

/** The batch's chunks, with the counts of each. */
export function ChunkList({ batch }: { batch: Batch }) {
  const chunks = useInfiniteQuery({
    queryKey: ["batch", batch.batch_id, "chunks", batch.revision],
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        recorder.GET("/v1/batches/{batch_id}/chunks", {
          params: { path: { batch_id: batch.batch_id }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) =>
      hasEnded(batch.status) ? retryIntervalMs(state.error) : REFRESH_MS,
  });
  if (chunks.error !== null) {
    return <ErrorState error={chunks.error} retry={chunks.refetch} />;
  }
  if (chunks.data === undefined) {
    return <LoadingState />;
  }
  const items = chunks.data.pages.flatMap((page) => page.items);
  if (items.length === 0) {
    return (
      <EmptyState title="No chunks">
        A batch has chunks once its total is known, if all its images have an index.
      </EmptyState>
    );
  }
  return (
    <>
      <Table.ScrollContainer
        minWidth={480}
        type="native"
        role="region"
        aria-label="Chunks, all columns"
        tabIndex={0}
      >
        <Table aria-label="Chunks" verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Images</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th ta="right">Seen</Table.Th>
              <Table.Th ta="right">Read</Table.Th>
              <Table.Th ta="right">Failed</Table.Th>
              <Table.Th ta="right">Revoked</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((chunk) => (
              <Table.Tr key={chunk.number}>
                <Table.Td>
                  {count(chunk.first_index)}–{count(chunk.last_index)}
                </Table.Td>
                <Table.Td>
                  <Badge color={COLORS[chunk.status]} variant="light">
                    {chunk.status}
                  </Badge>
                </Table.Td>
                <Table.Td ta="right">{count(chunk.seen_images)}</Table.Td>
                <Table.Td ta="right">{count(chunk.completed_images)}</Table.Td>
                <Table.Td ta="right">{count(chunk.failed_images)}</Table.Td>
                <Table.Td ta="right">{count(chunk.revoked_images)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {chunks.hasNextPage && (
        <Group justify="center">
          <Button
            variant="default"
            loading={chunks.isFetchingNextPage}
            onClick={() => chunks.fetchNextPage()}
          >
            Load more chunks
          </Button>
        </Group>
      )}
    </>
  );
}
