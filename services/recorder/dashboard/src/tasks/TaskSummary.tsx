import { Anchor, Group, Paper, SegmentedControl, Table, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { unwrap } from "../api/errors";
import { recorder, type TaskGroup } from "../api/recorder";
import { count, duration } from "../shell/format";
import { WideTable } from "../shell/WideTable";
import { hoursBefore, type TaskFilters, taskFilters } from "./filters";

interface Props {
  filters: TaskFilters;
  onChange(filters: TaskFilters): void;
}

/** The tasks of a period by name or worker: counts, durations and failure reasons. */
export function TaskSummary({ filters, onChange }: Props) {
  const [key, setKey] = useState<"task_name" | "worker">("task_name");
  const hours = filters.hours ?? "24";
  const { name, worker } = filters;
  const { data } = useQuery({
    queryKey: ["task-summary", key, hours, name, worker],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/tasks/summary", {
          params: {
            query: {
              key,
              started_from: hoursBefore(new Date(), Number(hours)),
              ...(name && { task_name: name }),
              ...(worker && { worker }),
            },
          },
          signal,
        }),
      ),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  });
  if (!data || data.items.length === 0) return null;
  const change = (some: Record<string, unknown>) => onChange(taskFilters({ ...filters, ...some }));
  return (
    <Paper component="section" aria-labelledby="task-summary" withBorder p="sm">
      <Group justify="space-between">
        <Title order={2} size="h4" id="task-summary">
          {hours === "1" ? "The last hour" : hours === "24" ? "The last day" : "The last week"}
        </Title>
        <SegmentedControl
          size="xs"
          aria-label="Group by"
          value={key}
          onChange={(value) => setKey(value === "worker" ? "worker" : "task_name")}
          data={[
            { value: "task_name", label: "by name" },
            { value: "worker", label: "by worker" },
          ]}
        />
      </Group>
      <WideTable label="Task summary" minWidth={640}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{key === "worker" ? "Worker" : "Name"}</Table.Th>
            <Table.Th ta="right">Tasks</Table.Th>
            <Table.Th ta="right">Retried</Table.Th>
            <Table.Th ta="right">Median</Table.Th>
            <Table.Th ta="right">p95</Table.Th>
            <Table.Th ta="right">Longest</Table.Th>
            <Table.Th>Failed</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.items.map((group) => (
            <Table.Tr key={group.key ?? ""}>
              <Table.Td>
                <Anchor
                  component="button"
                  onClick={() => change({ [key === "worker" ? "worker" : "name"]: group.key })}
                >
                  {group.key ?? "none"}
                </Anchor>
              </Table.Td>
              <Table.Td ta="right">{count(group.tasks)}</Table.Td>
              <Table.Td ta="right">{count(group.retried)}</Table.Td>
              <Table.Td ta="right">{group.median_s !== null && duration(group.median_s)}</Table.Td>
              <Table.Td ta="right">{group.p95_s !== null && duration(group.p95_s)}</Table.Td>
              <Table.Td ta="right">
                {group.longest_s !== null && duration(group.longest_s)}
              </Table.Td>
              <Table.Td>
                <Reasons group={group} onChoose={(reason) => change({ reason })} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </WideTable>
    </Paper>
  );
}

function Reasons({ group, onChoose }: { group: TaskGroup; onChoose(reason: string): void }) {
  const reasons = Object.entries(group.by_reason).sort(([, one], [, other]) => other - one);
  return (
    <Group gap="xs">
      {reasons.map(([reason, times]) => (
        <Anchor component="button" size="sm" key={reason} onClick={() => onChoose(reason)}>
          {reason} {count(times)}
        </Anchor>
      ))}
    </Group>
  );
}
