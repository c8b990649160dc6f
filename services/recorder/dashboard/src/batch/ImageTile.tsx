import { Skeleton } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconClock,
  IconLoader,
  IconPhotoOff,
  IconRefresh,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type CSSProperties, memo, useState } from "react";
import { labelOf } from "../api/labels";
import { thumbnailUrl } from "../api/pictures";
import type { BatchImage } from "../api/recorder";
import { STATUS_COLORS } from "../shell/StatusBadge";
import classes from "./Batch.module.css";
import type { ImageListParams } from "./imageFilter";

const ICONS: Record<string, typeof IconCheck> = {
  PENDING: IconClock,
  STARTED: IconLoader,
  RUNNING: IconLoader,
  RETRY: IconRefresh,
  SUCCESS: IconCheck,
  FAILURE: IconAlertTriangle,
  REVOKED: IconBan,
};

interface Props {
  /** Undefined while it loads. */
  image: BatchImage | undefined;
  /** The list that the image is of. */
  list: ImageListParams;
  /** While the user scrolls, new tiles do not request their thumbnails. */
  scrolling: boolean;
}

/** A thumbnail that links to the image's page, with its outcome as colour, icon and text. */
export const ImageTile = memo(function ImageTile({ image, list, scrolling }: Props) {
  if (image === undefined) {
    return <Skeleton height="100%" />;
  }
  const name = nameOf(image);
  const warnings = image.warnings.map(labelOf).join(", ");
  const outcome = [labelOf(image.reason ?? image.status), warnings].filter(Boolean).join(": ");
  const Icon = ICONS[image.status] ?? IconClock;
  const content = (
    <>
      <span className={classes.picture}>
        {image.image_path !== null && <Thumbnail path={image.image_path} deferred={scrolling} />}
      </span>
      <span className={classes.caption}>
        <Icon size={14} aria-hidden className={classes.outcome} />
        <span className={classes.name}>{name}</span>
        {warnings && <IconAlertTriangle size={14} aria-hidden className={classes.warning} />}
      </span>
    </>
  );
  const shown = {
    className: classes.tile,
    style: outcomeColor(image.status),
    title: `${name}\n${outcome}${image.error === null ? "" : `: ${image.error}`}`,
  };
  return image.image_path === null ? (
    <span {...shown}>{content}</span>
  ) : (
    <Link
      to="/images"
      search={{ path: image.image_path, chain: image.chain_id, ...list }}
      preload={false}
      aria-label={`${name}: ${outcome}`}
      {...shown}
    >
      {content}
    </Link>
  );
});

function Thumbnail({ path, deferred }: { path: string; deferred: boolean }) {
  const [requested, setRequested] = useState(!deferred);
  const [failed, setFailed] = useState(false);
  if (!deferred && !requested) {
    setRequested(true);
  }
  if (failed) {
    return <IconPhotoOff size={28} stroke={1.2} aria-label="Picture not available" />;
  }
  return requested ? (
    <img src={thumbnailUrl(path)} alt="" decoding="async" onError={() => setFailed(true)} />
  ) : null;
}

function outcomeColor(status: string): CSSProperties {
  const color = `var(--mantine-color-${STATUS_COLORS[status] ?? "gray"}-filled)`;
  return { "--outcome": color } as CSSProperties;
}

/** The image's source name, else the last part of its path; with its page number if it has one. */
export function nameOf(image: BatchImage): string {
  const name = image.source_name ?? image.image_path?.split("/").at(-1) ?? image.chain_id;
  return image.page === null ? name : `${name}, page ${image.page}`;
}
