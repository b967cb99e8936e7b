//! Faults of sets of append-only files: of the manifest, of the files that it lists, and of what stands in them.
//!
//! ```text
//! a.manifest          comments, base, history, incrs: one line of them wrong, missing or too much
//! a.1.base.rdb        an RDB image
//! a.1.incr.aof ...    sound records; the last file may end in a fault of planted::aof
//! ```

use super::aof::{AofPlant, records, sound_records};
use crate::Bytes;
use crate::manifest::{Manifest, base_name, incr_name, manifest_name};
use crate::rdb::RdbWriter;
use crate::rng::Rng;

/// The longest line of a manifest, and the largest manifest.
const LONGEST_LINE: usize = 1024;
const LARGEST: usize = 1 << 20;

/// A way in which a set can be wrong.
#[derive(Debug, Clone)]
pub struct SetPlant {
    /// The finding code that names it.
    pub code: &'static str,
    /// Whether it takes megabytes.
    pub large: bool,
    harm: Harm,
}

#[derive(Debug, Clone)]
enum Harm {
    /// Something that is done to the set.
    Set(fn(&mut Set, &mut Rng) -> Place),
    /// What the last file ends with.
    Records(AofPlant),
}

/// The file that is wrong, none for the set as such, and where in it that begins.
type Place = (Option<String>, u64);

/// A set with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedSet {
    /// The name of the manifest, which may be missing.
    pub manifest: String,
    /// The files of the folder.
    pub files: Vec<(String, Bytes)>,
    /// The file that is wrong, none for the set as such.
    pub file: Option<String>,
    /// Where in it that begins.
    pub start: u64,
}

#[derive(Debug)]
struct Line {
    text: Bytes,
    /// The file that it lists, its number and kind.
    entry: Option<(String, u64, char)>,
}

/// A sound set.
#[derive(Debug)]
struct Set {
    manifest: String,
    lines: Vec<Line>,
    files: Vec<(String, Bytes)>,
    has_manifest: bool,
}

impl Line {
    fn of(name: &str, seq: u64, kind: char) -> Self {
        let text = Manifest::new().file(name.as_bytes(), &seq.to_string(), &kind.to_string(), "").take();
        Self { text, entry: Some((name.to_owned(), seq, kind)) }
    }
}

/// An image of keys that no other image of the set has, and where its first key begins.
fn image(rng: &mut Rng, names: &str) -> (Bytes, usize) {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    let at = w.pos();
    for number in 0..=rng.below(6) {
        w.string_key(format!("{names}:{number}").as_bytes(), rng.word().as_bytes());
    }
    (w.finish(), at)
}

impl Set {
    fn sound(rng: &mut Rng) -> Self {
        let prefix = *rng.pick(&["a", "appendonly.aof", "two words", "na\u{ef}ve"]);
        let first = rng.range(1..=40);
        let base = base_name(prefix, first, "rdb");
        let mut lines = vec![Line::of(&base, first, 'b')];
        let mut files = vec![(base, image(rng, "base").0)];
        if rng.chance(30) {
            let old = incr_name(prefix, first - 1);
            lines.push(Line::of(&old, first, 'h'));
            files.push((old, Bytes::new()));
        }
        for seq in first..=first + rng.range(1..=3) {
            let name = incr_name(prefix, seq);
            lines.push(Line::of(&name, seq, 'i'));
            let count = rng.size(0..=6);
            files.push((name, sound_records(rng, count)));
        }
        for _ in 0..rng.below(3) {
            let comment = Line { text: Manifest::new().comment(rng.word()).take(), entry: None };
            lines.insert(rng.size(0..=lines.len()), comment);
        }
        Self { manifest: manifest_name(prefix), lines, files, has_manifest: true }
    }

    /// The place of a line.
    fn at(&self, line: usize) -> Place {
        let before: usize = self.lines[..line].iter().map(|line| line.text.len()).sum();
        (Some(self.manifest.clone()), before as u64)
    }

    /// The lines of files of these kinds.
    fn entries(&self, kinds: &str) -> Vec<usize> {
        let wanted = |line: &Line| line.entry.as_ref().is_some_and(|(_, _, kind)| kinds.contains(*kind));
        (0..self.lines.len()).filter(|line| wanted(&self.lines[*line])).collect()
    }

    /// Changes the text of any file's line.
    fn change(&mut self, rng: &mut Rng, change: impl FnOnce(&mut Bytes, &mut Rng)) -> Place {
        let line = *rng.pick(&self.entries("bhi"));
        change(&mut self.lines[line].text, rng);
        self.at(line)
    }

