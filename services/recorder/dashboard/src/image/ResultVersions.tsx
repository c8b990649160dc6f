import { Badge, Group, Stack, Text, Title } from "@mantine/core";
import type { ResultVersions as Pair, ResultVersion } from "../api/recorder";
import { moment } from "../shell/format";
import { diffLines } from "./diff";
import classes from "./Image.module.css";
import { textOf } from "./text";

const MARKS = { both: " ", old: "−", new: "+" } as const;
const SPOKEN = { both: "", old: "only in the old version:", new: "only in the new version:" };

/** Each reprocessing of an image: its old and new result version, and the lines that changed. */
export function ResultVersions({ versions }: { versions: readonly Pair[] }) {
  return (
    <Stack component="section" aria-labelledby="result-versions">
      <Title order={2} size="h4" id="result-versions">
        Result versions
      </Title>
      {versions.map((pair) => (
        <Reprocessed key={pair.request_id} pair={pair} />
      ))}
    </Stack>
  );
}

function Reprocessed({ pair: { old, new: now, requested_at } }: { pair: Pair }) {
  const changes = now === null ? [] : diffLines(textOf(old.text_boxes), textOf(now.text_boxes));
  const changed = changes.filter(({ kind }) => kind !== "both");
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Text size="sm">Reprocessing requested {moment(requested_at)}:</Text>
        <Outcome version={old} />→
        {now ? <Outcome version={now} /> : <Badge color="gray">reprocessing</Badge>}
      </Group>
      {now && changed.length === 0 && <Text size="sm">Both versions have the same text.</Text>}
      {changed.length > 0 && (
        <ol className={classes.changes} aria-label="Text changes">
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

function Outcome({ version }: { version: ResultVersion }) {
  if (version.status !== "success") {
    return <Badge color="red">{`run ${version.run}: ${version.reason ?? "failed"}`}</Badge>;
  }
  const { length } = version.text_boxes;
  const mean = version.text_boxes.reduce((sum, box) => sum + box.confidence, 0) / length;
  return (
    <Badge color="gray">{`run ${version.run}: ${length} boxes, confidence ${Math.floor(mean * 100)} %`}</Badge>
  );
}
