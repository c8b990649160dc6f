import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";
import { LagTable } from "./LagTable";
import { Throughput } from "./Throughput";
import { WorkerTable } from "./WorkerTable";

/** The workers, the lag of each topic, and the throughput over time. */
export function WorkersPage() {
  return (
    <Stack gap="xl">
      <PageTitle title="Workers and lag" />
      <WorkerTable />
      <LagTable />
      <Throughput />
    </Stack>
  );
}
