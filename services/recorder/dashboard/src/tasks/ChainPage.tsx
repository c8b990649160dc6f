import { Anchor, Code, Group, Paper, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { unwrap } from "../api/errors";
import { type Chain, recorder } from "../api/recorder";
import { BatchName } from "../batch/BatchName";
import { ErrorState } from "../shell/ErrorState";
import { moment } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { PageTitle } from "../shell/PageTitle";
import { hasEnded, StatusBadge } from "../shell/StatusBadge";
import { RunTimeline } from "./RunTimeline";
import { runsOf } from "./timeline";

const route = getRouteApi("/chains/$chainId");

/** An image's chain: when each task waited and ran, and its retries. */
export function ChainPage() {
  const { chainId } = route.useParams();
  const chain = useQuery({
    queryKey: ["chain", chainId],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/chains/{chain_id}", { params: { path: { chain_id: chainId } }, signal }),
      ),
    refetchInterval: ({ state }) => (hasEnded(state.data?.status ?? "") ? 10_000 : 1_000),
  });
  if (chain.isPending) return <LoadingState />;
  if (chain.isError) return <ErrorState error={chain.error} retry={() => chain.refetch()} />;
  const runs = runsOf(chain.data.tasks, new Date());
  return (
    <Stack>
      <Header chain={chain.data} />
      {runs.length === 0 && <Text>The recorder has no task of this chain yet.</Text>}
      {runs.map((run) => (
        <RunTimeline key={run.run} run={run} />
      ))}
    </Stack>
  );
}

function Header({ chain }: { chain: Chain }) {
  const path = imagePathOf(chain.input_data);
  return (
    <Paper withBorder p="md">
      <Group justify="space-between">
        <PageTitle title={chain.chain_name ?? chain.chain_id} />
        <StatusBadge status={chain.status} />
      </Group>
      <Stack gap={4} mt="xs">
        {path !== null && (
          <Text size="sm">
            Image:{" "}
            <Anchor
              underline="always"
              renderRoot={(props) => <Link {...props} to="/images" search={{ path }} />}
            >
              {path}
            </Anchor>
          </Text>
        )}
        {chain.batch_id !== null && (
          <Text size="sm">
            Batch:{" "}
            <Anchor
              underline="always"
              renderRoot={(props) => (
                <Link
                  {...props}
                  to="/batches/$batchId"
                  params={{ batchId: chain.batch_id ?? "" }}
                />
              )}
            >
              <BatchName batchId={chain.batch_id} />
            </Anchor>
          </Text>
        )}
        <Text size="sm">
          Created {moment(chain.created_at)}, {chain.completed_tasks} of {chain.total_tasks} tasks
          done
          {chain.failed_tasks > 0 && `, ${chain.failed_tasks} failed`}, run {chain.run}
        </Text>
        {chain.reason !== null && <Text size="sm">Reason: {chain.reason}</Text>}
        {chain.error_message !== null && <Code block>{chain.error_message}</Code>}
      </Stack>
    </Paper>
  );
}

function imagePathOf(input: unknown): string | null {
  const path = (input as { image_path?: unknown } | null)?.image_path;
  return typeof path === "string" ? path : null;
}
