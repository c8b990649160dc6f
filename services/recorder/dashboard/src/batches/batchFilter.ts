import { BATCH_STATUSES, parseEnum } from "../api/labels";

/** Filters of the list, named as the parameters of the read API. */
export interface BatchFilter {
  status?: keyof typeof BATCH_STATUSES;
  batch_name?: string;
  initiated_by?: string;
}

/** The filter of the URL parameters; unknown values are ignored. */
export function batchFilter(search: {
  status?: string;
  name?: string;
  initiator?: string;
}): BatchFilter {
  const status = parseEnum(BATCH_STATUSES, search.status);
  return {
    ...(status && { status }),
    ...(search.name && { batch_name: search.name }),
    ...(search.initiator && { initiated_by: search.initiator }),
  };
}
