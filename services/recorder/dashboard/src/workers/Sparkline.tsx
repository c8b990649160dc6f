import { linePoints } from "./linePoints";

const WIDTH = 240;
const HEIGHT = 48;

interface Props {
  values: number[];
  color: string;
  label: string;
}

/** A small line chart; `label` describes it for screen readers. */
export function Sparkline({ values, color, label }: Props) {
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 -1 ${WIDTH} ${HEIGHT + 2}`}
      preserveAspectRatio="none"
      width="100%"
      height={HEIGHT}
    >
      <polyline
        points={linePoints(values, WIDTH, HEIGHT)}
        fill="none"
        stroke={`var(--mantine-color-${color}-6)`}
        strokeWidth={2}
        strokeLinejoin="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
