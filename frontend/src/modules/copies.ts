/** A text to take along: the button puts it on the clipboard. Without scripts it can be selected. */
export function copies(line: HTMLElement): void {
  const input = line.querySelector("input");
  const button = line.querySelector<HTMLButtonElement>("[data-copies-button]");
  const done = line.querySelector<HTMLElement>("[data-copies-done]");
  if (!navigator.clipboard || !input || !button || !done) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    input.select();
    await navigator.clipboard.writeText(input.value);
    done.hidden = false;
  });
}
