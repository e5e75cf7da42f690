import { later, send } from "./dom.ts";

/** What a choice of roles opens, in words, as soon as it is made; the server knows the words. */
export function roles(list: HTMLElement): void {
  const words = list.querySelector<HTMLElement>("[data-opens-words]");
  if (!words) return;
  const ask = later(async () => {
    const asked = new URLSearchParams({ user: list.dataset.user ?? "" });
    for (const box of list.querySelectorAll<HTMLInputElement>("input:checked"))
      asked.append("role", box.value);
    const answer = await send(`${list.dataset.opens}?${asked}`);
    if (answer.ok) words.textContent = await answer.text();
  }, 150);
  list.addEventListener("change", ask);
}
