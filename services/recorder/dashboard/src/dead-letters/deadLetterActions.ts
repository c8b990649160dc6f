/** Redrives and drops dead letters, in requests as large as the API allows. */

import { unwrap } from "../api/errors";
import { type DeadLetterActionResult, recorder } from "../api/recorder";

export type Action = "redrive" | "drop";

const MAX_IDS_PER_REQUEST = 100;

/** Applies the action to all; `value` replaces the record's value, for a single dead letter only. */
export async function applyAction(
  action: Action,
  ids: readonly number[],
  value?: Record<string, unknown>,
): Promise<DeadLetterActionResult> {
  const result: DeadLetterActionResult = { done: [], failures: [] };
  for (let start = 0; start < ids.length; start += MAX_IDS_PER_REQUEST) {
    const part = await send(action, ids.slice(start, start + MAX_IDS_PER_REQUEST), value);
    result.done.push(...part.done);
    result.failures.push(...part.failures);
  }
  return result;
}

function send(
  action: Action,
  ids: number[],
  value: Record<string, unknown> | undefined,
): Promise<DeadLetterActionResult> {
  if (action === "drop") {
    return unwrap(recorder.POST("/v1/dead-letters/drop", { body: { ids } }));
  }
  const body = value === undefined ? { ids } : { ids, value };
  return unwrap(recorder.POST("/v1/dead-letters/redrive", { body }));
}
