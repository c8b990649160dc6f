import { texts } from "../shell/searchParams";

/** The URL parameters of a batch's page. */
export const batchSearch = texts("status", "reason", "warning", "view");
