import { announce } from "./dom.ts";
import type { FlowData } from "./flow.ts";
import {
  type Box,
  type Drawing,
  fitted,
  laidOut,
  neighbour,
  pathOf,
  textWidth,
} from "./flow_layout.ts";

const SPACE = "http://www.w3.org/2000/svg";

/** What the graph may do: everything it changes is a change that the outline has, too. */
export interface Doing {
  act: (state: string, verb: string, more?: Record<string, string>) => void;
  choose: (id: string, focus?: boolean) => void;
  data: () => FlowData;
}

function draw<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

interface View {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The graph of a workflow: boxes and arrows with a place found by themselves. */
class FlowGraph {
  private drawing: Drawing = { boxes: [], lines: [], width: 1, height: 1 };
  private view: View = { x: 0, y: 0, width: 1, height: 1 };
  private svg = draw("svg", { class: "flow-svg", role: "group" });
  private focused = "";
  private source = "";
  private shape = "";

  constructor(
    private readonly root: HTMLElement,
    private readonly canvas: HTMLElement,
    private readonly doing: Doing,
  ) {
    this.canvas.append(this.svg);
    this.svg.setAttribute("aria-label", root.getAttribute("aria-label") ?? "");
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.pan(event));
    this.root.addEventListener("click", (event) => {
      const zoom = (event.target as Element).closest<HTMLElement>("[data-zoom]")?.dataset.zoom;
      if (zoom === "fit") this.fit();
      else if (zoom) this.zoom(zoom === "in" ? 0.8 : 1.25);
    });
    new ResizeObserver(() => this.fit()).observe(this.canvas);
  }

  /** Draws what the page says now. */
  refresh(): void {
    if (this.root.hidden) return;
    const found = this.doing.data();
    const shape = JSON.stringify(found.graph);
    const same = shape === this.shape;
    if (!same) this.drawing = laidOut(found.graph);
    this.shape = shape;
    this.paint(found);
    if (!same) this.fit();
  }

  private paint(found: FlowData): void {
    const held = this.svg.contains(document.activeElement);
    const groups = this.drawing.boxes.filter((one) => one.group);
    groups.sort((one, other) => other.width * other.height - one.width * one.height);
    const leaves = this.drawing.boxes.filter((one) => !one.group);
    this.svg.replaceChildren(
      arrowHeads(),
      ...groups.map((one) => this.group(one, found)),
      ...this.drawing.lines.map((line) => this.line(line, found.at)),
      ...leaves.map((one) => this.box(one, found)),
      ...this.drawing.lines.filter((line) => line.label).map((line) => this.label(line)),
    );
    if (held) this.element(this.focused || found.at)?.focus();
  }

  private line(line: Drawing["lines"][number], at: string): SVGElement {
    const near = line.edge.from === at || line.edge.to === at ? " is-near" : "";
    return draw("path", {
      class: `flow-line is-${line.edge.tone}${near}`,
      d: pathOf(line.points),
      "marker-end": `url(#flow-arrow-${near ? "near" : line.edge.tone === "reject" ? "reject" : "main"})`,
    });
  }

  private label(line: Drawing["lines"][number]): SVGElement {
    const text = fitted(line.edge.label, 150);
    const { x, y } = line.label as { x: number; y: number };
    const width = textWidth(text) + 12;
    return draw(
      "g",
      { class: `flow-label is-${line.edge.tone}` },
      draw("rect", { x: x - width / 2, y: y - 9, width, height: 18, rx: 4 }),
      draw("text", { x, y: y + 4, "text-anchor": "middle" }, text),
      draw("title", {}, line.edge.words || line.edge.label),
    );
  }

  private group(box: Box, found: FlowData): SVGElement {
    const { x, y, width, height, node } = box;
    const here = node.id === found.at ? " is-here" : "";
    const title = draw(
      "text",
      { class: "flow-group-title", x: x - width / 2 + 12, y: y - height / 2 + 18 },
      fitted(node.title, width - 24),
    );
    const frame = draw("rect", {
      x: x - width / 2,
      y: y - height / 2,
      width,
      height,
      rx: 10,
    });
    return this.alive(
      box,
      draw("g", { class: `flow-cluster k-${node.kind}${here}` }, frame, title),
    );
  }

