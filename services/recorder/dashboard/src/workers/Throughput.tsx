import { Group, SegmentedControl, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { unwrap } from "../api/errors";
import { type Bucket, recorder } from "../api/recorder";
import { ErrorState } from "../shell/ErrorState";
import { count } from "../shell/format";
import { Sparkline } from "./Sparkline";
import classes from "./Throughput.module.css";

const PERIODS = {
  hour: { label: "1 h", periodText: "in the last hour", lengthS: 3600, bucketS: 60 },
  day: { label: "24 h", periodText: "in the last day", lengthS: 86_400, bucketS: 900 },
  week: { label: "7 d", periodText: "in the last week", lengthS: 604_800, bucketS: 7200 },
} as const;

type Period = keyof typeof PERIODS;

/** Images read, images failed and text boxes over time. */
export function Throughput() {
  const [period, setPeriod] = useState<Period>("hour");
  const { periodText, lengthS, bucketS } = PERIODS[period];
  const stats = useQuery({
    queryKey: ["stats", period],
    queryFn: ({ signal }) =>
      unwrap(
        recorder.GET("/v1/stats", {
          params: {
            query: { begin: periodStart(new Date(), lengthS, bucketS), bucket_s: bucketS },
          },
          signal,
        }),
      ),
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
  const buckets = stats.data?.items ?? [];
  return (
    <section aria-labelledby="throughput">
      <Group justify="space-between">
        <Title order={2} id="throughput">
          Throughput
        </Title>
        <SegmentedControl
          aria-label="Period"
          value={period}
          onChange={(value) => setPeriod(value as Period)}
          data={Object.entries(PERIODS).map(([value, { label }]) => ({ value, label }))}
        />
      </Group>
      {stats.isError && <ErrorState error={stats.error} retry={() => stats.refetch()} />}
      <div className={classes.series}>
        <Series
          title="Images read"
          of={(one) => one.completed_images}
          color="green"
          {...{ buckets, periodText }}
        />
        <Series
          title="Images failed"
          of={(one) => one.failed_images}
          color="red"
          {...{ buckets, periodText }}
        />
        <Series
          title="Text boxes"
          of={(one) => one.text_boxes}
          color="blue"
          {...{ buckets, periodText }}
        />
      </div>
    </section>
  );
}

interface SeriesProps {
  title: string;
  periodText: string;
  buckets: Bucket[];
  color: string;
  of(bucket: Bucket): number;
}

function Series({ title, periodText, buckets, color, of }: SeriesProps) {
  const values = buckets.map(of);
  const total = count(values.reduce((sum, value) => sum + value, 0));
  return (
    <div>
      <Text size="sm" c="dimmed">
        {title} {periodText}
      </Text>
      <Text size="xl" fw={600}>
        {total}
      </Text>
      <Sparkline
        values={values}
        color={color}
        label={`${title} ${periodText}: ${total}, at most ${count(Math.max(0, ...values))} per interval`}
      />
    </div>
  );
}

/**
 * The start of the period, aligned to buckets, so that only the last bucket changes between
 * requests.
 */
function periodStart(now: Date, lengthS: number, bucketS: number): string {
  const bucketMs = bucketS * 1000;
  const last = Math.floor(now.getTime() / bucketMs) * bucketMs;
  return new Date(last - lengthS * 1000 + bucketMs).toISOString();
}
