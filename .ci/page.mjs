// What `.ci/page` asks of the page in Chromium. Any failure is printed, and makes it exit with 1.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const { CHROMIUM, MODULES, COMMANDS, PAGE, SHOTS } = process.env;
const require = createRequire(`${MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(`${MODULES}/axe-core/axe.min.js`, "utf8");
const now = 1800000000000;
const failures = [];
const fail = (what) => failures.push(what);
const folder = mkdtempSync(join(tmpdir(), "page-"));

const started = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Opens the page at a fixed time, and notes what it asks for and what goes wrong. */
async function open(options = {}) {
  const context = await started.newContext({ viewport: { width: 1100, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => fail(`the console says: ${message.text()}`));
  page.on("pageerror", (error) => fail(`error: ${error}`));
  page.on("dialog", (dialog) => { fail("a dialog opened"); dialog.dismiss(); });
  await page.addInitScript(`Date.now = () => ${now};`);
  await page.goto(`file://${PAGE}`);
  return { context, page, requests };
}

const idle = (page) => page.waitForSelector('body[data-state="idle"]', { timeout: 60000 });

/** Gives files, and waits for what is said of them. */
async function give(page, input, paths) {
  await page.setInputFiles(input, paths);
  await page.waitForFunction(() => document.body.dataset.state === "idle" && /[.]$/.test(document.getElementById("told").textContent)
    && document.getElementById("told").textContent !== "No file yet.", null, { timeout: 60000 });
}

/** Compares the report in the frame with that of the command, byte for byte. */
async function same(page, path, tool, judged) {
  const options = ["--now", String(now), "--functions", "skip", "--format", "html", ...(judged ? ["--for", judged] : [])];
  const { stdout, status } = spawnSync(join(COMMANDS, tool), [...options, basename(path)], { cwd: dirname(path), encoding: "utf8", maxBuffer: 1 << 28 });
  const report = await page.$eval("#frame", (frame) => frame.srcdoc);
  const exit = await page.$eval("#told", (told) => told.dataset.exit);
  // What helps with append-only files is tried on a disk alone.
  const told = (text) => (tool === "aofcheck" ? text.replace(/<h3>What to do<.h3>.*?<.ol>/g, "") : text);
  if (told(report) !== told(stdout)) { fail(`${path}: the report is another than that of the command`); }
  if (exit !== String(status)) { fail(`${path}: exit code ${exit} and not ${status}`); }
}

const broken = new URL("../testdata/broken/", import.meta.url).pathname;
const dumps = readdirSync(broken).filter((name) => name.endsWith(".rdb")).map((name) => join(broken, name));
const sets = new URL("../testdata/aof/cases/", import.meta.url).pathname;
const { context, page, requests } = await open();
await page.click("summary");
await page.selectOption("#for", "newest");
for (const path of dumps) {
  await give(page, "#files", [path]);
  await same(page, path, "rdbcheck", "newest");
}
for (const name of readdirSync(sets).filter((name) => !name.includes(".")).sort().filter((_, number) => number % 20 === 0)) {
  await give(page, "#folder", join(sets, name));
  await same(page, join(sets, name), "aofcheck", "newest");
}

// What was salvaged is what the command writes, and comes as a download.
const zero = join(broken, "zero-page.rdb");
const theirs = join(folder, "theirs.rdb");
await page.selectOption("#for", "");
await give(page, "#files", [zero]);
spawnSync(join(COMMANDS, "rdbcheck"), ["--now", String(now), "--quiet", "--salvage", theirs, zero]);
await page.click("#salvage");
await page.waitForFunction(() => document.querySelectorAll("#links a").length === 2, null, { timeout: 60000 });
const waiting = page.waitForEvent("download");
await page.click("#links li:nth-child(2) a");
const download = await waiting;
if (!readFileSync(await download.path()).equals(readFileSync(theirs))) { fail("the salvaged file has other bytes than that of the command"); }
if (download.suggestedFilename() !== "zero-page.new.rdb") { fail(`it is called ${download.suggestedFilename()}`); }

