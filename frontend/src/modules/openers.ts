import { each } from "./dom.ts";

/** Buttons that open dialogs, selects that send their form, notes that close, confirmations. */
export function openers(root: ParentNode): void {
  each(root, "[data-open]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const dialog = document.getElementById(button.dataset.open ?? "");
      if (dialog instanceof HTMLDialogElement) dialog.showModal();
    });
  });
  each(root, "[data-close]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const dialog = button.closest("dialog");
      if (dialog) dialog.close();
      else button.closest("[data-note]")?.remove();
    });
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
  each(root, "form[data-once]", (form) => once(form as HTMLFormElement));
  each(root, "details[data-menu]", menu);
}

/** Asks before the form is sent; focus goes back to the button. */
function confirmed(form: HTMLFormElement): void {
  const dialog = document.getElementById("confirm") as HTMLDialogElement | null;
  if (!dialog) return;
  form.addEventListener("submit", (event) => {
    if (form.dataset.sure !== undefined) return;
    event.preventDefault();
    const fill = (selector: string, text: string | undefined) => {
      const place = dialog.querySelector(selector);
      if (place && text !== undefined) place.textContent = text;
    };
    fill(".dialog-title", form.dataset.confirm);
    fill(".dialog-text", form.dataset.confirmText ?? "");
    fill("[data-yes]", form.dataset.confirmYes);
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        form.dataset.sure = "";
        form.requestSubmit();
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
