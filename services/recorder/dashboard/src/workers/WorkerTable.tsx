import { Badge, Group, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { recorder, type Worker } from "../api/recorder";
import { EmptyState } from "../shell/EmptyState";
import { ErrorState } from "../shell/ErrorState";
import { count, moment } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { WideTable } from "../shell/WideTable";

/** The workers with a heartbeat in the last ten minutes, alive ones first. */
export function WorkerTable() {
  const workers = useQuery({
    queryKey: ["workers"],
    queryFn: ({ signal }) => unwrap(recorder.GET("/v1/workers", { signal })),
    refetchInterval: 2_000,
  });
  return (
    <section aria-labelledby="workers">
      <Group align="baseline">
        <Title order={2} id="workers">
          Workers
        </Title>
        {workers.data && <Totals workers={workers.data.items} />}
      </Group>
      {workers.isPending && <LoadingState />}
      {workers.isError && <ErrorState error={workers.error} retry={() => workers.refetch()} />}
      {workers.data && <List workers={workers.data.items} />}
    </section>
  );
}

function Totals({ workers }: { workers: Worker[] }) {
  const alive = workers.filter((worker) => worker.alive);
  const imagesPerS = alive.reduce((sum, worker) => sum + worker.images_per_s, 0);
  return (
    <Text>
      {alive.length} alive, {imagesPerS.toFixed(1)} images/s
    </Text>
  );
}

function List({ workers }: { workers: Worker[] }) {
  if (!workers.some((worker) => worker.alive)) {
    return (
      <>
        <EmptyState title="No worker is alive">
          Start one: <code>make up</code> on this machine, or <code>ocrstream-worker</code> anywhere
          that reaches the broker. Submitted images wait until a worker reads them.
        </EmptyState>
        {workers.length > 0 && <Rows workers={workers} />}
      </>
    );
  }
  return <Rows workers={workers} />;
}

function Rows({ workers }: { workers: Worker[] }) {
  return (
    <WideTable label="Workers" minWidth={900}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Worker</Table.Th>
          <Table.Th>State</Table.Th>
          <Table.Th>Engine</Table.Th>
          <Table.Th>Device</Table.Th>
          <Table.Th>Lanes</Table.Th>
          <Table.Th ta="right">In flight</Table.Th>
          <Table.Th ta="right">Done</Table.Th>
          <Table.Th ta="right">Images/s</Table.Th>
          <Table.Th>Started</Table.Th>
          <Table.Th>Last seen</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {workers.map((worker) => (
          <Table.Tr key={worker.worker}>
            <Table.Td>
              {worker.worker}
              <Text size="xs" c="dimmed">
                {worker.host}
              </Text>
            </Table.Td>
            <Table.Td>
              <StateBadge worker={worker} />
            </Table.Td>
            <Table.Td>
              {worker.engine} {worker.versions[worker.engine]}
            </Table.Td>
            <Table.Td>{worker.device}</Table.Td>
            <Table.Td>{worker.lanes.join(", ")}</Table.Td>
            <Table.Td ta="right">{count(worker.images_in_flight)}</Table.Td>
            <Table.Td ta="right">{count(worker.images_done)}</Table.Td>
            <Table.Td ta="right">{worker.images_per_s.toFixed(1)}</Table.Td>
            <Table.Td>{moment(worker.started_at)}</Table.Td>
            <Table.Td>{moment(worker.last_seen_at)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </WideTable>
  );
}

function StateBadge({ worker }: { worker: Worker }) {
  const [state, color] = stateOf(worker);
  return (
    <Badge color={color} variant="light" miw="max-content">
      {state}
    </Badge>
  );
}

function stateOf({ stopped, alive, ready }: Worker): [string, string] {
  if (stopped) return ["stopped", "gray"];
  if (!alive) return ["no heartbeat", "red"];
  return ready ? ["alive", "green"] : ["not ready", "yellow"];
}
