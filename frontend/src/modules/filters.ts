import { icon, make, operator, option, say } from "./dom.ts";
import { picker } from "./picker.ts";

/** A field that may be filtered, as list.html hands it over. */
export interface Filterable {
  name: string;
  title: string;
  kind: string;
  operators: string[];
  /** What may be chosen; of a field with `lookup` only what has a name already. */
  options: [string, string][];
  /** The address that finds records or people for this field. */
  lookup?: string;
}

/** A condition is [field, operator, value]; a group joins parts by one word. */
export type Condition = [string, string] | [string, string, string | string[]];
export type Group = { and: Tree[] } | { or: Tree[] };
export type Tree = Condition | Group;

const NO_VALUE =
  /^(empty|filled|me|mine|mine_tree|today|yesterday|tomorrow|(this|last|next)_(week|month|quarter|year)|overdue)$/;
const DAYS = /days$/;

/** Whether an operator has no right side. */
export const bare = (name: string): boolean => NO_VALUE.test(name);

function reading(box: Element, fields: Filterable[]): Condition | null {
  const pick = (part: string) =>
    box.querySelector<HTMLSelectElement>(`[data-part="${part}"]`)?.value ?? "";
  const field = fields.find((each) => each.name === pick("field"));
  const op = pick("op");
  if (!field || !op) return null;
  if (bare(op)) return [field.name, op];
  const entries = [
    ...box.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[data-part=value]"),
  ];
  const values = entries.flatMap((entry) =>
    entry instanceof HTMLSelectElement && entry.multiple
      ? [...entry.selectedOptions].map((option) => option.value)
      : [entry.value.trim()],
  );
  if (op === "between")
    return values.length === 2 && values.every(Boolean) ? [field.name, op, values] : null;
  if (op === "in" || op === "not_in") {
    const several = values
      .flatMap((value) => value.split(/[,，]/))
      .map((value) => value.trim())
      .filter(Boolean);
    return several.length ? [field.name, op, several] : null;
  }
  return values[0] ? [field.name, op, values[0]] : null;
}

/** What a group of the builder says; null when it says nothing. */
export function read(group: Element, fields: Filterable[]): Group | null {
  const word =
    group.querySelector<HTMLSelectElement>(":scope > .builder-head [data-part=word]")?.value ??
    "and";
  const parts: Tree[] = [];
  for (const child of group.querySelector(":scope > [data-parts]")?.children ?? []) {
    const found = child.matches(".builder-group") ? read(child, fields) : reading(child, fields);
    if (found) parts.push(found);
  }
  if (!parts.length) return null;
  return word === "or" ? { or: parts } : { and: parts };
}

let counter = 0;

/** A person or record, found by name; the select keeps the id. */
function pointer(field: Filterable, chosen: string[], many: boolean, title: string): HTMLElement {
  const select = make("select", { "data-part": "value", id: `builder-${counter++}` });
  select.multiple = many;
  if (!many) select.append(option("", ""));
  for (const id of chosen) {
    const known = field.options.find(([key]) => key === id);
    select.append(option(known?.[1] ?? `#${id}`, id, true));
  }
  select.addEventListener("change", () => {
    for (const { value, text } of select.selectedOptions)
      if (value && !field.options.some(([key]) => key === value)) field.options.push([value, text]);
  });
  const box = make("span", { class: "picker", "data-lookup": field.lookup ?? "" }, select);
  if (many) box.dataset.many = "";
  picker(box);
  box.querySelector("input")?.setAttribute("aria-label", title);
  return box;
}

function valueInputs(field: Filterable, op: string, value: string | string[] | null): HTMLElement {
  const several = (Array.isArray(value) ? value : value === null ? [] : [value]).map(String);
  const box = make("span", { class: "builder-value builder-pair" });
  if (bare(op)) return box;
  const title = `${field.title} · ${say("value")}`;
  if (field.lookup) {
    const many = op === "in" || op === "not_in";
    box.append(pointer(field, many ? several : several.slice(0, 1), many, title));
    return box;
  }
  const label = { "aria-label": title, "data-part": "value" };
  if (
    field.options.length &&
    (op === "eq" || op === "ne" || op === "in" || op === "not_in" || op === "contains")
  ) {
    const select = make("select", { class: "form-select", ...label });
    select.multiple = op === "in" || op === "not_in";
    if (select.multiple) select.size = Math.min(field.options.length, 6);
    if (!select.multiple) select.append(option(say("choose"), ""));
    for (const [key, title] of field.options)
      select.append(option(title, key, several.includes(key)));
    box.append(select);
    return box;
  }
  const type =
    DAYS.test(op) || field.kind === "number" ? "number" : field.kind === "date" ? "date" : "text";
  const one = (text: string) => {
    const input = make("input", { class: "form-control", type, ...label });
    if (type === "number") input.step = "any";
    input.value = text;
    box.append(input);
  };
  if (op === "between") [several[0] ?? "", several[1] ?? ""].forEach(one);
  else one(several.join(", "));
  return box;
}

