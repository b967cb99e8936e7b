// The worker of the page: it reads the files slice by slice while the module asks for them.
import { ask } from "./host.mjs";

const PIECE = 8 * 1024 * 1024;

/** Gives the memory of bytes back at once: to wait for the collector, which a worker that never rests keeps waiting, is to hold the whole file. */
function released(bytes) {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(null, [bytes.buffer]);
  port1.close();
}

function source(blob, reached) {
  const reader = new FileReaderSync();
  // Each call of the reader takes its time, whatever it reads.
  let piece = new Uint8Array(0);
  let start = 0;
  return {
    blob,
    read(offset, length) {
      const end = Math.min(offset + length, blob.size);
      if (offset < start || end > start + piece.length) {
        released(piece);
        piece = new Uint8Array(0);
        const ahead = length < PIECE / 32 ? end : Math.min(Math.max(end, offset + PIECE), blob.size);
        piece = new Uint8Array(reader.readAsArrayBuffer(blob.slice(offset, ahead)));
        start = offset;
      }
      reached?.(end);
      return piece.subarray(offset - start, end - start);
    },
  };
}

/** A new file, of which the browser keeps all but the last piece. */
function newFile() {
  const blobs = [];
  let pieces = [];
  let held = 0;
  const shelve = () => {
    if (pieces.length) { blobs.push(new Blob(pieces)); }
    pieces = [];
    held = 0;
  };
  return {
    put(bytes) {
      pieces.push(bytes);
      held += bytes.length;
      if (held >= PIECE) { shelve(); }
    },
    end() {
      shelve();
      return source(new Blob(blobs));
    },
  };
}

addEventListener("message", ({ data: { module, request, files } }) => {
  const far = files.map(() => 0);
  let told = 0;
  let passes = 0;
  const sources = files.map((file, number) => source(file, (end) => {
    passes += end < far[number] ? 1 : 0;
    far[number] = Math.max(far[number], end);
    const now = performance.now();
    if (now - told > 100) {
      told = now;
      postMessage({ read: far.reduce((sum, bytes) => sum + bytes, 0), again: passes > 0 });
    }
  }));
  try {
    const { out, ...answer } = ask(module, request, sources, newFile);
    postMessage({ answer, out: out?.blob ?? null });
  } catch (error) {
    postMessage({ error: String(error.message ?? error) });
  }
});
