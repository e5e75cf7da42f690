/** The list below a combobox: one option is marked while focus stays in the input. */
export interface Listbox {
  /** Makes `option` one of the list's; `run` is what choosing it does. */
  add(option: HTMLElement, run: () => void): HTMLElement;
  /** Empties the list. */
  clear(): void;
  open(): void;
  close(): void;
  /** What is offered answers an older question: Enter chooses none of it until it is asked again. */
  age(): void;
  readonly shown: boolean;
  /** Marks an option by its number; beyond the ends it starts again at the other one. */
  mark(at: number): void;
  /**
   * Arrows walk, Enter chooses the marked option, Escape closes; true when the key is dealt with.
   * `search` opens a closed list.
   */
  key(event: KeyboardEvent, search: () => void): boolean;
}

/** Ties an input and the (hidden) element of its list together, as the combobox pattern asks. */
export function listbox(input: HTMLInputElement, list: HTMLElement): Listbox {
  let options: { element: HTMLElement; run: () => void }[] = [];
  let active = -1;
  list.setAttribute("role", "listbox");
  list.hidden = true;
  for (const [name, value] of Object.entries({
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
  }))
    input.setAttribute(name, value);

  const mark = (at: number) => {
    active = options.length ? (at + options.length) % options.length : -1;
    for (const [index, { element }] of options.entries())
      element.setAttribute("aria-selected", String(index === active));
    const current = options[active]?.element;
    if (!current) return;
    input.setAttribute("aria-activedescendant", current.id);
    current.scrollIntoView({ block: "nearest" });
  };
  const forget = () => {
    active = -1;
    input.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    list.hidden = true;
    forget();
    input.setAttribute("aria-expanded", "false");
  };
  const age = () => {
    for (const { element } of options) element.setAttribute("aria-selected", "false");
    list.setAttribute("aria-busy", "true");
    forget();
  };
  return {
    add(element, run) {
      element.id = `${list.id}-${options.length}`;
      element.setAttribute("role", "option");
      element.setAttribute("aria-selected", "false");
      options.push({ element, run });
      return element;
    },
    clear() {
      options = [];
      list.replaceChildren();
      forget();
    },
    open() {
      list.hidden = false;
      list.removeAttribute("aria-busy");
      input.setAttribute("aria-expanded", "true");
    },
    close,
    age,
    get shown() {
      return !list.hidden;
    },
    mark,
    key(event, search) {
      if (event.isComposing) return false; // the keys belong to the input method
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        if (list.hidden) search();
        else mark(active < 0 && step < 0 ? -1 : active + step);
      } else if (event.key === "Enter" && !list.hidden && options[active]) {
        event.preventDefault();
        options[active]?.run();
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault(); // the list goes, not the dialog around it
        event.stopPropagation();
        close();
      } else return false;
      return true;
    },
  };
}
