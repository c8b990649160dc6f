import { Button, CloseButton, Group, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { IconSearch, IconX } from "@tabler/icons-react";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import { BatchName } from "../batch/BatchName";
import { EmptyState } from "../shell/EmptyState";
import { PageTitle } from "../shell/PageTitle";
import { Results } from "./Results";
import type { SearchParams } from "./searchQuery";

const TYPING_MS = 250;
/** The recorder's limit. */
const MAX_CHARACTERS = 200;

const route = getRouteApi("/search");

/** Finds images by their text. The query is in the URL. */
export function SearchPage() {
  const { q = "", mode, batch } = route.useSearch();
  const search: SearchParams = { q, mode: mode === "word" ? "word" : "substring", batch };
  const navigate = route.useNavigate();
  const update = useCallback(
    (changed: { q?: string; mode?: string; batch?: string }) =>
      navigate({ search: (now) => ({ ...now, ...changed }), replace: true }),
    [navigate],
  );
  const setQuery = useCallback((q: string) => update({ q }), [update]);
  return (
    <Stack>
      <PageTitle title="Search" />
      <Group align="end" component="search">
        <Query value={search.q} onChange={setQuery} />
        <SegmentedControl
          aria-label="Match"
          value={search.mode}
          onChange={(mode) => update({ mode: mode === "word" ? mode : "" })}
          data={[
            { value: "substring", label: "Anywhere" },
            { value: "word", label: "Whole words" },
          ]}
        />
        {search.batch !== undefined && (
          <Button
            variant="default"
            rightSection={<IconX size={16} aria-hidden />}
            title="Search all batches"
            onClick={() => update({ batch: "" })}
          >
            Only in batch <BatchName batchId={search.batch} />
          </Button>
        )}
      </Group>
      {search.q.trim() === "" ? (
        <EmptyState title="Search the text on images">
          Type words or a part of a word, in any language; one character is enough. The search
          ignores case and character width, and has no special characters.
        </EmptyState>
      ) : (
        <Results search={search} />
      )}
    </Stack>
  );
}

/** An input that updates the URL when typing pauses, and follows the URL when it changes. */
function Query({ value, onChange }: { value: string; onChange: (q: string) => void }) {
  const [typed, setTyped] = useState(value);
  const reported = useRef(value);
  useEffect(() => {
    if (value === reported.current) return;
    reported.current = value;
    setTyped(value);
  }, [value]);
  useEffect(() => {
    if (typed === reported.current) return;
    const timer = setTimeout(() => {
      reported.current = typed;
      onChange(typed);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, onChange]);
  return (
    <TextInput
      flex="1 1 16rem"
      type="search"
      label="Text on images"
      maxLength={MAX_CHARACTERS}
      leftSection={<IconSearch size={18} />}
      value={typed}
      onChange={(event) => setTyped(event.currentTarget.value)}
      rightSection={typed && <CloseButton aria-label="Clear" onClick={() => setTyped("")} />}
    />
  );
}
