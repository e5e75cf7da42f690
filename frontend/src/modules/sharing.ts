import { send } from "./dom.ts";

/** A link to a page whose main part opens in a dialog instead; forms in it stay in the dialog. */
export function sharing(link: HTMLElement): void {
  const href = link.getAttribute("href");
  const part = link.dataset.dialog;
  if (!href || !part) return;
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
    event.preventDefault();
    const answer = await send(href, { headers: { Accept: "text/html" } });
    const body = answer.ok ? partOf(await answer.text(), part) : null;
    if (!body) {
      location.href = href; // the page says why not
      return;
    }
    const dialog = document.createElement("dialog");
    dialog.className = "dialog dialog-wide dialog-part";
    document.body.append(dialog);
    show(dialog, body, part);
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.closest("details")?.querySelector("summary")?.focus();
    });
    dialog.showModal();
  });
}

function partOf(html: string, part: string): HTMLElement | null {
  return new DOMParser().parseFromString(html, "text/html").getElementById(part);
}

/** Puts the part into the dialog and sends its forms from there. */
function show(dialog: HTMLDialogElement, body: HTMLElement, part: string): void {
  const inner = document.importNode(body, true);
  inner.classList.remove("card");
  const title = inner.querySelector("[id$='-title']");
  if (title) {
    dialog.setAttribute("aria-labelledby", title.id);
    title.setAttribute("tabindex", "-1"); // a list of people need not open by itself
    title.setAttribute("autofocus", "");
  }
  dialog.replaceChildren(inner);
  dialog.dispatchEvent(new CustomEvent("dougong:added", { bubbles: true }));
  for (const form of inner.querySelectorAll("form")) {
    form.addEventListener("submit", async (event) => {
      if (event.defaultPrevented) return;
      event.preventDefault();
      const answer = await send(form.action, {
        method: "POST",
        headers: { Accept: "text/html" },
        body: new FormData(form),
      });
      const html = await answer.text();
      const page = new DOMParser().parseFromString(html, "text/html");
      const again = page.getElementById(part);
      if (!again) {
        location.reload();
        return;
      }
      again.prepend(...page.querySelectorAll("#main > .note")); // what came of it, seen in here
      show(dialog, again, part);
      const bad = dialog.querySelector<HTMLElement>(".bad :is(input, select):not([hidden])");
      (bad ?? dialog.querySelector<HTMLElement>("[autofocus]"))?.focus();
      if (!bad) dialog.scrollTop = 0;
    });
  }
}
