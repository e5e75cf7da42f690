import { announce, make, say, toast } from "./dom.ts";

/** What may be done with a card, as its page says: fetched once, when somebody first asks. */
type Moves = Promise<HTMLElement | null>;

/** Fetches the part of a card's page that lists where it may go. */
async function fetched(address: string): Promise<HTMLElement | null> {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const list = page.querySelector<HTMLElement>("[data-menu-list]");
  return list && document.importNode(list, true);
}

/** The button or link that puts the card into a column. */
export function way(list: HTMLElement | null, column: string): HTMLElement | null {
  if (!list || !column) return null;
  const all = [...list.querySelectorAll<HTMLElement>("[data-to]")];
  return all.find((each) => each.dataset.to === column) ?? null;
}

/** Takes the way: sends the form, or goes to the page that has more to ask. */
function take(found: HTMLElement): void {
  if (found instanceof HTMLAnchorElement) location.href = found.href;
  else if (found instanceof HTMLButtonElement) found.form?.requestSubmit(found);
}

/** The menu of a card: opens below its title, closes on Escape and on a second click. */
async function open(card: HTMLElement, link: HTMLAnchorElement, moves: Moves): Promise<void> {
  const list = await moves;
  if (!list) return location.assign(link.href);
  const box = menu(card) ?? make("div", { class: "board-menu" });
  box.replaceChildren(list);
  box.hidden = false;
  card.append(box);
  link.setAttribute("aria-expanded", "true");
  box.querySelector<HTMLElement>("button, a")?.focus();
}

function shut(card: HTMLElement, link: HTMLElement): void {
  menu(card)?.setAttribute("hidden", "");
  link.setAttribute("aria-expanded", "false");
}

function menu(card: HTMLElement): HTMLElement | null {
  return card.querySelector<HTMLElement>(".board-menu");
}

const cardOf = (event: Event): HTMLElement | null =>
  (event.target as Element).closest<HTMLElement>("[data-moves]");
const columnOf = (event: Event): HTMLElement | null =>
  (event.target as Element).closest<HTMLElement>("[data-column]");

/** A click opens a card's menu, another one or Escape closes it. */
function menus(root: HTMLElement, ask: (card: HTMLElement) => Moves): void {
  root.addEventListener("click", (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("[data-move]");
    const card = cardOf(event);
    if (!link || !card || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.getAttribute("aria-expanded") === "true") shut(card, link);
    else void open(card, link, ask(card));
  });
  root.addEventListener("keydown", (event) => {
    const card = cardOf(event);
    const link = card?.querySelector<HTMLElement>("[aria-expanded=true]");
    if (event.key !== "Escape" || !card || !link) return;
    shut(card, link);
    link.focus();
  });
}

/** Picking a card up asks where it may go and marks those columns; letting it go there does what
 * its menu does. */
function carrying(root: HTMLElement, ask: (card: HTMLElement) => Moves): void {
  const columns = () => root.querySelectorAll<HTMLElement>("[data-column]");
  root.addEventListener("dragstart", async (event) => {
    const card = cardOf(event);
    if (!card) return;
    event.dataTransfer?.setData("text/plain", card.id);
    root.classList.add("is-dragging");
    card.classList.add("is-held");
    columnOf(event)?.classList.add("is-source");
    const list = await ask(card);
    if (!card.classList.contains("is-held")) return;
    for (const column of columns())
      column.classList.toggle("is-target", way(list, column.dataset.column ?? "") !== null);
  });
  root.addEventListener("dragend", () => {
    root.classList.remove("is-dragging");
    root.querySelector(".is-held")?.classList.remove("is-held");
    for (const column of columns()) column.classList.remove("is-target", "is-over", "is-source");
  });
  root.addEventListener("dragover", (event) => {
    if (!root.classList.contains("is-dragging")) return;
    event.preventDefault();
    const here = columnOf(event);
    for (const column of columns())
      column.classList.toggle("is-over", column === here && column.matches(".is-target"));
  });
  root.addEventListener("drop", (event) => {
    const card = root.querySelector<HTMLElement>(".is-held");
    const column = columnOf(event);
    if (!card) return;
    event.preventDefault();
    if (column && card.closest("[data-column]") !== column) void dropped(card, column, ask(card));
  });
}

async function dropped(card: HTMLElement, column: HTMLElement, moves: Moves): Promise<void> {
  const list = await moves;
  const found = way(list, column.dataset.column ?? "");
  if (!list || !found) return toast(say("noMove"), "error");
  if (!list.isConnected) {
    const box = make("div", { hidden: "" });
    box.append(list);
    card.append(box);
  }
  announce(say("moving"));
  take(found);
}

/** The column in sight is marked in the picker of a phone. */
function picked(board: HTMLElement): void {
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".board-picker a")];
  if (!links.length || !("IntersectionObserver" in window)) return;
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links) {
          const here = link.hash === `#${entry.target.id}`;
          link.toggleAttribute("aria-current", here);
          if (here) link.setAttribute("aria-current", "true");
        }
      }
    },
    { root: board, threshold: 0.6 },
  );
  for (const column of board.querySelectorAll("[data-column]")) seen.observe(column);
}

/** A board: menus on its cards, and cards that can be carried from column to column. It listens
 * as a whole, because a search puts other cards into it. */
export function board(root: HTMLElement): void {
  const known = new Map<string, Moves>();
  const ask = (card: HTMLElement): Moves => {
    const address = card.dataset.moves ?? "";
    const found = known.get(address) ?? fetched(address).catch(() => null);
    known.set(address, found);
    return found;
  };
  menus(root, ask);
  carrying(root, ask);
  picked(root);
}
