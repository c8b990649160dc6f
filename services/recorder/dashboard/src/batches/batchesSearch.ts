import { textParams } from "../shell/searchParams";

/** The URL parameters of the list of batches. */
export const batchesSearch = textParams("status", "name", "initiator");
