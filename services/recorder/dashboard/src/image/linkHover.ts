/**
 * Marks all that shows one box (`data-box` is its number) with `data-linked` while the pointer or the
 * focus is on any of it.
 *
 * By delegation and attributes: of hundreds of boxes two change, and nothing is rendered again.
 * `onLink` is told the number and where it was pointed at. Returns what ends it.
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
    // The focus comes to what the pointer is on already, by a click, and is told all the same.
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

/** Scrolls `list` alone, by the least, until `line` is seen; the page stays where it is. */
export function scrollWithin(list: HTMLElement, line: HTMLElement): void {
  const room = list.getBoundingClientRect();
  const place = line.getBoundingClientRect();
  if (place.top < room.top) list.scrollTop -= room.top - place.top;
  else if (place.bottom > room.bottom) list.scrollTop += place.bottom - room.bottom;
}
