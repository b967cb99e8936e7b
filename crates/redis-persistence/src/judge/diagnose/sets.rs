//! What the findings about append-only files come from.

use super::Cause;
use crate::aof::dir::Role;
use crate::report::causes::CauseCode as C;
use crate::report::{Code, Finding, Kind, Report};

/// Findings and the causes that they stand for, those first that say most.
const CAUSES: [(Code, C); 15] = [
    (Code::ManifestMissing, C::ManifestLost),
    (Code::ManifestEmpty, C::ManifestLost),
    (Code::ManifestMissingFile, C::PartMissing),
    (Code::AofEmptyBase, C::DataLost),
    (Code::AofZeroTail, C::ZeroTailOfCommands),
    (Code::AofSecondRdb, C::TwoRdbs),
    (Code::ManifestOffsetsDoNotChain, C::CopiedDuringRewrite),
    (Code::AofNextFileExists, C::CopiedDuringRewrite),
    (Code::AofTruncatedRecord, C::CutCommand),
    (Code::AofOpenTransaction, C::OpenTransaction),
    (Code::ManifestGap, C::PartMissing),
    (Code::ManifestNoFinalNewline, C::CopiedDuringRewrite),
    (Code::AofGrewWhileRead, C::CopiedDuringRewrite),
    (Code::AofShrankWhileRead, C::CopiedDuringRewrite),
    (Code::AofDataNotRead, C::DataNotRead),
];

pub(super) fn cause(report: &Report) -> Option<Cause> {
    if report.kind != Kind::Aof && report.kind != Kind::AofDir {
        return None;
    }
    if let Some(cause) = nothing_left(report) {
        return Some(cause);
    }
    let found = CAUSES.iter().find_map(|(code, cause)| {
        let finding = report.findings.iter().find(|finding| finding.code == *code)?;
        Some(from(finding, *cause))
    });
    found.or_else(|| image_alone(report))
}

/// Returns a set of which every file, the manifest too, has lost its bytes.
fn nothing_left(report: &Report) -> Option<Cause> {
    let lost = [Code::ManifestEmpty, Code::ManifestNulByte, Code::AofEmptyBase];
    let (code, _) = report.findings_by_code.iter().find(|(code, _)| lost.contains(code))?;
    let mut data = report.parts.iter().filter(|part| part.role != Role::Manifest);
    if !data.all(|part| part.size.unwrap_or(0) == 0) {
        return None;
    }
    let message = "all files with data are of 0 bytes or missing, as after a volume or a copy that lost its data: nothing is in \
                   them that could be mended";
    let finding = report.findings.iter().find(|finding| finding.code == *code);
    Some(Cause {
        file: finding.and_then(|finding| finding.file.clone()),
        ..Cause::new(C::DataLost, message.to_owned())
    })
}

fn from(finding: &Finding, code: C) -> Cause {
    let why = match code {
        C::ManifestLost => "the manifest was lost or emptied, but the files of the set may all be there",
        C::PartMissing => "a file of the set is missing",
        C::DataLost => {
            "a file that no server leaves empty is of 0 bytes, as after a volume or a copy that lost its data"
        }
        C::DataNotRead => "data lies beside what a server reads",
        C::ZeroTailOfCommands => {
            "the machine stopped before what it wrote last reached the disk; no command is lost in the zeros"
        }
        C::CopiedDuringRewrite => "the copy was taken while the server was writing or rewriting",
        C::CutCommand => "the last write did not reach the disk, or the copy was broken off",
        C::OpenTransaction => "the last transaction was never committed",
        C::TwoRdbs => "a second RDB stands in the file",
        _ => "",
    };
    let cause = Cause::new(code, format!("{why}: {}", finding.message)).names([finding]);
    // What is about the set as a whole is at no byte.
    let cause = if matches!(code, C::ManifestLost | C::DataLost | C::DataNotRead) {
        cause
    } else {
        cause.offset(finding.start)
    };
    Cause { file: finding.file.clone(), ..cause }
}

/// Returns an RDB under the name of an append-only file: servers load it, but what is meant by the name is missing.
fn image_alone(report: &Report) -> Option<Cause> {
    let [part] = &report.parts[..] else { return None };
    let facts = report.aof.as_ref()?;
    let only = part.preamble_end.is_some() && part.preamble_end == part.size && facts.commands == 0;
    (only && report.kind == Kind::Aof)
        .then(|| Cause::new(C::RdbNamedAof, "the file is an RDB and holds no command behind it".to_owned()))
}
