/** Brings what is current into view, in menus and rows of tabs that are longer than their place. */
export function current(place: HTMLElement): void {
  const item = place.querySelector<HTMLElement>('[aria-current="page"]');
  if (!item) return;
  const outer = place.getBoundingClientRect();
  const inner = item.getBoundingClientRect();
  if (inner.bottom > outer.bottom || inner.top < outer.top)
    place.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
  if (inner.right > outer.right || inner.left < outer.left)
    place.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}
