import { Center, Loader } from "@mantine/core";

/** Stands where something is on its way. */
export function LoadingState() {
  return (
    <Center py="xl" role="status" aria-label="Loading">
      <Loader />
    </Center>
  );
}
