import { announce, each, make, send } from "./dom.ts";

/** A place in the grid; row -1 is the head of a column, column -1 the head of a row. */
export interface Spot {
  row: number;
  col: number;
}

export interface Size {
  rows: number;
  cols: number;
}

const PAGE = 10;
/** Choices that ask for more than a key. */
const LONG = ["rule", "condition"];

/** Where a key leads from a place: arrows, Home, End, Page Up and Down, with Ctrl to the corners. */
export function moved(size: Size, at: Spot, key: string, far = false): Spot {
  const low = { row: at.col < 0 ? 0 : -1, col: at.row < 0 ? 0 : -1 };
  const last = { row: size.rows - 1, col: size.cols - 1 };
  const clamp = (spot: Spot): Spot => ({
    row: Math.min(Math.max(spot.row, low.row), last.row),
    col: Math.min(Math.max(spot.col, low.col), last.col),
  });
  switch (key) {
    case "ArrowUp":
      return clamp({ ...at, row: far ? low.row : at.row - 1 });
    case "ArrowDown":
      return clamp({ ...at, row: far ? last.row : at.row + 1 });
    case "ArrowLeft":
      return clamp({ ...at, col: far ? low.col : at.col - 1 });
    case "ArrowRight":
      return clamp({ ...at, col: far ? last.col : at.col + 1 });
    case "Home":
      return far ? { row: 0, col: 0 } : clamp({ ...at, col: 0 });
    case "End":
      return far ? last : clamp({ ...at, col: last.col });
    case "PageUp":
      return clamp({ ...at, row: Math.max(at.row - PAGE, 0) });
    case "PageDown":
      return clamp({ ...at, row: at.row + PAGE });
  }
  return at;
}

/** The choice after `value`; those that need more than a key are left out. */
export function cycled(choices: readonly string[], value: string, back = false): string {
  const short = choices.filter((one) => !LONG.includes(one));
  if (!short.length) return value;
  const at = short.indexOf(value);
  if (at < 0) return back ? (short[short.length - 1] as string) : (short[0] as string);
  return short[(at + (back ? short.length - 1 : 1)) % short.length] as string;
}

/** All cells between two places, heads left out. */
export function spanned(from: Spot, to: Spot): Spot[] {
  const found: Spot[] = [];
  const top = Math.max(Math.min(from.row, to.row), 0);
  const left = Math.max(Math.min(from.col, to.col), 0);
  for (let row = top; row <= Math.max(from.row, to.row); row++)
    for (let col = left; col <= Math.max(from.col, to.col); col++) found.push({ row, col });
  return found;
}

/** The choices that several cells have in common or not: each once, in order of appearance. */
export function united(lists: readonly (readonly [string, string])[][]): [string, string][] {
  const found = new Map<string, string>();
  for (const list of lists)
    for (const [value, text] of list) if (!found.has(value)) found.set(value, text);
  return [...found];
}

interface Words {
  dirty: string;
  apply: string;
  cancel: string;
  rule: string;
  cells: string;
  none: string;
  example: string;
  more: string;
}

const selectOf = (cell: HTMLElement) => cell.querySelector<HTMLSelectElement>("select");
const ruleOf = (cell: HTMLElement) => cell.querySelector<HTMLTextAreaElement>("textarea");
const choicesOf = (cell: HTMLElement): [string, string][] =>
  [...(selectOf(cell)?.options ?? [])].map((one) => [one.value, one.text]);

const nameOf = (cell?: HTMLElement) => (cell && selectOf(cell)?.getAttribute("aria-label")) ?? "";
/** What the draft holds: what the page came with, unless a refused form shows something else. */
const firstOf = (cell: HTMLElement) =>
  cell.dataset.first ?? cell.querySelector<HTMLOptionElement>("option[selected]")?.value ?? "";

