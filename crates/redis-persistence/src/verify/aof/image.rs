//! The RDB images that files of a set begin with.

use std::io::{self, Seek, SeekFrom};

use super::{ImageKeys, Run};
use crate::aof::dir::Opened;
use crate::aof::dir::{Role, Tree};
use crate::base::source::Clamped;
use crate::report::Verdict;
use crate::report::codes::{Code, Severity};
use crate::report::facts::{FindingClass, Name, RdbFacts, Visibility};
use crate::verify::drive;

/// This many images of a set are kept facts of; servers write one.
const MOST_IMAGES: usize = 64;

impl<T: Tree> Run<'_, T> {
    /// Verifies the image. Returns where it ends and whether the tool finds it sane, or nothing if its end is not found.
    pub(super) fn rdb(&mut self, number: usize, input: &mut Clamped<T::File>) -> io::Result<Option<(u64, bool)>> {
        input.seek(SeekFrom::Start(0))?;
        let size = input.size();
        let (report, end) = match T::at_places(input.file()) {
            Some(file) => drive::image_at(&Clamped::at_places(file, size), size, self.options)?,
            None => drive::image(input, size, self.options)?,
        };
        let role = self.set.parts[number].role;
        if role == Role::Incr {
            self.repeated(number, input)?;
            self.log.note(Code::AofRdbInIncr, || {
                "an incremental file begins with an RDB image: servers load it as long as no key repeats, the check \
                 tools do not"
                    .to_owned()
            });
        }
        self.images.push(number);
        self.log.image(&report)?;
        let sound = report.verdict != Verdict::Damaged;
        if !sound {
            let codes: Vec<_> =
                report.findings_by_code.keys().filter(|code| code.severity() == Severity::Error).collect();
            let first = codes.first().map_or_else(String::new, |code| format!(" ({code})"));
            self.log.note(Code::AofPreambleDamaged, || {
                format!("the RDB image at the start of the file is damaged{first}: no server starts with it")
            });
        } else {
            self.parts[number].preamble_end = end;
        }
        let insane = [Code::RdbChecksumMismatch, Code::RdbBadVersion]
            .iter()
            .any(|code| report.findings_by_code.contains_key(code));
        self.keep_facts(number, report.rdb.as_ref());
        if self.image.is_none() {
            self.image = Some(report);
        }
        Ok(end.map(|end| (end, !insane)))
    }

    /// What decides whether a server loads the image, with the key that stood in an earlier one.
    fn keep_facts(&mut self, number: usize, facts: Option<&RdbFacts>) {
        let repeated = self.repeated.take();
        let Some(facts) = facts.filter(|_| self.images.len() <= MOST_IMAGES) else { return };
        let mut facts = facts.clone();
        if let Some(name) = repeated {
            let class = FindingClass { code: Code::AofRdbKeyRepeated, value_type: None, detail: Visibility::Usual };
            facts.classes.entry(class).or_default().add(|| name);
        }
        self.parts[number].rdb = Some(Box::new(facts));
    }

    /// Looks for keys of this image in the ones before it.
    fn repeated(&mut self, number: usize, input: &mut Clamped<T::File>) -> io::Result<()> {
        // Commands in between may have deleted a key: then nothing is certain.
        if self.images.is_empty() || self.facts.commands > 0 {
            return Ok(());
        }
        let limits = &self.options.limits;
        let mut keys = ImageKeys::default();
        for earlier in &self.images {
            if let Opened::File { file, .. } = self.tree.open(&self.set.parts[*earlier].path)? {
                keys.add(file, limits)?;
            }
        }
        input.seek(SeekFrom::Start(0))?;
        if let Some((at, key)) = keys.first_in(&mut *input, limits)? {
            let name = &self.parts[number].name;
            self.repeated = Some(Name::Text(key.escape_ascii().to_string()));
            self.log.add(
                Code::AofRdbKeyRepeated,
                (at, at),
                || format!("{name} holds an RDB image with a key of the image before it: servers abort"),
                |finding| finding.key = Some(key),
            );
        }
        Ok(())
    }
}
