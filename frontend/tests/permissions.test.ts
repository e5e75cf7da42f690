import { beforeEach, describe, expect, it } from "vitest";
import { cycled, moved, permissions, spanned, united } from "../src/modules/permissions.ts";

const SIZE = { rows: 4, cols: 3 };

describe("moving in the grid", () => {
  it("goes by arrows and stops at the edges", () => {
    expect(moved(SIZE, { row: 1, col: 1 }, "ArrowDown")).toEqual({ row: 2, col: 1 });
    expect(moved(SIZE, { row: 3, col: 2 }, "ArrowDown")).toEqual({ row: 3, col: 2 });
    expect(moved(SIZE, { row: 3, col: 2 }, "ArrowRight")).toEqual({ row: 3, col: 2 });
    expect(moved(SIZE, { row: 1, col: 1 }, "ArrowDown", true)).toEqual({ row: 3, col: 1 });
  });

  it("reaches the heads of lines and columns, but no corner between them", () => {
    expect(moved(SIZE, { row: 0, col: 1 }, "ArrowUp")).toEqual({ row: -1, col: 1 });
    expect(moved(SIZE, { row: 2, col: 0 }, "ArrowLeft")).toEqual({ row: 2, col: -1 });
    expect(moved(SIZE, { row: -1, col: 0 }, "ArrowLeft")).toEqual({ row: -1, col: 0 });
    expect(moved(SIZE, { row: 0, col: -1 }, "ArrowUp")).toEqual({ row: 0, col: -1 });
  });

  it("knows Home, End and pages", () => {
    expect(moved(SIZE, { row: 2, col: 2 }, "Home")).toEqual({ row: 2, col: 0 });
    expect(moved(SIZE, { row: 2, col: 2 }, "Home", true)).toEqual({ row: 0, col: 0 });
    expect(moved(SIZE, { row: 1, col: 0 }, "End")).toEqual({ row: 1, col: 2 });
    expect(moved(SIZE, { row: 1, col: 0 }, "End", true)).toEqual({ row: 3, col: 2 });
    expect(moved(SIZE, { row: 3, col: 1 }, "PageUp")).toEqual({ row: 0, col: 1 });
    expect(moved(SIZE, { row: 0, col: 1 }, "PageDown")).toEqual({ row: 3, col: 1 });
  });

  it("leaves other keys alone", () => {
    const at = { row: 1, col: 1 };
    expect(moved(SIZE, at, "x")).toBe(at);
  });
});

describe("choosing", () => {
  const scopes = ["none", "own", "all", "rule"];

  it("goes round, and past what needs more than a key", () => {
    expect(cycled(scopes, "none")).toBe("own");
    expect(cycled(scopes, "all")).toBe("none");
    expect(cycled(scopes, "rule")).toBe("none");
    expect(cycled(scopes, "none", true)).toBe("all");
    expect(cycled(["rule"], "rule")).toBe("rule");
  });

  it("spans a rectangle of cells, whichever way it is drawn, without the heads", () => {
    const cells = spanned({ row: 2, col: 2 }, { row: 1, col: 1 });
    expect(cells).toHaveLength(4);
    expect(cells).toContainEqual({ row: 1, col: 2 });
    expect(spanned({ row: -1, col: 0 }, { row: 1, col: 0 })).toHaveLength(2);
  });

  it("offers for several cells what any of them offers, once", () => {
    const one: [string, string][] = [
      ["none", "None"],
      ["own", "Own"],
    ];
    expect(united([one, [["all", "All"], ...one]])).toEqual([...one, ["all", "All"]]);
  });
});

