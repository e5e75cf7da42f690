import { icon, later, make, option as optionOf, say, send } from "./dom.ts";
import { listbox } from "./listbox.ts";

/** One record that a search found. */
export interface Found {
  value: string | number;
  label: string;
  hint?: string;
}

let counter = 0;

/** The address of a search; what may be chosen can hang on other fields, which it then tells. */
export function lookup(address: string, text: string, form: HTMLFormElement | null): string {
  const [path = "", query = ""] = address.split("?");
  const args = new URLSearchParams(query);
  args.set("q", text);
  for (const name of args.getAll("needs")) {
    const entry = form?.elements.namedItem(`f_${name}`);
    if (entry instanceof HTMLSelectElement || entry instanceof HTMLInputElement)
      args.set(`f_${name}`, entry.value);
  }
  return `${path}?${args}`;
}

/** A select that points at records becomes a searching combobox; the select keeps the value. */
export function picker(box: HTMLElement): void {
  const select = box.querySelector("select");
  if (!select) return;
  const many = box.dataset.many !== undefined;
  const id = `picker-${counter++}`;
  const place = make("div", { class: "picker-list", id: `${id}-list` });
  const input = make("input", {
    class: "form-control",
    type: "text",
    placeholder: box.dataset.blank ?? say("choose"),
  });
  const list = listbox(input, place);
  const field = make("span", { class: "picker-box" }, input);
  const clear = make(
    "button",
    { type: "button", class: "icon-btn picker-clear", "aria-label": say("remove") },
    icon("x"),
  );
  for (const name of ["aria-describedby", "aria-required", "aria-invalid"]) {
    const value = select.getAttribute(name);
    if (value) input.setAttribute(name, value);
  }
  const label = box.ownerDocument.querySelector(`label[for="${CSS.escape(select.id)}"]`);
  input.id = select.id;
  select.id = `${select.id}-value`;
  label?.setAttribute("for", input.id);
  if (!label) input.setAttribute("aria-label", say("choose"));
  select.hidden = true;
  box.append(field, place);
  if (!many) box.append(clear);

  let running: AbortController | undefined;
  let typed = false; // and not looked for yet

  const chosen = () => [...select.selectedOptions].filter((option) => option.value);
  const draw = () => {
    if (many) {
      for (const chip of field.querySelectorAll(".picker-chip")) chip.remove();
      for (const option of chosen()) {
        const remove = make(
          "button",
          { type: "button", class: "icon-btn", "aria-label": `${say("remove")}: ${option.text}` },
          icon("x"),
        );
        remove.addEventListener("click", () => {
          option.remove();
          told();
          input.focus();
        });
        input.before(make("span", { class: "picker-chip" }, option.text, remove));
      }
    } else {
      input.value = chosen()[0]?.text ?? "";
      clear.hidden = !input.value;
    }
  };
  const told = () => {
    draw();
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const choose = (found: Found) => {
    typed = false; // the list stays closed, whatever is still under way
    running?.abort();
    const value = String(found.value);
    if (!many) for (const option of [...select.options]) if (option.value) option.remove();
    if (![...select.options].some((option) => option.value === value))
      select.append(optionOf(found.label, value));
    for (const option of select.options) if (option.value === value) option.selected = true;
    input.value = "";
    list.close();
    told();
  };
  const offer = (text: string, run: () => void, kind = "", hint = "") => {
    const option = make("div", { class: `picker-option ${kind}` }, text);
    if (hint) option.append(make("small", {}, hint));
    option.addEventListener("mousedown", (event) => event.preventDefault()); // focus stays
    option.addEventListener("click", run);
    place.append(list.add(option, run));
  };
  const note = (text: string) =>
    place.append(
      make(
        "div",
        {
          class: "picker-option is-note",
          role: "option",
          "aria-disabled": "true",
          "aria-selected": "false",
        },
        text,
      ),
    );
  const open = (found: Found[], text: string) => {
    list.clear();
    for (const each of found) offer(each.label, () => choose(each), "", each.hint);
    if (!found.length) note(say("none"));
    if (box.dataset.create)
      offer(
        text ? say("create", text) : say("new"),
        () => create(box, box.dataset.create ?? "", text, choose),
        "is-create",
      );
    list.open();
    if (found.length && text) list.mark(0);
  };
  const search = async () => {
    running?.abort();
    running = new AbortController();
    const text = many || input.value !== (chosen()[0]?.text ?? "") ? input.value.trim() : "";
    try {
      const answer = await send(lookup(box.dataset.lookup ?? "", text, select.form), {
        signal: running.signal,
      });
      const body: { items?: Found[] } = answer.ok ? await answer.json() : {};
      if (document.activeElement === input) open(body.items ?? [], text);
    } catch (error) {
      if ((error as Error).name !== "AbortError") list.close();
    }
  };
  const lookLater = later(() => typed && void search(), 150);
  input.addEventListener("input", () => {
    typed = true;
    list.age();
    lookLater();
  });
  input.addEventListener("focus", () => {
    input.select();
    void search();
  });
  input.addEventListener("blur", () => {
    list.close();
    if (!many && !input.value.trim() && chosen().length) {
      select.value = "";
      told();
    } else draw();
    if (many) input.value = "";
  });
  input.addEventListener("keydown", (event) => {
    if (list.key(event, search)) {
      if (event.key === "Escape") draw();
    } else if (event.key === "Enter" && list.shown) {
      event.preventDefault(); // nothing is marked: the form is not meant
    } else if (event.key === "Backspace" && many && !input.value) {
      chosen().at(-1)?.remove();
      told();
    }
  });
  clear.addEventListener("click", () => {
    for (const option of select.options) option.selected = false;
    select.value = "";
    told();
    input.focus();
  });
  select.addEventListener("dougong:set", draw);
  draw();
}

/** Opens the quick-create form in the drawer and chooses what it has made. */
async function create(
  box: HTMLElement,
  address: string,
  text: string,
  choose: (found: Found) => void,
): Promise<void> {
  const drawer = document.getElementById("quick-create") as HTMLDialogElement | null;
  const place = drawer?.querySelector("[data-drawer]");
  if (!drawer || !place) return;
  const show = (html: string) => {
    const form = new DOMParser().parseFromString(html, "text/html").getElementById("quick-form");
    if (!form) return;
    place.replaceChildren(document.importNode(form, true));
    place.dispatchEvent(new CustomEvent("dougong:added", { bubbles: true }));
    const mounted = place.querySelector("form");
    mounted?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await send(address, { method: "POST", body: new FormData(mounted) });
      if (answer.headers.get("Content-Type")?.includes("json")) {
        choose(await answer.json());
        drawer.close();
      } else show(await answer.text());
    });
  };
  const answer = await send(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  show(await answer.text());
  const first = place.querySelector<HTMLInputElement>("input[type=text]");
  if (first && !first.value) first.value = text;
  drawer.showModal();
  drawer.addEventListener("close", () => box.querySelector<HTMLElement>("input")?.focus(), {
    once: true,
  });
}
