import { each } from "./dom.ts";

/** Buttons that open dialogs or print, selects that send their form, notes that close, confirmations. */
export function openers(root: ParentNode): void {
  each(root, "[data-open]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const dialog = document.getElementById(button.dataset.open ?? "");
      if (dialog instanceof HTMLDialogElement) dialog.showModal();
    });
  });
  each(root, "[data-close]", (button) => {
    if (!button.closest("dialog, [data-note]")) return; // a page has nothing to close
    button.hidden = false;
    button.addEventListener("click", () => {
      const dialog = button.closest("dialog");
      if (dialog) dialog.close();
      else button.closest("[data-note]")?.remove();
    });
  });
  each(root, "[data-print]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });
  each(root, "select[data-submit]", (select) => {
    select.addEventListener("change", () => (select as HTMLSelectElement).form?.requestSubmit());
  });
  each(root, "tr[data-href]", (row) => {
    row.addEventListener("click", (event) => {
      const inner = (event.target as Element).closest("a, button, input, label");
      if (!inner && row.dataset.href && !getSelection()?.toString())
        location.href = row.dataset.href;
    });
  });
  each(root, "form[data-confirm]", (form) => confirmed(form as HTMLFormElement));
  each(root, "button[data-confirm]", (button) => {
    const form = (button as HTMLButtonElement).form;
    if (form) confirmed(form);
  });
  each(root, "form[data-once]", (form) => once(form as HTMLFormElement));
  each(root, "details[data-menu]", menu);
}

/** Forms that already ask: several of their buttons may need an answer. */
const asking = new WeakSet<HTMLFormElement>();

/** Asks before the form is sent, with the words of the pressed button or of the form; focus goes
 * back to the button, and the button's own value and address travel with the form. */
function confirmed(form: HTMLFormElement): void {
  const dialog = document.getElementById("confirm") as HTMLDialogElement | null;
  if (!dialog || asking.has(form)) return;
  asking.add(form);
  const usual = dialog.querySelector("[data-yes]")?.textContent ?? "";
  form.addEventListener("submit", (event) => {
    if (form.dataset.sure !== undefined) return;
    const pressed = (event as SubmitEvent).submitter;
    const asker = pressed?.dataset.confirm === undefined ? form : pressed;
    if (asker.dataset.confirm === undefined) return;
    event.preventDefault();
    const fill = (selector: string, text: string | undefined) => {
      const place = dialog.querySelector(selector);
      if (place && text !== undefined) place.textContent = text;
    };
    fill(".dialog-title", asker.dataset.confirm);
    fill(".dialog-text", asker.dataset.confirmText ?? "");
    fill("[data-yes]", asker.dataset.confirmYes ?? usual);
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        form.dataset.sure = "";
        form.requestSubmit(pressed);
        delete form.dataset.sure;
      },
      { once: true },
    );
    dialog.showModal();
  });
}

/** A form is sent once, however often its button is pressed. */
function once(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
}

/** A menu closes on Escape, on a click elsewhere and when focus leaves it. */
function menu(details: HTMLElement): void {
  const box = details as HTMLDetailsElement;
  const inside = (target: EventTarget | null) => target instanceof Node && box.contains(target);
  document.addEventListener("click", (event) => {
    // the path, not the target: what was clicked may have been taken out of the page since
    if (!event.composedPath().includes(box)) box.open = false;
  });
  box.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !inside(event.relatedTarget)) box.open = false;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.querySelector("summary")?.focus();
  });
}
