//! The real servers: which there are, where they lie, and what a test does without one.
//!
//! The script `.ci/servers` unpacks them into the ignored folder `.servers` at the root of the workspace:
//!
//! ```text
//! .servers/redis-7.0/bin/redis-server           wrapper or program
//!                       /redis-check-rdb
//!                       /redis-check-aof
//!         /redis-7.0/version                    what the server prints for --version
//!         /redis-7.4/modules/rejson.so          modules, where the package brings some
//!         /valkey-9.1/bin/valkey-server         the same, under names of its own
//!         /moto/bin/moto_server                 the protocol of S3
//! ```
//!
//! The environment variable `REDIS_PERSISTENCE_SERVERS` names another folder of this shape.
//!
//! ```no_run
//! use testkit::server::{Product, Server, require};
//!
//! # fn main() -> std::io::Result<()> {
//! let Some(installed) = require(Product::Redis70) else { return Ok(()) };
//! let mut server = Server::start(&installed, "/tmp/of-this-test".as_ref(), &["--appendonly", "yes"])?;
//! server.run(&["SET", "key", "value"])?;
//! server.save()?;
//! # Ok(())
//! # }
//! ```

mod check;
mod commands;
mod process;
mod reads;
mod resp;
mod values;
mod verdict;

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub use check::{CheckRun, CheckTool, check_tool};
pub use commands::CommandEntry;
pub use process::{Keyspace, Server, StartError};
pub use reads::ReadVerdict;
pub use resp::{Client, Reply};
pub use verdict::{LoadVerdict, load_verdict};

