import { Group, Slider, Stack, Text } from "@mantine/core";
import { BANDS, bandCounts } from "./confidence";
import type { TextBox } from "./geometry";
import classes from "./Image.module.css";

interface Props {
  boxes: readonly TextBox[];
  /** In whole percent. */
  value: number;
  onChange: (value: number) => void;
}

/** The legend of the confidence bands, and the minimum confidence of visible boxes. */
export function Threshold({ boxes, value, onChange }: Props) {
  const counts = bandCounts(boxes);
  const hidden = boxes.filter((box) => box.confidence < value / 100).length;
  return (
    <Stack gap={4}>
      <Group component="ul" gap="sm" className={classes.legend} aria-label="Confidence colours">
        {BANDS.map((band, index) => (
          <li key={band.name} data-band={band.name} className={classes.legendItem}>
            {`${band.label}${band.from > 0 ? `, from ${band.from * 100} %` : ""} (${counts[index]})`}
          </li>
        ))}
      </Group>
      <Group gap="sm" wrap="nowrap">
        <Text size="sm" style={{ whiteSpace: "nowrap" }}>
          Confidence from {value} %
        </Text>
        <Slider
          flex={1}
          value={value}
          onChange={onChange}
          label={null}
          thumbLabel="Minimum confidence"
          thumbValueText={`${value} %`}
        />
      </Group>
      {hidden > 0 && (
        <Text size="xs" c="dimmed">
          {hidden} of {boxes.length} hidden
        </Text>
      )}
    </Stack>
  );
}
