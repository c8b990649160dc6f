import { useElementSize } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { BatchImage } from "../api/recorder";
import classes from "./Batch.module.css";
import { ImageTile } from "./ImageTile";
import type { Range } from "./useImagePages";

const LEAST_TILE_WIDTH = 140;
const GAP = 12;
const ROW_HEIGHT = 176;
const OVERSCAN_ROWS = 2;

interface Props {
  /** The first of the `total` images, as far as they are known. */
  images: BatchImage[];
  total: number;
  /** Told which images are in sight or near it. */
  onWanted: (range: Range) => void;
}

/** Images as tiles, of which only those in sight or near it are rendered. */
export function ImageGrid({ images, total, onWanted }: Props) {
  const { ref: sizeRef, width } = useElementSize();
  const list = useRef<HTMLDivElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  const columns = Math.max(1, Math.floor((width + GAP) / (LEAST_TILE_WIDTH + GAP)));
  const virtualizer = useWindowVirtualizer({
    count: Math.ceil(total / columns),
    estimateSize: () => ROW_HEIGHT,
    gap: GAP,
    overscan: OVERSCAN_ROWS,
    scrollMargin,
  });
  useLayoutEffect(() => {
    const top = list.current?.getBoundingClientRect().top ?? 0;
    setScrollMargin(top + window.scrollY);
  });
  const rows = virtualizer.getVirtualItems();
  const start = (rows[0]?.index ?? 0) * columns;
  const end = ((rows[rows.length - 1]?.index ?? 0) + 1) * columns;
  useEffect(() => onWanted({ start, end }), [onWanted, start, end]);

  return (
    <div ref={sizeRef}>
      <div
        ref={list}
        role="list"
        aria-label="Images"
        style={{ position: "relative", height: virtualizer.getTotalSize() }}
      >
        {width > 0 &&
          rows.map((row) => (
            <div
              key={row.key}
              role="presentation"
              className={classes["row"]}
              style={{
                height: ROW_HEIGHT,
                gap: GAP,
                gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
                transform: `translateY(${row.start - scrollMargin}px)`,
              }}
            >
              {range(row.index * columns, Math.min(total, (row.index + 1) * columns)).map((place) => (
                <div key={place} role="listitem" aria-setsize={total} aria-posinset={place + 1}>
                  <ImageTile image={images[place]} scrolling={virtualizer.isScrolling} />
                </div>
              ))}
            </div>
          ))}
      </div>
    </div>
  );
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, offset) => start + offset);
}