    /// Lists another name in any file's line.
    fn rename(&mut self, rng: &mut Rng, kinds: &str, name: impl FnOnce(&str, &mut Rng) -> String) -> Place {
        let line = *rng.pick(&self.entries(kinds));
        if let Some((old, seq, kind)) = self.lines[line].entry.take() {
            self.lines[line] = Line::of(&name(&old, rng), seq, kind);
        }
        self.at(line)
    }

    fn insert(&mut self, line: usize, text: impl Into<Bytes>) -> Place {
        self.lines.insert(line, Line { text: text.into(), entry: None });
        self.at(line)
    }

    fn content(&mut self, name: &str) -> Option<&mut Bytes> {
        self.files.iter_mut().find(|file| file.0 == name).map(|file| &mut file.1)
    }

    /// The name in a line of these kinds.
    fn listed(&self, rng: &mut Rng, kinds: &str) -> (usize, String) {
        let line = *rng.pick(&self.entries(kinds));
        let name = self.lines[line].entry.as_ref().map(|entry| entry.0.clone());
        (line, name.unwrap_or_default())
    }
}

fn one_of<'a>(rng: &mut Rng, texts: &[&'a [u8]]) -> &'a [u8] {
    texts[rng.size(0..=texts.len() - 1)]
}

/// Replaces the first `from`.
fn replace(text: &mut Bytes, from: &[u8], to: &[u8]) {
    if let Some(at) = text.windows(from.len()).position(|window| window == from) {
        drop(text.splice(at..at + from.len(), to.iter().copied()));
    }
}

/// Replaces what stands behind a word up to the next blank.
fn set_value(text: &mut Bytes, word: &[u8], value: &[u8]) {
    if let Some(at) = text.windows(word.len()).position(|window| window == word) {
        let from = at + word.len();
        let end = text[from..].iter().position(|byte| b" \n".contains(byte)).map_or(text.len(), |len| from + len);
        drop(text.splice(from..end, value.iter().copied()));
    }
}

impl SetPlant {
    fn set(code: &'static str, harm: fn(&mut Set, &mut Rng) -> Place) -> Self {
        Self { code, large: false, harm: Harm::Set(harm) }
    }

    /// Makes a sound set, and plants the fault into it.
    #[must_use]
    pub fn make(&self, rng: &mut Rng) -> PlantedSet {
        let mut set = Set::sound(rng);
        let (file, start) = match &self.harm {
            Harm::Set(harm) => harm(&mut set, rng),
            Harm::Records(plant) => {
                let (name, content) = set.files.last_mut().expect("a set has files");
                let start = content.len() as u64 + plant.start;
                content.extend_from_slice(&plant.bytes);
                (Some(name.clone()), start)
            }
        };
        set.planted(file, start)
    }
}

impl Set {
    fn planted(self, file: Option<String>, start: u64) -> PlantedSet {
        let mut files = self.files;
        let text: Bytes = self.lines.into_iter().flat_map(|line| line.text).collect();
        if self.has_manifest {
            files.push((self.manifest.clone(), text));
        }
        PlantedSet { manifest: self.manifest, files, file, start }
    }
}

/// A sound set.
#[must_use]
pub fn sound(rng: &mut Rng) -> PlantedSet {
    Set::sound(rng).planted(None, 0)
}

/// Every fault that a set can have.
#[must_use]
pub fn sets() -> Vec<SetPlant> {
    let of_records =
        records().into_iter().map(|plant| SetPlant { code: plant.code, large: false, harm: Harm::Records(plant) });
    [lines(), of_the_whole(), files()].into_iter().flatten().chain(of_records).collect()
}

