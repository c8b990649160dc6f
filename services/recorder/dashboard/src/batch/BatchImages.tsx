import { Button, Select, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { IMAGE_OUTCOMES, REASONS, selectOptions, WARNINGS } from "../api/labels";
import type { Batch } from "../api/recorder";
import { DebouncedInput } from "../shell/DebouncedInput";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import filters from "../shell/Filters.module.css";
import { counted } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { ImageGrid } from "./ImageGrid";
import { expectedCount, type ImageFilter, imageFilter, isFiltered } from "./imageFilter";
import { batchVersion } from "./useBatch";
import { PAGE_SIZE, type Range, useImagePages } from "./useImagePages";

const route = getRouteApi("/batches/$batchId");

/** The batch's images as a grid, filtered by outcome, reason, warning and name. */
export function BatchImages({ batch }: { batch: Batch }) {
  const { status, reason, warning, name } = route.useSearch();
  const filter = useMemo(
    () => imageFilter({ status, reason, warning, name }),
    [status, reason, warning, name],
  );
  const navigate = route.useNavigate();
  const choose = (chosen: { status?: string; reason?: string; warning?: string; name?: string }) =>
    navigate({ search: (now) => ({ ...now, ...chosen }), replace: true });
  return (
    <>
      <div className={filters.fields}>
        <Select
          label="Outcome"
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": "Any outcome" }}
          data={selectOptions(IMAGE_OUTCOMES)}
          value={filter.status ?? null}
          onChange={(status) => choose({ status: status ?? "" })}
          className={filters.field}
        />
        <Select
          label="Reason"
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": "Any reason" }}
          data={selectOptions(REASONS)}
          value={filter.reason ?? null}
          onChange={(reason) => choose({ reason: reason ?? "" })}
          className={filters.field}
        />
        <Select
          label="Warning"
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": "Any warning" }}
          data={selectOptions(WARNINGS)}
          value={filter.warning ?? null}
          onChange={(warning) => choose({ warning: warning ?? "" })}
          className={filters.field}
        />
        <DebouncedInput
          label="Name"
          placeholder="Part of a name"
          value={filter.name ?? ""}
          onChange={(name) => choose({ name })}
        />
        {isFiltered(filter) && (
          <Button
            variant="default"
            onClick={() => choose({ status: "", reason: "", warning: "", name: "" })}
          >
            Clear filters
          </Button>
        )}
      </div>
      <Images key={JSON.stringify(filter)} batch={batch} filter={filter} />
    </>
  );
}

function Images({ batch, filter }: { batch: Batch; filter: ImageFilter }) {
  const [visible, setVisible] = useState<Range>({ start: 0, end: PAGE_SIZE });
  const listQuery = { batchId: batch.batch_id, filter, version: batchVersion(batch) };
  const list = useMemo(() => ({ batch: batch.batch_id, ...filter }), [batch.batch_id, filter]);
  const { images, more, error, retry } = useImagePages(listQuery, visible);

  if (error !== null && images.length === 0) {
    return <ErrorState error={error} retry={retry} />;
  }
  if (images.length === 0 && more) {
    return <LoadingState />;
  }
  if (images.length === 0) {
    return isFiltered(filter) ? (
      <EmptyState title="No matching images">
        No image of this batch matches the filters. Change or clear the filters.
      </EmptyState>
    ) : (
      <EmptyState title="No images yet">
        Images appear as soon as the recorder receives their submissions.
      </EmptyState>
    );
  }
  const total = more
    ? Math.max(images.length + 1, expectedCount(filter, batch) ?? 0)
    : images.length;
  return (
    <>
      <Text size="sm" c="dimmed" role="status">
        {more && expectedCount(filter, batch) === undefined
          ? `More than ${counted(images.length, "image")}`
          : counted(total, "image")}
      </Text>
      {error !== null && <ErrorState error={error} retry={retry} />}
      <ImageGrid images={images} total={total} list={list} onRangeChange={setVisible} />
    </>
  );
}
