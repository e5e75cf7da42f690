import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reveal } from "../src/modules/reveal.ts";

const MASK = "138****8000";

function box(): { form: HTMLFormElement; shown: HTMLElement; button: HTMLButtonElement } {
  document.body.innerHTML = `<dd><span class="masked">${MASK}</span>
    <form method="post" action="/x/reveal/phone" data-reveal><button aria-pressed="false"></button></form></dd>
    <div id="toasts"></div><div id="live"></div>`;
  const form = document.querySelector("form") as HTMLFormElement;
  reveal(form);
  return {
    form,
    shown: document.querySelector(".masked") as HTMLElement,
    button: form.querySelector("button") as HTMLButtonElement,
  };
}

function answers(status: number, body: unknown): void {
  vi.stubGlobal(
    "fetch",
    vi.fn(async () => new Response(JSON.stringify(body), { status })),
  );
}

async function press(form: HTMLFormElement): Promise<void> {
  form.dispatchEvent(new Event("submit", { cancelable: true }));
  await vi.advanceTimersByTimeAsync(0);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("shows the value for a minute", async () => {
  answers(200, { text: "13800138000", seconds: 60 });
  const { form, shown, button } = box();
  await press(form);
  expect(shown.textContent).toBe("13800138000");
  expect(button.getAttribute("aria-pressed")).toBe("true");
  await vi.advanceTimersByTimeAsync(59_000);
  expect(shown.textContent).toBe("13800138000");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(shown.textContent).toBe(MASK);
});

test("covers it with the second press, without asking again", async () => {
  answers(200, { text: "13800138000", seconds: 60 });
  const { form, shown } = box();
  await press(form);
  await press(form);
  expect(shown.textContent).toBe(MASK);
  expect(fetch).toHaveBeenCalledTimes(1);
});

test("says why not", async () => {
  answers(403, { error: "You may not." });
  const { form, shown } = box();
  await press(form);
  expect(shown.textContent).toBe(MASK);
  expect(document.getElementById("toasts")?.textContent).toContain("You may not.");
});
