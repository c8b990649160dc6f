import type { Provenance } from "../api/recorder";
import { count, duration } from "../shell/format";

/**
 * A provenance as names and values; a preprocessing step that did not happen has the value false.
 */
export function facts(told: Provenance): [string, string | false][] {
  const versions = Object.entries(told.versions).map(([name, version]) => `${name} ${version}`);
  const steps = Object.entries(told.timings_s).sort(([, one], [, other]) => other - one);
  const size = told.width !== null && told.height !== null;
  return [
    ["Engine", `${told.engine} on ${told.device}`],
    ["Versions", versions.join(", ")],
    ["Models", Object.keys(told.models).join(", ")],
    ["Image", size && `${told.width} × ${told.height} pixels`],
    ["Rotated", told.turn !== 0 && `by ${told.turn}° clockwise`],
    ["Skew", Math.abs(told.skew) >= 0.05 && `${told.skew.toFixed(1)}°`],
    ["Upside-down lines", told.turned_lines > 0 && count(told.turned_lines)],
    ["Tiles", told.tiles > 1 && count(told.tiles)],
    [
      "Downscaled",
      told.shrink >= 1.01 && `to ${Math.round(100 / told.shrink)} % of its side length`,
    ],
    ["Timings", steps.map(([step, seconds]) => `${step} ${duration(seconds)}`).join(", ")],
    ["Attempt", told.attempt > 1 && `${told.attempt}`],
    ["Reused", told.reused && "result of an identical file"],
  ];
}
