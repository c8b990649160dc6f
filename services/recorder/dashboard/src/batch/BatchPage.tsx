import { Anchor, SegmentedControl, Stack, Text } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useBatchEvents } from "../api/useBatchEvents";
import { ErrorState } from "../shell/ErrorState";
import { LoadingState } from "../shell/LoadingState";
import { PageTitle } from "../shell/PageTitle";
import classes from "./Batch.module.css";
import { BatchActions } from "./BatchActions";
import { BatchImages } from "./BatchImages";
import { ChunkList } from "./ChunkList";
import { FailureList } from "./FailureList";
import { ProgressPanel } from "./ProgressPanel";
import { useBatch, withProgress } from "./useBatch";

const route = getRouteApi("/batches/$batchId");

const VIEWS = [
  { value: "images", label: "Images" },
  { value: "failures", label: "Failures" },
  { value: "chunks", label: "Chunks" },
] as const;

/** A batch: its progress, images, failures, chunks and actions. */
export function BatchPage() {
  const { batchId } = route.useParams();
  // The key resets the state when another batch is opened.
  return <BatchById key={batchId} batchId={batchId} />;
}

function BatchById({ batchId }: { batchId: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { progress, connection } = useBatchEvents(batchId);
  const batchQuery = useBatch(batchId, progress);

  if (batchQuery.isPending) {
    return (
      <>
        <PageTitle title="Batch" />
        <LoadingState />
      </>
    );
  }
  if (batchQuery.data === undefined) {
    return (
      <Stack>
        <PageTitle title="Batch" />
        <ErrorState error={batchQuery.error} retry={() => batchQuery.refetch()} />
        <Anchor renderRoot={(props) => <Link to="/" {...props} />}>All batches</Anchor>
      </Stack>
    );
  }
  const batch = withProgress(batchQuery.data, progress);
  const view = VIEWS.find(({ value }) => value === search.view)?.value ?? "images";
  return (
    <Stack>
      <div className={classes.heading}>
        <div>
          <PageTitle title={batch.batch_name ?? batch.batch_id} />
          {batch.batch_name !== null && batch.batch_name !== batch.batch_id && (
            <Text size="sm" c="dimmed">
              {batch.batch_id}
            </Text>
          )}
        </div>
        <BatchActions batch={batch} />
      </div>
      <ProgressPanel batch={batch} progress={progress} connection={connection} />
      <SegmentedControl
        aria-label="Batch view"
        className={classes.views}
        data={[...VIEWS]}
        value={view}
        // Not replaced: the browser's Back returns to the view before.
        onChange={(chosen) => navigate({ search: (now) => ({ ...now, view: chosen }) })}
      />
      {view === "images" && <BatchImages batch={batch} />}
      {view === "failures" && <FailureList batch={batch} />}
      {view === "chunks" && <ChunkList batch={batch} />}
    </Stack>
  );
}
