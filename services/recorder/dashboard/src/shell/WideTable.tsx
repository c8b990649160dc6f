import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./WideTable.module.css";

interface Props {
  label: string;
  /** In pixels; a narrower table scrolls horizontally. */
  minWidth: number;
  children: ReactNode;
}

/** A table that scrolls horizontally on narrow screens. */
export function WideTable({ label, minWidth, children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must be able to scroll it
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    <div className={classes.scroller} role="group" aria-label={label} tabIndex={0}>
      <Table className={classes.table ?? ""} aria-label={label} miw={minWidth} highlightOnHover>
        {children}
      </Table>
    </div>
  );
}
