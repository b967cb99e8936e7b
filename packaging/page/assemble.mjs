// Puts the page together, as one file, and the package for Node.js: assemble.mjs MODULE FOLDER. `build` calls it.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { about } from "./host.mjs";

const [, , modulePath, folder] = process.argv;
const here = (name) => new URL(name, import.meta.url);
const text = (name) => readFileSync(here(name), "utf8");
const wasm = readFileSync(modulePath);
const { version, servers, style, script } = about(new WebAssembly.Module(wasm));

/** What a module of JavaScript is without its imports and exports: those of one file follow each other. */
const plain = (name) => text(name).replace(/^import .*\n/gm, "").replace(/^export /gm, "");
const joined = (...names) => `"use strict";\n${names.map(plain).join("\n")}`;
const hash = (of) => `sha256-${createHash("sha256").update(of).digest("base64")}`;
const parts = {
  STYLE: text("page.css"),
  SCRIPT: joined("host.mjs", "page.mjs"),
  WORKER: joined("host.mjs", "worker.mjs"),
  MODULE: gzipSync(wasm, { level: 9 }).toString("base64"),
  SERVERS: ["", ...servers].map((name) => `<option value="${name}"${name ? "" : " selected"}>${name || "none asked"}</option>`).join(""),
  VERSION: version,
};
for (const name of ["SCRIPT", "WORKER", "STYLE"]) {
  if (/<\/|<!--/.test(parts[name])) { throw new Error(`${name} would end where it should not`); }
}
// Nothing may be loaded and nothing sent. The style and the script of a report stand in its frame, which has this policy too.
parts.POLICY = [
  "default-src 'none'",
  `script-src '${hash(parts.SCRIPT)}' '${script}' 'wasm-unsafe-eval'`,
  `style-src '${hash(parts.STYLE)}' '${style}'`,
  "worker-src blob:",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const page = text("index.html").replace(/\b(POLICY|STYLE|SCRIPT|WORKER|MODULE|SERVERS|VERSION)\b/g, (_, name) => parts[name]);

mkdirSync(`${folder}/npm`, { recursive: true });
writeFileSync(`${folder}/index.html`, page);
for (const name of ["host.mjs", "index.mjs", "index.d.ts"]) { copyFileSync(here(name), `${folder}/npm/${name}`); }
writeFileSync(`${folder}/npm/package.json`, text("package.json").replace('"0.0.0"', JSON.stringify(version)));
writeFileSync(`${folder}/npm/redis-persistence.wasm`, wasm);
const packed = gzipSync(page, { level: 9 }).length;
console.log(`the page: ${page.length} bytes, ${packed} packed by gzip; the module: ${wasm.length}`);
const most = 1_200_000;
if (packed > most) { throw new Error(`the page takes more than ${most} bytes, packed by gzip`); }
