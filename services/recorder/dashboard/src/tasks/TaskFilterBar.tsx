import { Checkbox, Group, NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { REASONS, selectOptions, TASK_STATUSES } from "../api/labels";
import { PERIODS_H, type TaskFilters, taskFilters } from "./filters";

const PERIODS = { 1: "the last hour", 24: "the last day", 168: "the last week" } as const;

interface Props {
  filters: TaskFilters;
  onChange(filters: TaskFilters): void;
}

/** The filters of the task list. */
export function TaskFilterBar({ filters, onChange }: Props) {
  const change = (some: Record<string, unknown>) => onChange(taskFilters({ ...filters, ...some }));
  return (
    <Group component="search" aria-label="Filter tasks" align="end" gap="sm">
      <TypedFilter label="Name" value={filters.name} onChange={(name) => change({ name })} />
      <NativeSelect
        label="Status"
        value={filters.status ?? ""}
        onChange={(event) => change({ status: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...selectOptions(TASK_STATUSES)]}
      />
      <NativeSelect
        label="Reason"
        value={filters.reason ?? ""}
        onChange={(event) => change({ reason: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...selectOptions(REASONS)]}
      />
      <TypedFilter
        label="Worker"
        value={filters.worker}
        onChange={(worker) => change({ worker })}
      />
      <TypedFilter label="Batch id" value={filters.batch} onChange={(batch) => change({ batch })} />
      <NativeSelect
        label="Started in"
        value={filters.hours ?? ""}
        onChange={(event) => change({ hours: event.currentTarget.value })}
        data={[
          { value: "", label: "all time", disabled: filters.order === "slowest" },
          ...PERIODS_H.map((hours) => ({ value: hours, label: PERIODS[hours] })),
        ]}
      />
      <NativeSelect
        label="Order"
        value={filters.order ?? ""}
        onChange={(event) => change({ order: event.currentTarget.value })}
        data={[
          { value: "", label: "newest first" },
          { value: "slowest", label: "slowest first" },
        ]}
      />
      <Checkbox
        label="Retried only"
        checked={filters.retried === "yes"}
        onChange={(event) => change({ retried: event.currentTarget.checked ? "yes" : "" })}
        pb="xs"
      />
    </Group>
  );
}

interface TypedProps {
  label: string;
  value: string | undefined;
  onChange(value: string): void;
}

/** A text filter that applies on Enter or on blur. */
function TypedFilter({ label, value, onChange }: TypedProps) {
  const [typed, setTyped] = useState(value ?? "");
  useEffect(() => setTyped(value ?? ""), [value]);
  const apply = () => {
    if (typed.trim() !== (value ?? "")) onChange(typed.trim());
  };
  return (
    <TextInput
      label={label}
      value={typed}
      placeholder="any"
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={apply}
      onKeyDown={(event) => event.key === "Enter" && apply()}
    />
  );
}
