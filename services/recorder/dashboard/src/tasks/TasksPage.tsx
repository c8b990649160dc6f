import { Stack } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { PageTitle } from "../shell/PageTitle";
import type { TaskFilters } from "./filters";
import { TaskFilterBar } from "./TaskFilterBar";
import { TaskSummary } from "./TaskSummary";
import { TaskTable } from "./TaskTable";

const route = getRouteApi("/tasks");

/** The list of tasks, with filters and a summary. */
export function TasksPage() {
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const onChange = (changed: TaskFilters) => navigate({ search: changed, replace: true });
  return (
    <Stack>
      <PageTitle title="Tasks" />
      <TaskFilterBar filters={filters} onChange={onChange} />
      <TaskSummary filters={filters} onChange={onChange} />
      <TaskTable filters={filters} />
    </Stack>
  );
}