/// A line of the manifest is wrong.
fn lines() -> Vec<SetPlant> {
    let plant = SetPlant::set;
    vec![
        plant("manifest-line-too-long", |set, rng| {
            set.rename(rng, "bhi", |_, rng| "x".repeat(rng.size(LONGEST_LINE..=3 * LONGEST_LINE)))
        }),
        plant("manifest-nul-byte", |set, rng| {
            set.change(rng, |text, rng| {
                let at = rng.size(0..=text.len() - 2);
                text[at] = 0;
            })
        }),
        plant("manifest-bad-quoting", |set, rng| {
            set.change(rng, |text, rng| replace(text, b"file ", one_of(rng, &[b"file \"\"x", b"file \"", b"file '"])))
        }),
        plant("manifest-not-pairs", |set, rng| {
            set.change(rng, |text, rng| {
                drop(text.splice(text.len() - 1.., [b" ", rng.word().as_bytes(), b"\n"].concat()))
            })
        }),
        plant("manifest-name-is-path", |set, rng| {
            set.rename(rng, "bhi", |name, rng| format!("{}{name}", rng.pick(&["/", "../", "d/"])))
        }),
        plant("manifest-no-name", |set, rng| {
            set.change(rng, |text, rng| replace(text, b"file ", one_of(rng, &[b"fie ", b"filename "])))
        }),
        plant("manifest-no-seq", |set, rng| {
            set.change(rng, |text, rng| match rng.below(3) {
                0 => replace(text, b" seq ", b" sek "),
                1 => set_value(text, b" seq ", b"0"),
                _ => set_value(text, b" seq ", b"one"),
            })
        }),
        plant("manifest-no-type", |set, rng| {
            set.change(rng, |text, rng| replace(text, b" type ", one_of(rng, &[b" kind ", b" typ "])))
        }),
        plant("manifest-unknown-type", |set, rng| {
            set.change(rng, |text, rng| set_value(text, b" type ", one_of(rng, &[b"x", b"B", b"0", b"\xff"])))
        }),
        plant("manifest-second-base", |set, rng| {
            let (line, name) = set.listed(rng, "b");
            let text = Line::of(&name, rng.range(1..=9), 'b').text;
            set.insert(rng.size(line + 1..=set.lines.len()), text)
        }),
        plant("manifest-seq-not-rising", |set, rng| {
            let incrs = set.entries("i");
            let which = rng.size(1..=incrs.len() - 1);
            let before = set.lines[incrs[which - 1]].entry.as_ref().map_or(1, |entry| entry.1);
            let line = incrs[which];
            if let Some((name, _, kind)) = set.lines[line].entry.take() {
                set.lines[line] = Line::of(&name, rng.range(1..=before), kind);
            }
            set.at(line)
        }),
        plant("manifest-blank-line", |set, rng| set.insert(rng.size(0..=set.lines.len()), *b"\n")),
        plant("manifest-missing-file", |set, rng| {
            let (line, name) = set.listed(rng, "bi");
            set.files.retain(|file| file.0 != name);
            set.at(line)
        }),
        plant("manifest-not-a-file", |set, rng| set.rename(rng, "bi", |_, rng| (*rng.pick(&[".", ".."])).to_owned())),
    ]
}

/// The manifest as a whole is wrong, or not there.
fn of_the_whole() -> Vec<SetPlant> {
    let plant = SetPlant::set;
    vec![
        plant("manifest-empty", |set, _| {
            set.lines.clear();
            set.at(0)
        }),
        plant("manifest-no-final-newline", |set, _| {
            let last = set.entries("bhi").pop().unwrap_or_default();
            set.lines.truncate(last + 1);
            set.lines[last].text.pop();
            set.at(last)
        }),
        SetPlant {
            large: true,
            ..plant("manifest-too-large", |set, rng| {
                let line = Manifest::new().comment(&"x".repeat(rng.size(1..=LONGEST_LINE - 2))).take();
                set.insert(0, line.repeat(LARGEST / line.len() + 1))
            })
        },
        plant("manifest-missing", missing),
        plant("aof-empty-start", |set, rng| {
            // What a server that starts empty calls its own files.
            let prefix = set.manifest.trim_end_matches(".manifest");
            let name = if rng.chance(50) { base_name(prefix, 1, "rdb") } else { incr_name(prefix, 1) };
            set.files.retain(|file| file.0 != name);
            set.files.push((name, sound_records(rng, 3)));
            missing(set, rng)
        }),
    ]
}

/// No manifest: nothing is loaded.
fn missing(set: &mut Set, _: &mut Rng) -> Place {
    set.has_manifest = false;
    (None, 0)
}

/// An image is wrong.
fn files() -> Vec<SetPlant> {
    vec![
        SetPlant::set("aof-preamble-damaged", |set, rng| {
            let (_, name) = set.listed(rng, "b");
            if let Some(image) = set.content(&name) {
                let from = image.len();
                match rng.below(3) {
                    0 => image[from - 1] ^= 1 << rng.below(8),
                    1 => image.truncate(rng.size(9..=from - 1)),
                    _ => image[9] = 0xEE,
                }
            }
            (Some(name), 0)
        }),
        SetPlant::set("aof-empty-base", |set, rng| {
            let (_, name) = set.listed(rng, "b");
            if let Some(image) = set.content(&name) {
                image.clear();
            }
            (Some(name), 0)
        }),
        SetPlant::set("aof-rdb-key-repeated", |set, rng| {
            let (image, at) = image(rng, "base");
            let first = set.entries("i")[0];
            let name = set.lines[first].entry.as_ref().map_or_else(String::new, |entry| entry.0.clone());
            if let Some(content) = set.content(&name) {
                content.splice(0..0, image);
            }
            (Some(name), at as u64)
        }),
    ]
}
