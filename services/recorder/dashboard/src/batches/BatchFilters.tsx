import { Button, Select } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { BATCH_STATUSES, parseEnum, selectOptions } from "../api/labels";
import { DebouncedInput } from "../shell/DebouncedInput";
import filters from "../shell/Filters.module.css";

const route = getRouteApi("/");

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
        placeholder="Exact match"
        value={search.name ?? ""}
        onChange={(name) => choose({ name })}
      />
      <DebouncedInput
        label="Initiated by"
        placeholder="Exact match"
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
