import { afterEach, expect, test, vi } from "vitest";
import { sharing } from "../src/modules/sharing.ts";

const page = (inner: string, note = "") =>
  `<main id="main">${note}<section id="sharing" class="card"><h1 id="sharing-title">Share</h1>${inner}
   <form action="/x/shares"><input name="user"></form></section></main>`;

function link(): HTMLElement {
  document.body.innerHTML = `<details><summary>…</summary>
    <a href="/x/shares" data-dialog="sharing">Share</a></details>`;
  HTMLDialogElement.prototype.showModal ??= () => {};
  const found = document.querySelector("a") as HTMLElement;
  sharing(found);
  return found;
}

function answers(...bodies: string[]): ReturnType<typeof vi.fn> {
  const asked = vi.fn(async () => new Response(bodies.shift() ?? ""));
  vi.stubGlobal("fetch", asked);
  return asked;
}

const settle = () => new Promise((done) => setTimeout(done, 0));

afterEach(() => vi.unstubAllGlobals());

test("a page opens in a dialog, and its forms stay there", async () => {
  const note = '<div class="note note-success"><div>Shared.</div></div>';
  const asked = answers(page("<p>nobody</p>"), page("<p>Anna</p>", note));
  link().dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  await settle();
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  expect(dialog.textContent).toContain("nobody");
  expect(dialog.getAttribute("aria-labelledby")).toBe("sharing-title");
  expect(dialog.querySelector(".card")).toBeNull();
  const form = dialog.querySelector("form") as HTMLFormElement;
  form.dispatchEvent(new Event("submit", { cancelable: true }));
  await settle();
  expect(asked).toHaveBeenCalledTimes(2);
  expect(dialog.textContent).toContain("Shared.");
  expect(dialog.textContent).toContain("Anna");
});

test("a click that wants a tab of its own is left alone", async () => {
  const asked = answers(page(""));
  const click = new MouseEvent("click", { cancelable: true, ctrlKey: true });
  link().addEventListener("click", (event) => event.preventDefault());
  document.querySelector("a")?.dispatchEvent(click);
  await settle();
  expect(asked).not.toHaveBeenCalled();
  expect(document.querySelector("dialog")).toBeNull();
});
