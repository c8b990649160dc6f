const numbers = new Intl.NumberFormat("en");
const rates = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const sizes = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const UNITS = ["B", "kB", "MB", "GB"];
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A count with thousands separators: 12,345. */
export function count(value: number): string {
  return numbers.format(value);
}

/** A count with its noun: 1 image, 2 images. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A size in bytes, in the unit that fits: 1.5 MB. */
export function bytes(value: number): string {
  const unit = value < 1_000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), UNITS.length - 1);
  return `${sizes.format(value / 1_000 ** unit)} ${UNITS[unit]}`;
}

/** Images per second; per minute below 0.5. */
export function rate(imagesPerS: number): string {
  return imagesPerS < 0.5 && imagesPerS > 0
    ? `${rates.format(imagesPerS * 60)}/min`
    : `${rates.format(imagesPerS)}/s`;
}

/** A duration by its two largest units: 3 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < 1) {
    return seconds <= 0 ? "0 s" : `${Math.max(1, Math.round(seconds * 1000))} ms`;
  }
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor((whole % 86_400) / 3_600)];
  const [minutes, rest] = [Math.floor((whole % 3_600) / 60), whole % 60];
  if (days > 0) {
    return `${count(days)} d ${hours} h`;
  }
  if (hours > 0) {
    return `${hours} h ${minutes} min`;
  }
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** A time in the user's time zone and language. */
export function moment(iso: string): string {
  return moments.format(new Date(iso));
}

/** Seconds between two ISO 8601 times. */
export function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}
