import { say } from "./dom.ts";

/** Warns before typed input is lost, and saves with Ctrl+S or Ctrl+Enter. */
export function leave(element: HTMLElement): void {
  const form = element as HTMLFormElement;
  let dirty = form.dataset.dirty !== undefined;
  form.addEventListener("input", () => {
    dirty = true;
  });
  form.addEventListener("submit", () => {
    dirty = false;
  });
  form.addEventListener("click", (event) => {
    if (!(event.target as Element).closest("[data-leave]")) return;
    if (dirty && !confirm(say("leave"))) event.preventDefault();
    else dirty = false;
  });
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
  form.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !["s", "Enter"].includes(event.key)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector<HTMLButtonElement>("[data-key-save]"));
  });
}
