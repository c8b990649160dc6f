import { Anchor, Button, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answerOf, recorder } from "../api/clients";
import type { components } from "../api/recorder";
import { moment, seconds } from "../shell/format";
import { EmptyState, ErrorState, Loading } from "../shell/states";
import { StatusBadge } from "../shell/StatusBadge";
import { type TaskFilters, taskParameters } from "./filters";

type Task = components["schemas"]["Task"];

const AT_ONCE = 50;

/** The tasks that the filters leave, some at a time. */
export function TaskTable({ filters }: { filters: TaskFilters }) {
  const tasks = useInfiniteQuery({
    queryKey: ["tasks", filters],
    // A cursor belongs to the very times that its first page was asked with.
    initialPageParam: { cursor: "", asked: new Date() },
    queryFn: ({ pageParam: { cursor, asked }, signal }) =>
      answerOf(
        recorder.GET("/v1/tasks", {
          params: {
            query: { ...taskParameters(filters, asked), limit: AT_ONCE, ...(cursor && { cursor }) },
          },
          signal,
        }),
      ),
    // Who has gone further back reads, and nothing may move meanwhile.
    refetchInterval: ({ state }) => state.data?.pages.length === 1 && 5_000,
    getNextPageParam: (last, _pages, { asked }) =>
      last.next_cursor ? { cursor: last.next_cursor, asked } : undefined,
  });
  if (tasks.isPending) return <Loading />;
  if (tasks.isError) return <ErrorState error={tasks.error} onRetry={() => tasks.refetch()} />;
  const rows = tasks.data.pages.flatMap((page) => page.items);
  if (rows.length === 0) {
    return (
      <EmptyState title="No such tasks">
        Tasks appear here once a worker takes an image. Widen the filters, or submit some images.
      </EmptyState>
    );
  }
  return (
    <>
      <Table.ScrollContainer minWidth={760}>
        <Table highlightOnHover aria-label="Tasks">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Task</Table.Th>
              <Table.Th>Status</Table.Th>
              <Table.Th ta="right">Run</Table.Th>
              <Table.Th ta="right">Retries</Table.Th>
              <Table.Th>Started</Table.Th>
              <Table.Th ta="right">Took</Table.Th>
              <Table.Th>Worker</Table.Th>
              <Table.Th>Error</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((task) => (
              <Row key={task.task_id} task={task} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {tasks.hasNextPage && (
        <Button
          variant="default"
          loading={tasks.isFetchingNextPage}
          onClick={() => tasks.fetchNextPage()}
        >
          Show more
        </Button>
      )}
    </>
  );
}

function Row({ task }: { task: Task }) {
  const name = task.task_name ?? task.task_id;
  return (
    <Table.Tr>
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
        <StatusBadge status={task.status} />
      </Table.Td>
      <Table.Td ta="right">{task.run}</Table.Td>
      <Table.Td ta="right">{task.retries}</Table.Td>
      <Table.Td>{moment(task.started_at)}</Table.Td>
      <Table.Td ta="right">{seconds(task.duration_s)}</Table.Td>
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
