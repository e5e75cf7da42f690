import { announce, each, icon, later, make, say, send, toast } from "./dom.ts";
import { typing } from "./keys.ts";

/** What the server hands over with every answer. */
export interface FlowData {
  graph: { nodes: GraphNode[]; edges: GraphEdge[] };
  at: string;
  view: string;
  texts: Record<string, string>;
}

export interface GraphNode {
  id: string;
  title: string;
  kind: string;
  kindName: string;
  parent: string;
  note: string;
  first: boolean;
  bad: boolean;
}

export interface GraphEdge {
  from: string;
  to: string;
  label: string;
  tone: string;
  pointer: string;
  words: string;
}

/** A card of the outline as far as keys are concerned. */
export interface Stop {
  id: string;
  level: number;
}

/** Where an arrow key leads from a card: up and down to the next one that is read, left to the
 * surrounding one, right to the first inside. */
export function stepTo(stops: Stop[], at: number, key: string): number {
  const here = stops[at];
  if (!here) return stops.length ? 0 : -1;
  if (key === "ArrowDown") return Math.min(at + 1, stops.length - 1);
  if (key === "ArrowUp") return Math.max(at - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return stops.length - 1;
  if (key === "ArrowRight") return (stops[at + 1]?.level ?? 0) > here.level ? at + 1 : at;
  if (key === "ArrowLeft") {
    for (let up = at - 1; up >= 0; up--) {
      if ((stops[up]?.level ?? 0) < here.level) return up;
    }
  }
  return at;
}

/** What a key asks for on a card: the verb of a change, or "" for none. */
export function verbOf(event: { key: string; altKey: boolean; shiftKey: boolean }): string {
  if (event.altKey) {
    const moves: Record<string, string> = {
      ArrowUp: "up",
      ArrowDown: "down",
      ArrowLeft: "out",
      ArrowRight: "in",
    };
    return moves[event.key] ?? "";
  }
  if (event.key === "Delete" || event.key === "Backspace") return "delete";
  return event.key.toLowerCase() === "a" ? "after:approval" : "";
}

export function data(): FlowData {
  return JSON.parse(document.getElementById("flow-data")?.textContent || "{}");
}

/** Pages come one after the other, however fast somebody clicks. */
let queue: Promise<unknown> = Promise.resolve();

function inTurn(run: () => Promise<void>): void {
  queue = queue.then(run).catch((error) => {
    toast(say("offline"), "error");
    console.warn(error);
  });
}

/** Puts a page's parts in place of those shown; keeps what is open, where the focus is, and where
 * the properties were scrolled to. */
export function replaceParts(page: Document): void {
  const open = new Map<string, boolean>();
  for (const fold of document.querySelectorAll<HTMLDetailsElement>("details[data-keep]"))
    open.set(fold.dataset.keep ?? "", fold.open);
  const held = document.activeElement as HTMLElement | null;
  const node = held?.dataset?.node;
  const id = held?.id ?? "";
  const name = held?.getAttribute("name") ?? "";
  const where = page.getElementById("flow-grid");
  const grid = document.getElementById("flow-grid");
  if (where && grid) grid.className = where.className;
  for (const part of page.querySelectorAll<HTMLElement>("[data-flow-part]")) {
    const old = document.getElementById(part.id);
    if (old) old.replaceWith(document.adoptNode(part));
  }
  for (const fold of document.querySelectorAll<HTMLDetailsElement>("details[data-keep]"))
    fold.open = open.get(fold.dataset.keep ?? "") ?? fold.open;
  for (const note of page.querySelectorAll(".note-error[data-note], .note-success[data-note]"))
    toast(
      note.querySelector("div")?.textContent ?? "",
      note.classList.contains("note-error") ? "error" : "success",
    );
  const wanted = document.querySelector<HTMLElement>("[data-flow-wanted] #redirect");
  if (wanted) {
    wanted.focus();
    return;
  }
  if (document.activeElement !== document.body) return;
  const again =
    (node !== undefined && nodeLink(data().at)) ||
    (id && document.getElementById(id)) ||
    (name && document.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"]`));
  if (again) again.focus({ preventScroll: true });
}

function nodeLink(id: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`#flow-outline [data-node="${CSS.escape(id)}"]`);
}

async function take(answer: Response, keep: boolean): Promise<void> {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const head = page.getElementById("flow-head");
  if (!head) {
    location.href = answer.url;
    return;
  }
  const view = document.getElementById("flow-grid")?.className.match(/view-\w+/)?.[0];
  const here = head.dataset.here ?? location.href;
  replaceParts(page);
  for (const [section, views] of [
    ["flow-outline", ["outline", "both"]],
    ["flow-graph", ["graph", "both"]],
  ] as const) {
    const shown = document.getElementById(section);
    if (shown) shown.hidden = !(views as readonly string[]).includes(data().view);
  }
  if (view?.includes("json") || data().view === "json") {
    location.href = here;
    return;
  }
  if (keep) history.replaceState({}, "", here);
  else history.pushState({}, "", here);
  document.dispatchEvent(new CustomEvent("dougong:flow"));
  document
    .getElementById("flow")
    ?.dispatchEvent(new CustomEvent("dougong:added", { bubbles: true }));
}

/** Sends a change; the version is the one of the page as it is when its turn comes. */
export function post(address: string, body: FormData): void {
  inTurn(async () => {
    const version = document.querySelector<HTMLInputElement>("#flow-op [name=version]");
    if (version) body.set("version", version.value);
    document.getElementById("flow")?.setAttribute("aria-busy", "true");
    const headers = { "X-Flow": "1", Accept: "text/html" };
    const answer = await send(address, { method: "POST", body, headers });
    await take(answer, true);
    document.getElementById("flow")?.removeAttribute("aria-busy");
  });
}

/** A change of one state, as the buttons make it. */
export function act(state: string, verb: string, more: Record<string, string> = {}): void {
  const form = document.getElementById("flow-op") as HTMLFormElement | null;
  if (!form) return;
  const body = new FormData(form);
  body.set("op", `${state}|${verb}`);
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  post(form.action, body);
}

/** Shows a state's properties. */
export function choose(id: string, focus = false): void {
  const link = nodeLink(id) as HTMLAnchorElement | null;
  if (!link) return;
  inTurn(async () => {
    await take(await send(link.href, { headers: { Accept: "text/html" } }), false);
    if (focus) document.getElementById("flow-panel-title")?.focus();
  });
}

function submitted(event: SubmitEvent): void {
  const form = event.target as HTMLFormElement;
  if (!form.matches("[data-flow-form]") || event.defaultPrevented) return;
  event.preventDefault();
  const pressed = event.submitter as HTMLButtonElement | null;
  const body = new FormData(form);
  if (pressed?.name) body.set(pressed.name, pressed.value);
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]"))
    menu.open = false;
  post(pressed?.getAttribute("formaction") ?? form.action, body);
}

