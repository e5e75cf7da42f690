import "@tabler/core/dist/css/tabler.min.css";
import "./styles/index.css";
import "htmx.org";
import { board } from "./modules/board.ts";
import { columns } from "./modules/columns.ts";
import { cutOff } from "./modules/cutoff.ts";
import { each } from "./modules/dom.ts";
import { draft } from "./modules/draft.ts";
import { drop } from "./modules/drop.ts";
import { effects } from "./modules/effects.ts";
import { filters } from "./modules/filters.ts";
import { inbox } from "./modules/inbox.ts";
import { keys } from "./modules/keys.ts";
import { leave } from "./modules/leave.ts";
import { lines } from "./modules/lines.ts";
import { openers } from "./modules/openers.ts";
import { panes, progress, tabs } from "./modules/panes.ts";
import { picker } from "./modules/picker.ts";
import { region } from "./modules/region.ts";
import { suggest } from "./modules/suggest.ts";

/** Gives life to everything below `root`; again after htmx has swapped a part in. */
function enliven(root: ParentNode): void {
  each(root, "[data-lines]", lines);
  each(root, "[data-picker]", picker);
  each(root, "[data-region]", region);
  each(root, "[data-suggest]", suggest);
  each(root, "[data-drop]", drop);
  each(root, "[data-tabs]", tabs);
  each(root, "[data-panes]", panes);
  each(root, ".progress-scroll", progress);
  each(root, "[data-filters]", filters);
  each(root, "[data-columns]", columns);
  each(root, "[data-board]", board);
  each(root, "[data-inbox]", inbox);
  each(root, "form[data-effects]", effects);
  each(root, "form[data-form]", leave);
  each(root, "form[data-draft]", draft);
  openers(root);
}

document.documentElement.classList.add("js");
keys(document);
cutOff(document);
enliven(document);
document.addEventListener("dougong:added", (event) => enliven(event.target as HTMLElement));
document.addEventListener("htmx:after:swap", () => enliven(document));
document.querySelector<HTMLElement>("[data-focus]")?.focus();
document.documentElement.dataset.ready = "";
