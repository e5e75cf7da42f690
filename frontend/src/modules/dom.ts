/** The sentences that base.html hands over, in the reader's language. */
type Texts = Record<string, string> & { ops?: Record<string, string> };

const mounted = new WeakMap<Element, Set<unknown>>();

/** Runs `mount` once for every element below `root` that matches. */
export function each(
  root: ParentNode,
  selector: string,
  mount: (element: HTMLElement) => void,
): void {
  for (const element of root.querySelectorAll<HTMLElement>(selector)) {
    const known = mounted.get(element) ?? new Set();
    mounted.set(element, known);
    if (known.has(mount)) continue;
    known.add(mount);
    mount(element);
  }
}

function texts(): Texts {
  return JSON.parse(document.getElementById("texts")?.textContent || "{}");
}

/** A sentence by its name; `{text}` in it stands for `text`. */
export function say(name: string, text = ""): string {
  return (texts()[name] ?? name).replace("{text}", text);
}

/** The words for a filter operator. */
export function operator(name: string): string {
  return texts().ops?.[name] ?? name;
}

/** Tells people who listen instead of looking. */
export function announce(text: string): void {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

/** An element with attributes and children, without a line of markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An option of a select. */
export function option(text: string, value: string, selected = false): HTMLOptionElement {
  const element = make("option", { value }, text);
  if (selected) element.setAttribute("selected", "");
  return element;
}

/** An icon of the sprite, copied from one that the page shows already. */
export function icon(name: string): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const known = document.querySelector("svg.i use")?.getAttribute("href") ?? "";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "i");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", known.replace(/#.*$/, `#${name}`));
  svg.append(use);
  return svg;
}

/** Calls `run` once things have been quiet for `wait` milliseconds. */
export function later<A extends unknown[]>(
  run: (...args: A) => void,
  wait: number,
): (...args: A) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), wait);
  };
}

/** A request with the token that proves it is ours. */
export function send(address: string, options: RequestInit = {}): Promise<Response> {
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  const headers = { Accept: "application/json", "X-CSRF-Token": token, ...options.headers };
  return fetch(address, { credentials: "same-origin", ...options, headers });
}

/** Shows a message at the corner; errors stay until they are closed. */
export function toast(text: string, kind: "success" | "error" = "success"): void {
  const close = make(
    "button",
    { type: "button", class: "icon-btn", "aria-label": say("close") },
    icon("x"),
  );
  const role = kind === "error" ? "alert" : "status";
  const note = make("div", { class: `note note-${kind}`, role }, make("div", {}, text), close);
  close.addEventListener("click", () => note.remove());
  document.getElementById("toasts")?.append(note);
  if (kind === "success") setTimeout(() => note.remove(), 4000);
}
