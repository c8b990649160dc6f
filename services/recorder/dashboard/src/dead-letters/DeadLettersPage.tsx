import { Button, Group, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { unwrap } from "../api/errors";
import { REJECTIONS, selectOptions, TOPICS } from "../api/labels";
import { retryIntervalMs } from "../api/queryClient";
import { recorder } from "../api/recorder";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { count } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { PageTitle } from "../shell/PageTitle";
import { ActionDialog, type PendingAction } from "./ActionDialog";
import { DeadLetterDrawer } from "./DeadLetterDrawer";
import { DeadLetterTable } from "./DeadLetterTable";
import { type DeadLetterFilters, deadLetterFilters, deadLetterParameters, STATES } from "./filters";

const route = getRouteApi("/dead-letters");
const PAGE_SIZE = 50;
const EMPTY_SELECTION: ReadonlySet<number> = new Set();

/** The list of dead letters: shows, redrives and drops them. */
export function DeadLettersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { letter, ...filters } = search;
  const [selection, setSelection] = useState({ of: "", ids: EMPTY_SELECTION });
  const [pending, setPending] = useState<PendingAction | null>(null);
  // Other filters list other dead letters, so the selection is cleared.
  const listed = JSON.stringify(filters);
  const selected = selection.of === listed ? selection.ids : EMPTY_SELECTION;
  const select = (chosen: ReadonlySet<number>) => setSelection({ of: listed, ids: chosen });
  const letters = useInfiniteQuery({
    queryKey: ["dead-letters", filters],
    initialPageParam: "",
    queryFn: ({ pageParam: cursor, signal }) =>
      unwrap(
        recorder.GET("/v1/dead-letters", {
          params: {
            query: {
              ...deadLetterParameters(filters),
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
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const show = (some: DeadLetterFilters) => navigate({ search: some });
  const rows = letters.data?.pages.flatMap((page) => page.items) ?? [];
  const ids = rows.map(({ id }) => id).filter((id) => selected.has(id));
  return (
    <Stack>
      <PageTitle title="Dead letters" />
      <Text c="dimmed">
        Records that a worker or the recorder could not process. Fix the cause and redrive them, or
        drop them. Neither deletes a record from Kafka.
      </Text>
      <Filters filters={filters} onChange={show} />
      {letters.isPending && <LoadingState />}
      {letters.isError && <ErrorState error={letters.error} retry={() => letters.refetch()} />}
      {letters.isSuccess && rows.length === 0 && (
        <EmptyState title="No matching dead letters">
          {filters.state === undefined
            ? "No dead letter is open for these filters."
            : "Change the filters to see others."}
        </EmptyState>
      )}
      {rows.length > 0 && (
        <>
          <Group role="toolbar" aria-label="Selected dead letters">
            <Text size="sm" aria-live="polite">
              {count(ids.length)} selected
            </Text>
            <Button
              size="xs"
              disabled={ids.length === 0}
              onClick={() => setPending({ action: "redrive", ids })}
            >
              Redrive
            </Button>
            <Button
              size="xs"
              variant="default"
              disabled={ids.length === 0}
              onClick={() => setPending({ action: "drop", ids })}
            >
              Drop
            </Button>
          </Group>
          <DeadLetterTable
            letters={rows}
            selected={selected}
            onSelect={select}
            onOpen={(id) => show({ ...filters, letter: String(id) })}
          />
          {letters.hasNextPage && (
            <Button
              variant="default"
              loading={letters.isFetchingNextPage}
              onClick={() => letters.fetchNextPage()}
            >
              Load more
            </Button>
          )}
        </>
      )}
      <DeadLetterDrawer
        id={letter === undefined ? null : Number(letter)}
        onClose={() => show(filters)}
        onChange={(one) => setPending(one)}
      />
      <ActionDialog
        pending={pending}
        onClose={() => setPending(null)}
        onDone={() => select(EMPTY_SELECTION)}
      />
    </Stack>
  );
}

interface FiltersProps {
  filters: DeadLetterFilters;
  onChange(filters: DeadLetterFilters): void;
}

function Filters({ filters, onChange }: FiltersProps) {
  const change = (some: Record<string, unknown>) =>
    onChange(deadLetterFilters({ ...filters, ...some }));
  return (
    <Group component="search" aria-label="Filter dead letters" align="end" gap="sm">
      <NativeSelect
        label="Topic"
        value={filters.topic ?? ""}
        onChange={(event) => change({ topic: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...selectOptions(TOPICS)]}
      />
      <NativeSelect
        label="Reason"
        value={filters.reason ?? ""}
        onChange={(event) => change({ reason: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...selectOptions(REJECTIONS)]}
      />
      <NativeSelect
        label="State"
        value={filters.state ?? "open"}
        onChange={(event) => change({ state: event.currentTarget.value })}
        data={selectOptions(STATES)}
      />
      <TextInput
        label="Batch"
        placeholder="any"
        key={filters.batch ?? ""}
        defaultValue={filters.batch ?? ""}
        onBlur={(event) => {
          if (event.currentTarget.value.trim() !== (filters.batch ?? "")) {
            change({ batch: event.currentTarget.value.trim() });
          }
        }}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
    </Group>
  );
}
