// The checks for Node.js: files are read where they lie, piece by piece.
import { closeSync, fstatSync, linkSync, mkdtempSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, unlinkSync, writeSync, fsyncSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { about, ask } from "./host.mjs";

const module = new WebAssembly.Module(readFileSync(new URL("redis-persistence.wasm", import.meta.url)));

/** The version of the library, and the servers that `for` knows. */
export const { version, servers } = about(module);

/** The files under a path, by their paths from the folder that it lies in. */
function below(path, name) {
  if (!statSync(path).isDirectory()) { return [{ path, name }]; }
  return readdirSync(path).sort().flatMap((one) => {
    const inside = join(path, one);
    const found = statSync(inside, { throwIfNoEntry: false });
    // What is no file is never opened.
    return found?.isFile() || found?.isDirectory() ? below(inside, `${name}/${one}`) : [];
  });
}

function source(descriptor) {
  return {
    read(offset, length) {
      const bytes = Buffer.allocUnsafe(length);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset));
    },
  };
}

/** Opens what lies under a path, lets `work` ask about it, and closes it. */
function asked(path, action, options, work) {
  const { for: judged = [], now = Date.now(), redact = false, arguments: more = [], format } = options;
  const open = [];
  const folder = [];
  const newFile = () => {
    if (!folder.length) { folder.push(mkdtempSync(join(tmpdir(), "redis-persistence-"))); }
    const descriptor = openSync(join(folder[0], String(open.length)), "wx+", 0o600);
    open.push(descriptor);
    let at = 0;
    return {
      put(bytes) {
        let from = 0;
        while (from < bytes.length) { from += writeSync(descriptor, bytes, from, bytes.length - from, at + from); }
        at += bytes.length;
      },
      end: () => ({ ...source(descriptor), size: at }),
    };
  };
  try {
    const files = [];
    for (const { path: file, name } of below(path, basename(path))) {
      const descriptor = openSync(file, "r");
      open.push(descriptor);
      const { size, mtimeMs } = fstatSync(descriptor);
      files.push({ path: name, size, modified: Math.floor(mtimeMs / 1000), descriptor });
    }
    const request = {
      action,
      path: basename(path),
      files: files.map(({ descriptor, ...file }) => file),
      arguments: [
        "--now", String(now), ...(format ? ["--format", format] : []), ...(judged.length ? ["--for", judged.join(",")] : []),
        ...(redact ? ["--redact"] : []), ...more,
      ],
    };
    const answer = ask(module, request, files.map(({ descriptor }) => source(descriptor)), newFile);
    if (answer.unread) { throw new Error(answer.unread); }
    return work(answer);
  } finally {
    open.forEach((descriptor) => closeSync(descriptor));
    folder.forEach((path) => rmSync(path, { recursive: true, force: true }));
  }
}

/** Checks an RDB, an append-only file, or the folder of a set; answers with the report as data. */
export function check(path, options = {}) {
  return asked(path, "check", { ...options, format: "json" }, ({ document, exit, tool }) => ({ tool, exit, report: JSON.parse(document) }));
}

/** Checks likewise; answers with the report as a document: `text`, `json`, `html`, `junit` or `prometheus`. */
export function render(path, format, options = {}) {
  return asked(path, "check", { ...options, format }, ({ document }) => document);
}

/** Writes what can be saved of an RDB to a new file, which must not exist; it has its name once it is complete. */
export function salvage(path, out, options = {}) {
  const { partial = false, arguments: more = [], ...rest } = options;
  const salvaging = { ...rest, format: "json", arguments: [...more, "--salvage", out, ...(partial ? ["--partial"] : [])] };
  return asked(path, "salvage", salvaging, ({ document, exit, tool, written, out: made }) => {
    if (made) { copyTo(out, made); }
    return { tool, exit, written: written ?? null, report: JSON.parse(document) };
  });
}

function copyTo(out, { read, size }) {
  const part = join(dirname(out), `.${basename(out)}.${process.pid}.part`);
  const descriptor = openSync(part, "wx", 0o600);
  try {
    for (let at = 0; at < size;) {
      const bytes = read(at, Math.min(1 << 20, size - at));
      at += writeSync(descriptor, bytes);
    }
    fsyncSync(descriptor);
    // A link replaces nothing.
    linkSync(part, out);
  } finally {
    closeSync(descriptor);
    unlinkSync(part);
  }
}