/** The table of rights as a grid: one stop for the Tab key, keys for everything else. */
export function permissions(element: HTMLElement): void {
  const form = element as HTMLFormElement;
  const table = form.querySelector<HTMLTableElement>("[data-grid]");
  const dialog = document.querySelector<HTMLDialogElement>("[data-rights-dialog]");
  if (!table || !dialog) return;
  new Grid(form, table, dialog, JSON.parse(form.dataset.say ?? "{}"));
}

class Grid {
  private at: Spot = { row: 0, col: 0 };
  private anchor: Spot = this.at;
  private marked = new Set<HTMLElement>();

  constructor(
    private readonly form: HTMLFormElement,
    private readonly table: HTMLTableElement,
    private readonly dialog: HTMLDialogElement,
    private readonly words: Words,
  ) {
    table.setAttribute("role", "grid");
    table.setAttribute("aria-multiselectable", "true");
    for (const button of table.querySelectorAll<HTMLElement>(".rights-all")) button.hidden = false;
    for (const cell of table.querySelectorAll<HTMLElement>("td")) cell.tabIndex = -1;
    this.spot(this.at)?.setAttribute("tabindex", "0");
    table.addEventListener("keydown", (event) => this.pressed(event));
    table.addEventListener("click", (event) => this.clicked(event));
    table.addEventListener("focusin", (event) => this.entered(event.target as HTMLElement));
    form.addEventListener("reset", () => setTimeout(() => this.refresh()));
    form.addEventListener("formdata", (event) => this.shorten(event.formData));
    this.find();
    this.refresh();
  }

  // --- the cells

  private cells(): HTMLElement[] {
    return [...this.table.querySelectorAll<HTMLElement>("td[data-cell]")];
  }

  private lines(): HTMLTableRowElement[] {
    return [...this.table.querySelectorAll<HTMLTableRowElement>("tr[data-line]:not([hidden])")];
  }

  private heads(): HTMLElement[] {
    return [...this.table.querySelectorAll<HTMLElement>("[data-col]")];
  }

  private size(): Size {
    return { rows: this.lines().length, cols: this.heads().length };
  }

  private spot(at: Spot): HTMLElement | undefined {
    if (at.row < 0) return this.heads()[at.col];
    const line = this.lines()[at.row];
    if (at.col < 0) return line?.querySelector<HTMLElement>("[data-row]") ?? undefined;
    return line?.querySelectorAll<HTMLElement>("td")[at.col];
  }

  private place(target: Element): Spot | undefined {
    const head = target.closest<HTMLElement>("[data-col]");
    if (head) return { row: -1, col: Number(head.dataset.col) };
    const line = target.closest("tr");
    const row = this.lines().indexOf(line as HTMLTableRowElement);
    if (row < 0) return undefined;
    const cell = target.closest("td");
    const col = cell ? [...(line?.querySelectorAll("td") ?? [])].indexOf(cell) : -1;
    return { row, col };
  }

  private go(at: Spot, extend = false): void {
    const next = this.spot(at);
    if (!next) return;
    this.at = at;
    if (!extend) this.anchor = at;
    next.focus();
    this.mark(extend ? spanned(this.anchor, at).map((one) => this.spot(one)) : []);
  }

  private entered(target: HTMLElement): void {
    const stop = target.closest<HTMLElement>("td, .rights-all");
    if (!stop || stop !== target) return;
    for (const one of this.table.querySelectorAll('[tabindex="0"]'))
      one.setAttribute("tabindex", "-1");
    stop.tabIndex = 0;
    const at = this.place(stop);
    if (at) this.at = at;
  }

  private mark(cells: (HTMLElement | undefined)[]): void {
    for (const one of this.marked) {
      one.classList.remove("is-marked");
      one.removeAttribute("aria-selected");
    }
    this.marked = new Set(
      cells.filter((one): one is HTMLElement => !!one && "cell" in one.dataset),
    );
    for (const one of this.marked) {
      one.classList.add("is-marked");
      one.setAttribute("aria-selected", "true");
    }
    if (this.marked.size > 1) announce(this.words.cells.replace("{text}", `${this.marked.size}`));
  }

