const CUT =
  ".sheet-table td, .sheet-table td .person, .nav-item > span, .row-title, .row-meta, .c-title";

/** Shows the whole text of what had no room, when somebody points at it. */
export function cutOff(root: Document): void {
  root.addEventListener("mouseover", (event) => {
    const part = (event.target as Element).closest?.<HTMLElement>(CUT);
    if (part && !part.title && part.scrollWidth > part.clientWidth)
      part.title = (part.textContent ?? "").replace(/\s+/g, " ").trim();
  });
}
