import { beforeEach, describe, expect, it, vi } from "vitest";
import { openers } from "../src/modules/openers.ts";

const find = <T extends HTMLElement>(selector: string): T => document.querySelector(selector) as T;
const DIALOG =
  '<dialog id="confirm"><form method="dialog"><h2 class="dialog-title"></h2><p class="dialog-text"></p><button value="yes" data-yes>Confirm</button></form></dialog>';

/** A page with a form; what is sent is counted with the button that sent it. */
function page(form: string): (string | undefined)[] {
  document.body.innerHTML = form + DIALOG;
  const dialog = find<HTMLDialogElement>("#confirm");
  dialog.showModal = vi.fn(() => dialog.setAttribute("open", ""));
  openers(document);
  openers(document); // parts of a page are started again when they were replaced
  const sent: (string | undefined)[] = [];
  find("form").addEventListener("submit", (event) => {
    if (!event.defaultPrevented) sent.push((event.submitter as HTMLButtonElement | null)?.value);
    event.preventDefault();
  });
  return sent;
}

/** The answer to the question. */
function answer(value: string): void {
  const dialog = find<HTMLDialogElement>("#confirm");
  dialog.returnValue = value;
  dialog.dispatchEvent(new Event("close"));
}

describe("confirmation", () => {
  beforeEach(() => vi.restoreAllMocks());

  it("asks for the button that is pressed, and sends that button", () => {
    const sent = page(
      '<form><button value="keep">Keep</button><button value="drop" data-confirm="Drop it?" data-confirm-yes="Drop">Drop</button></form>',
    );
    find("button[value=keep]").click();
    expect(sent).toEqual(["keep"]);
    find("button[value=drop]").click();
    expect(sent).toEqual(["keep"]);
    expect(find(".dialog-title").textContent).toBe("Drop it?");
    expect(find("[data-yes]").textContent).toBe("Drop");
    answer("yes");
    expect(sent).toEqual(["keep", "drop"]);
  });

  it("asks again every time, and sends nothing without a yes", () => {
    const sent = page('<form data-confirm="Sure?"><button value="a">A</button></form>');
    find("button[value=a]").click();
    answer("");
    expect(sent).toEqual([]);
    find("button[value=a]").click();
    answer("yes");
    find("button[value=a]").click();
    expect(sent).toEqual(["a"]);
    expect(find<HTMLDialogElement>("#confirm").showModal).toHaveBeenCalledTimes(3);
    expect(find("[data-yes]").textContent).toBe("Confirm");
  });
});
