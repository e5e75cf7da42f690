import { announce, say } from "./dom.ts";

/** Gives a row copied from the template its own number in every name and id. */
export function renumber(row: Element, from: string, to: string): void {
  for (const element of row.querySelectorAll("[name], [id], [for], [aria-describedby]")) {
    for (const attribute of ["name", "id", "for", "aria-describedby"]) {
      const value = element.getAttribute(attribute);
      if (value?.includes(from)) element.setAttribute(attribute, value.replace(from, to));
    }
  }
}

/** The sum of amounts as typed; exact, because it counts in whole units of the last decimal. */
export function sum(values: string[]): string {
  const plain = values
    .map((value) => value.replace(/[,\s¥￥]/g, ""))
    .filter((value) => /^-?\d+(\.\d+)?$/.test(value));
  const places = Math.max(2, ...plain.map((value) => value.split(".")[1]?.length ?? 0));
  const units = plain.map((value) => {
    const [whole = "0", part = ""] = value.replace("-", "").split(".");
    const size = BigInt(whole + part.padEnd(places, "0"));
    return value.startsWith("-") ? -size : size;
  });
  const total = units.reduce((one, other) => one + other, 0n);
  const digits = (total < 0n ? -total : total).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, -places).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${total < 0n ? "-" : ""}${whole}.${digits.slice(-places)}`;
}

/** A table of rows: add, copy, remove, totals, and rows pasted from a spreadsheet. */
export function lines(box: HTMLElement): void {
  const body = box.querySelector<HTMLElement>("[data-rows]");
  const template = box.querySelector<HTMLTemplateElement>("template[data-row]");
  if (!body || !template) return;
  const prefix = `${box.dataset.lines}-`;
  let next = body.children.length;
  const empty = (row: Element) =>
    [
      ...row.querySelectorAll<HTMLInputElement>("input:not([type=checkbox]), select, textarea"),
    ].every((entry) => !entry.value);
  const changed = () => {
    [...body.children].forEach((row, at) => {
      const number = row.querySelector("[data-no]");
      if (number) number.textContent = String(at + 1);
    });
    for (const cell of box.querySelectorAll<HTMLElement>("[data-total]")) {
      if (!cell.textContent && !cell.dataset.on) continue;
      cell.dataset.on = "";
      const entries = body.querySelectorAll<HTMLInputElement>(
        `[data-cell="${cell.dataset.total}"] input`,
      );
      const unit = /^[^\d.-]*/.exec((cell.textContent ?? "").replace("-", ""))?.[0] ?? "";
      const total = sum([...entries].map((entry) => entry.value));
      if (entries.length) cell.textContent = total.replace(/^-?/, `$&${unit}`);
    }
    box.dispatchEvent(new CustomEvent("dougong:changed", { bubbles: true }));
  };
  const add = (after: Element | null = null): HTMLElement | null => {
    const row = (template.content.cloneNode(true) as DocumentFragment).firstElementChild;
    if (!(row instanceof HTMLElement)) return null;
    renumber(row, `${prefix}__row__`, `${prefix}${next++}`);
    if (after) after.after(row);
    else body.append(row);
    enable(row);
    row.dispatchEvent(new CustomEvent("dougong:added", { bubbles: true }));
    announce(say("rowAdded"));
    changed();
    return row;
  };
  const enable = (row: Element) => {
    for (const button of row.querySelectorAll<HTMLElement>("[data-copy], [data-remove]"))
      button.hidden = false;
  };
  const copy = (row: Element) => {
    const made = add(row);
    const from = row.querySelectorAll<HTMLInputElement>("[data-cell] :is(input, select, textarea)");
    made
      ?.querySelectorAll<HTMLInputElement>("[data-cell] :is(input, select, textarea)")
      .forEach((entry, at) => {
        const source = from[at];
        if (!source) return;
        if (entry.type === "checkbox") entry.checked = source.checked;
        else {
          if (entry instanceof HTMLSelectElement && source instanceof HTMLSelectElement)
            entry.replaceChildren(...[...source.options].map((o) => o.cloneNode(true)));
          entry.value = source.value;
          entry.dispatchEvent(new Event("dougong:set"));
        }
      });
    changed();
  };
  for (const row of [...body.children]) {
    if (row instanceof HTMLElement && row.dataset.spare !== undefined && empty(row)) row.remove();
    else enable(row);
  }
  const button = box.querySelector<HTMLElement>("[data-add]");
  if (button) button.hidden = false;
  box.addEventListener("click", (event) => {
    const target = (event.target as Element).closest("[data-add], [data-copy], [data-remove]");
    const row = target?.closest("[data-line]");
    if (target?.matches("[data-add]"))
      add()?.querySelector<HTMLElement>("input:not([type=hidden]), select, textarea")?.focus();
    else if (row && target?.matches("[data-copy]")) copy(row);
    else if (row && target) {
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      announce(say("rowRemoved"));
      (
        neighbour?.querySelector<HTMLElement>("input:not([type=hidden]), select") ?? button
      )?.focus();
      changed();
    }
  });
  box.addEventListener("input", changed);
  box.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const at = (event.target as Element).closest<HTMLElement>("[data-cell]");
    if (!at || !/[\t\n]/.test(text.trimEnd())) return;
    event.preventDefault();
    paste(text, at);
    changed();
  });
  const paste = (text: string, start: HTMLElement) => {
    let row: Element | null = start.closest("[data-line]");
    const column = row ? [...row.querySelectorAll("[data-cell]")].indexOf(start) : -1;
    for (const line of text.replace(/\r/g, "").trimEnd().split("\n")) {
      row ??= add();
      const cells = row ? [...row.querySelectorAll("[data-cell]")].slice(column) : [];
      line.split("\t").forEach((value, index) => {
        const entry = cells[index]?.querySelector<HTMLInputElement>(
          "input:not([type=hidden]), select, textarea",
        );
        if (!entry) return;
        const option =
          entry instanceof HTMLSelectElement &&
          [...entry.options].find((each) => each.text === value.trim());
        entry.value = option ? option.value : value.trim();
      });
      row = row?.nextElementSibling ?? null;
    }
  };
  changed();
}
