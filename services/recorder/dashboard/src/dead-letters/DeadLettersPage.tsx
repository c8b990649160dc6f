import { Button, Group, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { answered } from "../api/errors";
import { pauseAfter } from "../api/queryClient";
import { recorder } from "../api/recorder";
import { choices, REJECTIONS, TOPICS } from "../api/vocabulary";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { count } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { PageTitle } from "../shell/PageTitle";
import { ChangeDialog, type Wanted } from "./ChangeDialog";
import { type LetterFilters, letterFilters, letterParameters, STATES } from "./filters";
import { LetterDrawer } from "./LetterDrawer";
import { LetterTable } from "./LetterTable";

const route = getRouteApi("/dead-letters");
const AT_ONCE = 50;
const NONE: ReadonlySet<number> = new Set();

/** The list of dead letters: shows, redrives and drops them. */
export function DeadLettersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { letter, ...filters } = search;
  const [selection, setSelection] = useState({ of: "", ids: NONE });
  const [wanted, setWanted] = useState<Wanted | null>(null);
  // Other filters list other dead letters, so the selection is cleared.
  const listed = JSON.stringify(filters);
  const selected = selection.of === listed ? selection.ids : NONE;
  const select = (chosen: ReadonlySet<number>) => setSelection({ of: listed, ids: chosen });
  const letters = useInfiniteQuery({
    queryKey: ["dead-letters", filters],
    initialPageParam: "",
    queryFn: ({ pageParam: cursor, signal }) =>
      answered(
        recorder.GET("/v1/dead-letters", {
          params: {
            query: { ...letterParameters(filters), limit: AT_ONCE, ...(cursor && { cursor }) },
          },
          signal,
        }),
      ),
    // With more pages loaded, a refetch would move the rows that the user reads.
    refetchInterval: ({ state }) =>
      state.data?.pages.length === 1 ? 5_000 : pauseAfter(state.error),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const show = (some: LetterFilters) => navigate({ search: some });
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
              onClick={() => setWanted({ action: "redrive", ids })}
            >
              Redrive
            </Button>
            <Button
              size="xs"
              variant="default"
              disabled={ids.length === 0}
              onClick={() => setWanted({ action: "drop", ids })}
            >
              Drop
            </Button>
          </Group>
          <LetterTable
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
      <LetterDrawer
        id={letter === undefined ? null : Number(letter)}
        onClose={() => show(filters)}
        onChange={(one) => setWanted(one)}
      />
      <ChangeDialog wanted={wanted} onClose={() => setWanted(null)} onDone={() => select(NONE)} />
    </Stack>
  );
}

interface FiltersProps {
  filters: LetterFilters;
  onChange(filters: LetterFilters): void;
}

function Filters({ filters, onChange }: FiltersProps) {
  const change = (some: Record<string, unknown>) =>
    onChange(letterFilters({ ...filters, ...some }));
  return (
    <Group component="search" aria-label="Filter dead letters" align="end" gap="sm">
      <NativeSelect
        label="Topic"
        value={filters.topic ?? ""}
        onChange={(event) => change({ topic: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...choices(TOPICS)]}
      />
      <NativeSelect
        label="Reason"
        value={filters.reason ?? ""}
        onChange={(event) => change({ reason: event.currentTarget.value })}
        data={[{ value: "", label: "any" }, ...choices(REJECTIONS)]}
      />
      <NativeSelect
        label="State"
        value={filters.state ?? "open"}
        onChange={(event) => change({ state: event.currentTarget.value })}
        data={choices(STATES)}
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