  private box(box: Box, found: FlowData): SVGElement {
    const { x, y, width, height, node } = box;
    const left = x - width / 2;
    const top = y - height / 2;
    const here = node.id === found.at ? " is-here" : "";
    const bad = node.bad ? " is-bad" : "";
    const round = node.kind === "final" ? height / 2 : 8;
    const parts: SVGElement[] = [
      draw("rect", { class: "flow-body", x: left, y: top, width, height, rx: round }),
      draw("rect", {
        class: "flow-stripe",
        x: left,
        y: top + 10,
        width: 4,
        height: height - 20,
        rx: 2,
      }),
      draw(
        "text",
        { class: "flow-node-title", x: left + 16, y: node.note ? y - 4 : y + 5 },
        fitted(node.title, width - 32, 13),
      ),
    ];
    if (node.note)
      parts.push(
        draw(
          "text",
          { class: "flow-node-note", x: left + 16, y: y + 15 },
          fitted(node.note, width - 28, 11),
        ),
      );
    if (node.first)
      parts.push(
        draw("circle", { class: "flow-start", cx: left + width - 12, cy: top + 12, r: 4 }),
      );
    const group = draw("g", { class: `flow-node k-${node.kind}${here}${bad}` }, ...parts);
    if (node.kind !== "final") {
      const handle = draw("circle", { class: "flow-handle", cx: x, cy: y + height / 2, r: 6 });
      handle.append(draw("title", {}, found.texts.connect ?? ""));
      handle.addEventListener("pointerdown", (event) => this.drag(event, box));
      group.append(handle);
    }
    return this.alive(box, group);
  }

  private alive(box: Box, group: SVGGElement): SVGGElement {
    const { node } = box;
    group.setAttribute("data-graph-node", node.id);
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", node.id === (this.focused || this.doing.data().at) ? "0" : "-1");
    group.setAttribute(
      "aria-label",
      `${node.kindName}: ${node.title}${node.note ? `, ${node.note}` : ""}`,
    );
    group.append(draw("title", {}, node.title));
    group.addEventListener("click", (event) => {
      event.stopPropagation();
      this.pick(node.id);
    });
    group.addEventListener("focus", () => {
      this.focused = node.id;
    });
    return group;
  }

  private element(id: string): SVGGElement | null {
    return this.svg.querySelector<SVGGElement>(`[data-graph-node="${CSS.escape(id)}"]`);
  }

  private pick(id: string): void {
    if (this.source && this.source !== id) {
      const from = this.source;
      this.stop();
      this.doing.act(from, `connect:${id}`);
      return;
    }
    this.stop();
    this.focused = id;
    this.doing.choose(id);
  }

