import { BATCH_STATUSES, knownValue } from "../api/vocabulary";

/** Which batches; names are as the recorder's API has them. */
export interface BatchFilter {
  status?: keyof typeof BATCH_STATUSES;
  batch_name?: string;
  initiated_by?: string;
}

/** The filter that an address asks for. */
export function batchFilter(search: {
  status?: string;
  name?: string;
  initiator?: string;
}): BatchFilter {
  const status = knownValue(BATCH_STATUSES, search.status);
  return {
    ...(status && { status }),
    ...(search.name && { batch_name: search.name }),
    ...(search.initiator && { initiated_by: search.initiator }),
  };
}
