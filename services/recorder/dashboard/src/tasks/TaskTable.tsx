import { Anchor, Button, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { unwrap } from "../api/errors";
import { retryIntervalMs } from "../api/queryClient";
import { recorder, type TaskItem } from "../api/recorder";
import { imageName } from "../image/names";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { duration, moment } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { StatusBadge } from "../shell/StatusBadge";
import { WideTable } from "../shell/WideTable";
import { type TaskFilters, taskParameters } from "./filters";
import classes from "./TaskTable.module.css";

const PAGE_SIZE = 50;

/** The tasks that match the filters, page by page. */
export function TaskTable({ filters }: { filters: TaskFilters }) {
  const tasks = useInfiniteQuery({
    queryKey: ["tasks", filters],
    // A cursor is valid only with the times of its first page's request.
    initialPageParam: { cursor: "", requestedAt: new Date() },
    queryFn: ({ pageParam: { cursor, requestedAt }, signal }) =>
      unwrap(
        recorder.GET("/v1/tasks", {
          params: {
            query: {
              ...taskParameters(filters, requestedAt),
              limit: PAGE_SIZE,
              ...(cursor && { cursor }),
            },
          },
          signal,
        }),
      ),
    // With more pages loaded, a refetch would move the rows that the user reads.
    refetchInterval: ({ state }) =>
      state.data?.pages.length === 1 ? 5_000 : retryIntervalMs(state.error),
    getNextPageParam: (last, _pages, { requestedAt }) =>
      last.next_cursor ? { cursor: last.next_cursor, requestedAt } : undefined,
  });
  if (tasks.isPending) return <LoadingState />;
  if (tasks.isError) return <ErrorState error={tasks.error} retry={() => tasks.refetch()} />;
  const rows = tasks.data.pages.flatMap((page) => page.items);
  if (rows.length === 0) {
    return (
      <EmptyState title="No matching tasks">
        A task appears once a worker starts to read an image. Change the filters, or submit images.
      </EmptyState>
    );
  }
  return (
    <>
      <WideTable label="Tasks" minWidth={1040}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Image</Table.Th>
            <Table.Th>Batch</Table.Th>
            <Table.Th>Task</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th ta="right">Run</Table.Th>
            <Table.Th ta="right">Retries</Table.Th>
            <Table.Th>Started</Table.Th>
            <Table.Th ta="right">Duration</Table.Th>
            <Table.Th>Worker</Table.Th>
            <Table.Th>Error</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((task) => (
            <Row key={task.task_id} task={task} />
          ))}
        </Table.Tbody>
      </WideTable>
      {tasks.hasNextPage && (
        <Button
          variant="default"
          loading={tasks.isFetchingNextPage}
          onClick={() => tasks.fetchNextPage()}
        >
          Load more
        </Button>
      )}
    </>
  );
}

function ImageLink({ task }: { task: TaskItem }) {
  const { image_path: path, batch_id: batch, chain_id: chain } = task;
  if (path === null) return "–";
  const search = { path, ...(chain !== null && { chain }), ...(batch !== null && { batch }) };
  return (
    <Anchor renderRoot={(props) => <Link {...props} to="/images" search={search} />}>
      {imageName(path, task.source_name, task.page)}
    </Anchor>
  );
}

function Row({ task }: { task: TaskItem }) {
  const name = task.task_name ?? task.task_id;
  return (
    <Table.Tr>
      <Table.Td maw={240} className={classes.long}>
        <ImageLink task={task} />
      </Table.Td>
      <Table.Td maw={200} className={classes.long}>
        {task.batch_id !== null && (
          <Anchor
            renderRoot={(props) => (
              <Link {...props} to="/batches/$batchId" params={{ batchId: task.batch_id ?? "" }} />
            )}
          >
            {task.batch_name || task.batch_id}
          </Anchor>
        )}
      </Table.Td>
      <Table.Td>
        {task.chain_id === null ? (
          name
        ) : (
          <Anchor
            renderRoot={(props) => (
              <Link {...props} to="/chains/$chainId" params={{ chainId: task.chain_id ?? "" }} />
            )}
          >
            {name}
          </Anchor>
        )}
      </Table.Td>
      <Table.Td>
        <StatusBadge status={task.status ?? "PENDING"} />
      </Table.Td>
      <Table.Td ta="right">{task.run}</Table.Td>
      <Table.Td ta="right">{task.retries}</Table.Td>
      <Table.Td>{task.started_at && moment(task.started_at)}</Table.Td>
      <Table.Td ta="right">{task.duration_s !== null && duration(task.duration_s)}</Table.Td>
      <Table.Td>{task.worker}</Table.Td>
      <Table.Td maw={360}>
        {task.reason && (
          <Text size="sm" lineClamp={2} title={task.error ?? ""}>
            {task.reason}
            {task.error && `: ${task.error}`}
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
