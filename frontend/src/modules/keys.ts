const GO: Record<string, string> = { h: "/", a: "/approvals", s: "/search" };

/** Whether keys belong to somebody who is typing. */
export function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.matches("input, textarea, select") || target.isContentEditable)
  );
}

/** Ctrl+K, or Command+K; not with further keys held. */
function opensSearch(event: KeyboardEvent): boolean {
  const held = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  return held && !event.defaultPrevented && event.key.toLowerCase() === "k";
}

/** "/" and Ctrl+K search, "n" creates, "e" edits, "g" then h, a or s goes to home, approvals or search. */
export function keys(page: Document): void {
  let going = false;
  page.addEventListener("keydown", (event) => {
    if (opensSearch(event) && !page.querySelector("dialog[open]")) {
      const box = page.querySelector<HTMLInputElement>('input[data-key="/"]');
      if (!box) return;
      event.preventDefault();
      box.focus();
      box.select();
      return;
    }
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      typing(event.target)
    )
      return;
    if (page.querySelector("dialog[open]")) return;
    const base = page.body.dataset.base ?? "";
    const place = going ? GO[event.key] : undefined;
    going = event.key === "g" && !going;
    if (place) {
      location.href = base + place;
      return;
    }
    const target = /^[a-z/]$/.test(event.key)
      ? page.querySelector<HTMLElement>(`[data-key="${event.key}"]`)
      : null;
    if (!target) return;
    event.preventDefault();
    if (target instanceof HTMLInputElement) target.focus();
    else target.click();
  });
}
