/** The SVG points of a line chart: the maximum is at the top, 0 at the bottom. */
export function linePoints(values: readonly number[], width: number, height: number): string {
  const maximum = Math.max(...values, 0) || 1;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  return values
    .map((value, index) => {
      const x = index * step;
      const y = height - (value / maximum) * height;
      return `${round(x)},${round(y)}`;
    })
    .join(" ");
}

function round(length: number): number {
  return Math.round(length * 100) / 100;
}
