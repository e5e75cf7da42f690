import { make, option, say, send } from "./dom.ts";

interface Place {
  value: string;
  label: string;
}

const LEVELS = [
  ["province", 2],
  ["city", 4],
  ["county", 6],
] as const;

/** The codes above a code of six digits, itself included: 330106 -> 330000, 330100, 330106. */
export function path(code: string): string[] {
  if (!/^\d{6}$/.test(code)) return [];
  return LEVELS.map(([, digits]) => code.slice(0, digits).padEnd(6, "0")).filter(
    (each, at, all) => at === 0 || each !== all[at - 1],
  );
}

/** Three selects, each filled by the one before it; the text input keeps the code. */
export function region(box: HTMLElement): void {
  const input = box.querySelector("input");
  const address = box.dataset.lookup;
  if (!input || !address) return;
  const name = input.getAttribute("aria-label") ?? "";
  const selects = LEVELS.map(([level]) =>
    make("select", {
      class: "form-select",
      "aria-label": `${name} · ${say(level)}`,
      "data-level": level,
    }),
  );
  input.type = "hidden";
  box.append(...selects);
  const load = async (at: number, parent: string, value: string) => {
    const select = selects[at];
    if (!select) return;
    let places: Place[] = [];
    if (at === 0 || parent) {
      const answer = await send(`${address}${address.includes("?") ? "&" : "?"}parent=${parent}`);
      places = answer.ok ? ((await answer.json()).items ?? []) : [];
    }
    select.replaceChildren(
      option(say(LEVELS[at]?.[0] ?? ""), ""),
      ...places.map((place) => option(place.label, place.value)),
    );
    select.value = value;
    select.hidden = at > 0 && !places.length;
  };
  const start = async () => {
    const codes = path(input.value);
    for (const at of [0, 1, 2]) await load(at, at ? (codes[at - 1] ?? "") : "", codes[at] ?? "");
  };
  selects.forEach((select, at) => {
    select.addEventListener("change", async () => {
      input.value = select.value || selects[at - 1]?.value || "";
      input.dispatchEvent(new Event("change", { bubbles: true }));
      for (const below of [at + 1, at + 2])
        await load(below, below === at + 1 ? select.value : "", "");
    });
  });
  void start();
}
