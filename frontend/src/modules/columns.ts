/** The column chooser: order by buttons, choice by check boxes, result in one argument. */
export function columns(dialog: HTMLElement): void {
  const form = dialog.querySelector("form");
  const result = form?.querySelector<HTMLInputElement>('input[name="cols"]');
  if (!form || !result) return;
  dialog.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-move]");
    const row = button?.closest("li");
    if (!button || !row) return;
    if (button.dataset.move === "-1") row.previousElementSibling?.before(row);
    else row.nextElementSibling?.after(row);
    button.focus();
  });
  form.addEventListener("submit", () => {
    const checked = form.querySelectorAll<HTMLInputElement>("[data-column] input:checked");
    result.value = [...checked].map((box) => box.value).join(",");
    result.disabled = !result.value;
  });
}
