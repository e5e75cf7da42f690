import { beforeEach, describe, expect, it, vi } from "vitest";
import { packagesOf } from "../build/finish.ts";
import { symbol } from "../build/sprite.ts";
import { columns } from "../src/modules/columns.ts";
import { size } from "../src/modules/drop.ts";
import { apply, parts } from "../src/modules/effects.ts";
import { bare, type Filterable, filters, group, read } from "../src/modules/filters.ts";
import { keys } from "../src/modules/keys.ts";
import { lines, sum } from "../src/modules/lines.ts";
import { tabs } from "../src/modules/panes.ts";
import { picker } from "../src/modules/picker.ts";
import { path } from "../src/modules/region.ts";

const page = (html: string): HTMLElement => {
  document.body.innerHTML = html;
  return document.body.firstElementChild as HTMLElement;
};
const find = <T extends HTMLElement>(selector: string): T => document.querySelector(selector) as T;

beforeEach(() => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"items":[]}')));
  document.body.innerHTML = "";
});

describe("effects", () => {
  const box = () =>
    page(
      '<div data-field="a"><span class="star" hidden>*</span><select><option value=""></option><option value="x">X</option><option value="y">Y</option></select><div class="field-about"></div></div>',
    );

  it("hides, requires, narrows and remarks", () => {
    const field = box();
    apply(field, { visible: false, required: true, options: ["x"], message: "mind" });
    expect(field.hidden).toBe(true);
    expect(find(".star").hidden).toBe(false);
    expect(find("select").getAttribute("aria-required")).toBe("true");
    expect(find<HTMLOptionElement>('option[value="y"]').disabled).toBe(true);
    expect(find(".warning").textContent).toBe("mind");
    apply(field, { options: null, message: "" });
    expect(find<HTMLOptionElement>('option[value="y"]').disabled).toBe(false);
    expect(document.querySelector(".warning")).toBeNull();
  });

  it("fills calculated cells and passes over empty rows", () => {
    const row = (value: string) =>
      `<tr data-line><td><input value="${value}"></td><td data-cell="sum"><output data-output></output></td></tr>`;
    const field = page(`<div><table>${row("1")}${row("")}${row("2")}</table></div>`);
    apply(field, { rows: [{ sum: "10" }, { sum: "20" }] });
    const texts = [...document.querySelectorAll("output")].map((each) => each.textContent);
    expect(texts).toEqual(["10", "", "20"]);
  });

  it("hides parts and leaves a sheet that goes", () => {
    const form = page(
      '<form><div data-tabs><div data-tablist><a href="#t-a" id="h-a">a</a><a href="#t-b" id="h-b">b</a></div><div id="t-a" data-sheet="a"></div><div id="t-b" data-sheet="b"><section data-part="b1"></section></div></div></form>',
    );
    tabs(find("[data-tabs]"));
    parts(form, { a: false, b: true, b1: false });
    expect(find("#h-a").hidden).toBe(true);
    expect(find("#t-b").hidden).toBe(false);
    expect(find("[data-part]").hidden).toBe(true);
  });

  it("never overwrites what is being typed", () => {
    const field = page('<div><input value="mine"></div>');
    const input = find<HTMLInputElement>("input");
    input.focus();
    apply(field, { value: "theirs" });
    expect(input.value).toBe("mine");
    input.blur();
    apply(field, { value: "theirs" });
    expect(input.value).toBe("theirs");
  });
});

