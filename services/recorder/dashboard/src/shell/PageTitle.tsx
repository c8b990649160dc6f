import { Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";

/**
 * The page's level 1 heading and the document's title. The heading takes the focus when the page
 * opens, so that a screen reader announces the page and Tab continues from there.
 */
export function PageTitle({ title, children }: { title: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Ocrstream`;
  }, [title]);
  useEffect(() => {
    if (document.activeElement === document.body || isOfNavigation(document.activeElement)) {
      heading.current?.focus({ preventScroll: true });
    }
  }, []);
  return (
    <Title order={1} size="h2" ref={heading} tabIndex={-1} style={{ outline: "none" }}>
      {children ?? title}
    </Title>
  );
}

function isOfNavigation(element: Element | null): boolean {
  return element?.closest("#navigation") !== null;
}