// Names that would do something if they became markup.
const hostile = join(folder, "<img src=x onerror=top.document.title='hostile'>.rdb");
const keys = ["<script>top.document.title='hostile'</script>", "\"><svg onload=top.document.title='hostile'>", "</title></style></iframe><b>"];
const records = keys.flatMap((key) => [key, key]).map((key) => `\0${String.fromCharCode(key.length)}${key}\x01v`);
const bytes = Buffer.from(`REDIS0011\xfe\0${records.join("")}\xff\0\0\0\0\0\0\0\0`, "latin1");
const made = openSync(hostile, "w");
writeSync(made, bytes);
closeSync(made);
await give(page, "#files", [hostile]);
const frame = await (await page.$("#frame")).contentFrame();
await frame.waitForSelector("article");
const strange = await frame.$$eval("img, iframe, object, embed, link, form, input, [onload], [onerror]", (found) => found.map((one) => one.outerHTML));
const outside = await page.$$eval("img, object, embed, link, form, b, svg, [onload], [onerror]", (found) => found.map((one) => one.outerHTML));
if (strange.length || outside.length) { fail(`elements that no page has: ${strange} ${outside}`); }
if (await page.title() === "hostile" || await frame.title() === "hostile") { fail("a text of the file ran"); }
// The frame has an origin of its own, and a script that runs: the map zooms.
if (await frame.evaluate(() => globalThis.origin) !== "null") { fail("the report is not alone in its frame"); }
if (!(await frame.$$eval(".zoom", (bars) => bars.length && bars.every((bar) => !bar.hidden)))) { fail("the script of the report does not run"); }

// A large file takes little memory, tells how far it is, and can be stopped.
const large = join(folder, "large.rdb");
const descriptor = openSync(large, "w");
const length = 400 << 20;
const head = Buffer.concat([Buffer.from("REDIS0011\xfe\0\0\x01k\x80", "latin1"), Buffer.from([length >>> 24, length >>> 16 & 255, length >>> 8 & 255, length & 255])]);
writeSync(descriptor, head);
ftruncateSync(descriptor, head.length + length);
writeSync(descriptor, Buffer.from("ff0000000000000000", "hex"), 0, 9, head.length + length);
closeSync(descriptor);
await page.setInputFiles("#files", [large]);
await page.waitForFunction(() => / of 419 MB/.test(document.getElementById("far").textContent), null, { timeout: 60000 });
await page.click("#cancel");
await idle(page);
if (await page.textContent("#told") !== "Cancelled.") { fail(`cancelled, it says ${await page.textContent("#told")}`); }
await give(page, "#files", [large]);
const memory = Number(await page.getAttribute("body", "data-memory"));
if (await page.$eval("#told", (told) => told.dataset.exit) !== "0") { fail(`the large file: ${await page.textContent("#told")}`); }
if (!(memory > 0 && memory < 64 << 20)) { fail(`a file of one string took ${memory} bytes`); }
const asked = requests.filter((address) => !address.startsWith("blob:") && address !== "about:srcdoc");
if (asked.length !== 1) { fail(`it asks for ${asked.slice(1)}`); }
if (SHOTS) { await page.screenshot({ path: `${SHOTS}/page.png`, fullPage: true }); }
await context.close();

// Whatever ran in it could send nothing.
const blocked = await started.newContext();
const other = await blocked.newPage();
await other.goto(`file://${PAGE}`);
const stopped = await other.evaluate(async () => {
  const seen = [];
  addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
  await fetch("https://example.invalid/").catch(() => {});
  new Image().src = "https://example.invalid/";
  try { new WebSocket("wss://example.invalid/"); } catch { /* It is told as a violation. */ }
  navigator.sendBeacon("https://example.invalid/", "x");
  const frame = document.createElement("iframe");
  frame.src = "https://example.invalid/";
  document.body.append(frame);
  const script = document.createElement("script");
  script.textContent = "document.title = 'ran'";
  document.body.append(script);
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  return { seen, title: document.title };
});
const kinds = new Set(stopped.seen);
for (const kind of ["connect-src", "img-src", "frame-src", "script-src-elem"]) {
  if (!kinds.has(kind)) { fail(`the policy does not stop ${kind}: ${[...kinds]}`); }
}
if (stopped.seen.filter((kind) => kind === "connect-src").length < 3 || stopped.title === "ran") { fail(`not all was stopped: ${stopped.seen}`); }
await blocked.close();

for (const colorScheme of ["light", "dark"]) {
  // axe-core is a script of its own, which the policy of the page forbids.
  const { context, page } = await open({ colorScheme, bypassCSP: true });
  await page.click("summary");
  for (const path of [null, zero]) {
    if (path) { await give(page, "#files", [path]); }
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run({ iframes: false }));
    for (const violation of violations) { fail(`${colorScheme}: axe-core ${violation.id}: ${violation.nodes[0].html.slice(0, 200)}`); }
  }
  if (SHOTS) { await page.screenshot({ path: `${SHOTS}/page.${colorScheme}.png`, fullPage: true }); }
  await context.close();
}
await started.close();
rmSync(folder, { recursive: true });
console.log(`the page: ${dumps.length} dumps and some sets as the commands have them: ${failures.length} failures`);
for (const failure of failures.slice(0, 50)) { console.error(failure); }
process.exit(failures.length ? 1 : 0);