describe("lines", () => {
  it("adds exactly", () => {
    expect(sum(["0.1", "0.2", "", "x"])).toBe("0.30");
    expect(sum(["1,234,567.89", "-0.01"])).toBe("1,234,567.88");
    expect(sum(["-5"])).toBe("-5.00");
    expect(sum([])).toBe("0.00");
  });

  it("adds, numbers and removes rows; the spare one disappears", () => {
    const row = (key: string, spare = "") =>
      `<tr data-line ${spare}><td><span data-no></span><input type="hidden" name="f_l-${key}.id"></td><td data-cell="what"><input name="f_l-${key}.what" id="f_l-${key}-what"></td><td><button data-copy hidden></button><button data-remove hidden></button></td></tr>`;
    const box = page(
      `<div data-lines="f_l"><table><tbody data-rows>${row("0", "data-spare")}</tbody></table><template data-row></template><button data-add hidden></button></div>`,
    );
    find<HTMLTemplateElement>("template").innerHTML = row("__row__");
    lines(box);
    expect(document.querySelectorAll("tr").length).toBe(0);
    find("[data-add]").click();
    find("[data-add]").click();
    const inputs = [...document.querySelectorAll<HTMLInputElement>("[data-cell] input")];
    expect(inputs.map((input) => input.name)).toEqual(["f_l-1.what", "f_l-2.what"]);
    (inputs[0] as HTMLInputElement).value = "desk";
    find("[data-copy]").click();
    expect(
      [...document.querySelectorAll<HTMLInputElement>("[data-cell] input")].map(
        (each) => each.value,
      ),
    ).toEqual(["desk", "desk", ""]);
    find("[data-remove]").click();
    expect(document.querySelectorAll("tr").length).toBe(2);
    expect([...document.querySelectorAll("[data-no]")].map((each) => each.textContent)).toEqual([
      "1",
      "2",
    ]);
  });
});

describe("filters", () => {
  const fields: Filterable[] = [
    {
      name: "amount",
      title: "Amount",
      kind: "number",
      operators: ["gt", "between", "empty"],
      options: [],
    },
    {
      name: "level",
      title: "Level",
      kind: "choice",
      operators: ["eq", "in"],
      options: [
        ["A", "a"],
        ["B", "b"],
      ],
    },
  ];

  it("reads back the tree it has drawn", () => {
    const tree = {
      or: [
        ["amount", "gt", "5"],
        {
          and: [
            ["level", "in", ["A", "B"]],
            ["amount", "empty"],
          ],
        },
      ],
    };
    document.body.append(group(fields, tree as never));
    expect(read(find(".builder-group"), fields)).toEqual(tree);
  });

  it("leaves out what is not filled in", () => {
    document.body.append(group(fields, null));
    expect(read(find(".builder-group"), fields)).toBeNull();
  });

  it("finds people and records instead of asking for their number", async () => {
    const owner: Filterable = {
      name: "owner",
      title: "Owner",
      kind: "ref",
      operators: ["eq", "in", "me"],
      options: [["4", "Ada"]],
      lookup: "/c/e/deal/lookup/owner?any=1",
    };
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (address: string) => {
      asked.push(address);
      return Response.json({ items: [{ value: 9, label: "Bo", hint: "b" }] });
    });
    const tree = { and: [["owner", "eq", "4"]] };
    document.body.append(group([owner], tree as never));
    const input = () => find<HTMLInputElement>("input[role=combobox]");
    expect(input().value).toBe("Ada");
    expect(input().getAttribute("aria-label")).toContain("Owner");
    expect(read(find(".builder-group"), [owner])).toEqual(tree);
    input().focus();
    await vi.waitFor(() => expect(document.querySelectorAll(".picker-option").length).toBe(1));
    expect(asked).toEqual(["/c/e/deal/lookup/owner?any=1&q="]);
    find(".picker-option").click();
    expect(read(find(".builder-group"), [owner])).toEqual({ and: [["owner", "eq", "9"]] });
    const ops = find<HTMLSelectElement>("[data-part=op]");
    ops.value = "in";
    ops.dispatchEvent(new Event("change"));
    expect(find(".picker-chip").textContent).toBe("Bo");
    expect(read(find(".builder-group"), [owner])).toEqual({ and: [["owner", "in", ["9"]]] });
    find<HTMLSelectElement>("[data-part=op]").value = "me";
    find("[data-part=op]").dispatchEvent(new Event("change"));
    expect(document.querySelector(".picker")).toBeNull();
    expect(read(find(".builder-group"), [owner])).toEqual({ and: [["owner", "me"]] });
    vi.unstubAllGlobals();
  });

  it("knows operators without a value", () => {
    expect(["empty", "this_month", "mine_tree", "today"].every(bare)).toBe(true);
    expect(bare("last_days")).toBe(false);
  });

  it("writes the argument of the address", () => {
    const dialog = page(
      `<dialog><form><input name="where" value='["level","eq","A"]'><div data-builder></div></form><script type="application/json" data-fields>${JSON.stringify(fields)}</script></dialog>`,
    );
    filters(dialog);
    find("form").dispatchEvent(new Event("submit"));
    expect(find<HTMLInputElement>("input[name=where]").value).toBe('{"and":[["level","eq","A"]]}');
  });
});

