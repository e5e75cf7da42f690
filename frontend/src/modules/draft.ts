import { say, send } from "./dom.ts";

const PAUSE = 10_000;

/** Keeps what was typed on the server, at most every ten seconds, until it is saved. */
export function draft(element: HTMLElement): void {
  const form = element as HTMLFormElement;
  const state = form.querySelector("[data-draft-state]");
  const tell = (name: string) => {
    if (state) state.textContent = say(name);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const keep = async () => {
    timer = undefined;
    tell("saving");
    const body = new FormData(form);
    for (const [name, value] of [...body]) if (value instanceof File) body.delete(name);
    try {
      const answer = await send(form.dataset.draft ?? "", { method: "POST", body });
      tell(answer.ok ? "saved" : "unsaved");
    } catch {
      tell("unsaved");
    }
  };
  form.addEventListener("input", () => {
    timer ??= setTimeout(keep, PAUSE);
  });
  form.addEventListener("submit", () => clearTimeout(timer));
}
