import { beforeEach, describe, expect, it, vi } from "vitest";
import { decide, phrases } from "../src/modules/decide.ts";
import { bulk, inbox } from "../src/modules/inbox.ts";
import { fitting, place, signature } from "../src/modules/signature.ts";

const item = (id: number) => `
  <li class="inbox-item" tabindex="-1"><input type="checkbox" name="task" value="${id}" form="bulk">
    <a href="#${id}" data-inbox-open>Contract ${id}</a>
    <form data-decide data-must="reject"><textarea name="comment"></textarea>
      <p data-decide-problem hidden>why</p>
      <button name="decision" value="approve">ok</button><button name="decision" value="reject">no</button></form></li>`;

function page(): HTMLElement {
  document.body.innerHTML = `<button data-open="keys-help">?</button>
    <ul data-inbox>${item(1)}${item(2)}${item(3)}</ul>
    <form id="bulk"><label data-bulk-all hidden><input type="checkbox"></label><span data-bulk-count></span><button>Approve</button></form>`;
  return document.querySelector<HTMLElement>("[data-inbox]") as HTMLElement;
}

const press = (key: string, on: Element = document.activeElement ?? document.body) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
  on.dispatchEvent(event);
  return event;
};
const items = () => [...document.querySelectorAll<HTMLElement>(".inbox-item")];

describe("the inbox by keys", () => {
  beforeEach(() => inbox(page()));

  it("moves and stays inside the list", () => {
    press("j");
    expect(document.activeElement).toBe(items()[0]);
    press("j");
    press("j");
    press("j");
    expect(document.activeElement).toBe(items()[2]);
    press("k");
    expect(document.activeElement).toBe(items()[1]);
  });

  it("approves, opens and chooses the entry it stands on, and nothing without one", () => {
    const told: string[] = [];
    for (const button of document.querySelectorAll("button[value=approve]"))
      button.addEventListener("click", (event) => {
        event.preventDefault();
        told.push("approved");
      });
    press("a", document.body);
    expect(told).toEqual([]);
    press("j");
    press("a");
    expect(told).toEqual(["approved"]);
    press("x");
    expect(items()[0]?.querySelector("input")?.checked).toBe(true);
    const open = vi.fn((event: Event) => event.preventDefault());
    items()[0]?.querySelector("a")?.addEventListener("click", open);
    press("Enter");
    expect(open).toHaveBeenCalledTimes(1);
  });

  it("asks for the reason of a rejection", () => {
    press("j");
    expect(press("r").defaultPrevented).toBe(true);
    expect(document.activeElement?.tagName).toBe("TEXTAREA");
    press("j"); // belongs to the text now
    expect(document.activeElement?.tagName).toBe("TEXTAREA");
  });

  it("tells its keys", () => {
    const help = vi.fn();
    document.querySelector("[data-open]")?.addEventListener("click", help);
    press("?", document.body);
    expect(help).toHaveBeenCalled();
  });
});

describe("approving together", () => {
  it("counts what is chosen and offers all", () => {
    page();
    const form = document.getElementById("bulk") as HTMLElement;
    bulk(form);
    const button = form.querySelector("button");
    expect(button?.disabled).toBe(true);
    const [first] = document.querySelectorAll<HTMLInputElement>("input[name=task]");
    first?.click();
    expect(button?.textContent).toBe("Approve (1)");
    expect(form.querySelector<HTMLInputElement>("[data-bulk-all] input")?.indeterminate).toBe(true);
    form.querySelector<HTMLInputElement>("[data-bulk-all] input")?.click();
    expect(form.querySelector("[data-bulk-count]")?.textContent).toBe("3 / 3");
  });
});

describe("a decision", () => {
  const form = (must: string, more = "") => {
    document.body.innerHTML = `<form data-must="${must}"><textarea name="comment"></textarea>${more}
      <p data-decide-problem hidden>why</p><button value="approve">ok</button><button value="reject">no</button></form>`;
    const found = document.querySelector("form") as HTMLFormElement;
    decide(found);
    return found;
  };
  const sends = (of: HTMLFormElement, value: string) => {
    const submitter = of.querySelector<HTMLButtonElement>(`button[value=${value}]`);
    const event = new SubmitEvent("submit", { cancelable: true, submitter });
    of.dispatchEvent(event);
    return !event.defaultPrevented;
  };

  it("needs a reason only where the step says so", () => {
    expect(sends(form(""), "reject")).toBe(true);
    expect(sends(form("reject"), "approve")).toBe(true);
    const strict = form("reject");
    expect(sends(strict, "reject")).toBe(false);
    expect(strict.querySelector<HTMLElement>("[data-decide-problem]")?.hidden).toBe(false);
    expect(sends(form("always"), "approve")).toBe(false);
  });

  it("is sent once", () => {
    const once = form("");
    expect([sends(once, "approve"), sends(once, "approve")]).toEqual([true, false]);
  });

  it("is not sent unsigned", () => {
    const signed = form(
      "",
      `<input type="hidden" data-signature-image><p data-signature-problem hidden>sign</p>`,
    );
    expect(sends(signed, "approve")).toBe(false);
    const image = signed.querySelector<HTMLInputElement>("[data-signature-image]");
    if (image) image.value = "data:image/png;base64,AA";
    expect(sends(signed, "approve")).toBe(true);
  });

  it("takes phrases", () => {
    document.body.innerHTML = `<textarea id="c"></textarea><div data-phrases="c" hidden>
      <button data-phrase>Agreed.</button><button data-phrase>Check it.</button></div>`;
    const box = document.querySelector<HTMLElement>("[data-phrases]") as HTMLElement;
    phrases(box);
    expect(box.hidden).toBe(false);
    const [first, second] = box.querySelectorAll("button");
    first?.click();
    first?.click();
    second?.click();
    expect(document.querySelector("textarea")?.value).toBe("Agreed.\nCheck it.");
  });
});

describe("the signature", () => {
  it("finds its place on a canvas of another size", () => {
    const box = { left: 10, top: 20, width: 300, height: 100 };
    expect(place({ x: 160, y: 70 }, box, { width: 600, height: 200 })).toEqual({ x: 300, y: 100 });
    expect(place({ x: 0, y: 0 }, { left: 0, top: 0, width: 0, height: 0 }, box).x).toBe(0);
  });

  it("writes long names smaller", () => {
    expect(fitting(200, 540)).toBe(110);
    expect(fitting(1000, 540)).toBe(54);
    expect(fitting(90_000, 540)).toBe(24);
  });

  it("leaves the file input where nothing can be drawn", () => {
    document.body.innerHTML = `<div data-signature><input data-signature-image><div data-signature-pad hidden><canvas></canvas></div>
      <div data-signature-file></div></div>`;
    const box = document.querySelector<HTMLElement>("[data-signature]") as HTMLElement;
    HTMLCanvasElement.prototype.getContext = (() => null) as never;
    signature(box);
    expect(box.querySelector<HTMLElement>("[data-signature-file]")?.hidden).toBe(false);
    expect(box.querySelector<HTMLElement>("[data-signature-pad]")?.hidden).toBe(true);
  });
});