macro_rules! products {
    ($($(#[$doc:meta])* $variant:ident $name:literal $family:literal;)*) => {
        /// A server that tests compare with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Product {
            $($(#[$doc])* $variant,)*
        }

        impl Product {
            /// Every product: those of Redis, then those of Valkey, each from old to new.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of its folder under `.servers`: of a series, or of one release where another stands for the series.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the names of its programs begin with: `redis` or `valkey`.
            #[must_use]
            pub const fn family(self) -> &'static str {
                match self {
                    $(Self::$variant => $family,)*
                }
            }
        }
    };
}

products! {
    /// Redis 5.0.6: the first streams; RDB version 9.
    Redis50 "redis-5.0" "redis";
    /// Redis 6.0.16.
    Redis60 "redis-6.0" "redis";
    /// Redis 6.2: RDB version 9, ziplists, one AOF file.
    Redis62 "redis-6.2" "redis";
    /// Redis 7.0: RDB version 10, listpacks, functions, the first with a manifest.
    Redis70 "redis-7.0" "redis";
    /// Redis 7.4.1: RDB version 12, field expiry; with modules for JSON, filters, time series and search.
    Redis74 "redis-7.4" "redis";
    /// Redis 8.0.2: RDB version 12, vector sets.
    Redis80 "redis-8.0" "redis";
    /// Redis 8.0.6.
    Redis806 "redis-8.0.6" "redis";
    /// Redis 8.2.3.
    Redis82 "redis-8.2" "redis";
    /// Redis 8.6 or later, as Debian's newest suite has it: RDB version 13 at least.
    Redis86 "redis-8.6" "redis";
    /// Valkey 8.0.1: RDB version 11.
    Valkey80 "valkey-8.0" "valkey";
    /// Valkey 8.1.1.
    Valkey81 "valkey-8.1" "valkey";
    /// Valkey 8.1.8.
    Valkey818 "valkey-8.1.8" "valkey";
    /// Valkey 9.0.0: RDB version 80 under its own magic.
    Valkey90 "valkey-9.0" "valkey";
    /// Valkey 9.1.
    Valkey91 "valkey-9.1" "valkey";
}

/// Makes a test for each product of what it does, so that they run side by side and a missing one is named: `on_each_product!(run)`
/// for all of them, or `on_each_product!(run: redis_62 Redis62;)` for some. `run` takes a [`Product`] and returns what a test may.
#[macro_export]
macro_rules! on_each_product {
    ($run:ident) => {
        $crate::on_each_product! {
            $run:
            redis_50 Redis50;
            redis_60 Redis60;
            redis_62 Redis62;
            redis_70 Redis70;
            redis_74 Redis74;
            redis_80 Redis80;
            redis_80_6 Redis806;
            redis_82 Redis82;
            redis_86 Redis86;
            valkey_80 Valkey80;
            valkey_81 Valkey81;
            valkey_81_8 Valkey818;
            valkey_90 Valkey90;
            valkey_91 Valkey91;
        }
    };
    ($run:ident: $($name:ident $product:ident;)*) => {$(
        #[test]
        fn $name() -> ::std::result::Result<(), ::std::boxed::Box<dyn ::std::error::Error>> {
            $run($crate::server::Product::$product)
        }
    )*};
}

impl Product {
    /// Those that have to be installed where tests must not skip: what `.ci/servers` fails without.
    pub const REQUIRED: [Self; 4] = [Self::Redis62, Self::Redis70, Self::Redis86, Self::Valkey91];

    /// Those whose data sets, append-only files and tables of commands are compared as well, not only what they load.
    pub const THOROUGH: [Self; 5] = [Self::Redis62, Self::Redis70, Self::Redis80, Self::Redis86, Self::Valkey91];

    /// Major and minor version, as the name has them.
    #[must_use]
    pub fn version(self) -> (u32, u32) {
        let mut numbers = self.name().split(['-', '.']).skip(1).filter_map(|number| number.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Looks for the installed programs of this product.
    #[must_use]
    pub fn find(self) -> Option<Installed> {
        let folder = servers_folder()?.join(self.name());
        // The installer writes this file last.
        let version = fs::read_to_string(folder.join("version")).ok()?.trim().to_owned();
        let program = |what| folder.join("bin").join(format!("{}-{what}", self.family()));
        Some(Installed {
            product: self,
            version,
            server: program("server"),
            check_rdb: program("check-rdb"),
            check_aof: program("check-aof"),
            modules: folder.join("modules"),
        })
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the programs of one product are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Which product this is.
    pub product: Product,
    /// What the server printed for `--version` when it was installed.
    pub version: String,
    /// The server.
    pub server: PathBuf,
    /// The official check tool for RDB files.
    pub check_rdb: PathBuf,
    /// The official check tool for append-only files.
    pub check_aof: PathBuf,
    /// The folder of the modules that come with it; most have none.
    pub modules: PathBuf,
}

/// The installed product, or `None` where a test has to return early because it is not installed.
///
/// The reason goes to standard error past the capture of the test harness, so that no run looks more complete than
/// it was.
///
/// # Panics
///
/// Where the environment variable `CI` is set, if it is one of [`Product::REQUIRED`].
#[must_use]
pub fn require(product: Product) -> Option<Installed> {
    let found = product.find();
    if found.is_none() {
        let in_ci = env::var_os("CI").is_some_and(|value| !value.is_empty() && value != OsStr::new("false"));
        let must_be = in_ci && Product::REQUIRED.contains(&product);
        assert!(!must_be, "{product} is not installed, and CI does not run without it (run .ci/servers)");
        // A closed standard error is no reason to fail a test that does not run.
        let _ = writeln!(io::stderr(), "not run: {product} is not installed (run .ci/servers)");
    }
    found
}

/// The program of something else that `.ci/servers` installs, or `None` where a test has to return early because it is not installed,
/// which is said as [`require`] says it.
#[must_use]
pub fn tool(name: &str, program: &str) -> Option<PathBuf> {
    let folder = servers_folder().map(|folder| folder.join(name)).filter(|folder| folder.join("installed").exists());
    if folder.is_none() {
        // A closed standard error is no reason to fail a test that does not run.
        let _ = writeln!(io::stderr(), "not run: {name} is not installed (run .ci/servers)");
    }
    folder.map(|folder| folder.join(program))
}

fn servers_folder() -> Option<PathBuf> {
    if let Some(named) = env::var_os("REDIS_PERSISTENCE_SERVERS").filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_root.ancestors().map(|folder| folder.join(".servers")).find(|folder| folder.is_dir())
}
