import { typing } from "./keys.ts";

/** The inbox by keys: j and k move, enter opens, a approves, r asks for the reason of a rejection,
 * x chooses for approving together, ? tells all this. */
export function inbox(list: HTMLElement): void {
  const items = () => [...list.querySelectorAll<HTMLElement>(".inbox-item")];
  document.addEventListener("keydown", (event) => {
    if (!list.isConnected || typing(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      document.querySelector<HTMLElement>('[data-open="keys-help"]')?.click();
      return;
    }
    const all = items();
    const at = all.findIndex((item) => item.contains(document.activeElement));
    const step = { j: 1, k: -1 }[event.key.toLowerCase()];
    if (step) {
      event.preventDefault();
      all[Math.min(Math.max(at + step, 0), all.length - 1)]?.focus();
      return;
    }
    const item = all[at];
    if (!item) return;
    if (act(item, event.key)) event.preventDefault();
  });
}

/** What a key does to an entry; whether it did anything. */
function act(item: HTMLElement, key: string): boolean {
  const press = (selector: string) => {
    const target = item.querySelector<HTMLElement>(selector);
    target?.click();
    return target !== null;
  };
  switch (key) {
    case "a":
    case "A":
      return press('button[value="approve"]') || press(".is-open a");
    case "x":
    case "X":
      return press('input[type="checkbox"]');
    case "Enter": // on the entry itself; a link or a button in it has its own enter
      return document.activeElement === item && press("[data-inbox-open]");
    case "r":
    case "R": {
      const words = item.querySelector("textarea");
      words?.focus();
      return words !== null || press(".is-open a");
    }
    default:
      return false;
  }
}

/** The bar for approving together: how many are chosen; it comes up with the first one. */
export function bulk(form: HTMLElement): void {
  const boxes = [...document.querySelectorAll<HTMLInputElement>('input[name="task"]')].filter(
    (box) => box.form === form,
  );
  const count = form.querySelector<HTMLElement>("[data-bulk-count]");
  const whole = form.querySelector<HTMLElement>("[data-bulk-all]");
  const all = whole?.querySelector("input");
  const button = form.querySelector("button");
  const plain = button?.lastChild?.textContent ?? "";
  const draw = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    if (count) count.textContent = chosen ? `${chosen} / ${boxes.length}` : "";
    if (button) {
      button.disabled = chosen === 0;
      if (button.lastChild) button.lastChild.textContent = chosen ? `${plain} (${chosen})` : plain;
    }
    form.classList.toggle("is-chosen", chosen > 0);
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
  };
  if (whole) whole.hidden = false;
  all?.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    draw();
  });
  for (const box of boxes) box.addEventListener("change", draw);
  draw();
}
