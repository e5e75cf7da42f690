import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Plugin } from "vite";

const require = createRequire(import.meta.url);

/** One `<symbol>` from an outline icon of Tabler: its drawing without the outer element. */
export function symbol(name: string, svg: string): string {
  const body = svg.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, "");
  return `<symbol id="${name}" viewBox="0 0 24 24">${body.replace(/\s*\n\s*/g, "")}</symbol>`;
}

/** Builds one sprite from a list of icon names and says in `icons.json` where it is. */
export function sprite(list: string): Plugin {
  return {
    name: "dougong-sprite",
    apply: "build",
    generateBundle() {
      const names: string[] = JSON.parse(readFileSync(list, "utf8"));
      const drawn = names.map((name) =>
        symbol(name, readFileSync(require.resolve(`@tabler/icons/outline/${name}.svg`), "utf8")),
      );
      const source = `<svg xmlns="http://www.w3.org/2000/svg">${drawn.join("")}</svg>`;
      const hash = createHash("sha256").update(source).digest("hex").slice(0, 8);
      const file = `assets/icons-${hash}.svg`;
      this.emitFile({ type: "asset", fileName: file, source });
      const sign = readFileSync("src/favicon.svg", "utf8");
      this.emitFile({ type: "asset", fileName: "favicon.svg", source: sign });
      this.emitFile({
        type: "asset",
        fileName: "icons.json",
        source: JSON.stringify({ file, names }),
      });
    },
  };
}
