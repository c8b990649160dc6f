import type { Provenance } from "../api/recorder";
import { count, duration } from "../shell/format";

/**
 * A provenance as names and values; a preprocessing step that did not happen has the value false.
 */
export function provenanceRows(provenance: Provenance): [string, string | false][] {
  const versions = Object.entries(provenance.versions).map(
    ([name, version]) => `${name} ${version}`,
  );
  const steps = Object.entries(provenance.timings_s).sort(([, one], [, other]) => other - one);
  const size = provenance.width !== null && provenance.height !== null;
  return [
    ["Engine", `${provenance.engine} on ${provenance.device}`],
    ["Versions", versions.join(", ")],
    ["Models", Object.keys(provenance.models).join(", ")],
    ["Image", size && `${provenance.width} × ${provenance.height} pixels`],
    ["Rotated", provenance.turn !== 0 && `by ${provenance.turn}° clockwise`],
    ["Skew", Math.abs(provenance.skew) >= 0.05 && `${provenance.skew.toFixed(1)}°`],
    ["Upside-down lines", provenance.turned_lines > 0 && count(provenance.turned_lines)],
    ["Tiles", provenance.tiles > 1 && count(provenance.tiles)],
    [
      "Downscaled",
      provenance.shrink >= 1.01 && `to ${Math.round(100 / provenance.shrink)} % of its side length`,
    ],
    ["Timings", steps.map(([step, seconds]) => `${step} ${duration(seconds)}`).join(", ")],
    ["Attempt", provenance.attempt > 1 && `${provenance.attempt}`],
    ["Reused", provenance.reused && "result of an identical file"],
  ];
}
