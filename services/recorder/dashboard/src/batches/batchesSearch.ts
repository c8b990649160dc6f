import { texts } from "../shell/searchParams";

/** What the list of batches is chosen by, as it stands in the address. */
export const batchesSearch = texts("status", "name", "initiator");
