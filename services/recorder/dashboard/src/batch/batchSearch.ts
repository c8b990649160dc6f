import { texts } from "../shell/searchParams";

/** Which of a batch's images are shown, as it stands in the address. */
export const batchSearch = texts("status", "reason", "warning", "view");
