/**
 * Sets `data-linked` on all elements of a box (`data-box` is its index) while one of them is
 * hovered or focused; calls `onLink` with the index and that element. Returns the function that
 * removes the listeners.
 *
 * It changes attributes by event delegation, so that hundreds of boxes need no React render.
 */
export function linkHover(
  root: HTMLElement,
  onLink: (index: number, at: Element, by: "pointer" | "focus") => void,
): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  let linked = "";

  function link(target: EventTarget | null, by: "pointer" | "focus"): void {
    const at = target instanceof Element ? target.closest("[data-box]") : null;
    const box = at?.getAttribute("data-box") ?? "";
    // A click focuses the element that the pointer is on already: report the focus too.
    if (box === linked && by === "pointer") return;
    for (const part of root.querySelectorAll("[data-linked]")) part.removeAttribute("data-linked");
    linked = box;
    if (at === null) return;
    for (const part of root.querySelectorAll(`[data-box="${CSS.escape(box)}"]`)) {
      part.setAttribute("data-linked", "");
    }
    onLink(Number(box), at, by);
  }

  root.addEventListener("pointerover", (event) => link(event.target, "pointer"), { signal });
  root.addEventListener("pointerleave", () => link(null, "pointer"), { signal });
  root.addEventListener("focusin", (event) => link(event.target, "focus"), { signal });
  return () => ended.abort();
}

/** Scrolls `list`, but not the page, by the least distance that makes `line` visible. */
export function scrollWithin(list: HTMLElement, line: HTMLElement): void {
  const listRect = list.getBoundingClientRect();
  const lineRect = line.getBoundingClientRect();
  if (lineRect.top < listRect.top) list.scrollTop -= listRect.top - lineRect.top;
  else if (lineRect.bottom > listRect.bottom) list.scrollTop += lineRect.bottom - listRect.bottom;
}
