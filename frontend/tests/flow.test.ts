import { describe, expect, it } from "vitest";
import {
  type GraphEdge,
  type GraphNode,
  replaceParts,
  stepTo,
  verbOf,
} from "../src/modules/flow.ts";
import {
  fitted,
  laidOut,
  leafOf,
  neighbour,
  pathOf,
  textWidth,
} from "../src/modules/flow_layout.ts";

function node(id: string, parent = "", first = false): GraphNode {
  return { id, title: id, kind: "atomic", kindName: "", parent, note: "", first, bad: false };
}

function edge(from: string, to: string, label = "", tone = "main"): GraphEdge {
  return { from, to, label, tone, pointer: "", words: label };
}

const GRAPH = {
  nodes: [
    node("draft", "", true),
    node("review"),
    node("manager", "review", true),
    node("director", "review"),
    node("done"),
  ],
  edges: [
    edge("draft", "manager", "提交"),
    edge("manager", "director"),
    edge("director", "done"),
    edge("manager", "draft", "驳回", "reject"),
    edge("review", "draft", "撤回", "plain"),
    edge("done", "review", "again", "plain"),
  ],
};

describe("the graph's layout", () => {
  const drawing = laidOut(GRAPH);
  const box = (id: string) => drawing.boxes.find((one) => one.id === id);

  it("gives every state a place, inner ones inside their group", () => {
    expect(drawing.boxes).toHaveLength(5);
    const group = box("review");
    for (const id of ["manager", "director"]) {
      const inner = box(id);
      if (!group || !inner) throw new Error(id);
      expect(Math.abs(inner.x - group.x) + inner.width / 2).toBeLessThanOrEqual(group.width / 2);
      expect(Math.abs(inner.y - group.y) + inner.height / 2).toBeLessThanOrEqual(group.height / 2);
    }
  });

  it("leads from top to bottom, and no two steps lie on one another", () => {
    expect(box("draft")?.y).toBeLessThan(box("manager")?.y ?? 0);
    expect(box("manager")?.y).toBeLessThan(box("director")?.y ?? 0);
    const leaves = drawing.boxes.filter((one) => !one.group);
    for (const one of leaves)
      for (const other of leaves)
        if (one !== other)
          expect(
            Math.abs(one.x - other.x) >= (one.width + other.width) / 2 ||
              Math.abs(one.y - other.y) >= (one.height + other.height) / 2,
          ).toBe(true);
  });

  it("cuts arrows of a group at its border", () => {
    const group = box("review");
    const line = drawing.lines.find((one) => one.edge.from === "review");
    const start = line?.points[0];
    if (!group || !start) throw new Error("no line");
    const onBorder =
      Math.abs(Math.abs(start.x - group.x) - group.width / 2) < 1 ||
      Math.abs(Math.abs(start.y - group.y) - group.height / 2) < 1;
    expect(onBorder).toBe(true);
  });

  it("finds its way with the arrow keys", () => {
    expect(neighbour(drawing.boxes, "draft", "ArrowDown")).toBe("manager");
    expect(neighbour(drawing.boxes, "director", "ArrowUp")).toBe("manager");
    expect(neighbour(drawing.boxes, "nothing", "ArrowUp")).toBe("draft");
  });

  it("stands an empty graph", () => {
    expect(laidOut({ nodes: [], edges: [] }).boxes).toEqual([]);
  });

  it("leaves out what does not fit", () => {
    expect(fitted("审批", 100)).toBe("审批");
    expect(fitted("一个非常非常长的步骤名称", 60)).toMatch(/…$/);
    expect(textWidth(fitted("一个非常非常长的步骤名称", 60))).toBeLessThanOrEqual(60);
    expect(leafOf(GRAPH.nodes, "review")).toBe("manager");
    expect(leafOf(GRAPH.nodes, "review", true)).toBe("director");
    expect(pathOf([])).toBe("");
  });
});

describe("keys on the outline", () => {
  const stops = [
    { id: "", level: 0 },
    { id: "draft", level: 1 },
    { id: "review", level: 1 },
    { id: "manager", level: 2 },
    { id: "done", level: 1 },
  ];

  it("goes up and down through everything, in and out with left and right", () => {
    expect(stepTo(stops, 1, "ArrowDown")).toBe(2);
    expect(stepTo(stops, 0, "ArrowUp")).toBe(0);
    expect(stepTo(stops, 4, "ArrowDown")).toBe(4);
    expect(stepTo(stops, 2, "ArrowRight")).toBe(3);
    expect(stepTo(stops, 1, "ArrowRight")).toBe(1);
    expect(stepTo(stops, 3, "ArrowLeft")).toBe(2);
    expect(stepTo(stops, 3, "Home")).toBe(0);
    expect(stepTo(stops, 0, "End")).toBe(4);
  });

  it("knows what a key asks for", () => {
    const key = (name: string, altKey = false) => verbOf({ key: name, altKey, shiftKey: false });
    expect(key("a")).toBe("after:approval");
    expect(key("Delete")).toBe("delete");
    expect(key("ArrowUp", true)).toBe("up");
    expect(key("ArrowLeft", true)).toBe("out");
    expect(key("ArrowUp")).toBe("");
  });
});

describe("parts of the page", () => {
  it("puts what came back in place, and keeps folds as they are", () => {
    document.body.innerHTML = `<div id="flow-grid" class="view-outline"></div>
      <div id="flow-side" data-flow-part><details data-keep="timers" open></details></div>
      <script type="application/json" id="flow-data">{"at": ""}</script>`;
    const page = new DOMParser().parseFromString(
      `<div id="flow-grid" class="view-outline has-chosen"></div>
       <div id="flow-side" data-flow-part><details data-keep="timers"></details><b>new</b></div>`,
      "text/html",
    );
    replaceParts(page);
    expect(document.querySelector("b")?.textContent).toBe("new");
    expect(document.querySelector("details")?.open).toBe(true);
    expect(document.getElementById("flow-grid")?.className).toBe("view-outline has-chosen");
  });
});