describe("the grid on a page", () => {
  const cell = (name: string, value: string, more = "") => `
    <td data-cell="${name}" data-first="${value}"><span data-face data-value="${value}"><span data-text>${value}</span></span>
    <select name="c/${name}" aria-label="${name}">${["none", "own", "all", "rule"]
      .filter((one) => one !== "own" || !more)
      .map((one) => `<option value="${one}"${one === value ? " selected" : ""}>${one}</option>`)
      .join("")}</select><textarea name="r/${name}"></textarea><span data-words></span></td>`;

  const press = (key: string, more: KeyboardEventInit = {}) =>
    document.activeElement?.dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
    );
  const at = () => (document.activeElement as HTMLElement).dataset.cell;
  const value = (name: string) =>
    document.querySelector<HTMLSelectElement>(`[name="c/${name}"]`)?.value;
  const marked = () => [...document.querySelectorAll(".is-marked")].length;

  beforeEach(() => {
    document.body.innerHTML = `<input data-find><div id="live"></div>
      <form data-rights data-say='{"dirty":"{text} not saved","cells":"{text} cells"}'>
      <table data-grid><thead><tr><th></th><th><button class="rights-all" data-col="0" hidden></button></th>
      <th><button class="rights-all" data-col="1" hidden></button></th></tr></thead><tbody>
      <tr data-line data-text="a"><th><button class="rights-all" data-row hidden></button></th>${cell("a1", "none")}${cell("a2", "own")}</tr>
      <tr data-line data-text="b"><th><button class="rights-all" data-row hidden></button></th>${cell("b1", "all")}${cell("b2", "all", "x")}</tr>
      </tbody></table><p data-none hidden></p><span data-count></span><button type="reset" data-undo hidden></button></form>
      <dialog data-rights-dialog><form method="dialog"><h2 class="dialog-title"></h2><div data-body></div></form></dialog>`;
    for (const one of document.querySelectorAll<HTMLElement>("td"))
      (one.querySelector("select") as HTMLSelectElement).value = one.dataset.first ?? "";
    permissions(document.querySelector("form") as HTMLElement);
    document.querySelector<HTMLElement>('[data-cell="a1"]')?.focus();
  });

  it("is one stop for the Tab key, which goes where one was last", () => {
    expect(document.querySelectorAll('[tabindex="0"]')).toHaveLength(1);
    press("ArrowDown");
    expect(at()).toBe("b1");
    const stops = document.querySelectorAll<HTMLElement>('[tabindex="0"]');
    expect([...stops].map((one) => one.dataset.cell)).toEqual(["b1"]);
  });

  it("goes on to the next choice with Space, and counts what is not saved", () => {
    press(" ");
    expect(value("a1")).toBe("own");
    expect(document.querySelector("[data-count]")?.textContent).toBe("1 not saved");
    expect(document.getElementById("live")?.textContent).toBe("a1: own");
    press(" ");
    press(" ");
    expect(value("a1")).toBe("none");
    expect(document.querySelector("[data-count]")?.textContent).toBe("");
  });

  it("sets all marked cells, where they offer it", () => {
    press("ArrowRight", { shiftKey: true });
    press("ArrowDown", { shiftKey: true });
    expect(marked()).toBe(4);
    press("ArrowUp", { shiftKey: true });
    press("ArrowLeft", { shiftKey: true });
    press("ArrowDown", { shiftKey: true });
    press("ArrowRight", { shiftKey: true });
    press(" ");
    expect(value("b2")).toBe("none");
    expect(value("a1")).toBe("none");
    press(" ");
    expect(value("b2")).toBe("all");
    expect(["a1", "a2", "b1"].map(value)).toEqual(["all", "all", "all"]);
    press("Escape");
    expect(marked()).toBe(0);
  });

  it("sets a whole line or column from its head", () => {
    press("ArrowUp");
    expect((document.activeElement as HTMLElement).dataset.col).toBe("0");
    press(" ");
    expect([value("a1"), value("b1")]).toEqual(["own", "own"]);
    press("ArrowDown");
    press("ArrowLeft");
    press(" ");
    expect([value("a1"), value("a2")]).toEqual(["all", "all"]);
  });

  it("hides lines that do not match, and counts them no more", () => {
    const find = document.querySelector<HTMLInputElement>("[data-find]") as HTMLInputElement;
    find.value = "B";
    find.dispatchEvent(new Event("input"));
    expect(document.querySelectorAll("[data-line]:not([hidden])")).toHaveLength(1);
    document.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    expect(at()).toBe("b1");
    press("ArrowDown");
    expect(at()).toBe("b1");
  });
});
