import { defineConfig } from "vite";
import { finish } from "./build/finish.ts";
import { sprite } from "./build/sprite.ts";

// Relative addresses work under any prefix; nothing is inlined, because the pages' policy forbids
// inline code; the manifest tells the server the hashed names.
export default defineConfig({
  base: "./",
  publicDir: false,
  plugins: [sprite("src/icons.json"), finish()],
  build: {
    outDir: "../platform/dougong/static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome111", "safari16.4", "firefox121"],
    rollupOptions: { input: ["src/app.ts"] },
    reportCompressedSize: false,
  },
});
