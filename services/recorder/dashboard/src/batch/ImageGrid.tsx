import { useElementSize } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { BatchImage } from "../api/recorder";
import classes from "./Batch.module.css";
import { ImageTile } from "./ImageTile";
import type { ImageListParams } from "./imageFilter";
import type { Range } from "./useImagePages";

const MIN_TILE_WIDTH = 140;
const GAP = 12;
const ROW_HEIGHT = 176;
const OVERSCAN_ROWS = 2;

interface Props {
  /** The images that are loaded: the first of the `total`. */
  images: BatchImage[];
  total: number;
  /** The list that the images are of, in which their pages lead from one to the next. */
  list: ImageListParams;
  /** Receives the range of rendered images when it changes. */
  onRangeChange: (range: Range) => void;
}

/** A virtualized grid of image tiles: it renders only tiles in or near the viewport. */
export function ImageGrid({ images, total, list, onRangeChange }: Props) {
  const { ref: sizeRef, width } = useElementSize();
  const root = useRef<HTMLUListElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  const columns = Math.max(1, Math.floor((width + GAP) / (MIN_TILE_WIDTH + GAP)));
  const virtualizer = useWindowVirtualizer({
    count: Math.ceil(total / columns),
    estimateSize: () => ROW_HEIGHT,
    gap: GAP,
    overscan: OVERSCAN_ROWS,
    scrollMargin,
  });
  useLayoutEffect(() => {
    const top = root.current?.getBoundingClientRect().top ?? 0;
    setScrollMargin(top + window.scrollY);
  });
  const rows = virtualizer.getVirtualItems();
  const start = (rows[0]?.index ?? 0) * columns;
  const end = ((rows[rows.length - 1]?.index ?? 0) + 1) * columns;
  useEffect(() => onRangeChange({ start, end }), [onRangeChange, start, end]);

  const tileWidth = (width + GAP) / columns - GAP;
  return (
    <div ref={sizeRef}>
      <ul
        ref={root}
        aria-label="Images"
        className={classes.grid}
        style={{ height: virtualizer.getTotalSize() }}
      >
        {width > 0 &&
          range(start, Math.min(total, end)).map((index) => (
            <li
              key={index}
              aria-setsize={total}
              aria-posinset={index + 1}
              style={{
                width: tileWidth,
                height: ROW_HEIGHT,
                transform: `translate(${(index % columns) * (tileWidth + GAP)}px, ${Math.floor(index / columns) * (ROW_HEIGHT + GAP)}px)`,
              }}
            >
              <ImageTile image={images[index]} list={list} scrolling={virtualizer.isScrolling} />
            </li>
          ))}
      </ul>
    </div>
  );
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, offset) => start + offset);
}
