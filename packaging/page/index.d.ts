/** The version of the library. */
export const version: string;
/** The servers that `for` takes, such as `redis-7.2`, and `newest`. */
export const servers: readonly string[];

export interface Options {
  /** Servers that should load it: the exit code is 1 if one would not. */
  for?: readonly string[];
  /** The time to judge expiries at, in milliseconds since the epoch; now if left out. */
  now?: number;
  /** Hashes in the place of names and of all other data. */
  redact?: boolean;
  /** Other options of the commands, such as `--stats` or `--strict`. */
  arguments?: readonly string[];
}

export interface SalvageOptions extends Options {
  /** Also the intact part of damaged collections. */
  partial?: boolean;
}

export interface Finding {
  code: string;
  severity: "error" | "warning" | "note";
  start: number;
  failed_at: number;
  message: string;
  [field: string]: unknown;
}

/** One input of a report. Its full shape is that of `docs/report.schema.json` of the crate. */
export interface File {
  path: string;
  kind: string;
  verdict: "sound" | "damaged" | "unknown" | null;
  error: string | null;
  size: number | null;
  findings: Finding[];
  findings_total: number;
  [field: string]: unknown;
}

export interface Report {
  schema_version: number;
  tool: string;
  version: string;
  files: File[];
}

export interface Checked {
  /** Which command would have been asked. */
  tool: "rdbcheck" | "aofcheck";
  /** 0 sound, 1 damaged or not as asked for, 2 not readable, 3 cannot be judged, 4 salvaged with a loss. */
  exit: number;
  report: Report;
}

export interface Salvaged extends Checked {
  /** How many bytes the new file has; null if none was written, and the report says why. */
  written: number | null;
}

/** Checks an RDB, an append-only file, or the folder of a set. Throws if it cannot be read. */
export function check(path: string, options?: Options): Checked;
/** Checks likewise, and answers with the report as a document. */
export function render(path: string, format: "text" | "json" | "json-lines" | "html" | "junit" | "prometheus", options?: Options): string;
/** Writes what can be saved of an RDB to a new file, which must not exist. */
export function salvage(path: string, out: string, options?: SalvageOptions): Salvaged;
