import { typing } from "./keys.ts";

/** The inbox by keys: j and k move, a approves, r asks for the reason of a rejection. */
export function inbox(list: HTMLElement): void {
  const items = () => [...list.querySelectorAll<HTMLElement>(".inbox-item")];
  document.addEventListener("keydown", (event) => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = items();
    const at = all.findIndex((item) => item.contains(document.activeElement));
    const step = { j: 1, k: -1 }[event.key];
    if (step) {
      event.preventDefault();
      all[Math.min(Math.max(at + step, 0), all.length - 1)]?.focus();
    } else if (at >= 0 && event.key === "a") {
      all[at]?.querySelector<HTMLButtonElement>('button[value="approve"]')?.click();
    } else if (at >= 0 && event.key === "r") {
      event.preventDefault();
      all[at]?.querySelector<HTMLTextAreaElement>("textarea")?.focus();
    }
  });
}
