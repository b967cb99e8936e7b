// What the package says and writes, against the commands: node --test test.mjs, with PACKAGE (the folder that `build` made of it) and
// COMMANDS (the folder of rdbcheck and aofcheck).
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const { PACKAGE, COMMANDS } = process.env;
const testdata = new URL("../../testdata/", import.meta.url).pathname;
const { check, render, salvage, servers, version } = await import(`${PACKAGE}/index.mjs`);
const now = 1800000000000;

/** What a command says of a path, asked as the package asks. It has no Lua to prove functions with. */
function command(name, path, ...more) {
  const options = ["--now", String(now), "--functions", "skip", ...more];
  const { stdout, status, stderr } = spawnSync(join(COMMANDS, name), [...options, basename(path)], { cwd: dirname(path), encoding: "utf8", maxBuffer: 1 << 28 });
  assert.ok(status < 5, stderr);
  return { stdout, status };
}

function same(path, tool, judged) {
  const { stdout, status } = command(tool, path, "--json", ...(judged ? ["--for", judged] : []));
  const found = check(path, { now, for: judged ? [judged] : [] });
  assert.equal(found.tool, tool, path);
  const theirs = JSON.parse(stdout);
  // What helps with append-only files is tried on a disk alone.
  for (const { files } of tool === "aofcheck" ? [theirs, found.report] : []) { files.forEach((file) => delete file.cause?.command); }
  assert.deepEqual(found.report, theirs, path);
  assert.equal(found.exit, status, path);
  return found;
}

test("each damaged dump has the report of the command", () => {
  const names = readdirSync(join(testdata, "broken")).filter((name) => name.endsWith(".rdb"));
  const exits = new Set(names.map((name) => same(join(testdata, "broken", name), "rdbcheck", "newest").exit));
  assert.ok(names.length > 20 && exits.has(0) && exits.has(1), `${names.length}: ${[...exits]}`);
});

test("each sound dump has the report of the command", () => {
  const names = readdirSync(join(testdata, "rdb")).filter((name) => name.endsWith(".rdb"));
  names.forEach((name) => same(join(testdata, "rdb", name), "rdbcheck", null));
  assert.ok(names.length > 10);
});

test("the crafted sets have the reports of the command", () => {
  const cases = readdirSync(join(testdata, "aof/cases")).filter((name) => !name.includes(".")).sort().filter((_, number) => number % 4 === 0);
  let damaged = 0;
  for (const name of cases) { damaged += same(join(testdata, "aof/cases", name), "aofcheck", "newest").exit === 1 ? 1 : 0; }
  assert.ok(cases.length > 30 && damaged > 10, `${cases.length} ${damaged}`);
});

test("a document is that of the command", () => {
  const path = join(testdata, "broken/zero-page.rdb");
  for (const format of ["html", "junit", "json-lines"]) {
    assert.equal(render(path, format, { now }), command("rdbcheck", path, "--format", format).stdout, format);
  }
  assert.ok(render(path, "text", { now }).includes("DAMAGED"));
});

test("a salvage writes the bytes that the command writes", () => {
  const folder = mkdtempSync(join(tmpdir(), "page-test-"));
  try {
    let written = 0;
    for (const name of readdirSync(join(testdata, "broken")).filter((name) => name.endsWith(".rdb"))) {
      const path = join(testdata, "broken", name);
      const [ours, theirs] = ["ours", "theirs"].map((whose) => join(folder, `${whose}-${name}`));
      const { status } = command("rdbcheck", path, "--json", "--salvage", theirs);
      const found = salvage(path, ours, { now });
      assert.equal(found.exit, status, name);
      assert.equal(existsSync(ours), existsSync(theirs), name);
      if (existsSync(theirs)) {
        assert.ok(readFileSync(ours).equals(readFileSync(theirs)), `${name}: other bytes`);
        assert.equal(found.written, readFileSync(ours).length);
        written += 1;
      }
    }
    assert.ok(written > 10, `${written} written`);
    const out = join(folder, "ours-zero-page.rdb");
    assert.throws(() => salvage(join(testdata, "broken/zero-page.rdb"), out, { now }), /EEXIST/);
    assert.ok(readdirSync(folder).every((name) => !name.includes(".part")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is packed is unpacked, and what cannot be is said", () => {
  const folder = mkdtempSync(join(tmpdir(), "page-test-"));
  try {
    const bytes = readFileSync(join(testdata, "broken/zero-page.rdb"));
    const path = join(folder, "dump.rdb.gz");
    // The command reads what is packed once, and names no key that stands twice.
    const told = ({ files: [file] }) => [file.verdict, file.packing, file.packing_damage, file.findings_total, file.findings.map(({ code, start }) => [code, start])];
    for (const packed of [gzipSync(bytes), gzipSync(bytes).subarray(0, -20)]) {
      writeFileSync(path, packed);
      assert.deepEqual(told(check(path, { now }).report), told(JSON.parse(command("rdbcheck", path, "--json").stdout)));
    }
    writeFileSync(path, Buffer.from("28b52ffd000000", "hex"));
    assert.match(check(path, { now }).report.files[0].error, /zstd/);
    cpSync(join(testdata, "broken/zero-page.rdb"), join(folder, "dump.rdb"));
    execFileSync("tar", ["-cf", "set.tar", "dump.rdb"], { cwd: folder });
    assert.match(check(join(folder, "set.tar"), { now }).report.files[0].error, /tar/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("options that make no sense are refused", () => {
  assert.throws(() => check(join(testdata, "broken/zero-page.rdb"), { for: ["redis-1"] }), /redis-1/);
  assert.throws(() => check(join(testdata, "no such file")), /ENOENT/);
  assert.ok(servers.includes("newest") && servers.length > 10 && /^\d+\.\d+\.\d+/.test(version));
});

test("the program of docs/page.md runs", () => {
  const [, program] = /```js\n(.*?)```/s.exec(readFileSync(new URL("../../docs/page.md", import.meta.url), "utf8"));
  const folder = mkdtempSync(join(tmpdir(), "page-"));
  try {
    cpSync(join(testdata, "rdb/redis-7.0-multidb.rdb"), join(folder, "dump.rdb"));
    cpSync(join(testdata, "broken/zero-page.rdb"), join(folder, "damaged.rdb"));
    cpSync(join(testdata, "aof/sets/redis-7.0-timestamps-plain/appendonlydir"), join(folder, "appendonlydir"), { recursive: true });
    writeFileSync(join(folder, "program.mjs"), program.replace('"redis-persistence"', JSON.stringify(`${PACKAGE}/index.mjs`)));
    const { stdout, status, stderr } = spawnSync(process.execPath, ["program.mjs"], { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^sound \d+\n$/);
    assert.ok(existsSync(join(folder, "saved.rdb")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
