import { type KeyboardEvent, memo, type Ref, useState } from "react";
import { bandOf, percent } from "./confidence";
import type { TextBox } from "./geometry";
import classes from "./Image.module.css";
import type { Selection } from "./selection";

interface Props {
  ref: Ref<HTMLDivElement>;
  boxes: readonly TextBox[];
  selection: Selection;
  /** Lines below it are hidden. */
  threshold: number;
}

/**
 * A listbox with a line for each box. It is one tab stop; arrows, Home and End move between lines.
 */
export function Lines({ ref, boxes, selection, threshold }: Props) {
  const [visited, setVisited] = useState(-1);
  const shown = (index: number) => (boxes[index]?.confidence ?? -1) >= threshold;
  const first = [...selection].find(shown) ?? boxes.findIndex((_, index) => shown(index));
  const stop = shown(visited) ? visited : first;
  return (
    <div
      ref={ref}
      className={classes.lines}
      role="listbox"
      aria-label="Lines of text"
      aria-multiselectable
      tabIndex={-1}
      onKeyDown={goFromLineToLine}
      onFocus={(event) => {
        const box = event.target.getAttribute("data-box");
        if (box !== null) setVisited(Number(box));
      }}
    >
      {boxes.map((box, index) => (
        <Line
          // biome-ignore lint/suspicious/noArrayIndexKey: a box has no identity but its index in the result
          key={index}
          box={box}
          index={index}
          selected={selection.has(index)}
          hidden={!shown(index)}
          stop={index === stop}
        />
      ))}
    </div>
  );
}

interface LineProps {
  box: TextBox;
  index: number;
  selected: boolean;
  hidden: boolean;
  stop: boolean;
}

const Line = memo(function Line({ box, index, selected, hidden, stop }: LineProps) {
  const band = bandOf(box.confidence);
  return (
    <div
      className={classes.line}
      role="option"
      aria-selected={selected}
      tabIndex={stop ? 0 : -1}
      hidden={hidden}
      data-box={index}
      data-band={band.name}
    >
      <span className={classes.lineText} dir="auto">
        {box.text}
      </span>
      <span className={classes.lineConfidence} title={`confidence: ${band.label}`}>
        {percent(box.confidence)}
      </span>
    </div>
  );
});

function goFromLineToLine(event: KeyboardEvent<HTMLDivElement>): void {
  const lines = [
    ...event.currentTarget.querySelectorAll<HTMLElement>("[role=option]:not([hidden])"),
  ];
  const at = lines.indexOf(event.target as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  lines[to]?.focus();
}
