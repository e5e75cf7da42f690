import { announce, send, toast } from "./dom.ts";

interface Answer {
  text?: string;
  seconds?: number;
  error?: string;
}

/** Uncovers a masked value in its place, and covers it again after a minute or with a second click. */
export function reveal(box: HTMLElement): void {
  const form = box.matches("form") ? (box as HTMLFormElement) : null;
  const button = form?.querySelector("button");
  const shown = form?.parentElement?.querySelector<HTMLElement>(".masked");
  if (!form || !button || !shown) return; // the page of its own stays
  const mask = shown.textContent ?? "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  const cover = () => {
    clearTimeout(timer);
    timer = undefined;
    shown.textContent = mask;
    shown.classList.remove("is-revealed");
    button.setAttribute("aria-pressed", "false");
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (timer !== undefined) {
      cover();
      return;
    }
    button.disabled = true;
    try {
      const answer = await send(form.action, { method: "POST" });
      const found = (await answer.json()) as Answer;
      if (!answer.ok) throw new Error(found.error);
      shown.textContent = found.text || "—";
      shown.classList.add("is-revealed");
      button.setAttribute("aria-pressed", "true");
      announce(shown.textContent);
      timer = setTimeout(cover, (found.seconds ?? 60) * 1000);
    } catch (error) {
      toast(error instanceof Error && error.message ? error.message : String(error), "error");
    } finally {
      button.disabled = false;
    }
  });
  window.addEventListener("pagehide", cover);
}
