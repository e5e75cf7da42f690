/** A department is dragged onto another one; the page that opens says whom that moves and asks. The
 * menu of each department leads to the same page. */
export function departments(tree: HTMLElement): void {
  const place = tree.dataset.departments ?? "";
  const top = tree.querySelector<HTMLElement>("[data-top]");
  let dragged: HTMLElement | null = null;

  const target = (from: EventTarget | null): HTMLElement | null => {
    const found =
      from instanceof Element ? from.closest<HTMLElement>("[data-row], [data-top]") : null;
    return found && dragged && !dragged.contains(found) ? found : null;
  };
  const mark = (on: HTMLElement | null) => {
    for (const one of tree.querySelectorAll(".is-target")) one.classList.remove("is-target");
    on?.classList.add("is-target");
  };

  for (const grip of tree.querySelectorAll<HTMLElement>("[data-grip]")) grip.hidden = false;
  for (const row of tree.querySelectorAll<HTMLElement>("[data-row]")) row.draggable = true;

  tree.addEventListener("dragstart", (event) => {
    dragged = (event.target as Element).closest<HTMLElement>("[data-department]");
    if (!dragged) return;
    event.dataTransfer?.setData("text/plain", dragged.dataset.department ?? "");
    // a page that changes while a drag begins ends it in some browsers
    setTimeout(() => {
      dragged?.classList.add("is-dragged");
      if (top && dragged) top.hidden = false;
    });
  });
  tree.addEventListener("dragover", (event) => {
    const row = target(event.target);
    mark(row);
    if (row) event.preventDefault();
  });
  tree.addEventListener("drop", (event) => {
    const row = target(event.target);
    if (!row || !dragged) return;
    event.preventDefault();
    const onto = row.closest<HTMLElement>("[data-department]");
    const to = onto?.dataset.department ?? "top";
    location.href = `${place}/${dragged.dataset.department}/move?to=${to}`;
  });
  tree.addEventListener("dragend", () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    mark(null);
    if (top) top.hidden = true;
  });
}