  private stop(): void {
    this.source = "";
    this.svg.classList.remove("is-connecting");
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as SVGElement;
    const id = target.closest("[data-graph-node]")?.getAttribute("data-graph-node") ?? "";
    if (!id) return;
    const { texts, graph } = this.doing.data();
    const title = graph.nodes.find((one) => one.id === id)?.title ?? id;
    if (event.key.startsWith("Arrow")) this.go(neighbour(this.drawing.boxes, id, event.key));
    else if (event.key === "Enter" || event.key === " ") this.pick(id);
    else if (event.key === "Escape") this.stop();
    else if (event.key === "Delete" || event.key === "Backspace") this.doing.act(id, "delete");
    else if (event.key === "+" || event.key === "=") this.zoom(0.8);
    else if (event.key === "-") this.zoom(1.25);
    else if (event.key.toLowerCase() === "a") this.doing.act(id, "after:approval");
    else if (event.key.toLowerCase() === "c") {
      this.source = id;
      this.svg.classList.add("is-connecting");
      announce((texts.connecting ?? "").replace("{text}", title));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private go(id: string): void {
    this.focused = id;
    for (const one of this.svg.querySelectorAll("[data-graph-node]"))
      one.setAttribute("tabindex", one.getAttribute("data-graph-node") === id ? "0" : "-1");
    this.element(id)?.focus();
    this.show(id);
  }

  /** Moves the view so that a box is in it. */
  private show(id: string): void {
    const box = this.drawing.boxes.find((one) => one.id === id);
    if (!box) return;
    const { view } = this;
    const edge = (value: number, size: number, from: number, length: number) =>
      Math.max(Math.min(from, value - size / 2 - 20), value + size / 2 + 20 - length);
    view.x = edge(box.x, box.width, view.x, view.width);
    view.y = edge(box.y, box.height, view.y, view.height);
    this.look();
  }

  private look(): void {
    const { x, y, width, height } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
  }

  /** Everything in sight as long as it can still be read; else what is looked at. */
  private fit(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    const { width, height } = this.drawing;
    const scale = Math.max(
      1,
      Math.min(width / clientWidth, 1.3),
      Math.min(height / clientHeight, 1.3),
    );
    const shown = { width: clientWidth * scale, height: clientHeight * scale };
    const x = (width - shown.width) / 2;
    const y = height > shown.height ? 0 : (height - shown.height) / 2;
    this.view = { x, y, ...shown };
    const { at, graph } = this.doing.data();
    this.look();
    const seen = at || graph.nodes.find((one) => one.first)?.id || "";
    if (width > shown.width || height > shown.height) this.show(seen);
  }

  private zoom(by: number, at?: { x: number; y: number }): void {
    const { view } = this;
    const centre = at ?? { x: view.x + view.width / 2, y: view.y + view.height / 2 };
    const width = Math.min(Math.max(view.width * by, 200), this.drawing.width * 4 + 800);
    const ratio = width / view.width;
    view.x = centre.x - (centre.x - view.x) * ratio;
    view.y = centre.y - (centre.y - view.y) * ratio;
    view.width = width;
    view.height *= ratio;
    this.look();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.ctrlKey) {
      this.zoom(event.deltaY > 0 ? 1.1 : 0.9, this.point(event));
      return;
    }
    const scale = this.view.width / this.canvas.clientWidth;
    this.view.x += event.deltaX * scale;
    this.view.y += event.deltaY * scale;
    this.look();
  }

  private point(event: { clientX: number; clientY: number }): { x: number; y: number } {
    const frame = this.svg.getBoundingClientRect();
    const { view } = this;
    return {
      x: view.x + ((event.clientX - frame.left) / frame.width) * view.width,
      y: view.y + ((event.clientY - frame.top) / frame.height) * view.height,
    };
  }

  private pan(event: PointerEvent): void {
    if ((event.target as Element).closest(".flow-node") || event.button) return;
    const start = { x: event.clientX, y: event.clientY, view: { ...this.view } };
    const scale = this.view.width / this.canvas.clientWidth;
    const move = (now: PointerEvent) => {
      this.view.x = start.view.x - (now.clientX - start.x) * scale;
      this.view.y = start.view.y - (now.clientY - start.y) * scale;
      this.look();
    };
    this.follow(move, () => undefined);
  }

  /** An arrow that is drawn by hand, from the dot of a box to another box. */
  private drag(event: PointerEvent, box: Box): void {
    event.preventDefault();
    event.stopPropagation();
    const from = { x: box.x, y: box.y + box.height / 2 };
    const line = draw("path", {
      class: "flow-line is-drawn",
      "marker-end": "url(#flow-arrow-near)",
    });
    this.svg.append(line);
    const move = (now: PointerEvent) => {
      line.setAttribute("d", pathOf([from, this.point(now)]));
    };
    this.follow(move, (last) => {
      line.remove();
      const under = document.elementFromPoint(last.clientX, last.clientY);
      const id = under?.closest("[data-graph-node]")?.getAttribute("data-graph-node");
      if (id && id !== box.id) this.doing.act(box.id, `connect:${id}`);
    });
  }

  private follow(move: (event: PointerEvent) => void, done: (event: PointerEvent) => void): void {
    const end = (event: PointerEvent) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      done(event);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }
}

function arrowHeads(): SVGElement {
  const heads = ["main", "reject", "near"].map((name) =>
    draw(
      "marker",
      {
        id: `flow-arrow-${name}`,
        class: `flow-head-${name}`,
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: "auto",
      },
      draw("path", { d: "M0,0 L8,4 L0,8 z" }),
    ),
  );
  return draw("defs", {}, ...heads);
}

/** Draws the graph beside the outline, and again after every change. */
export function flowGraph(root: HTMLElement, doing: Doing): void {
  const canvas = root.querySelector<HTMLElement>("[data-flow-canvas]");
  if (!canvas) return;
  const graph = new FlowGraph(root, canvas, doing);
  document.addEventListener("dougong:flow", () => graph.refresh());
  graph.refresh();
}
