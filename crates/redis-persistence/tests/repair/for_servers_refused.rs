//! What a server cannot have: all of it is named, and nothing else; and what is left out on request.

use std::collections::BTreeSet;

use redis_persistence::rdb::{self, ValueType};
use redis_persistence::rewrite::{Kind, NotWritten, Options};
use redis_persistence::servers::Target;
use testkit::rdb::{Family, File, Key, ModuleOp, RdbWriter, Value, VectorSet, module_id};
use testkit::rng::Rng;

use crate::for_servers::{TestResult, kinds, large_hash, options, saved, written};

/// Which servers have what: their release notes say so, and those that are installed.
fn has(server: Target, kind: Kind) -> bool {
    let between = |first: Target, last: Target| (first..=last).contains(&server);
    match kind {
        Kind::Functions => !between(Target::Redis50, Target::Redis62),
        Kind::VectorSets => between(Target::Redis80, Target::Redis810),
        Kind::Arrays | Kind::Nacks => between(Target::Redis88, Target::Redis810),
        Kind::FieldExpiry => between(Target::Redis74, Target::Redis810) || between(Target::Valkey90, Target::Valkey91),
        _ => false,
    }
}

/// Two keys of each kind that not every server has, named after it, among others that every server has.
fn of_every_kind() -> File {
    let mut file = File::new(Family::Redis, 15);
    let mut rng = Rng::new(7);
    let mut some = |kind: &str, types: &[u8], count: usize, fits: fn(&Value) -> bool| {
        let mut found = Vec::new();
        while found.len() < count {
            let made = File::arbitrary_of(&mut rng, Family::Redis, 15, 20, types);
            found.extend(made.keys.into_iter().map(|key| key.value).filter(fits));
        }
        let keys = (0..).zip(found).take(count);
        file.keys.extend(keys.map(|(n, value)| Key::new(format!("{kind} {n}").as_bytes(), value)));
    };
    some("plain", &[0, 1, 2, 5, 16, 17, 18, 20], 20, |_| true);
    some("arrays", &[28], 2, |_| true);
    some("field-expiry", &[24, 25], 2, |value| match value {
        Value::HashMetadata { fields, .. } | Value::HashListpackEx { fields, .. } => {
            fields.iter().any(|field| field.expires.is_some())
        }
        _ => false,
    });
    some("nacks", &[27], 2, |value| match value {
        Value::Stream(stream) => stream.groups.iter().any(|group| !group.nacked.is_empty()),
        _ => false,
    });
    for n in 0..2 {
        let module = |id, ops| Value::Module2 { id, ops };
        let vectors = module(module_id("vectorset", 0), VectorSet::chain(3).ops());
        let other = module(module_id("test-type", 1), vec![ModuleOp::Uint(7)]);
        file.keys.push(Key::new(format!("vector-sets {n}").as_bytes(), vectors));
        file.keys.push(Key::new(format!("modules {n}").as_bytes(), other));
        let code = format!("#!lua name=functions_{n}\nredis.register_function('f{n}', function() end)");
        file.functions.push(code.into_bytes());
    }
    file
}

