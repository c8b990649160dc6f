import type { Provenance } from "../api/recorder";
import { counted, duration } from "../shell/format";

/** A provenance in words, each fact with its name; what was not done to a page is not told. */
export function facts(told: Provenance): [string, string | false][] {
  const versions = Object.entries(told.versions).map(([name, version]) => `${name} ${version}`);
  const steps = Object.entries(told.timings_s).sort(([, one], [, other]) => other - one);
  const size = told.width !== null && told.height !== null;
  return [
    ["Engine", `${told.engine} on ${told.device}`],
    ["Versions", versions.join(", ")],
    ["Models", Object.keys(told.models).join(", ")],
    ["Image", size && `${told.width} × ${told.height} pixels`],
    ["Turned", told.turn !== 0 && `by ${told.turn}° clockwise`],
    ["Skew", Math.abs(told.skew) >= 0.05 && `${told.skew.toFixed(1)}°`],
    ["Other way up", told.turned_lines > 0 && counted(told.turned_lines, "line")],
    ["Read in", told.tiles > 1 && counted(told.tiles, "piece")],
    ["Shrunk", told.shrink >= 1.01 && `to ${Math.round(100 / told.shrink)} % of a side`],
    ["Time", steps.map(([step, seconds]) => `${step} ${duration(seconds)}`).join(", ")],
    ["Attempt", told.attempt > 1 && `${told.attempt}`],
    ["Reused", told.reused && "from a file of the same bytes"],
  ];
}
