import { make, say } from "./dom.ts";

/** A file input that takes dropped files and lists what was chosen. */
export function drop(box: HTMLElement): void {
  const input = box.querySelector<HTMLInputElement>("input[type=file]");
  const list = box.querySelector("[data-drop-list]");
  if (!input || !list) return;
  const show = () => {
    const files = [...(input.files ?? [])];
    const most = Number(input.dataset.most ?? Number.POSITIVE_INFINITY);
    list.replaceChildren(
      ...files.map((file) => {
        const line = make("span", {}, `${file.name} · ${size(file.size)}`);
        if (file.size > most) line.append(make("span", { class: "problem" }, say("tooLarge")));
        return line;
      }),
    );
  };
  input.addEventListener("change", show);
  for (const name of ["dragover", "dragleave", "drop"] as const) {
    box.addEventListener(name, (event) => {
      event.preventDefault();
      box.classList.toggle("is-over", name === "dragover");
      const files = name === "drop" ? event.dataTransfer?.files : undefined;
      if (!files?.length) return;
      input.files = files;
      show();
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
}

/** A size for people. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2
    ? `${Math.round(bytes / 1024)} KB`
    : `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}
