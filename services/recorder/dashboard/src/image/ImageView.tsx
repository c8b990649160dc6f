import { Alert, Skeleton } from "@mantine/core";
import { IconPhotoOff } from "@tabler/icons-react";
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/errors";
import { Boxes } from "./Boxes";
import { boxesOfLink, linkOfBoxes } from "./boxLinks";
import { boundsOf, sizeOfBoxes, type TextBox, union } from "./geometry";
import classes from "./Image.module.css";
import { Lines } from "./Lines";
import { linkHover, scrollWithin } from "./linkHover";
import type { PanZoom } from "./panZoom";
import { Stage } from "./Stage";
import { EMPTY_SELECTION, range, type Selection, selectOnly, toggle } from "./selection";
import { TextActions } from "./TextActions";
import { Threshold } from "./Threshold";
import type { Picture } from "./usePicture";

interface Props {
  imagePath: string;
  picture: Picture;
  /** In reading order. */
  boxes: readonly TextBox[];
  /** The selected boxes as the URL parameter; see boxLinks. */
  link: string;
  onLink: (link: string) => void;
}

/** A picture with its boxes over it and their lines beside it. */
export function ImageView({ imagePath, picture, boxes, link, onLink }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [panZoom, setPanZoom] = useState<PanZoom | null>(null);
  const [threshold, setThreshold] = useState(0);
  const anchor = useRef(0);
  const selection = useMemo(() => boxesOfLink(link, boxes), [link, boxes]);
  const minConfidence = threshold / 100;

  useEffect(() => {
    if (!root.current) return;
    return linkHover(root.current, (index, target, by) => {
      const box = boxes[index];
      const line = list.current?.querySelector<HTMLElement>(`[data-box="${index}"]`);
      if (list.current && line && !list.current.contains(target)) scrollWithin(list.current, line);
      else if (box && by === "focus") panZoom?.reveal(boundsOf(box.bbox));
    });
  }, [boxes, panZoom]);

  // Scroll to boxes that the URL selects, once; boxes that the user clicks are visible already.
  const shownLink = useRef("");
  useEffect(() => {
    const chosen = [...selection];
    if (!panZoom || link === shownLink.current || chosen.length === 0) return;
    shownLink.current = link;
    panZoom.focusOn(union(boxesAt(boxes, chosen).map((box) => boundsOf(box.bbox))));
    const line = list.current?.querySelector<HTMLElement>(`[data-box="${chosen[0]}"]`);
    if (list.current && line) scrollWithin(list.current, line);
  }, [panZoom, link, selection, boxes]);

  function select(changed: Selection): void {
    const inOrder = [...changed].sort((one, other) => one - other);
    shownLink.current = linkOfBoxes(boxesAt(boxes, inOrder));
    onLink(shownLink.current);
  }

  function choose(event: MouseEvent | KeyboardEvent): boolean {
    const element = (event.target as Element).closest("[data-box]");
    if (!element) return false;
    const index = Number(element.getAttribute("data-box"));
    const shown = (one: number) => (boxes[one]?.confidence ?? 0) >= minConfidence;
    if (event.shiftKey) select(range(anchor.current, index, shown));
    else {
      anchor.current = index;
      select(
        event.ctrlKey || event.metaKey ? toggle(selection, index) : selectOnly(selection, index),
      );
    }
    return true;
  }

  function onClick(event: MouseEvent): void {
    // A click that ends a text selection inside a line must not select the line's box.
    const textSelection = window.getSelection();
    const selectsText =
      textSelection?.type === "Range" && textSelection.containsNode(event.target as Node, true);
    if (event.shiftKey) textSelection?.removeAllRanges();
    else if (selectsText) return;
    choose(event);
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape" && selection.size > 0) select(EMPTY_SELECTION);
    else if ((event.key === "Enter" || event.key === " ") && choose(event)) event.preventDefault();
  }

  const isShown = (box: TextBox) => box.confidence >= minConfidence;
  const size = picture.state === "shown" ? picture.size : sizeOfBoxes(boxes);
  const missing = picture.state === "missing" && (
    <Alert icon={<IconPhotoOff />} color="yellow" title="Picture not available">
      {reasonOf(picture.error)}
    </Alert>
  );
  if (missing && boxes.length === 0) return missing;
  return (
    <>
      {missing}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the boxes and lines inside are the controls */}
      <div ref={root} className={classes.view} onClick={onClick} onKeyDown={onKeyDown}>
        {picture.state === "loading" ? (
          <Skeleton h="100%" aria-label="Loading the picture" />
        ) : (
          size && (
            <Stage ref={setPanZoom} size={size}>
              {picture.state === "shown" ? (
                <img className={classes.picture} src={picture.url} alt="" draggable={false} />
              ) : (
                <div className={`${classes.picture} ${classes.paper}`} />
              )}
              <Boxes
                boxes={boxes}
                size={size}
                selection={selection}
                threshold={minConfidence}
                showText={picture.state === "missing"}
              />
            </Stage>
          )
        )}
        {boxes.length > 0 && (
          <div className={classes.side}>
            <TextActions
              imagePath={imagePath}
              boxes={boxes.filter(isShown)}
              selected={boxesAt(boxes, [...selection]).filter(isShown)}
            />
            <Threshold boxes={boxes} value={threshold} onChange={setThreshold} />
            <Lines ref={list} boxes={boxes} selection={selection} threshold={minConfidence} />
          </div>
        )}
      </div>
    </>
  );
}

function reasonOf(error: Error): string {
  return error instanceof ApiError ? error.detail : String(error);
}

function boxesAt(boxes: readonly TextBox[], indices: readonly number[]): TextBox[] {
  return indices.flatMap((index) => boxes[index] ?? []);
}
