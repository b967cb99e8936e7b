// What the module asks for while it works: bytes of files, a place for new ones, and somebody who takes its texts.
// The same for the worker of the page and for Node.js.

/** Smaller reads are served from blocks of this size, of which a few are kept. */
const BLOCK = 256 * 1024;
const KEPT = 8;

/** A source of bytes, of which the last blocks are kept for those who read a little here and there. */
function buffered(source) {
  const blocks = new Map();
  const block = (number) => {
    let found = blocks.get(number);
    if (!found) {
      // A copy: what a source returns is its own.
      found = source.read(number * BLOCK, BLOCK).slice();
      if (blocks.size >= KEPT) { blocks.delete(blocks.keys().next().value); }
      blocks.set(number, found);
    }
    return found;
  };
  return {
    read(offset, length) {
      if (length >= BLOCK) { return source.read(offset, length); }
      const number = Math.floor(offset / BLOCK);
      const from = offset - number * BLOCK;
      return block(number).subarray(from, Math.min(from + length, BLOCK));
    },
  };
}

/**
 * Asks the module once. Each question has an instance of its own, so that its memory goes with it.
 *
 * `sources[i]` has the bytes of `request.files[i]`: `read(offset, length)` returns up to so many. `newFile()` returns a place for
 * a new file: `put(bytes)`, and `end()`, which returns it as a source.
 */
export function ask(module, request, sources, newFile) {
  const texts = [];
  const files = sources.map(buffered);
  let place = null;
  let last = null;
  let broken = null;
  let memory;
  const bytes = (at, length) => new Uint8Array(memory.buffer, at >>> 0, length >>> 0);
  const guarded = (failed, work) => {
    try { return work(); } catch (error) { broken ??= error; return failed; }
  };
  const host = {
    read: (file, offset, to, length) => guarded(-1, () => {
      const found = files[file].read(offset, length >>> 0);
      bytes(to, found.length).set(found);
      return found.length;
    }),
    put: (from, length) => guarded(0, () => {
      place ??= newFile();
      place.put(bytes(from, length).slice());
      return 1;
    }),
    taken: () => guarded(-1, () => {
      last = (place ?? newFile()).end();
      place = null;
      return files.push(buffered(last)) - 1;
    }),
    answer: (kind, from, length) => { texts[kind] = new TextDecoder().decode(bytes(from, length)); },
  };
  const { exports } = new WebAssembly.Instance(module, { host });
  memory = exports.memory;
  const seed = crypto.getRandomValues(new BigUint64Array(1))[0].toString();
  const text = new TextEncoder().encode(JSON.stringify({ ...request, seed }));
  const room = exports.room(text.length);
  bytes(room, text.length).set(text);
  let trap = null;
  try { exports.run(); } catch (error) { trap = error; }
  const [document, outcome, refusal, failure] = texts;
  const memoryUsed = memory.buffer.byteLength;
  if (failure || trap) { throw new Error(`the check broke down, which is a fault of ours: ${failure ?? trap}`); }
  if (refusal) { throw new Error(refusal); }
  const found = outcome === undefined ? {} : JSON.parse(outcome);
  return { document, ...found, memory: memoryUsed, unread: broken ? String(broken.message ?? broken) : null, out: found.written == null ? null : last };
}

/** What the module says of itself: `version`, the `servers` that `--for` knows, and the hashes of a report's `style` and `script`. */
export function about(module) {
  let memory;
  let told = "";
  const nothing = () => -1;
  const answer = (kind, from, length) => { told = new TextDecoder().decode(new Uint8Array(memory.buffer, from >>> 0, length >>> 0)); };
  const { exports } = new WebAssembly.Instance(module, { host: { read: nothing, put: nothing, taken: nothing, answer } });
  memory = exports.memory;
  exports.about();
  return JSON.parse(told);
}

/** What the files are called together: the one file, or the folder that all lie in. Loose ones get a folder. */
export function together(paths) {
  const tops = new Set(paths.map((path) => path.split("/")[0]));
  if (tops.size === 1 && (paths.length === 1 || paths.every((path) => path.includes("/")))) { return { path: [...tops][0], paths }; }
  return { path: "files", paths: paths.map((path) => `files/${path}`) };
}
