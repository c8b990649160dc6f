import { useQuery } from "@tanstack/react-query";
import { batchQuery } from "./useBatch";

/** A batch's name; its id if it has none, or until the name is known. */
export function BatchName({ batchId }: { batchId: string }) {
  return useQuery(batchQuery(batchId)).data?.batch_name || batchId;
}
