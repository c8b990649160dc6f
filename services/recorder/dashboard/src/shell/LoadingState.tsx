import { Center, Loader } from "@mantine/core";

/** A loading indicator. */
export function LoadingState() {
  return (
    <Center py="xl" role="status" aria-label="Loading">
      <Loader />
    </Center>
  );
}
