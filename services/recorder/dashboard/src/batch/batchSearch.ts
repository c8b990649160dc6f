import { textParams } from "../shell/searchParams";

/** The URL parameters of a batch's page. */
export const batchSearch = textParams("status", "reason", "warning", "name", "view");
