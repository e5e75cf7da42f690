import { icon, later, make, say, send, toast } from "./dom.ts";

/** What the server's rules say about one field. */
export interface Effect {
  visible?: boolean;
  required?: boolean;
  readonly?: boolean;
  value?: string | string[] | null;
  text?: string;
  badge?: string;
  options?: string[] | null;
  message?: string;
  problem?: string;
  rows?: Record<string, string>[];
  totals?: Record<string, string>;
}

interface Answer {
  fields?: Record<string, Effect>;
  parts?: Record<string, boolean>;
  general?: { kind: string; text: string }[];
}

type Entry = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const entries = (box: Element) => [...box.querySelectorAll<Entry>("input, select, textarea")];

/** Applies one field's effect to the part of the form that shows it. */
export function apply(box: HTMLElement, effect: Effect): void {
  if (effect.visible !== undefined) box.hidden = !effect.visible;
  const star = box.querySelector<HTMLElement>(".star");
  if (effect.required !== undefined) {
    if (star) star.hidden = !effect.required;
    for (const entry of entries(box)) entry.setAttribute("aria-required", String(effect.required));
  }
  if (effect.readonly !== undefined) {
    for (const entry of entries(box)) {
      if (entry instanceof HTMLSelectElement) entry.classList.toggle("is-locked", effect.readonly);
      else if ("readOnly" in entry) entry.readOnly = effect.readonly;
      entry.setAttribute("aria-readonly", String(effect.readonly));
    }
  }
  if (effect.options !== undefined) narrow(box, effect.options);
  if (effect.value !== undefined || effect.text !== undefined) fill(box, effect);
  if (effect.message !== undefined || effect.problem !== undefined) remark(box, effect);
  if (effect.rows !== undefined) calculated(box, effect.rows);
  for (const [name, text] of Object.entries(effect.totals ?? {})) {
    const total = box.querySelector(`[data-total="${CSS.escape(name)}"]`);
    if (total) total.textContent = text;
  }
}

/** Calculated cells of a line table; the server does not count rows that are wholly empty. */
function calculated(box: HTMLElement, rows: Record<string, string>[]): void {
  const filled = (row: Element) =>
    [...row.querySelectorAll<HTMLInputElement>("input, select, textarea")].some((entry) =>
      entry.type === "checkbox" ? entry.checked : entry.value !== "",
    );
  const lines = [...box.querySelectorAll("[data-line]")].filter(filled);
  lines.forEach((line, at) => {
    for (const [name, text] of Object.entries(rows[at] ?? {})) {
      const output = line.querySelector(`[data-cell="${CSS.escape(name)}"] [data-output]`);
      if (output) output.textContent = text || "—";
    }
  });
}

/** Shows and hides sections and whole sheets; a sheet that goes hands over to the first one left. */
export function parts(form: HTMLElement, shown: Record<string, boolean>): void {
  for (const [key, visible] of Object.entries(shown)) {
    const section = form.querySelector<HTMLElement>(`[data-part="${CSS.escape(key)}"]`);
    if (section) section.hidden = !visible;
    const sheet = form.querySelector<HTMLElement>(`[data-sheet="${CSS.escape(key)}"]`);
    const link = form.querySelector<HTMLElement>(`#h-${CSS.escape(key)}`);
    if (link) link.hidden = !visible;
    else if (sheet) sheet.hidden = !visible;
    if (!visible && link?.getAttribute("aria-selected") === "true") {
      form.querySelector<HTMLElement>("[data-tablist] a:not([hidden])")?.click();
    }
  }
}

function narrow(box: HTMLElement, allowed: string[] | null): void {
  for (const option of box.querySelectorAll("option")) {
    const off = allowed !== null && option.value !== "" && !allowed.includes(option.value);
    option.disabled = off;
    option.hidden = off;
  }
}

/** Never overwrites what somebody is typing just now. */
function fill(box: HTMLElement, effect: Effect): void {
  const output = box.querySelector("[data-output]");
  const text = effect.text || (effect.value ?? "").toString();
  if (output && output.textContent?.trim() !== (text || "—")) {
    const badge = effect.badge && make("span", { class: `tag c-${effect.badge}` }, text);
    output.replaceChildren(badge || text || "—");
  }
  const value = effect.value;
  if (value === undefined || typeof value === "object") return;
  for (const entry of entries(box)) {
    if (entry === document.activeElement || entry.type === "hidden") continue;
    if (entry instanceof HTMLInputElement && entry.type === "checkbox")
      entry.checked = value === "true";
    else entry.value = value;
  }
}

/** What the rules say about a field; what saving has said already is not said again. */
function remark(box: HTMLElement, effect: Effect): void {
  const about = box.querySelector(".field-about") ?? box;
  for (const old of about.querySelectorAll("[data-remark]")) old.remove();
  const said = [...about.querySelectorAll(".problem")].map((each) => each.textContent?.trim());
  const help = about.querySelector(".help");
  for (const [kind, text] of [
    ["problem", effect.problem],
    ["warning", effect.message],
  ] as const) {
    if (!text || said.includes(text)) continue;
    const sign = icon(kind === "problem" ? "alert-circle" : "alert-triangle");
    about.insertBefore(make("p", { class: kind, "data-remark": "" }, sign, text), help);
  }
}

/** What the rules say about the record as a whole. */
function general(form: HTMLElement, remarks: { kind: string; text: string }[]): void {
  form
    .querySelector("[data-general]")
    ?.replaceChildren(
      ...remarks.map((each) =>
        make(
          "div",
          { class: `note note-${each.kind}`, role: "note" },
          icon("alert-circle"),
          make("div", {}, each.text),
        ),
      ),
    );
}

/** An objection of the last saving is out of date once its field is typed in again. */
function forgive(event: Event): void {
  const box = (event.target as Element).closest?.<HTMLElement>("[data-field]");
  if (!box || box.querySelector("[data-lines]")) return;
  for (const old of box.querySelectorAll(".problem:not([data-remark])")) old.remove();
  for (const entry of box.querySelectorAll("[aria-invalid]")) entry.removeAttribute("aria-invalid");
  box.classList.remove("bad");
}

/** Asks the server what the rules say whenever the form changes; it decides, we only draw. */
export function effects(element: HTMLElement): void {
  const form = element as HTMLFormElement;
  let running: AbortController | undefined;
  let told = false;
  const ask = async () => {
    running?.abort();
    const control = new AbortController();
    running = control;
    try {
      const body = new FormData(form);
      for (const [name, value] of [...body]) if (value instanceof File) body.delete(name);
      const answer = await send(form.dataset.effects ?? "", {
        method: "POST",
        body,
        signal: control.signal,
      });
      if (!answer.ok) return;
      const found: Answer = await answer.json();
      parts(form, found.parts ?? {});
      general(form, found.general ?? []);
      for (const [name, effect] of Object.entries(found.fields ?? {})) {
        const box = form.querySelector<HTMLElement>(`[data-field="${CSS.escape(name)}"]`);
        if (box) apply(box, effect);
      }
      told = false;
    } catch (error) {
      if ((error as Error).name !== "AbortError" && !told) toast(say("offline"), "error");
      told = (error as Error).name !== "AbortError" || told;
    }
  };
  const soon = later(ask, 120);
  form.addEventListener("input", forgive);
  form.addEventListener("input", soon);
  form.addEventListener("change", () => void ask());
  form.addEventListener("dougong:changed", soon);
}
