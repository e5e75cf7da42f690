import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keys } from "../src/modules/keys.ts";
import { enough, marked, type Offer, suggest } from "../src/modules/suggest.ts";

const offer: Offer = {
  groups: [
    {
      title: "Customers",
      items: [
        { label: "Ada <b>", href: "#ada", icon: "user" },
        { label: "Adam", href: "#adam", icon: "user" },
      ],
    },
  ],
  empty: "",
  all: { label: "All results", href: "#all", icon: "search" },
};
const find = <T extends HTMLElement>(selector: string): T => document.querySelector(selector) as T;
const lines = () => [...document.querySelectorAll<HTMLElement>("[role=option]")];
let asked: { url: string; signal: AbortSignal }[];
let answer: () => Promise<Response>;

const type = (text: string) => {
  const input = find<HTMLInputElement>("input");
  input.focus();
  input.value = text;
  input.dispatchEvent(new InputEvent("input"));
};
const press = (key: string, more: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  (document.activeElement ?? document.body).dispatchEvent(event);
  return event.defaultPrevented;
};

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = () => Promise.resolve(Response.json(offer));
  vi.stubGlobal("fetch", (url: string, { signal }: { signal: AbortSignal }) => {
    asked.push({ url, signal });
    return answer();
  });
  document.body.innerHTML =
    '<form data-suggest="/a/search/suggest"><input type="search" name="q" data-key="/"></form><textarea></textarea><div id="live"></div>';
  suggest(find("form"));
});
afterEach(() => vi.useRealTimers());

describe("suggest", () => {
  it("asks once people pause, for one sign of Chinese or two letters", async () => {
    expect([enough("a"), enough("ab"), enough("李"), enough("")]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    type("a");
    await vi.advanceTimersByTimeAsync(200);
    type("ad");
    await vi.advanceTimersByTimeAsync(100);
    type("ada");
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.map(({ url }) => url)).toEqual(["/a/search/suggest?q=ada"]);
    expect(lines().map((line) => line.textContent)).toEqual(["Ada <b>", "Adam", "All results"]);
    expect(find("mark").textContent).toBe("Ada");
    expect(find("input").getAttribute("aria-expanded")).toBe("true");
  });

  it("walks with the arrows, opens with Enter, closes with Escape", async () => {
    type("ada");
    await vi.advanceTimersByTimeAsync(200);
    expect(press("Enter")).toBe(false); // nothing is marked: the form is sent
    press("ArrowDown");
    press("ArrowDown");
    expect(find("input").getAttribute("aria-activedescendant")).toBe(lines()[1]?.id);
    const opened = vi.fn((event: Event) => event.preventDefault());
    lines()[1]?.addEventListener("click", opened);
    expect(press("Enter")).toBe(true);
    expect(opened).toHaveBeenCalledOnce();
    press("Escape");
    expect(find(".suggest").hidden).toBe(true);
    expect(document.activeElement).toBe(find("input"));
    expect(find("input").hasAttribute("aria-activedescendant")).toBe(false);
    press("ArrowUp"); // asks again
    await vi.advanceTimersByTimeAsync(0);
    press("ArrowUp");
    expect(find("[aria-selected=true]").textContent).toBe("All results");
  });

  it("forgets the answer to what was typed before", async () => {
    let late: (found: Response) => void = () => {};
    answer = () => new Promise((done) => (late = done));
    type("ad");
    await vi.advanceTimersByTimeAsync(200);
    answer = () => Promise.resolve(Response.json({ ...offer, groups: [], empty: "Nothing" }));
    type("adz");
    await vi.advanceTimersByTimeAsync(200);
    late(Response.json(offer));
    await vi.advanceTimersByTimeAsync(0);
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(find(".suggest-empty").textContent).toBe("Nothing");
    expect(lines().length).toBe(1);
  });

  it("stays away when the answer is no offer, and while a syllable is composed", async () => {
    answer = () => Promise.resolve(new Response("<html>", { status: 200 }));
    type("ada");
    await vi.advanceTimersByTimeAsync(200);
    expect(find(".suggest").hidden).toBe(true);
    const input = find<HTMLInputElement>("input");
    input.dispatchEvent(new InputEvent("input", { isComposing: true }));
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.length).toBe(1);
  });

  it("marks words literally", () => {
    const box = document.createElement("p");
    box.append(...marked("A+ (a+) B", "a+ b"));
    expect(box.innerHTML).toBe("<mark>A+</mark> (<mark>a+</mark>) <mark>B</mark>");
  });

  it("opens with Ctrl+K, even from a field", () => {
    keys(document);
    find("textarea").focus();
    expect(press("k", { ctrlKey: true, shiftKey: true })).toBe(false);
    expect(press("k", { ctrlKey: true })).toBe(true);
    expect(document.activeElement).toBe(find("input"));
  });
});
