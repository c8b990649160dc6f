import { memo } from "react";
import { bandOf, percent } from "./confidence";
import { boundsOf, type Size, svgPoints, type TextBox } from "./geometry";
import classes from "./Image.module.css";
import type { Selection } from "./selection";

interface Props {
  boxes: readonly TextBox[];
  size: Size;
  selection: Selection;
  /** Boxes below it are hidden. */
  threshold: number;
  /** Whether to draw the text of each box, for an image without a picture. */
  showText: boolean;
}

/** Text boxes as SVG polygons, in pixels of the image. */
export function Boxes({ boxes, size, selection, threshold, showText }: Props) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: there is no fieldset in SVG
    <svg
      className={classes.boxes}
      viewBox={`0 0 ${size.width} ${size.height}`}
      role="group"
      aria-label="Text boxes"
    >
      {boxes.map((box, index) => (
        <Box
          // biome-ignore lint/suspicious/noArrayIndexKey: a box has no identity but its index in the result
          key={index}
          box={box}
          index={index}
          selected={selection.has(index)}
          hidden={box.confidence < threshold}
          showText={showText}
        />
      ))}
    </svg>
  );
}

interface BoxProps {
  box: TextBox;
  index: number;
  selected: boolean;
  hidden: boolean;
  showText: boolean;
}

const Box = memo(function Box({ box, index, selected, hidden, showText }: BoxProps) {
  if (hidden) return null;
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: there is no button in SVG */}
      <polygon
        className={classes.box}
        points={svgPoints(box.bbox)}
        data-box={index}
        data-band={bandOf(box.confidence).name}
        role="button"
        tabIndex={-1}
        aria-pressed={selected}
        aria-label={`${box.text}, ${percent(box.confidence)}`}
      />
      {showText && <BoxText box={box} />}
    </>
  );
});

/** The text, scaled to its box. It suits upright boxes of horizontal text only. */
function BoxText({ box }: { box: TextBox }) {
  const { left, top, right, bottom } = boundsOf(box.bbox);
  const height = bottom - top;
  return (
    <text
      className={classes.boxText}
      x={left}
      y={bottom - height / 4}
      fontSize={height * 0.8}
      textLength={right - left}
      lengthAdjust="spacingAndGlyphs"
      aria-hidden
    >
      {box.text}
    </text>
  );
}
