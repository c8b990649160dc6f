import { Stack, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { TaskFilterBar } from "./TaskFilterBar";
import { TaskSummary } from "./TaskSummary";
import { TaskTable } from "./TaskTable";
import type { TaskFilters } from "./filters";

/** All tasks: which failed and why, which took long, which were tried again. */
export default function TasksPage() {
  const filters = useSearch({ from: "/tasks" });
  const navigate = useNavigate();
  const onChange = (wanted: TaskFilters) => navigate({ to: "/tasks", search: wanted, replace: true });
  return (
    <Stack>
      <Title order={1}>Tasks</Title>
      <TaskFilterBar filters={filters} onChange={onChange} />
      <TaskSummary filters={filters} onChange={onChange} />
      <TaskTable filters={filters} />
    </Stack>
  );
}
