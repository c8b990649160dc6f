import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./WideTable.module.css";

interface Props {
  label: string;
  /** Below this width, in pixels, it scrolls sideways; with the keyboard, too. */
  minWidth: number;
  children: ReactNode;
}

/** A table of several columns, on a phone as well. */
export function WideTable({ label, minWidth, children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached without a mouse
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields
    <div className={classes.place} role="group" aria-label={label} tabIndex={0}>
      <Table className={classes.table ?? ""} aria-label={label} miw={minWidth} highlightOnHover>
        {children}
      </Table>
    </div>
  );
}
