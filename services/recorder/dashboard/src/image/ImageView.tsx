import { Alert, Skeleton } from "@mantine/core";
import { IconPhotoOff } from "@tabler/icons-react";
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/errors";
import { Boxes } from "./Boxes";
import { linked, linkTo } from "./boxLinks";
import { boundsOf, sizeOfBoxes, type TextBox, union } from "./geometry";
import classes from "./Image.module.css";
import { Lines } from "./Lines";
import { linkHover, scrollWithin } from "./linkHover";
import type { PanZoom } from "./panZoom";
import { Stage } from "./Stage";
import { NOTHING, only, range, type Selection, toggled } from "./selection";
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
  const selection = useMemo(() => linked(link, boxes), [link, boxes]);
  const least = threshold / 100;

  useEffect(() => {
    if (!root.current) return;
    return linkHover(root.current, (index, at, by) => {
      const box = boxes[index];
      const line = list.current?.querySelector<HTMLElement>(`[data-box="${index}"]`);
      if (list.current && line && !list.current.contains(at)) scrollWithin(list.current, line);
      else if (box && by === "focus") panZoom?.reveal(boundsOf(box.bbox));
    });
  }, [boxes, panZoom]);

  // Scroll to boxes that the URL selects, once; boxes that the user clicks are visible already.
  const shownLink = useRef("");
  useEffect(() => {
    const chosen = [...selection];
    if (!panZoom || link === shownLink.current || chosen.length === 0) return;
    shownLink.current = link;
    panZoom.focusOn(union(at(boxes, chosen).map((box) => boundsOf(box.bbox))));
    const line = list.current?.querySelector<HTMLElement>(`[data-box="${chosen[0]}"]`);
    if (list.current && line) scrollWithin(list.current, line);
  }, [panZoom, link, selection, boxes]);

  function select(changed: Selection): void {
    const inOrder = [...changed].sort((one, other) => one - other);
    shownLink.current = linkTo(at(boxes, inOrder));
    onLink(shownLink.current);
  }

  function choose(event: MouseEvent | KeyboardEvent): boolean {
    const part = (event.target as Element).closest("[data-box]");
    if (!part) return false;
    const index = Number(part.getAttribute("data-box"));
    const shown = (one: number) => (boxes[one]?.confidence ?? 0) >= least;
    if (event.shiftKey) select(range(anchor.current, index, shown));
    else {
      anchor.current = index;
      select(event.ctrlKey || event.metaKey ? toggled(selection, index) : only(selection, index));
    }
    return true;
  }

  function onClick(event: MouseEvent): void {
    // A click that ends a text selection inside a line must not select the line's box.
    const marked = window.getSelection();
    const marksIt = marked?.type === "Range" && marked.containsNode(event.target as Node, true);
    if (event.shiftKey) marked?.removeAllRanges();
    else if (marksIt) return;
    choose(event);
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "Escape" && selection.size > 0) select(NOTHING);
    else if ((event.key === "Enter" || event.key === " ") && choose(event)) event.preventDefault();
  }

  const isShown = (box: TextBox) => box.confidence >= least;
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
                threshold={least}
                written={picture.state === "missing"}
              />
            </Stage>
          )
        )}
        {boxes.length > 0 && (
          <div className={classes.side}>
            <TextActions
              imagePath={imagePath}
              boxes={boxes.filter(isShown)}
              selected={at(boxes, [...selection]).filter(isShown)}
            />
            <Threshold boxes={boxes} value={threshold} onChange={setThreshold} />
            <Lines ref={list} boxes={boxes} selection={selection} threshold={least} />
          </div>
        )}
      </div>
    </>
  );
}

function reasonOf(error: Error): string {
  return error instanceof ApiError ? error.detail : String(error);
}

function at(boxes: readonly TextBox[], indices: readonly number[]): TextBox[] {
  return indices.flatMap((index) => boxes[index] ?? []);
}
