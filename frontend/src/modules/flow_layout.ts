import { Graph, layout } from "@dagrejs/dagre";
import type { FlowData, GraphEdge, GraphNode } from "./flow.ts";

export interface Box {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
  group: boolean;
  node: GraphNode;
}

export interface Line {
  edge: GraphEdge;
  points: { x: number; y: number }[];
  label: { x: number; y: number } | null;
}

export interface Drawing {
  boxes: Box[];
  lines: Line[];
  width: number;
  height: number;
}

const WIDTH = 200;
const HEIGHT = 56;
const MARGIN = 24;

/** About how wide a text is drawn: a Chinese character is twice a Latin one. */
export function textWidth(text: string, size = 12): number {
  let width = 0;
  for (const char of text) width += char > "⺀" ? size : size * 0.56;
  return width;
}

/** A text that fits; the rest is said by the title. */
export function fitted(text: string, width: number, size = 12): string {
  if (textWidth(text, size) <= width) return text;
  let kept = "";
  for (const char of text) {
    if (textWidth(`${kept}${char}…`, size) > width) break;
    kept += char;
  }
  return `${kept}…`;
}

/** The states that contain others. */
export function groupsOf(nodes: GraphNode[]): Set<string> {
  return new Set(nodes.map((one) => one.parent).filter(Boolean));
}

/** The state inside a group that stands for it when an arrow meets the group's border. */
export function leafOf(nodes: GraphNode[], id: string, last = false): string {
  const inner = nodes.filter((one) => one.parent === id);
  const found = last ? inner.at(-1) : (inner.find((one) => one.first) ?? inner[0]);
  return found ? leafOf(nodes, found.id, last) : id;
}

/** Places for everything, from top to bottom. Arrows that begin or end at a group are laid to a
 * state inside and cut at the border, because the layout knows no arrows of groups. */
export function laidOut(graph: FlowData["graph"]): Drawing {
  const groups = groupsOf(graph.nodes);
  const plan = new Graph({ compound: true, multigraph: true });
  plan.setGraph({
    rankdir: "TB",
    nodesep: 36,
    ranksep: 44,
    edgesep: 16,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  plan.setDefaultEdgeLabel(() => ({}));
  for (const one of graph.nodes)
    plan.setNode(one.id, groups.has(one.id) ? {} : { width: WIDTH, height: HEIGHT });
  for (const one of graph.nodes) if (one.parent) plan.setParent(one.id, one.parent);
  graph.edges.forEach((edge, at) => {
    const [from, to] = ends(graph.nodes, groups, edge);
    const label = fitted(edge.label, 150);
    plan.setEdge(
      from,
      to,
      {
        width: label ? textWidth(label) + 12 : 0,
        height: label ? 18 : 0,
        labelpos: "c",
        weight: edge.tone === "main" || edge.tone === "approve" ? 4 : 1,
      },
      String(at),
    );
  });
  layout(plan);
  const boxes = graph.nodes.map((node) => {
    const { x, y, width, height } = plan.node(node.id) as Box;
    return { id: node.id, x, y, width, height, group: groups.has(node.id), node };
  });
  const lines = plan.edges().map((key) => {
    const edge = graph.edges[Number(key.name)] as GraphEdge;
    const found = plan.edge(key) as { points: { x: number; y: number }[]; x?: number; y?: number };
    const points = cut(found.points, boxes, groups, edge);
    return { edge, points, label: edge.label ? labelAt(found, points) : null };
  });
  const size = plan.graph() as { width: number; height: number };
  return { boxes, lines, width: size.width || 1, height: size.height || 1 };
}

/** Where an arrow's label stands: where it was planned, unless that part was cut away. */
function labelAt(
  planned: { points: unknown[]; x?: number; y?: number },
  points: { x: number; y: number }[],
): { x: number; y: number } | null {
  if (planned.points === points && planned.x !== undefined && planned.y !== undefined)
    return { x: planned.x, y: planned.y };
  const at = (points.length - 1) / 2;
  const one = points[Math.floor(at)];
  const other = points[Math.ceil(at)];
  return one && other ? { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 } : null;
}

/** The states between which an arrow is laid. */
function ends(nodes: GraphNode[], groups: Set<string>, edge: GraphEdge): [string, string] {
  const to = groups.has(edge.to) ? leafOf(nodes, edge.to) : edge.to;
  const from = groups.has(edge.from) ? leafOf(nodes, edge.from, true) : edge.from;
  return [from, to];
}

/** Takes away what of an arrow lies inside the group at which it begins or ends. */
function cut(
  points: { x: number; y: number }[],
  boxes: Box[],
  groups: Set<string>,
  edge: GraphEdge,
): { x: number; y: number }[] {
  let found = points;
  const box = (id: string) => boxes.find((one) => one.id === id);
  const start = groups.has(edge.from) ? box(edge.from) : undefined;
  const end = groups.has(edge.to) ? box(edge.to) : undefined;
  if (start && !isInside(start, found.at(-1))) found = outside(found, start);
  if (end && !isInside(end, found[0])) found = outside([...found].reverse(), end).reverse();
  return found;
}

function isInside(box: Box, point: { x: number; y: number } | undefined): boolean {
  return (
    !!point &&
    Math.abs(point.x - box.x) <= box.width / 2 &&
    Math.abs(point.y - box.y) <= box.height / 2
  );
}

/** The points from the border of a box on. */
function outside(points: { x: number; y: number }[], box: Box): { x: number; y: number }[] {
  const first = points.findIndex((one) => !isInside(box, one));
  const inner = points[first - 1];
  const outer = points[first];
  if (first <= 0 || !inner || !outer) return points;
  let [near, far] = [inner, outer];
  for (let turn = 0; turn < 24; turn++) {
    const middle = { x: (near.x + far.x) / 2, y: (near.y + far.y) / 2 };
    if (isInside(box, middle)) near = middle;
    else far = middle;
  }
  return [near, ...points.slice(first)];
}

/** The nearest box in a direction, for the arrow keys. */
export function neighbour(boxes: Box[], id: string, key: string): string {
  const here = boxes.find((one) => one.id === id);
  if (!here) return boxes[0]?.id ?? "";
  const [dx, dy] = (
    { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] } as Record<
      string,
      [number, number]
    >
  )[key] ?? [0, 0];
  let best = "";
  let least = Number.POSITIVE_INFINITY;
  for (const one of boxes) {
    const along = (one.x - here.x) * dx + (one.y - here.y) * dy;
    if (one.id === id || one.group || along <= 1) continue;
    const across = Math.abs((one.x - here.x) * dy) + Math.abs((one.y - here.y) * dx);
    if (along * 2 + across < least) {
      least = along * 2 + across;
      best = one.id;
    }
  }
  return best || id;
}

/** A smooth way through points. */
export function pathOf(points: { x: number; y: number }[]): string {
  const round = (value: number) => Math.round(value * 10) / 10;
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${round(first.x)},${round(first.y)}`;
  rest.forEach((point, at) => {
    const next = rest[at + 1];
    if (!next) {
      path += ` L${round(point.x)},${round(point.y)}`;
      return;
    }
    const middle = { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    path += ` Q${round(point.x)},${round(point.y)} ${round(middle.x)},${round(middle.y)}`;
  });
  return path;
}
