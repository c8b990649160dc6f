import { Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { unwrap } from "../api/errors";
import { recorder } from "../api/recorder";
import { ErrorState } from "../shell/ErrorState";
import { count } from "../shell/format";
import { LoadingState } from "../shell/LoadingState";
import { WideTable } from "../shell/WideTable";

/** The consumers' lag by topic. */
export function LagTable() {
  const lag = useQuery({
    queryKey: ["lag"],
    queryFn: ({ signal }) => unwrap(recorder.GET("/v1/lag", { signal })),
    refetchInterval: 2_000,
  });
  return (
    <section aria-labelledby="lag">
      <Title order={2} id="lag">
        Lag
      </Title>
      <Text c="dimmed" size="sm">
        Records that a consumer has not processed yet, by topic.
      </Text>
      {lag.isPending && <LoadingState />}
      {lag.isError && <ErrorState error={lag.error} retry={() => lag.refetch()} />}
      {lag.data && (
        <WideTable label="Lag" minWidth={480}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Topic</Table.Th>
              <Table.Th>Lane</Table.Th>
              <Table.Th>Consumer</Table.Th>
              <Table.Th ta="right">Lag (records)</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lag.data.items.map(({ topic, reader, group, lane, waiting_records }) => (
              <Table.Tr key={`${topic} ${reader}`}>
                <Table.Td>{topic}</Table.Td>
                <Table.Td>{lane}</Table.Td>
                <Table.Td>{group === null ? reader : `${reader} (${group})`}</Table.Td>
                <Table.Td ta="right">{count(waiting_records)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </WideTable>
      )}
    </section>
  );
}
