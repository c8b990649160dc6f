export const STATUSES = [
  { value: "PENDING", label: "Pending" },
  { value: "STARTED", label: "Started" },
  { value: "RUNNING", label: "Running" },
  { value: "SUCCESS", label: "Success" },
  { value: "FAILURE", label: "Failure" },
  { value: "REVOKED", label: "Revoked" },
] as const;

/** Which batches; names are as the recorder's API has them. */
export interface BatchFilter {
  status?: (typeof STATUSES)[number]["value"];
  batch_name?: string;
  initiated_by?: string;
}

/** The filter that an address asks for. */
export function batchFilter(search: {
  status?: string;
  name?: string;
  initiator?: string;
}): BatchFilter {
  const status = STATUSES.find(({ value }) => value === search.status)?.value;
  return {
    ...(status && { status }),
    ...(search.name && { batch_name: search.name }),
    ...(search.initiator && { initiated_by: search.initiator }),
  };
}