/** One row: field, operator, value; changing one redraws what follows from it. */
function row(fields: Filterable[], found: Condition | null): HTMLElement {
  const box = make("div", { class: "builder-row" });
  const draw = (name: string, op: string, value: string | string[] | null) => {
    const field = fields.find((each) => each.name === name) ?? fields[0];
    if (!field) return;
    const names = make("select", {
      class: "form-select",
      "data-part": "field",
      "aria-label": say("field"),
    });
    for (const each of fields) names.append(option(each.title, each.name));
    names.value = field.name;
    const ops = make("select", {
      class: "form-select",
      "data-part": "op",
      "aria-label": say("operator"),
    });
    const chosen = field.operators.includes(op) ? op : (field.operators[0] ?? "eq");
    for (const each of field.operators) ops.append(option(operator(each), each));
    ops.value = chosen;
    const remove = make(
      "button",
      { type: "button", class: "icon-btn", "aria-label": `${say("remove")}: ${field.title}` },
      icon("x"),
    );
    box.replaceChildren(names, ops, valueInputs(field, chosen, value), remove);
    names.addEventListener("change", () => {
      draw(names.value, "", null);
      box.querySelector<HTMLElement>("[data-part=field]")?.focus();
    });
    ops.addEventListener("change", () => {
      draw(field.name, ops.value, reading(box, fields)?.[2] ?? value);
      box.querySelector<HTMLElement>("[data-part=op]")?.focus();
    });
    remove.addEventListener("click", () => box.remove());
  };
  draw(found?.[0] ?? fields[0]?.name ?? "", found?.[1] ?? "", found?.[2] ?? null);
  return box;
}

/** A group: "all of these" or "any of these", conditions and groups inside. */
export function group(fields: Filterable[], found: Group | null, depth = 0): HTMLElement {
  const box = make("div", { class: "builder-group", role: "group" });
  const word = make("select", {
    class: "form-select form-select-sm",
    "data-part": "word",
    "aria-label": say("where"),
  });
  word.append(option(say("all"), "and"), option(say("any"), "or", found !== null && "or" in found));
  const parts = make("div", { "data-parts": "" });
  const add = make(
    "button",
    { type: "button", class: "btn btn-sm btn-quiet" },
    icon("plus"),
    say("addCondition"),
  );
  add.addEventListener("click", () => {
    const made = row(fields, null);
    parts.append(made);
    made.querySelector<HTMLElement>("select")?.focus();
  });
  const head = make("div", { class: "builder-head" }, word);
  if (depth) {
    const remove = make(
      "button",
      { type: "button", class: "icon-btn", "aria-label": say("remove") },
      icon("x"),
    );
    remove.addEventListener("click", () => box.remove());
    head.append(make("span", { class: "grow" }), remove);
  }
  const foot = make("div", { class: "builder-head" }, add);
  if (depth < 2) {
    const more = make(
      "button",
      { type: "button", class: "btn btn-sm btn-quiet" },
      icon("plus"),
      say("addGroup"),
    );
    more.addEventListener("click", () => parts.append(group(fields, null, depth + 1)));
    foot.append(more);
  }
  const tree = found === null ? [] : "or" in found ? found.or : found.and;
  for (const part of tree)
    parts.append(Array.isArray(part) ? row(fields, part) : group(fields, part, depth + 1));
  if (!tree.length) parts.append(row(fields, null));
  box.append(head, parts, foot);
  return box;
}

/** The filter dialog of a list: draws the tree in the address, writes it back when sent. */
export function filters(dialog: HTMLElement): void {
  const form = dialog.querySelector("form");
  const result = form?.querySelector<HTMLInputElement>('input[name="where"]');
  const place = dialog.querySelector("[data-builder]");
  const fields: Filterable[] = JSON.parse(
    dialog.querySelector("[data-fields]")?.textContent || "[]",
  );
  if (!form || !result || !place || !fields.length) return;
  const tree: Tree | null = result.value ? JSON.parse(result.value) : null;
  place.replaceChildren(group(fields, Array.isArray(tree) ? { and: [tree] } : tree));
  form.addEventListener("submit", () => {
    const root = place.firstElementChild;
    const found = root ? read(root, fields) : null;
    result.value = found ? JSON.stringify(found) : "";
    result.disabled = !found;
  });
}