  /** The cells that a key is about: those marked, else the whole line or column, else the one. */
  private about(): HTMLElement[] {
    if (this.marked.size > 1) return [...this.marked];
    const { rows, cols } = this.size();
    const all = (spots: Spot[]) =>
      spots
        .map((one) => this.spot(one))
        .filter((one): one is HTMLElement => !!one && "cell" in one.dataset);
    if (this.at.row < 0)
      return all(Array.from({ length: rows }, (_, row) => ({ row, col: this.at.col })));
    if (this.at.col < 0)
      return all(Array.from({ length: cols }, (_, col) => ({ row: this.at.row, col })));
    return all([this.at]);
  }

  // --- keys and clicks

  private pressed(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (target.matches("a, select, textarea, input")) return;
    if (event.altKey) return;
    const far = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" || event.key === "F2") {
      if (far) return;
      event.preventDefault();
      this.open(this.about());
    } else if (event.key === " ") {
      event.preventDefault();
      this.cycle();
    } else if (event.key === "Escape" && this.marked.size) {
      this.mark([]);
    } else {
      const next = moved(this.size(), this.at, event.key, far);
      if (next === this.at) return;
      event.preventDefault();
      this.go(next, event.shiftKey && this.at.row >= 0 && this.at.col >= 0);
    }
  }

  private clicked(event: MouseEvent): void {
    const target = event.target as HTMLElement;
    if (target.closest("a")) return;
    const stop = target.closest<HTMLElement>("td, .rights-all");
    const at = stop && this.place(stop);
    if (!stop || !at) return;
    const inside = this.marked.has(stop);
    if (event.shiftKey && at.row >= 0 && at.col >= 0) {
      this.go(at, true);
      return;
    }
    if (!inside) this.go(at);
    const cells = this.about();
    if (cells.length) this.open(cells);
  }

  private cycle(): void {
    const cells = this.about();
    const first = cells.find((one) => one === this.spot(this.at)) ?? cells[0];
    const select = first && selectOf(first);
    if (!select) return;
    const next = cycled(
      choicesOf(first).map(([value]) => value),
      select.value,
    );
    for (const cell of cells) this.set(cell, next);
    this.said(cells);
  }

  private said(cells: HTMLElement[]): void {
    const text = cells[0]?.querySelector("[data-text]")?.textContent ?? "";
    const what =
      cells.length > 1 ? this.words.cells.replace("{text}", `${cells.length}`) : nameOf(cells[0]);
    announce(`${what}: ${text}`);
  }

  // --- setting

  private set(cell: HTMLElement, value: string, rule?: string, words?: string): void {
    const select = selectOf(cell);
    if (!select || !choicesOf(cell).some(([one]) => one === value)) return;
    select.value = value;
    const text = ruleOf(cell);
    if (text && rule !== undefined && value === "rule") {
      text.value = rule;
      const said = cell.querySelector("[data-words]");
      if (said) said.textContent = words || rule;
    }
    select.dispatchEvent(new Event("input", { bubbles: true }));
    this.face(cell);
    this.count();
  }

  private changed(cell: HTMLElement): boolean {
    const select = selectOf(cell);
    const rule = ruleOf(cell);
    if (!select) return false;
    if (select.value !== firstOf(cell)) return true;
    return select.value === "rule" && !!rule && rule.value.trim() !== rule.dataset.first;
  }

  private face(cell: HTMLElement): void {
    const select = selectOf(cell);
    const face = cell.querySelector<HTMLElement>("[data-face]");
    if (!select || !face) return;
    face.dataset.value = select.value;
    const text = face.querySelector("[data-text]");
    if (text) text.textContent = select.selectedOptions[0]?.text ?? "";
    cell.classList.toggle("is-dirty", this.changed(cell));
    const said = cell.querySelector<HTMLElement>("[data-words]");
    if (said) said.hidden = !LONG.includes(select.value);
  }

  private refresh(): void {
    for (const cell of this.cells()) this.face(cell);
    this.count();
  }

  private count(): void {
    const number = this.cells().filter((one) => this.changed(one)).length;
    const shown = this.form.querySelector<HTMLElement>("[data-count]");
    if (shown) shown.textContent = number ? this.words.dirty.replace("{text}", `${number}`) : "";
    const undo = this.form.querySelector<HTMLElement>("[data-undo]");
    if (undo) undo.hidden = !number;
  }

  /** Only what was changed is sent. */
  private shorten(data: FormData): void {
    for (const cell of this.cells()) {
      if (this.changed(cell)) continue;
      data.delete(`c/${cell.dataset.cell}`);
      data.delete(`r/${cell.dataset.cell}`);
    }
  }

  // --- all choices of one or several cells

  private open(cells: HTMLElement[]): void {
    const first = cells[0];
    const title = this.dialog.querySelector(".dialog-title");
    const body = this.dialog.querySelector("[data-body]");
    if (!first || !title || !body) return;
    const choices = united(cells.map(choicesOf));
    const many = cells.length > 1;
    const head =
      this.at.row < 0 || this.at.col < 0 ? this.spot(this.at)?.getAttribute("aria-label") : "";
    title.textContent = many
      ? head || this.words.cells.replace("{text}", `${cells.length}`)
      : nameOf(first);
    const value = many ? "" : (selectOf(first)?.value ?? "");
    const box = new Choices(choices, value, first, this.words);
    box.address = this.form.dataset.check ?? "";
    const note =
      first.dataset.note && !many ? [make("p", { class: "help" }, first.dataset.note)] : [];
    const more = this.form.dataset.more && !many ? [this.link(first)] : [];
    const apply = make("button", { type: "submit", class: "btn btn-primary" }, this.words.apply);
    const cancel = make("button", { type: "button", class: "btn" }, this.words.cancel);
    cancel.addEventListener("click", () => this.dialog.close());
    const actions = make("div", { class: "dialog-actions" }, cancel, apply);
    body.replaceChildren(box.element, ...note, ...more, actions);
    const done = async () => {
      const chosen = await box.chosen();
      if (!chosen) return;
      this.dialog.close();
      for (const cell of cells) this.set(cell, chosen.value, chosen.rule, chosen.words);
      this.said(cells);
    };
    box.picked = () => void done();
    box.resized = () => this.beside(this.spot(this.at));
    const form = this.dialog.querySelector("form");
    if (form)
      form.onsubmit = (event) => {
        event.preventDefault();
        void done();
      };
    this.dialog.onclose = () => this.spot(this.at)?.focus();
    this.dialog.showModal();
    this.beside(this.spot(this.at));
    box.focus();
  }

  /** To all that the role may do with the field. */
  private link(cell: HTMLElement): HTMLElement {
    const [entity = "", field = "", role = ""] = (cell.dataset.cell ?? "").split("/");
    const query = new URLSearchParams({ entity, role });
    const href = `${this.form.dataset.more}?${query}#f-${field.replace(".", "-")}`;
    return make("p", {}, make("a", { href }, this.words.more));
  }

  /** Puts the dialog next to its cell where there is room; phones have it in the middle. */
  private beside(cell: HTMLElement | undefined): void {
    const style = this.dialog.style;
    style.margin = style.left = style.top = "";
    if (!cell || innerWidth < 768) return;
    const box = cell.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.dialog;
    style.margin = "0";
    style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - height - 8))}px`;
  }

  // --- finding

  private find(): void {
    const input = document.querySelector<HTMLInputElement>("[data-find]");
    const none = this.form.querySelector<HTMLElement>("[data-none]");
    if (!input) return;
    const look = () => {
      const wanted = input.value.trim().toLowerCase();
      let some = false;
      for (const body of this.table.tBodies) {
        let shown = 0;
        for (const line of body.querySelectorAll<HTMLElement>("[data-line]")) {
          line.hidden = !(line.dataset.text ?? "").includes(wanted);
          if (!line.hidden) shown++;
        }
        body.hidden = !shown;
        some ||= shown > 0;
      }
      if (none) none.hidden = some;
      this.mark([]);
      this.at = this.anchor = { row: 0, col: 0 };
      const stop = this.spot(this.at);
      if (stop) {
        for (const one of this.table.querySelectorAll('[tabindex="0"]'))
          one.setAttribute("tabindex", "-1");
        stop.setAttribute("tabindex", "0");
      }
    };
    input.addEventListener("input", look);
    if (input.value) look();
  }
}

interface Chosen {
  value: string;
  rule?: string;
  words?: string;
}

/** A list of choices, with room for the expression of a rule that is checked when it is left. */
class Choices {
  readonly element: HTMLElement;
  address = "";
  picked: () => void = () => undefined;
  resized: () => void = () => undefined;
  private readonly radios: HTMLInputElement[] = [];
  private readonly input: HTMLTextAreaElement;
  private readonly said: HTMLElement;
  private readonly rule: HTMLElement;
  private checked = "";
  private words = "";

  constructor(
    choices: [string, string][],
    value: string,
    private readonly cell: HTMLElement,
    words: Words,
  ) {
    this.input = make("textarea", {
      class: "form-control rights-expression",
      rows: "3",
      maxlength: "2000",
      spellcheck: "false",
      placeholder: words.example,
      "aria-label": words.rule,
      "aria-describedby": "rights-said",
    });
    this.input.value = ruleOf(cell)?.value ?? "";
    this.said = make("div", { id: "rights-said", role: "status" });
    this.rule = make("div", { class: "rights-rule" }, this.input, this.said);
    const list = make("div", { class: "rights-choices", role: "radiogroup" });
    for (const [one, text] of choices) {
      const radio = make("input", {
        type: "radio",
        class: "form-check-input",
        name: "choice",
        value: one,
      });
      radio.checked = one === value;
      const label = make("label", { class: "rights-choice" }, radio, make("span", {}, text));
      label.addEventListener("pointerup", () => {
        radio.checked = true;
        this.show();
        if (LONG.includes(one)) this.input.focus();
        else this.picked();
      });
      radio.addEventListener("change", () => this.show());
      this.radios.push(radio);
      list.append(label);
    }
    this.element = choices.length
      ? make("div", {}, list, this.rule)
      : make("p", { class: "quiet" }, words.none);
    this.input.addEventListener("blur", () => void this.check());
    this.show();
  }

  focus(): void {
    (this.radios.find((one) => one.checked) ?? this.radios[0])?.focus();
  }

  private get value(): string | undefined {
    return this.radios.find((one) => one.checked)?.value;
  }

  private show(): void {
    this.rule.hidden = this.value !== "rule";
    this.resized();
  }

  private async check(): Promise<boolean> {
    const source = this.input.value.trim();
    if (!source || this.checked === source) return !!source && !this.said.querySelector(".problem");
    const body = new FormData();
    body.set("cell", this.cell.dataset.cell ?? "");
    body.set("source", source);
    const answer = await send(this.address, { method: "POST", body });
    if (!answer.ok) return true; // saving asks again
    const found: { problems: string[]; words: string } = await answer.json();
    this.checked = source;
    this.words = found.words;
    this.input.toggleAttribute("aria-invalid", found.problems.length > 0);
    if (found.problems.length) this.input.setAttribute("aria-invalid", "true");
    this.said.replaceChildren(
      ...found.problems.map((text) => make("p", { class: "problem" }, text)),
      ...(found.words ? [make("p", { class: "help" }, found.words)] : []),
    );
    this.resized();
    return !found.problems.length;
  }

  async chosen(): Promise<Chosen | undefined> {
    const value = this.value;
    if (value === undefined) return undefined;
    if (value !== "rule") return { value };
    if (!(await this.check())) {
      this.input.focus();
      return undefined;
    }
    return { value, rule: this.input.value.trim(), words: this.words };
  }
}

/** A form of choices above a table is sent as soon as one changes. */
export function autoSend(element: HTMLElement): void {
  const form = element as HTMLFormElement;
  each(form, "select, input[type=checkbox]", (input) =>
    input.addEventListener("change", () => form.requestSubmit()),
  );
}