/// A refusal names what the server cannot have, all of it and nothing else; and without that the rest is written.
#[test]
fn a_refusal_names_exactly_what_the_server_cannot_have() -> TestResult {
    let mut file = of_every_kind();
    let bytes = file.encode().bytes;
    file.keys.retain(|key| !key.name.starts_with(b"nacks"));
    let without_nacks = file.encode().bytes;
    let kinds = [Kind::Functions, Kind::Modules, Kind::VectorSets, Kind::Arrays, Kind::FieldExpiry, Kind::Nacks];
    for server in Target::ALL {
        let mut options = options(*server);
        let error = written(&[&bytes], &options).expect_err("no server has that module");
        let NotWritten::Refused { by_kind, .. } = &error else { panic!("{server}: {error}") };
        let wanted: BTreeSet<Kind> = kinds.into_iter().filter(|kind| !has(*server, *kind)).collect();
        assert_eq!(by_kind.keys().copied().collect::<BTreeSet<_>>(), wanted, "{server}");
        for (kind, named) in by_kind {
            let (db, between) = if *kind == Kind::Functions { (None, '_') } else { (Some(0), ' ') };
            let names: BTreeSet<_> =
                named.first.iter().map(|(of, name)| (*of, String::from_utf8_lossy(name).into())).collect();
            let all: BTreeSet<(_, String)> = (0..2).map(|n| (db, format!("{kind}{between}{n}"))).collect();
            assert_eq!((named.total, names), (2, all), "{server}: {kind}");
        }
        options.without = wanted.iter().copied().filter(|kind| *kind != Kind::Nacks).collect();
        let (plan, out) = written(&[&without_nacks], &options).map_err(|error| format!("{server}: {error}"))?;
        assert_eq!(plan.left_out.keys().copied().collect::<BTreeSet<_>>(), options.without, "{server}");
        let mut keys = rdb::Keys::new(&out[..]);
        let mut names = BTreeSet::new();
        while let Some(key) = keys.next()? {
            names.insert(key.name().to_vec());
        }
        let is_kept = |name: &[u8]| {
            let gone = options.without.iter().filter(|kind| **kind != Kind::FieldExpiry);
            !gone.map(|kind| kind.as_str().as_bytes()).any(|kind| name.starts_with(kind))
        };
        let wanted: BTreeSet<_> = file.keys.iter().map(|key| key.name.clone()).filter(|name| is_kept(name)).collect();
        assert_eq!(names, wanted, "{server}");
        assert_eq!(plan.functions, if has(*server, Kind::Functions) { 2 } else { 0 }, "{server}");
    }
    Ok(())
}

/// What modules store beside keys can be left out without the keys of modules.
#[test]
fn what_modules_store_beside_keys_is_no_part_of_commands_or_of_several_files() -> TestResult {
    let id = module_id("test-type", 1);
    let mut w = RdbWriter::redis(11);
    w.module_aux(id, 1, &[ModuleOp::Uint(7)])
        .select_db(0)
        .resize_db(1, 0)
        .key(ValueType::Module2.byte(), b"of a module");
    w.raw(&module_value(id));
    let file = w.finish_with(0);
    let mut of_server = options(Target::Redis72);
    of_server.dialect.modules = vec!["test-type".to_owned()];
    let (plan, out) = written(&[&file], &of_server).map_err(|error| error.to_string())?;
    assert_eq!((plan.keys, out.contains(&0xf7)), (1, true), "it is all there");
    for (files, for_commands) in [(&[&file[..]][..], true), (&[&file, &saved(1, &[], None, &[0])?], false)] {
        let mut options = Options { for_commands, ..of_server.clone() };
        let error = written(files, &options).expect_err("it is refused");
        assert_eq!(kinds(&error), BTreeSet::from([Kind::ModuleData]));
        assert!(error.to_string().contains("--without module-data"), "{error}");
        for (without, keys) in [(Kind::ModuleData, 1), (Kind::Modules, 0)] {
            options.without = BTreeSet::from([without]);
            let (plan, out) = written(files, &options).map_err(|error| error.to_string())?;
            assert_eq!(plan.keys, keys + files.len() as u64 - 1, "{without}");
            assert_eq!(plan.left_out[&Kind::ModuleData].total, 1);
            assert!(!out.contains(&0xf7), "{without}");
        }
    }
    Ok(())
}

/// A value of a module: its identity, one number, and the end.
fn module_value(id: u64) -> Vec<u8> {
    let mut w = RdbWriter::bare(11);
    w.len(id).module_stream(&[ModuleOp::Uint(7)]);
    w.take()
}

/// What is left out is so for every server, also for one that could have it.
#[test]
fn what_is_asked_to_be_left_out_is() -> TestResult {
    let file = large_hash(rdb::Family::Redis, ValueType::HashMetadata, 100)?;
    let mut options = options(Target::Redis80);
    let (plan, _) = written(&[&file], &options).map_err(|error| error.to_string())?;
    assert_eq!((plan.copied, plan.left_out.len()), (1, 0));
    options.without = BTreeSet::from([Kind::FieldExpiry]);
    let (plan, out) = written(&[&file], &options).map_err(|error| error.to_string())?;
    assert_eq!((plan.copied, plan.left_out[&Kind::FieldExpiry].total), (0, 1));
    let mut keys = rdb::Keys::new(&out[..]);
    let key = keys.next()?.ok_or("a key")?;
    assert!(matches!(key.value()?, rdb::Value::Hash(fields) if fields.len() == 100));
    Ok(())
}
