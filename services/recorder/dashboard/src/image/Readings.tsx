import { Badge, Group, Stack, Text, Title } from "@mantine/core";
import type { Readings as Pair, Reading } from "../api/recorder";
import { moment } from "../shell/format";
import { diffLines } from "./diff";
import classes from "./Image.module.css";
import { textOf } from "./text";

const MARKS = { both: " ", old: "−", new: "+" } as const;
const SPOKEN = { both: "", old: "only the old reading has:", new: "only the new reading has:" };

/** What an image said before it was read again, each time, beside what it said after that. */
export function Readings({ readings }: { readings: readonly Pair[] }) {
  return (
    <Stack component="section" aria-labelledby="readings">
      <Title order={2} size="h4" id="readings">
        Read again
      </Title>
      {readings.map((pair) => (
        <ReadAgain key={pair.request_id} pair={pair} />
      ))}
    </Stack>
  );
}

function ReadAgain({ pair: { old, new: now, requested_at } }: { pair: Pair }) {
  const changes = now === null ? [] : diffLines(textOf(old.text_boxes), textOf(now.text_boxes));
  const changed = changes.filter(({ kind }) => kind !== "both");
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Text size="sm">Asked for {moment(requested_at)}:</Text>
        <Outcome reading={old} />→
        {now ? <Outcome reading={now} /> : <Badge color="gray">is being read</Badge>}
      </Group>
      {now && changed.length === 0 && <Text size="sm">Both say the same.</Text>}
      {changed.length > 0 && (
        <ol className={classes.changes} aria-label="What changed">
          {changes.map(({ kind, line }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines never move
            <li key={index} data-change={kind}>
              <span aria-hidden>{MARKS[kind]} </span>
              <span className={classes.spoken}>{SPOKEN[kind]} </span>
              {line}
            </li>
          ))}
        </ol>
      )}
    </Stack>
  );
}

function Outcome({ reading }: { reading: Reading }) {
  if (reading.status !== "success") {
    return <Badge color="red">{`run ${reading.run}: ${reading.reason ?? "failed"}`}</Badge>;
  }
  const { length } = reading.text_boxes;
  const mean = reading.text_boxes.reduce((sum, box) => sum + box.confidence, 0) / length;
  return (
    <Badge color="gray">{`run ${reading.run}: ${length} boxes, ${Math.floor(mean * 100)} % sure`}</Badge>
  );
}
