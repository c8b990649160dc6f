import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Chain, Image } from "../api/recorder";
import { BatchName } from "../batch/BatchName";
import { duration, moment } from "../shell/format";
import { percent } from "./confidence";
import { FactTable } from "./FactTable";

/** The image's times, worker, batch and chain. */
export function Details({ image, chain }: { image: Image; chain: Chain | undefined }) {
  const task = chain?.tasks.filter((one) => one.run === image.run).at(-1);
  const confidences = image.text_boxes.map((box) => box.confidence);
  const mean = confidences.reduce((sum, one) => sum + one, 0) / confidences.length;
  const rows: [string, ReactNode][] = [
    ["Path", image.image_path],
    ["Public path", image.public_path],
    ["Text boxes", image.text_boxes.length],
    ["Mean confidence", confidences.length > 0 && percent(mean)],
    ["Submitted", image.submitted_at && moment(image.submitted_at)],
    ["Started", task?.started_at && moment(task.started_at)],
    ["Duration", task?.duration_s != null && duration(task.duration_s)],
    ["Attempts", task && task.attempt > 1 && task.attempt],
    ["Run", image.run > 1 && image.run],
    ["Worker", task?.worker],
    [
      "Batch",
      chain?.batch_id != null && (
        <Anchor
          size="sm"
          renderRoot={(props) => (
            <Link {...props} to="/batches/$batchId" params={{ batchId: chain.batch_id ?? "" }} />
          )}
        >
          <BatchName batchId={chain.batch_id} />
        </Anchor>
      ),
    ],
    [
      "Chain",
      image.chain_id !== null && (
        <Anchor
          size="sm"
          renderRoot={(props) => (
            <Link {...props} to="/chains/$chainId" params={{ chainId: image.chain_id ?? "" }} />
          )}
        >
          {image.chain_id}
        </Anchor>
      ),
    ],
  ];
  return <FactTable id="details" title="Details" facts={rows} />;
}
