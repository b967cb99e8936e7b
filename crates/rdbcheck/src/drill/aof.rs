//! Drills on append-only files. What commands add up to, nothing but a server knows: so it is asked, or has it saved.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;

use redis_persistence::aof::dir::{self, AofSet, Role, Shape};
use redis_persistence::digest::{self, Digests};
use redis_persistence::verify::{self, Report};

use super::server::{Limits, Stage};
use super::{
    Drill, NoDrill, Wish, compare, copy, drilled, ended, limits, options, program, release, server, stage, uncompared,
};
use crate::input::open;

/// Starts a server on append-only files.
pub(crate) fn aof(path: &Path, wish: &Wish) -> Result<Drill, NoDrill> {
    let (set, report, limits) = set(path, wish)?;
    ended(stage(wish)?, |stage| {
        let data = laid(stage, &set, wish)?;
        drilled(stage, &data, &report, limits, wish, |up, _| {
            let _ = up.client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
            let why = "what commands add up to, nothing but a server knows";
            let databases = compare::databases(&mut up.client)?;
            Ok(uncompared(databases, compare::debug_digest(&mut up.client)?, why))
        })
    })
}

/// Has a server load append-only files and save them, and returns the digests of what it saved, and the server.
pub(crate) fn digest_of_aof(path: &Path, wish: &Wish, of: &digest::Options) -> Result<(String, Digests), NoDrill> {
    let (set, _, limits) = set(path, wish)?;
    ended(stage(wish)?, |stage| {
        let data = laid(stage, &set, wish)?;
        let program = program(&wish.server)?;
        let release = release(stage, &program, wish)?;
        let arguments = server::arguments(&release, &data, &wish.settings);
        let mut up = stage.start(&program, &arguments, limits)?.map_err(|down| {
            let log = stage.log().join("; ");
            NoDrill::Refused(format!("{}: {log}", down.text(limits)))
        })?;
        let _ = up.client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        up.client.wait_no_longer_than(wish.timeout);
        up.client.run(&["SAVE"])?;
        let server = compare::debug_digest(&mut up.client)?.ok();
        stage.stop(up)?;
        let digests = digest::reader(File::open(stage.path().join("saved.rdb"))?, of)?;
        let own = if release.has_old_digest() { digests.debug_digest_old } else { digests.debug_digest };
        if let (Some(own), Some(server)) = (own.map(|own| own.to_string()), server)
            && own != server
        {
            return Err(NoDrill::Refused(format!(
                "what {} saved is not what it holds: DEBUG DIGEST is {server}, and of the saved file {own}",
                release.name
            )));
        }
        Ok((release.name, digests))
    })
}

fn set(path: &Path, wish: &Wish) -> Result<(AofSet, Report, Limits), NoDrill> {
    let set = dir::find_on_disk(path)?;
    let report = verify::aof_path(path, &options(wish))?;
    let parts: u64 = loaded(&set).map(|part| fs::metadata(&part.path).map_or(0, |data| data.len())).sum();
    // What commands come to is not known; most are a write of their own bytes.
    let image = report.format.as_ref().map_or(0, |_| report.counts.keys);
    let commands = if image == 0 { parts } else { 0 };
    let limits = limits(report.stats.as_ref().map(|stats| &stats.estimate), commands, parts, wish)?;
    Ok((set, report, limits))
}

fn loaded(set: &AofSet) -> impl Iterator<Item = &dir::Part> {
    set.parts.iter().filter(|part| part.role.is_loaded())
}

/// Copies the files of a set into the folder, and returns the settings by which a server finds them.
fn laid(stage: &mut Stage, set: &AofSet, wish: &Wish) -> Result<Vec<(&'static str, OsString)>, NoDrill> {
    let release = release(stage, &program(&wish.server)?, wish)?;
    let mut data = vec![
        ("appendonly", OsString::from("yes")),
        // An RDB that lies there is none of the data.
        ("dbfilename", "saved.rdb".into()),
    ];
    let sources: Vec<_> = loaded(set).map(|part| &part.path).collect();
    if set.shape == Shape::Single {
        let [source] = sources[..] else {
            return Err(NoDrill::Refused("there is no append-only file".to_owned()));
        };
        copy(&open::open(source)?.into_file(), &stage.path().join("appendonly.aof"), stage)?;
        return Ok(data);
    }
    let Some(manifest) = &set.manifest else {
        return Err(NoDrill::Refused("its manifest is missing, and a server would start empty".to_owned()));
    };
    if !release.has_manifests() {
        return Err(NoDrill::Refused(format!("{} does not read sets of files under a manifest", release.name)));
    }
    let folder = stage.path().join("appendonlydir");
    fs::create_dir(&folder)?;
    let manifests = set.parts.iter().filter(|part| part.role == Role::Manifest).map(|part| &part.path);
    let manifests: Vec<_> = manifests.chain([&manifest.path]).collect();
    for source in sources.into_iter().chain(manifests) {
        let Some(name) = source.file_name() else { continue };
        let to = folder.join(name);
        if !to.exists() {
            copy(&open::open(source)?.into_file(), &to, stage)?;
        }
    }
    let prefix = String::from_utf8(set.prefix.clone())
        .map_err(|_| NoDrill::Refused("its name is no text, which no configuration can say".to_owned()))?;
    data.push(("appendfilename", prefix.into()));
    data.push(("appenddirname", "appendonlydir".into()));
    Ok(data)
}
