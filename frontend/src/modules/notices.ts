import { announce } from "./dom.ts";

const EVERY = 60_000;
const MOST = 100; // the server counts no further

/** How a count looks at the bell. */
export function shown(unread: number): string {
  return unread < MOST ? String(unread) : `${MOST - 1}+`;
}

function ring(link: HTMLElement, unread: number): void {
  const dot = link.querySelector<HTMLElement>(".dot");
  const name = link.dataset.name ?? "";
  const before = dot?.hidden ? "0" : (dot?.textContent ?? "0");
  if (dot) {
    dot.hidden = unread === 0;
    dot.textContent = shown(unread);
  }
  link.setAttribute("aria-label", unread ? `${name} (${shown(unread)})` : name);
  if (unread && unread > Number.parseInt(before, 10)) announce(`${name} (${shown(unread)})`);
}

/** The bell asks now and then how many notices are unread, as long as somebody looks at the page. */
export function bell(link: HTMLElement): void {
  const address = link.dataset.bell;
  if (!address) return;
  let last = Date.now();
  const timer = window.setInterval(ask, EVERY);
  async function ask(): Promise<void> {
    if (document.hidden || !address) return;
    last = Date.now();
    try {
      const headers = { Accept: "application/json", "HX-Request": "true" };
      const answer = await fetch(address, { headers });
      if (answer.status === 401) window.clearInterval(timer); // logged out meanwhile
      if (answer.ok) ring(link, (await answer.json()).unread);
    } catch {
      // no connection: the next turn asks again
    }
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - last >= EVERY) void ask();
  });
}

/** Whoever opens a notice has read it: a post that outlives the page tells so. */
export function notices(form: HTMLFormElement): void {
  form.addEventListener("click", (event) => {
    const link = (event.target as Element).closest(".notice-title a");
    const line = link?.closest<HTMLElement>(".notice.fresh");
    if (line) mark(form, line);
  });
  form.addEventListener("auxclick", (event) => {
    const line = (event.target as Element).closest<HTMLElement>(".notice.fresh");
    if (event.button === 1 && line && (event.target as Element).closest("a")) mark(form, line);
  });
}

function mark(form: HTMLFormElement, line: HTMLElement): void {
  const body = new URLSearchParams({ id: line.dataset.notice ?? "" });
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  const headers = { "X-CSRF-Token": token, "X-Requested-With": "fetch" };
  void fetch(form.action, { method: "POST", body, headers, keepalive: true }).catch(() => {});
  line.classList.remove("fresh");
  line.querySelector("button")?.remove();
}
