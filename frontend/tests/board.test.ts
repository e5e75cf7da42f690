import { beforeEach, describe, expect, it, vi } from "vitest";
import { board, way } from "../src/modules/board.ts";

const menu =
  '<div data-menu-list><form action="/e/job/7/move" method="post"><input name="version" value="3">' +
  '<button name="to" value="open" data-to="open">Open</button></form>' +
  '<a href="/e/job/7" data-to="lost">Lost</a></div>';
const find = <T extends HTMLElement>(selector: string): T => document.querySelector(selector) as T;
const settled = () => new Promise((done) => setTimeout(done, 0));
const drag = (name: string) => new Event(name, { bubbles: true, cancelable: true });
const ask = vi.fn(() => Promise.resolve(new Response(`<main>${menu}</main>`)));

beforeEach(() => {
  ask.mockClear();
  vi.stubGlobal("fetch", ask);
  document.body.innerHTML =
    '<div id="texts">{"noMove":"Not there"}</div><div id="toasts"></div><div class="board">' +
    '<section id="column-1" data-column="new"><ol><li id="card-7" data-moves="/e/job/7/moves">' +
    '<a data-move href="/e/job/7/moves">…</a></li></ol></section>' +
    '<section id="column-2" data-column="open"></section><section data-column="won"></section></div>';
  board(find(".board"));
});

describe("the menu of a card", () => {
  it("opens with what its page allows, asks once and closes on Escape", async () => {
    const link = find("[data-move]");
    link.click();
    await settled();
    expect(find(".board-menu").textContent).toContain("Open");
    expect(link.getAttribute("aria-expanded")).toBe("true");
    expect(document.activeElement?.textContent).toBe("Open");
    document.activeElement?.dispatchEvent(
      new KeyboardEvent("keydown", { key: "Escape", bubbles: true }),
    );
    expect(find(".board-menu").hidden).toBe(true);
    expect(document.activeElement).toBe(link);
    link.click();
    await settled();
    expect(find(".board-menu").hidden).toBe(false);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it("knows the way to a column", () => {
    const list = document.createElement("div");
    list.innerHTML = menu;
    expect(way(list, "open")?.tagName).toBe("BUTTON");
    expect(way(list, "lost")?.tagName).toBe("A");
    expect(way(list, "won")).toBeNull();
    expect(way(list, "")).toBeNull();
    expect(way(null, "open")).toBeNull();
  });
});

describe("a card that is carried", () => {
  it("marks where it may go and sends the same form there", async () => {
    const sent = vi.fn();
    HTMLFormElement.prototype.requestSubmit = function (button?: HTMLElement | null) {
      sent(this.getAttribute("action"), button?.getAttribute("value"));
    };
    find("#card-7").dispatchEvent(drag("dragstart"));
    await settled();
    expect(find('[data-column="open"]').classList.contains("is-target")).toBe(true);
    expect(find('[data-column="won"]').classList.contains("is-target")).toBe(false);
    find('[data-column="won"]').dispatchEvent(drag("drop"));
    await settled();
    expect(sent).not.toHaveBeenCalled();
    expect(find("#toasts").textContent).toContain("Not there");
    find('[data-column="open"]').dispatchEvent(drag("drop"));
    await settled();
    expect(sent).toHaveBeenCalledWith("/e/job/7/move", "open");
    find("#card-7").dispatchEvent(drag("dragend"));
    expect(document.querySelector(".is-target, .is-held, .is-dragging")).toBeNull();
  });
});
