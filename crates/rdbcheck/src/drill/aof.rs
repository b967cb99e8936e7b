//! Drills on append-only files. What commands add up to, nothing but a server knows: so it is asked, or has it saved.
//!
//! A server runs the commands of a file as its own: `CONFIG SET dir`, `REPLICAOF`, `MODULE LOAD` and `MIGRATE` too, whatever its
//! configuration forbids to clients. So the copy is verified, and not given to a server if it holds a command that acts on that and not
//! on its data; and the server has no command by which a script could reach beyond its folder (see `settings`).

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use redis_persistence::aof::dir::Shape;
use redis_persistence::digest::{self, Digests};
use redis_persistence::verify::{self, Code, Report};

use super::server::{Limits, Stage};
use super::settings::Release;
use super::{
    Drill, NoDrill, Wish, compare, copy, drilled, ended, limits, options, program, release, server, stage, uncompared,
};
use crate::input::open;
use crate::input::parts::Parts;
use crate::units::number;

/// What a single file is called in the folder of a drill.
const FILE: &str = "appendonly.aof";
/// Where the files of a set lie in it.
const FOLDER: &str = "appendonlydir";

/// Starts a server on append-only files.
pub(crate) fn aof(path: &Path, wish: &Wish) -> Result<Drill, NoDrill> {
    let parts = Parts::find(path)?;
    ended(stage(wish)?, |stage| {
        let release = release(stage, wish)?;
        let Laid { data, report, limits, records } = laid(stage, &parts, &release, wish)?;
        let drill = drilled(stage, &data, &report, limits, wish, &release, |up| {
            let _ = up.client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
            let why = "what commands add up to, nothing but a server knows";
            let databases = compare::databases(&mut up.client)?;
            Ok(uncompared(databases, compare::debug_digest(&mut up.client)?, why))
        })?;
        // An estimate is of an image: with records behind it, there is none of the whole.
        Ok(Drill { estimate: drill.estimate.filter(|_| records == 0), ..drill })
    })
}

/// Has a server load append-only files and save them, and returns the digests of what it saved, and the server.
pub(crate) fn digest_of_aof(path: &Path, wish: &Wish, of: &digest::Options) -> Result<(String, Digests), NoDrill> {
    let parts = Parts::find(path)?;
    ended(stage(wish)?, |stage| {
        let release = release(stage, wish)?;
        let Laid { data, limits, .. } = laid(stage, &parts, &release, wish)?;
        let arguments = server::arguments(&release, &data, &wish.settings);
        let mut up = stage.start(&program(&wish.server)?, &arguments, limits)?.map_err(|down| {
            let log = stage.log().join("; ");
            NoDrill::Refused(format!("{}: {log}", down.text(limits)))
        })?;
        let _ = up.client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        up.client.run(&["SAVE"])?;
        let server = compare::debug_digest(&mut up.client)?.ok();
        stage.stop(up)?;
        let digests = digest::reader(open::open(&stage.path().join("saved.rdb"))?, of)?;
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

/// A set that lies in the folder of a drill.
struct Laid {
    /// The settings by which a server finds it.
    data: Vec<(&'static str, OsString)>,
    report: Report,
    limits: Limits,
    /// How many bytes of records a server replays.
    records: u64,
}

/// Copies a set into the folder, and verifies that copy: nobody can add a command to it.
fn laid(stage: &Stage, parts: &Parts, release: &Release, wish: &Wish) -> Result<Laid, NoDrill> {
    let data = copied(stage, parts, release)?;
    if !parts.are_there()? {
        return Err(NoDrill::Refused("it was rewritten, or lost a file, while it was read".to_owned()));
    }
    let report = verify::aof_path(
        &stage.path().join(if parts.set.shape == Shape::Single { FILE } else { FOLDER }),
        &options(wish),
    )?;
    if report.findings_by_code.contains_key(&Code::AofDangerousCommand) {
        return Err(NoDrill::Refused(dangerous(&report)));
    }
    let bytes = report.parts.iter().filter(|part| part.role.is_loaded()).filter_map(|part| part.size).sum();
    let estimate = report.stats.as_ref().map(|stats| &stats.estimate);
    let records = of_commands(&report);
    let limits = limits(estimate, records, bytes, wish)?;
    Ok(Laid { data, report, limits, records })
}

/// Returns why a server does not get what holds a command that acts on it.
fn dangerous(report: &Report) -> String {
    let of = report.findings.iter().find(|finding| finding.code == Code::AofDangerousCommand);
    let which = of.map_or_else(String::new, |finding| {
        let file = finding.file.as_ref().map(|file| format!(" of {file}")).unwrap_or_default();
        let name = finding.command.clone().unwrap_or_default();
        format!(", {name} at byte {}{file}", finding.start)
    });
    let count = report.findings_by_code.get(&Code::AofDangerousCommand).copied().unwrap_or(0);
    format!(
        "no server was started: it holds {} that would act on the server and not on its data{which}",
        number(count, "command")
    )
}

/// Returns what the records of a set may come to: most commands are a write of their own bytes.
fn of_commands(report: &Report) -> u64 {
    let loaded = report.parts.iter().filter(|part| part.role.is_loaded());
    let records = loaded.map(|part| match part.preamble_end {
        // All of it is a damaged image.
        None if part.rdb.is_some() => 0,
        image => part.size.unwrap_or(0).saturating_sub(image.unwrap_or(0)),
    });
    records.sum()
}

/// Copies the files of a set into the folder, and returns the settings by which a server finds them.
fn copied(stage: &Stage, parts: &Parts, release: &Release) -> Result<Vec<(&'static str, OsString)>, NoDrill> {
    let set = &parts.set;
    let mut data = vec![
        ("appendonly", OsString::from("yes")),
        // An RDB that lies there is none of the data.
        ("dbfilename", "saved.rdb".into()),
    ];
    if set.shape == Shape::Single {
        let [source] = &parts.files[..] else {
            return Err(NoDrill::Refused("there is no append-only file".to_owned()));
        };
        copy(&open::open(&source.path)?.into_file()?, &stage.path().join(FILE), stage)?;
        return Ok(data);
    }
    if set.manifest.is_none() {
        return Err(NoDrill::Refused("its manifest is missing, and a server would start empty".to_owned()));
    }
    if !release.has_manifests() {
        return Err(NoDrill::Refused(format!("{} does not read sets of files under a manifest", release.name)));
    }
    let prefix = String::from_utf8(set.prefix.clone())
        .map_err(|_| NoDrill::Refused("its name is no text, which no configuration can say".to_owned()))?;
    let folder = stage.path().join(FOLDER);
    fs::create_dir(&folder)?;
    for source in &parts.files {
        let Some(name) = source.path.file_name() else { continue };
        let to = folder.join(name);
        if !to.exists() {
            copy(&open::open(&source.path)?.into_file()?, &to, stage)?;
        }
    }
    data.push(("appendfilename", prefix.into()));
    data.push(("appenddirname", FOLDER.into()));
    Ok(data)
}
