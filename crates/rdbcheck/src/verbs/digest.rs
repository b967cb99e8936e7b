//! `rdbcheck digest`, `aofcheck digest`: what files hold, in one number. What commands add up to, a server says: see [`crate::drill`].

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::digest::{self, Digests};
use serde::Serialize;

use super::drill::ServerArgs;
use super::{Failed, Reading, rdbs};
use crate::console::written;
use crate::drill;
use crate::escape;
use crate::exit::Exit;
use crate::stores;
use crate::units::{commas, number};

const TOOL: &str = "rdbcheck digest";

/// Print digests of what RDB files hold, whatever their version, encoding, compression and order.
///
/// Two files with the same data have the same digest. DEBUG DIGEST on a server that loaded the file prints the second one.
/// A file of that name is ./digest.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck digest", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct DigestArgs {
    /// RDB files, also in gzip, zstd, lz4 or xz, and tars of them; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Leave out the digest of DEBUG DIGEST, which takes most of the time
    #[arg(long)]
    no_debug_digest: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Print digests of what append-only files hold, by a drill: a server loads a copy of them, and saves what they add up to.
///
/// The digests are those of `rdbcheck digest`, of what the server saved. Keys that had expired are not among it. What --server
/// names is run: name none but a program that you trust. A file of that name is ./digest.
#[derive(Debug, Parser)]
#[command(name = "aofcheck digest", max_term_width = 110, after_help = AOF_EXAMPLES)]
pub(super) struct AofDigestArgs {
    /// Append-only files, manifests, appendonlydirs, or servers' directories
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    reading: Reading,
}

const AOF_EXAMPLES: &str = "\
Examples:
  aofcheck digest --server /usr/bin/redis-server /var/lib/redis/appendonlydir
Exit codes: 0 done   2 usage, not readable, no server was started, or it did not come up";

const EXAMPLES: &str = "\
Examples:
  rdbcheck digest dump.rdb
  rdbcheck digest --json --no-debug-digest yesterday.rdb today.rdb
Exit codes: 0 done   1 damaged   2 usage, or not readable   3 no RDB of Redis or Valkey";

pub(super) fn aofcheck(args: &AofDigestArgs) -> Exit {
    const TOOL: &str = "aofcheck digest";
    let options = digest::Options { threads: args.reading.threads, ..digest::Options::default() };
    let wish = args.server.wish(0, &args.reading);
    let (mut exit, mut found) = (Exit::Sound, Vec::new());
    let mut out = io::stdout().lock();
    for path in &args.paths {
        let mut server = None;
        let result = drill::digest_of_aof(path, &wish, &options);
        let result =
            result.map_err(|error| Failed { path: path.clone(), why: error.to_string(), exit: Exit::Unreadable });
        let result = result.map(|(release, digests)| {
            server = Some(release);
            (path.clone(), digests)
        });
        match &result {
            Err(failed) => exit = exit.and(failed.say(TOOL)),
            Ok((path, digests)) if !args.json => {
                exit = exit.and(written(TOOL, text(path, digests, &options, &mut out)));
                let by = server.as_deref().unwrap_or_default();
                let modules = if digests.undigested.is_empty() {
                    ""
                } else {
                    "; a module may store the same values in other bytes each time, which makes another digest"
                };
                let line = format!("  by a drill: {by} loaded a copy, and saved this{modules}");
                exit = exit.and(written(TOOL, writeln!(out, "{line}")));
            }
            Ok(_) => {}
        }
        if args.json {
            let view = View::of(&result);
            found.push(ByDrill { server, view });
        }
    }
    if args.json {
        exit = exit.and(written(TOOL, document(TOOL, found, &mut out)));
    }
    exit.and(written(TOOL, out.flush()))
}

/// Writes the one document.
fn document<V: Serialize>(tool: &'static str, files: Vec<V>, out: &mut impl Write) -> io::Result<()> {
    let document = Document { schema_version: 1, tool, version: env!("CARGO_PKG_VERSION"), files };
    let text = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
    writeln!(out, "{text}")
}