describe("columns", () => {
  it("keeps order and choice in one argument", () => {
    const item = (name: string) =>
      `<li data-column="${name}"><input type="checkbox" value="${name}" checked><button type="button" data-move="1"></button></li>`;
    const dialog = page(
      `<dialog><form><input name="cols"><ul>${item("a")}${item("b")}</ul></form></dialog>`,
    );
    columns(dialog);
    find("[data-move]").click();
    find("form").dispatchEvent(new Event("submit"));
    expect(find<HTMLInputElement>("input[name=cols]").value).toBe("b,a");
  });
});

describe("tabs", () => {
  it("opens the sheet with the first problem", () => {
    const host = page(
      '<div><div data-tablist><a href="#one">1</a><a href="#two">2</a></div><div id="one"></div><div id="two"><input aria-invalid="true"></div></div>',
    );
    tabs(host);
    expect(find("#one").hidden).toBe(true);
    expect(find("#two").hidden).toBe(false);
    expect(find('a[href="#two"]').getAttribute("aria-selected")).toBe("true");
  });
});

describe("picker", () => {
  it("keeps the value in the select and takes over the label", () => {
    const box = page(
      '<span data-picker data-lookup="/x"><label for="f_a">A</label><select id="f_a" name="f_a"><option value=""></option><option value="4" selected>Ada</option></select></span>',
    );
    picker(box);
    const input = find<HTMLInputElement>("input[role=combobox]");
    expect(input.value).toBe("Ada");
    expect(input.id).toBe("f_a");
    find(".picker-clear").click();
    expect(find<HTMLSelectElement>("select").value).toBe("");
  });
});

describe("small things", () => {
  it("finds the codes above a region", () => {
    expect(path("330106")).toEqual(["330000", "330100", "330106"]);
    expect(path("330000")).toEqual(["330000"]);
    expect(path("")).toEqual([]);
  });

  it("writes sizes for people", () => {
    expect([size(5), size(2048), size(3 * 1024 ** 2)]).toEqual(["5 B", "2 KB", "3.0 MB"]);
  });

  it("searches with a slash, but not while typing", () => {
    page('<div><input id="q" data-key="/"><input id="other"></div>');
    keys(document);
    const press = (target: Element) =>
      target.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
    find("#other").focus();
    press(find("#other"));
    expect(document.activeElement?.id).toBe("other");
    press(document.body);
    expect(document.activeElement?.id).toBe("q");
  });

  it("draws symbols and names packages", () => {
    expect(symbol("a", '<svg x="1">\n <path d="M0 0"/>\n</svg>\n')).toBe(
      '<symbol id="a" viewBox="0 0 24 24"><path d="M0 0"/></symbol>',
    );
    expect(
      packagesOf(["/x/node_modules/@a/b/c.js", "/x/node_modules/d/e.js", "src/app.ts"]),
    ).toEqual(["@a/b", "@tabler/icons", "d"]);
  });
});
