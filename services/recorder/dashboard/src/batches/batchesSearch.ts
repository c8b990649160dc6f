import { texts } from "../shell/searchParams";

/** The URL parameters of the list of batches. */
export const batchesSearch = texts("status", "name", "initiator");
