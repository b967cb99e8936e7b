// What `.ci/browser` asks of each page in Chromium. Any failure is printed, and makes it exit with 1.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";

const { CHROMIUM, MODULES, PAGES, SHOTS } = process.env;
const require = createRequire(`${MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(`${MODULES}/axe-core/axe.min.js`, "utf8");
const failures = [];
const fail = (page, what) => failures.push(`${page}: ${what}`);
let findings = 0;
let places = 0;

const started = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// Opens a page in a colour scheme, and notes what it asks for and what goes wrong.
async function open(name, colorScheme, options = {}) {
  const context = await started.newContext({ colorScheme, viewport: { width: 1100, height: 900 }, ...options });
  const page = await context.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => fail(name, `the console says: ${message.text()}`));
  page.on("pageerror", (error) => fail(name, `error: ${error}`));
  page.on("dialog", (dialog) => { fail(name, "a dialog opened"); dialog.dismiss(); });
  await page.goto(`file://${PAGES}/${name}.html`);
  if (requests.length !== 1) { fail(name, `it asks for ${requests.slice(1)}`); }
  return { context, page };
}

// Where the map shows each finding, against where the report says it lies.
async function compareMap(name, page, report) {
  const shown = await page.$$eval("figure.map", (maps) => maps.map((map) => ({
    size: Number(map.dataset.size),
    told: map.querySelector("figcaption").textContent,
    rects: [...map.querySelectorAll("a rect")].map((rect) => ({ start: Number(rect.dataset.start), x: Number(rect.getAttribute("x")), width: Number(rect.getAttribute("width")) })),
  })));
  // Of a set each file has its map, and what is about the set as a whole lies nowhere.
  if (shown.length !== 1) { return; }
  const { size, told } = shown[0];
  const inFile = report.findings.filter((finding) => finding.start < size && (report.kind !== "aof-dir" || (typeof finding.file === "string" && told.startsWith(`${finding.file}, `))));
  if (shown[0].rects.length !== Math.min(inFile.length, 300)) { fail(name, `${shown[0].rects.length} findings on the map, ${inFile.length} in the report`); }
  for (const finding of inFile.slice(0, 300)) {
    const right = finding.start / size * 1000;
    const rect = shown[0].rects.find((rect) => rect.start === finding.start && rect.x <= right + 0.01 && rect.x + rect.width >= Math.min(right, 999.9));
    if (!rect) { fail(name, `no mark for ${finding.code} at byte ${finding.start}`); }
    findings += 1;
  }
}

// A map that zooms shows the first finding at its place among the bytes that it names.
async function zoom(name, page) {
  const button = await page.$('figure.map button[data-zoom="in"]');
  if (!button || !(await button.isVisible())) { return; }
  await button.focus();
  await page.keyboard.press("Enter");
  const map = await page.$eval("figure.map", (map) => ({
    range: map.querySelector(".range").textContent,
    rects: [...map.querySelectorAll("a:not([display=none]) rect")].map((rect) => [Number(rect.dataset.start), Number(rect.getAttribute("x"))]),
  }));
  const [from, to] = map.range.match(/[\d,]+/g).map((number) => Number(number.replaceAll(",", "")));
  for (const [start, x] of map.rects) {
    const right = Math.min(997, Math.max(0, (start - from) / (to - from) * 1000));
    // The range is told in whole bytes.
    if (Math.abs(x - right) > 1000 / (to - from) + 1) { fail(name, `zoomed to ${map.range}, byte ${start} lies at ${x}, not ${right}`); }
    places += 1;
  }
}

const names = readdirSync(PAGES).filter((file) => file.endsWith(".html")).map((file) => file.slice(0, -5));
for (const name of names) {
  const reports = JSON.parse(readFileSync(`${PAGES}/${name}.json`, "utf8")).files;
  const { context, page } = await open(name, "light");
  const title = await page.title();
  if (title === "hostile") { fail(name, "a text of the file ran"); }
  const strange = await page.$$eval("img, iframe, object, embed, link, form, input, svg [onload], [onerror]", (found) => found.map((element) => element.outerHTML));
  if (strange.length) { fail(name, `elements that no page has: ${strange}`); }
  if (await page.$$eval("script", (scripts) => scripts.length) !== 1) { fail(name, "more than one script"); }
  if (reports.length === 1 && reports[0].findings) { await compareMap(name, page, reports[0]); }
  // Each finding on a map can be reached by the keyboard, and leads to its row.
  const links = await page.$$eval("figure.map a", (links) => links.map((link) => [link.getAttribute("href"), link.tabIndex]));
  for (const [href, tabIndex] of links) {
    if (tabIndex < 0 || !(await page.$(`[id="${href.slice(1)}"]`))) { fail(name, `the mark ${href} leads nowhere`); }
  }
  await zoom(name, page);
  await page.emulateMedia({ media: "print" });
  if (await page.$$eval(".zoom", (bars) => bars.some((bar) => getComputedStyle(bar).display !== "none"))) { fail(name, "buttons are printed"); }
  await context.close();
  for (const scheme of ["light", "dark"]) {
    // axe-core is a script of its own, which the policy of the page forbids.
    const { context, page } = await open(name, scheme, { bypassCSP: true });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    for (const violation of violations) { fail(name, `${scheme}: axe-core ${violation.id}: ${violation.nodes[0].html.slice(0, 200)}`); }
    await page.screenshot({ path: `${SHOTS}/${name}.${scheme}.png`, fullPage: true });
    await context.close();
  }
}
await started.close();
if (!findings || !places) { failures.push("no map was compared"); }
console.log(`${names.length} pages, ${findings} findings on their maps, ${places} marks of zoomed maps, in two colour schemes: ${failures.length} failures`);
for (const failure of failures.slice(0, 50)) { console.error(failure); }
process.exit(failures.length ? 1 : 0);
