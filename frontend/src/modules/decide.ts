/** The form of a decision: a rejection needs its reason where the step says so, a signature its
 * strokes; it is sent once. */
export function decide(form: HTMLElement): void {
  if (!(form instanceof HTMLFormElement)) return;
  const problem = form.querySelector<HTMLElement>("[data-decide-problem]");
  const comment = form.querySelector<HTMLTextAreaElement>("textarea[name=comment]");
  form.addEventListener("submit", (event) => {
    const choice = (event.submitter as HTMLButtonElement | null)?.value;
    const must = form.dataset.must;
    const needed = must === "always" || (must === "reject" && choice === "reject");
    const missing = needed && !comment?.value.trim();
    if (problem) problem.hidden = !missing;
    if (missing) {
      event.preventDefault();
      comment?.setAttribute("aria-invalid", "true");
      comment?.focus();
      return;
    }
    comment?.removeAttribute("aria-invalid");
    const pad = form.querySelector<HTMLElement>("[data-signature-problem]");
    const image = form.querySelector<HTMLInputElement>("[data-signature-image]");
    const file = form.querySelector<HTMLInputElement>("input[name=signature_file]");
    const unsigned = image !== null && !image.value && !file?.value;
    if (pad) pad.hidden = !unsigned;
    if (unsigned) {
      event.preventDefault();
      form.querySelector<HTMLElement>("[data-signature-name]")?.focus();
      return;
    }
    if (form.dataset.sent !== undefined) event.preventDefault();
    form.dataset.sent = "";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
}

/** Buttons that write an often-used phrase into the comment: instead of nothing, else after it. */
export function phrases(box: HTMLElement): void {
  const area = document.getElementById(box.dataset.phrases ?? "") as HTMLTextAreaElement | null;
  if (!area) return;
  box.hidden = false;
  box.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-phrase]");
    if (!button) return;
    const words = button.textContent ?? "";
    const before = area.value.trimEnd();
    area.value = before && !before.endsWith(words) ? `${before}\n${words}` : words;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
  });
}

/** Links that open a part of a card that may lie on another sheet. */
export function parts(link: HTMLElement): void {
  link.addEventListener("click", () => {
    const target = document.getElementById(link.dataset.showPart ?? "");
    setTimeout(() => {
      target?.scrollIntoView({ block: "center" });
      target?.querySelector("summary")?.focus();
    });
  });
}
