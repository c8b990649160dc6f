import { Button, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { BATCH_STATUSES, parseEnum, selectOptions } from "../api/labels";
import filters from "../shell/Filters.module.css";

const route = getRouteApi("/");
const TYPING_MS = 300;

/** The list's filters; they are URL parameters, so that a link keeps them. */
export function BatchFilters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (chosen: typeof search) =>
    navigate({ search: (now) => ({ ...now, ...chosen }), replace: true });
  const chosen = Object.keys(search).length > 0;
  return (
    <search className={filters.fields}>
      <Select
        label="Status"
        placeholder="Any"
        clearable
        clearButtonProps={{ "aria-label": "Any status" }}
        data={selectOptions(BATCH_STATUSES)}
        value={parseEnum(BATCH_STATUSES, search.status) ?? null}
        onChange={(status) => choose({ status: status ?? "" })}
        className={filters.field}
      />
      <DebouncedInput
        label="Name"
        value={search.name ?? ""}
        onChange={(name) => choose({ name })}
      />
      <DebouncedInput
        label="Initiated by"
        value={search.initiator ?? ""}
        onChange={(initiator) => choose({ initiator })}
      />
      {chosen && (
        <Button variant="default" onClick={() => navigate({ search: {}, replace: true })}>
          Clear filters
        </Button>
      )}
    </search>
  );
}

interface TextProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

function DebouncedInput({ label, value, onChange }: TextProps) {
  const [text, setText] = useState(value);
  const reported = useRef(value);
  const report = useDebouncedCallback((typed: string) => {
    reported.current = typed;
    onChange(typed);
  }, TYPING_MS);
  useEffect(() => {
    // A value that this input reported itself is older than the typed text.
    if (value !== reported.current) {
      reported.current = value;
      setText(value);
    }
  }, [value]);
  return (
    <TextInput
      label={label}
      placeholder="Exact match"
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        report(event.currentTarget.value);
      }}
      className={filters.field}
    />
  );
}
