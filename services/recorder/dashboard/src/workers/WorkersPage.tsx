import { Stack, Title } from "@mantine/core";
import { LagTable } from "./LagTable";
import { Throughput } from "./Throughput";
import { WorkerTable } from "./WorkerTable";

/** Who reads images now, how much waits for them, and how much they have done. */
export default function WorkersPage() {
  return (
    <Stack gap="xl">
      <Title order={1}>Workers and lag</Title>
      <WorkerTable />
      <LagTable />
      <Throughput />
    </Stack>
  );
}
