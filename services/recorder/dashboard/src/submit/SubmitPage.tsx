import { Alert, Anchor, Button, Code, Group, Progress, Stack, Text } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { useIngest } from "../api/ingest";
import { bytes, count } from "../shell/format";
import { PageTitle } from "../shell/PageTitle";
import { ChosenFiles } from "./ChosenFiles";
import { DropZone } from "./DropZone";
import { FileWarnings } from "./FileWarnings";
import { OptionsForm } from "./OptionsForm";
import { uploadPortOf } from "./uploadPort";
import { type UploadsState, uploads } from "./uploads";

/** Uploads files from the user's machine as one batch. */
export function SubmitPage() {
  const ingest = useIngest();
  const state = useSyncExternalStore(uploads.subscribe, uploads.state);
  const navigate = useNavigate();
  if (ingest.unavailable !== undefined) return <NotAvailable why={ingest.unavailable} />;
  const toBatch = () => {
    const { phase, files, batchId, acceptedImages } = uploads.state();
    const allSent = files.every((one) => one.state === "sent");
    if (phase === "done" && allSent && batchId !== null && acceptedImages > 0) {
      uploads.clear();
      navigate({ to: "/batches/$batchId", params: { batchId } });
    }
  };
  return (
    <Stack>
      <PageTitle title="Submit images" />
      {(state.phase === "choosing" || state.phase === "done") && (
        <DropZone onFiles={(files) => uploads.add(files)} />
      )}
      {state.phase === "choosing" && (
        <FileWarnings files={state.files} onLeaveOut={(ids) => uploads.remove(ids)} />
      )}
      {state.phase === "choosing" && state.files.length > 0 && (
        <OptionsForm
          onSubmit={async (description) => {
            await uploads.start(description, uploadPortOf(ingest));
            toBatch();
          }}
        />
      )}
      <Sending state={state} onResumed={toBatch} />
      <ChosenFiles
        files={state.files}
        onRemove={state.phase === "choosing" ? (id) => uploads.remove(new Set([id])) : null}
      />
    </Stack>
  );
}

function NotAvailable({ why }: { why: string }) {
  return (
    <Stack>
      <PageTitle title="Submit images" />
      <Alert title="Submitting is not available">
        {why} The <Code>ocrstream submit</Code> command still works.
      </Alert>
    </Stack>
  );
}

/** The upload's progress and its actions. */
function Sending({ state, onResumed }: { state: UploadsState; onResumed(): void }) {
  const { phase, files, batchId, acceptedImages, error, ignoredFiles } = state;
  if (phase === "choosing") return null;
  const total = files.reduce((sum, one) => sum + one.file.size, 0);
  const sent = files.reduce((sum, one) => sum + one.sentBytes, 0);
  const refused = files.filter((one) => one.state === "refused").length;
  const share = phase === "done" ? 100 : Math.floor((100 * sent) / Math.max(total, 1));
  return (
    <Stack component="section" gap="xs" aria-label="Upload">
      <Text aria-live="polite">
        {phase === "sending" && `Sending ${bytes(sent)} of ${bytes(total)}`}
        {phase === "done" &&
          `${count(acceptedImages)} ${acceptedImages === 1 ? "image" : "images"} submitted`}
        {phase === "interrupted" && `Interrupted after ${bytes(sent)} of ${bytes(total)}`}
        {refused > 0 && `, ${count(refused)} refused`}
      </Text>
      <Progress
        value={share}
        aria-label="Upload progress"
        color={phase === "interrupted" ? "yellow" : "blue"}
      />
      {ignoredFiles > 0 && (
        <Text size="sm">
          {count(ignoredFiles)} files that you dropped during the upload are not included: submit
          them afterwards.
        </Text>
      )}
      {error !== null && (
        <Alert color="red" title="The upload is incomplete">
          {error}
        </Alert>
      )}
      <Group>
        {phase === "sending" && (
          <Button variant="default" onClick={() => uploads.stop()}>
            Stop
          </Button>
        )}
        {phase === "interrupted" && (
          <Button onClick={() => uploads.resume().then(onResumed)}>Resume</Button>
        )}
        {phase === "interrupted" && acceptedImages > 0 && (
          // A batch without a total would never end.
          <Button variant="default" onClick={() => uploads.finishEarly()}>
            Finish without the rest
          </Button>
        )}
        {phase === "interrupted" && acceptedImages === 0 && (
          <Button variant="default" onClick={() => uploads.clear()}>
            Discard
          </Button>
        )}
        {phase === "done" && (
          <Button variant="default" onClick={() => uploads.clear()}>
            Submit more
          </Button>
        )}
        {batchId !== null && acceptedImages > 0 && (
          <Anchor
            renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId }} />}
          >
            Open the batch
          </Anchor>
        )}
      </Group>
    </Stack>
  );
}