function clicked(event: MouseEvent): void {
  const link = (event.target as Element).closest?.<HTMLAnchorElement>("a[data-flow-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  inTurn(async () => {
    await take(await send(link.href, { headers: { Accept: "text/html" } }), false);
    if (matchMedia("(max-width: 991.98px)").matches) scrollTo(0, 0);
  });
}

/** Keys on the cards, and undo everywhere on the page but in texts. */
function pressed(event: KeyboardEvent): void {
  const held = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (held && !event.altKey && (key === "z" || key === "y") && !typing(event.target)) {
    const forward = key === "y" || event.shiftKey;
    const button = document.querySelector<HTMLButtonElement>(
      forward ? "[data-flow-redo]" : "[data-flow-undo]",
    );
    event.preventDefault();
    if (button && !button.disabled) button.click();
    return;
  }
  const link = (event.target as Element).closest?.<HTMLElement>("#flow-outline [data-node]");
  if (!link || held) return;
  const links = [...document.querySelectorAll<HTMLElement>("#flow-outline [data-node]")];
  const stops = links.map((one) => ({
    id: one.dataset.node ?? "",
    level: Number(one.dataset.level),
  }));
  const verb = verbOf(event);
  if (verb && link.dataset.node) {
    event.preventDefault();
    event.stopPropagation();
    act(link.dataset.node, verb);
    return;
  }
  if (event.altKey) return;
  const at = links.indexOf(link);
  const next = stepTo(stops, at, event.key);
  if (next === at && !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  links[next]?.focus();
}

/** The rule and its words under an expression, asked of the server while it is typed. */
function expression(box: HTMLElement): void {
  const input = box.querySelector("textarea");
  const said = box.querySelector(".flow-said");
  const address = document.getElementById("flow")?.dataset.check ?? "";
  if (!input || !said) return;
  const ask = later(async () => {
    const body = new FormData();
    body.set("source", input.value);
    body.set("wanted", box.dataset.wanted ?? "bool");
    const answer = await send(address, { method: "POST", body });
    if (!answer.ok) return;
    const found: { problems: string[]; words: string } = await answer.json();
    input.toggleAttribute("aria-invalid", found.problems.length > 0);
    if (found.problems.length) input.setAttribute("aria-invalid", "true");
    said.replaceChildren(
      ...found.problems.map((text) => make("p", { class: "problem" }, icon("alert-circle"), text)),
      ...(found.words ? [make("p", { class: "help" }, found.words)] : []),
    );
  }, 250);
  input.addEventListener("input", ask);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/** Properties are kept as soon as one is changed. */
function auto(form: HTMLElement): void {
  form.addEventListener("change", (event) => {
    const input = event.target as HTMLElement;
    if (input.closest("[data-flow-quiet]") || ["target", "redirect"].includes(nameOf(input)))
      return;
    if (nameOf(input).startsWith("event") || nameOf(input).endsWith("@@name")) return;
    (form as HTMLFormElement).requestSubmit();
  });
}

function nameOf(input: HTMLElement): string {
  return input.getAttribute("name") ?? "";
}

/** The editor of a workflow: every change is a form that is posted; the parts of the page that
 * come back are put in place, so that nothing jumps. */
export function flow(root: HTMLElement): void {
  root.addEventListener("submit", (event) => submitted(event as SubmitEvent));
  root.addEventListener("click", (event) => clicked(event as MouseEvent));
  document.addEventListener("keydown", pressed);
  addEventListener("popstate", () => location.reload());
  const refresh = () => {
    each(root, "[data-flow-expression]", expression);
    each(root, "[data-flow-auto]", auto);
  };
  document.addEventListener("dougong:flow", () => {
    refresh();
    const { at, graph } = data();
    announce(graph.nodes.find((one) => one.id === at)?.title ?? "");
  });
  refresh();
  const canvas = root.querySelector<HTMLElement>("[data-flow-graph]");
  if (canvas)
    void import("./flow_graph.ts").then((module) =>
      module.flowGraph(canvas, { act, choose, data }),
    );
}
