// The page: files in, a report out. Texts of files reach the page as text alone; the report stands in a frame that may do nothing but
// run its own script.
import { together } from "./host.mjs";

const element = (id) => document.getElementById(id);
const units = ["B", "kB", "MB", "GB", "TB"];
const size = (bytes) => {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit ? value.toFixed(value < 10 ? 1 : 0) : value} ${units[unit]}`;
};
const verdicts = ["sound", "not sound, or not as asked for", "not readable", "cannot be judged", "salvaged, and keys are lost"];

let compiled = null;
let given = null;
let running = null;
const links = [];

async function module() {
  compiled ??= (async () => {
    const packed = Uint8Array.from(atob(element("module").textContent.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return WebAssembly.compile(await new Response(stream).arrayBuffer());
  })();
  return compiled;
}

/** Answers what the worker says in the end. To stop it ends it, whatever it does. */
async function work(request, files) {
  const ready = await module();
  const code = new Blob([element("worker").textContent], { type: "text/javascript" });
  const address = URL.createObjectURL(code);
  const worker = new Worker(address);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const bar = element("bar");
  bar.max = Math.max(total, 1);
  bar.value = 0;
  return new Promise((resolve) => {
    const end = (data) => { worker.terminate(); URL.revokeObjectURL(address); running = null; resolve(data); };
    running = () => end({ error: "cancelled" });
    worker.addEventListener("message", ({ data }) => {
      if (data.read === undefined) { end(data); return; }
      bar.value = data.read;
      element("far").textContent = `${size(data.read)} of ${size(total)}${data.again ? ", reading again" : ""}`;
    });
    worker.addEventListener("error", (event) => end({ error: event.message || "the worker broke down" }));
    worker.postMessage({ module: ready, request, files });
  });
}

function request(action, more) {
  const { path, paths } = together(given.map(({ path }) => path));
  const servers = [...element("for").selectedOptions].map((option) => option.value).filter(Boolean);
  const chosen = servers.length ? ["--for", servers.join(",")] : [];
  if (element("redact").checked) { chosen.push("--redact"); }
  const files = given.map(({ file }, number) => ({
    path: paths[number], size: file.size, modified: file.lastModified ? Math.floor(file.lastModified / 1000) : null,
  }));
  return { action, path, files, arguments: [...chosen, "--now", String(Date.now()), ...more] };
}

function link(name, blob, text) {
  const address = URL.createObjectURL(blob);
  links.push(address);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  anchor.textContent = text;
  const item = document.createElement("li");
  item.append(anchor);
  element("links").append(item);
}

function busy(is) {
  element("progress").hidden = !is;
  for (const id of ["files", "folder", "again", "salvage", "partial"]) { element(id).disabled = is; }
  document.body.dataset.state = is ? "busy" : "idle";
}

/** Runs one question, and shows what came of it. Answers with the data of the worker, or nothing if it failed. */
async function run(action, more, name) {
  running?.();
  busy(true);
  element("far").textContent = "";
  element("told").textContent = action === "check" ? "Checking." : "Salvaging.";
  const asked = request(action, ["--format", "html", ...more]);
  let data;
  try {
    data = await work(asked, given.map(({ file }) => file));
  } catch (error) {
    data = { error: `this browser cannot run the check: ${error.message}` };
  }
  busy(false);
  element("links").replaceChildren();
  links.splice(0).forEach((address) => URL.revokeObjectURL(address));
  element("report").hidden = true;
  if (data.error !== undefined) {
    element("told").textContent = data.error === "cancelled" ? "Cancelled." : `Nothing was done: ${data.error}`;
    element("done").hidden = true;
    return;
  }
  const { answer, out } = data;
  const state = answer.unread ? `not read to its end (${answer.unread})` : verdicts[answer.exit] ?? `exit code ${answer.exit}`;
  element("told").textContent = `${name}: ${state}.`;
  element("told").dataset.exit = answer.exit;
  document.body.dataset.memory = answer.memory;
  element("frame").srcdoc = answer.document;
  element("report").hidden = false;
  element("done").hidden = false;
  const stem = name.replace(/[^\w.-]+/g, "_").replace(/^\.+/, "") || "file";
  link(`${stem}.html`, new Blob([answer.document], { type: "text/html" }), "The report, as a page");
  if (out) { link(`${stem.replace(/\.rdb$/, "")}.new.rdb`, out, `What was salvaged (${size(out.size)})`); }
  const single = answer.tool === "rdbcheck" && given.length === 1;
  for (const id of ["salvage", "how"]) { element(id).hidden = !single; }
}

const told = () => (given.length === 1 ? given[0].path : `${given.length} files`);
const check = () => run("check", [], told());

function take(files) {
  if (!files.length) { return; }
  given = files;
  check();
}

/** The files of a folder that was dropped, with all below it. */
async function below(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\/+/, ""), file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) { return found; }
    for (const one of some) { found.push(...await below(one)); }
  }
}

const chosen = ({ target }) => {
  const files = [...target.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  // The same file can be chosen again.
  target.value = "";
  take(files);
};
element("files").addEventListener("change", chosen);
element("folder").addEventListener("change", chosen);
element("again").addEventListener("click", () => check());
element("cancel").addEventListener("click", () => running?.());
element("salvage").addEventListener("click", () => {
  const partial = element("partial").checked ? ["--partial"] : [];
  run("salvage", ["--salvage", "OUT", ...partial], told());
});
addEventListener("dragover", (event) => { event.preventDefault(); element("drop").classList.add("over"); });
addEventListener("dragleave", () => element("drop").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  try {
    take((await Promise.all(entries.map(below))).flat());
  } catch (error) {
    element("told").textContent = `Nothing was done: ${error.message}`;
  }
});
