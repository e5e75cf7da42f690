import { announce, icon, later, make, send } from "./dom.ts";
import { listbox } from "./listbox.ts";

/** A line to choose: a record, a list, something to make. */
export interface Hit {
  label: string;
  href: string;
  icon: string;
  note?: string;
}

/** What the server offers; `empty` is a sentence when there is nothing. */
export interface Offer {
  groups: { title: string; items: Hit[] }[];
  empty: string;
  all: Hit;
}

let counter = 0;

/** Whether it is worth asking: one sign of Chinese, two letters otherwise. */
export function enough(text: string): boolean {
  return text.length > 1 || text >= "⺀";
}

/** The label with every place marked that one of the words is at. */
export function marked(label: string, text: string): (Node | string)[] {
  const words = text.split(/\s+/).filter(Boolean);
  if (!words.length) return [label];
  const plain = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = label.split(new RegExp(`(${plain.join("|")})`, "iu"));
  return parts.map((part, at) => (at % 2 ? make("mark", {}, part) : part)).filter(Boolean);
}

/** The search box offers records and places while one types; Enter alone opens the full page. */
export function suggest(form: HTMLElement): void {
  const input = form.querySelector("input");
  if (!input) return;
  const place = make("div", { class: "suggest", id: `suggest-${counter++}` });
  place.setAttribute("aria-label", input.getAttribute("aria-label") ?? "");
  const list = listbox(input, place);
  form.append(place);
  let running: AbortController | undefined;

  const line = (hit: Hit, text: string, kind = "") => {
    const label = make("span", { class: "suggest-label" }, ...marked(hit.label, text));
    const link = make("a", { class: `suggest-line ${kind}`, href: hit.href, tabindex: "-1" });
    link.append(icon(hit.icon || "file"), label);
    if (hit.note) link.append(make("small", {}, ...marked(hit.note, text)));
    link.addEventListener("mousedown", (event) => event.preventDefault()); // focus stays in the box
    return list.add(link, () => link.click());
  };
  const show = (offer: Offer, text: string) => {
    list.clear();
    for (const [at, { title, items }] of offer.groups.entries()) {
      const head = make("div", { class: "suggest-head", id: `${place.id}-g${at}` }, title);
      const group = make("div", { role: "group", "aria-labelledby": head.id }, head);
      group.append(...items.map((hit) => line(hit, text)));
      place.append(group);
    }
    if (offer.empty) {
      place.append(make("div", { class: "suggest-empty", role: "presentation" }, offer.empty));
      announce(offer.empty);
    }
    place.append(line(offer.all, "", "suggest-all"));
    list.open();
  };
  const search = async () => {
    running?.abort();
    const text = input.value.trim();
    if (!enough(text)) return list.close();
    running = new AbortController();
    const { signal } = running;
    try {
      const args = new URLSearchParams({ q: text });
      const answer = await send(`${form.dataset.suggest}?${args}`, { signal });
      // an answer that is not ours (one has been logged out) offers nothing
      const ours = answer.ok && answer.headers.get("Content-Type")?.includes("json");
      const offer: Offer | undefined = ours ? await answer.json() : undefined;
      if (signal.aborted) return;
      if (offer && document.activeElement === input) show(offer, text);
      else list.close();
    } catch (error) {
      if ((error as Error).name !== "AbortError") list.close();
    }
  };
  const soon = later(search, 180);
  input.addEventListener("input", (event) => {
    if (!(event as InputEvent).isComposing) soon(); // half a syllable is not yet what is meant
  });
  input.addEventListener("compositionend", soon);
  input.addEventListener("focus", soon);
  input.addEventListener("blur", () => {
    running?.abort();
    list.close();
  });
  input.addEventListener("keydown", (event) => list.key(event, search));
}
