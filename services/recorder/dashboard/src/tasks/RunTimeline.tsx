import { Box, Group, Paper, Stack, Text, Title } from "@mantine/core";
import type { Task } from "../api/recorder";
import { duration, moment } from "../shell/format";
import { StatusBadge } from "../shell/StatusBadge";
import classes from "./RunTimeline.module.css";
import type { Bar, Run, Span } from "./timeline";

/**
 * A run's tasks over time. The bars are hidden from screen readers: each task's text says the same.
 */
export function RunTimeline({ run }: { run: Run<Task> }) {
  const id = `run-${run.run}`;
  return (
    <Paper component="section" aria-labelledby={id} withBorder p="md">
      <Group justify="space-between">
        <Title order={2} size="h4" id={id}>
          Run {run.run}
        </Title>
        <Text size="sm" c="dimmed">
          {moment(run.beganAt.toISOString())}, {duration(run.lengthS)}
        </Text>
      </Group>
      <Stack component="ol" className={classes.tasks} gap="md" mt="sm">
        {run.bars.map((bar) => (
          <li key={bar.task.task_id}>
            <TaskLine bar={bar} lengthS={run.lengthS} />
          </li>
        ))}
      </Stack>
    </Paper>
  );
}

function TaskLine({ bar, lengthS }: { bar: Bar<Task>; lengthS: number }) {
  const { task, waited, worked } = bar;
  return (
    <>
      <Group gap="xs">
        <Text fw={600}>{task.task_name ?? task.task_id}</Text>
        <StatusBadge status={task.status ?? "PENDING"} />
        <Text size="sm">{taskText(bar, lengthS)}</Text>
      </Group>
      <Box className={classes.track} aria-hidden>
        {waited && <Box className={classes.waited} style={barStyle(waited)} />}
        {worked && (
          <Box className={classes.worked} data-status={task.status} style={barStyle(worked)} />
        )}
      </Box>
      {task.reason !== null && (
        <Text size="sm" mt={4}>
          {task.reason}
          {task.error !== null && `: ${task.error}`}
        </Text>
      )}
    </>
  );
}

function taskText({ task, waited, worked }: Bar<Task>, lengthS: number): string {
  const parts: string[] = [];
  if (waited) {
    const waitedS = duration((waited.to - waited.from) * lengthS);
    parts.push(task.started_at === null ? `waiting for ${waitedS}` : `waited ${waitedS}`);
  }
  if (worked) {
    const workedS = duration(task.duration_s ?? (worked.to - worked.from) * lengthS);
    parts.push(task.finished_at === null ? `working for ${workedS}` : `worked ${workedS}`);
  }
  if (task.worker !== null) parts.push(`on ${task.worker}`);
  parts.push(`attempt ${task.attempt}`);
  if (task.retries > 0)
    parts.push(task.retries === 1 ? "retried once" : `retried ${task.retries} times`);
  return parts.join(", ");
}

function barStyle({ from, to }: Span) {
  return { left: `${100 * from}%`, width: `${100 * (to - from)}%` };
}
