import { Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { answerOf, recorder } from "../api/clients";
import { count } from "../shell/format";
import { ErrorState, Loading } from "../shell/states";

/** How many records wait in each topic for those who read it. */
export function LagTable() {
  const lag = useQuery({
    queryKey: ["lag"],
    queryFn: ({ signal }) => answerOf(recorder.GET("/v1/lag", { signal })),
    refetchInterval: 2_000,
  });
  return (
    <section aria-labelledby="lag">
      <Title order={2} id="lag">
        Lag
      </Title>
      <Text c="dimmed" size="sm">
        Records that wait: images for the workers, and all events for the recorder.
      </Text>
      {lag.isPending && <Loading />}
      {lag.isError && <ErrorState error={lag.error} onRetry={() => lag.refetch()} />}
      {lag.data && (
        <Table aria-labelledby="lag" maw={640}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Topic</Table.Th>
              <Table.Th>Read by</Table.Th>
              <Table.Th ta="right">Waiting</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lag.data.items.map(({ topic, group_id, waiting_records }) => (
              <Table.Tr key={`${topic} ${group_id}`}>
                <Table.Td>{topic}</Table.Td>
                <Table.Td>{group_id}</Table.Td>
                <Table.Td ta="right">{count(waiting_records)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </section>
  );
}
