//! Values of the modules of Redis Stack: which type each command makes, what a server without the module does with the file,
//! and what one with it does.

use crate::did;
use crate::servers;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use did::{Did, did};
use redis_persistence::servers::{Reason, Settings, judge};
use redis_persistence::verify::{self, Options};
use servers::release;
use testkit::server::{Product, Server, require};

type TestResult = Result<(), Box<dyn Error>>;

/// A module by its names, commands that make values of it, and how many keys those are.
const MADE: [(&[&str], &str, &[&str], u64); 4] = [
    (&["rejson", "ReJSON", "redisjson"], "rejson.so", &["JSON.SET j $ {\"a\":1}"], 1),
    (
        &["redisbloom", "bf", "bloom"],
        "redisbloom.so",
        &["BF.ADD b x", "CF.ADD c x", "CMS.INITBYDIM m 10 2", "TOPK.RESERVE t 3", "TDIGEST.CREATE d"],
        5,
    ),
    (&["redistimeseries", "timeseries"], "redistimeseries.so", &["TS.ADD s 1 2"], 1),
    (&["redisearch", "search"], "redisearch.so", &["FT.SUGADD g text 1", "FT.CREATE i SCHEMA f TEXT"], 1),
];

#[test]
fn each_module_of_the_stack() -> TestResult {
    let Some(stack) = require(Product::Redis74).filter(|stack| stack.modules.is_dir()) else { return Ok(()) };
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("modules-{}", std::process::id()));
    for (names, file, commands, keys) in MADE {
        let path = stack.modules.join(file);
        let load = ["--loadmodule", path.to_str().ok_or("a path")?];
        let (made, loaded) = (base.join("made"), base.join("loaded"));
        fs::create_dir_all(&made)?;
        let mut server = Server::start(&stack, &made, &load)?;
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            server.run(&words).map_err(|error| format!("{command}: {error}"))?;
        }
        server.save()?;
        drop(server);
        let bytes = fs::read(made.join("dump.rdb"))?;
        fs::remove_dir_all(&made)?;
        let report = verify::slice(&bytes, &Options::default());
        assert_eq!(report.counts.keys, keys, "{file}");

        let release = release(Product::Redis74);
        let plain = judge(&report, release, &Settings::default());
        assert!(plain.because.iter().all(|why| why.reason == Reason::Module) && !plain.loads, "{plain:?}");
        let advice = format!("(--set modules={})", names[0]);
        assert!(plain.because.iter().all(|why| why.message.contains(&advice)), "{plain:?}");
        assert_eq!(did(&stack, &loaded, &bytes, &[], did::PATIENCE)?.0, Did::Refused, "{file}");

        assert_eq!(did(&stack, &loaded, &bytes, &load, did::PATIENCE)?.0, Did::Read(keys), "{file}");
        for name in names.iter().chain(&[file, "redis-stack"]) {
            let mut settings = Settings::default();
            settings.set("modules", name)?;
            let answer = judge(&report, release, &settings);
            assert!(answer.loads, "{name}: {answer:?}");
        }
    }
    fs::remove_dir_all(base)?;
    Ok(())
}
