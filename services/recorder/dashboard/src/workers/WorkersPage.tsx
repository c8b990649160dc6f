import { Stack } from "@mantine/core";
import { PageTitle } from "../shell/PageTitle";
import { LagTable } from "./LagTable";
import { Throughput } from "./Throughput";
import { WorkerTable } from "./WorkerTable";

/** Who reads images now, how much waits for them, and how much they have done. */
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
