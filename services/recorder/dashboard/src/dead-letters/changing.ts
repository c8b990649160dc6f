/** Redrives and drops dead letters, in requests as large as the API allows. */

import { answered } from "../api/errors";
import { type DeadLettersChanged, recorder } from "../api/recorder";

export type Action = "redrive" | "drop";

const AT_ONCE = 100;

/**
 * Applies the action to all; `value` replaces the record's value, for a single dead letter only.
 */
export async function change(
  action: Action,
  ids: readonly number[],
  value?: Record<string, unknown>,
): Promise<DeadLettersChanged> {
  const all: DeadLettersChanged = { done: [], failures: [] };
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    const some = await changeSome(action, ids.slice(start, start + AT_ONCE), value);
    all.done.push(...some.done);
    all.failures.push(...some.failures);
  }
  return all;
}

function changeSome(
  action: Action,
  ids: number[],
  value: Record<string, unknown> | undefined,
): Promise<DeadLettersChanged> {
  if (action === "drop") {
    return answered(recorder.POST("/v1/dead-letters/drop", { body: { ids } }));
  }
  const body = value === undefined ? { ids } : { ids, value };
  return answered(recorder.POST("/v1/dead-letters/redrive", { body }));
}