pub(super) fn run(args: &DigestArgs) -> Exit {
    let options = digest::Options {
        debug_digest: !args.no_debug_digest,
        threads: args.reading.threads,
        ..digest::Options::default()
    };
    let mut exit = Exit::Sound;
    let mut found = Vec::new();
    let mut out = io::stdout().lock();
    for path in &stores::expand(&args.files) {
        for result in rdbs::each(path, args.reading.how(), &mut |input| digest::reader(input, &options)) {
            match &result {
                Err(failed) => exit = exit.and(failed.say(TOOL)),
                Ok((path, digests)) if !args.json => {
                    exit = exit.and(written(TOOL, text(path, digests, &options, &mut out)));
                }
                Ok(_) => {}
            }
            if args.json {
                found.push(View::of(&result));
            }
        }
    }
    if args.json {
        exit = exit.and(written(TOOL, document(TOOL, found, &mut out)));
    }
    exit.and(written(TOOL, out.flush()))
}

fn text(path: &Path, digests: &Digests, options: &digest::Options, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", escape::plain(path.as_os_str().as_encoded_bytes()))?;
    let functions = match digests.functions {
        0 => String::new(),
        1 => ", 1 function library".to_owned(),
        n => format!(", {} function libraries", commas(n)),
    };
    let expires = digests.expires;
    writeln!(out, "  keys          {} ({} with an expiry){functions}", commas(digests.keys), commas(expires))?;
    writeln!(out, "  digest        {}", digests.digest)?;
    if let Some(digest) = digests.debug_digest {
        writeln!(out, "  DEBUG DIGEST  {digest}")?;
        if let Some(old) = digests.debug_digest_old.filter(|old| *old != digest) {
            writeln!(out, "                {old}  (Redis up to 7.0)")?;
        }
    } else if options.debug_digest {
        let names: Vec<_> = digests
            .undigested
            .iter()
            .map(|(name, count)| format!("{} of type {name}", number(*count, "value")))
            .collect();
        writeln!(out, "  DEBUG DIGEST  not known: a server digests {} in a way of its own", names.join(", "))?;
    }
    if digests.databases.len() > 1 {
        for (db, of) in &digests.databases {
            writeln!(out, "  db{db:<11} {}  {}", of.digest, number(of.keys, "key"))?;
        }
    }
    if !digests.checksum {
        writeln!(out, "  The file has no checksum: nothing proves that these are the bytes that were written.")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<V> {
    schema_version: u32,
    tool: &'static str,
    version: &'static str,
    files: Vec<V>,
}

/// What a drill found out.
#[derive(Serialize)]
struct ByDrill {
    /// The server that loaded a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(flatten)]
    view: View,
}

#[derive(Serialize)]
#[serde(untagged)]
enum View {
    Digests {
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_base64: Option<String>,
        keys: u64,
        expires: u64,
        digest: String,
        debug_digest: Option<String>,
        debug_digest_old: Option<String>,
        databases: BTreeMap<u64, DatabaseView>,
        functions: u64,
        undigested: BTreeMap<String, u64>,
        family: String,
        rdb_version: u32,
        size: u64,
        checksum: &'static str,
    },
    Error {
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_base64: Option<String>,
        error: String,
    },
}

#[derive(Serialize)]
struct DatabaseView {
    keys: u64,
    expires: u64,
    digest: String,
}

impl View {
    fn of(result: &Result<(PathBuf, Digests), Failed>) -> Self {
        let name = |path: &Path| path.to_string_lossy().into_owned();
        let odd = |path: &Path| path.to_str().is_none().then(|| escape::base64(path.as_os_str().as_encoded_bytes()));
        let (path, digests) = match result {
            Ok(found) => found,
            Err(Failed { path, why, .. }) => {
                return Self::Error { path: name(path), path_base64: odd(path), error: why.clone() };
            }
        };
        Self::Digests {
            path: name(path),
            path_base64: odd(path),
            keys: digests.keys,
            expires: digests.expires,
            digest: digests.digest.to_string(),
            debug_digest: digests.debug_digest.map(|digest| digest.to_string()),
            debug_digest_old: digests.debug_digest_old.map(|digest| digest.to_string()),
            databases: digests
                .databases
                .iter()
                .map(|(db, of)| {
                    let digest = of.digest.to_string();
                    (*db, DatabaseView { keys: of.keys, expires: of.expires, digest })
                })
                .collect(),
            functions: digests.functions,
            undigested: digests.undigested.clone(),
            family: digests.family.to_string(),
            rdb_version: digests.version,
            size: digests.size,
            checksum: if digests.checksum { "ok" } else { "none" },
        }
    }
}
