//! A walk over the elements of a listpack or ziplist that reports faults of the encoding on the way.

use super::blob::Blob;
use super::packed_error::{self, Encoding};
use super::seen::{Elements, canonical, same_text};
use crate::rdb::packed::{Listpack, PackedEntry, PackedError, PackedErrorKind, Ziplist, listpack, ziplist};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::report::facts::Visibility;
use crate::verify::duplicates::Settled;

/// What listpack and ziplist have in common.
pub(super) trait Packed<'a>: Copy {
    /// Its name.
    const ENCODING: Encoding;
    /// The iterator over its elements.
    type Entries: Iterator<Item = Result<PackedEntry<'a>, PackedError>>;

    fn open(bytes: &'a [u8]) -> Result<Self, PackedError>;
    fn entries(self) -> Self::Entries;
    /// Passes over the next element, if it is sound and stored as a server stores it.
    fn pass(entries: &mut Self::Entries) -> Option<()> {
        entries.next()?.ok().filter(|entry| entry.canonical).map(drop)
    }
    fn stated_len(self) -> Option<u16>;
    fn reread(self, at: usize) -> Option<PackedEntry<'a>>;
}

macro_rules! packed {
    ($list:ident, $module:ident, $($own:item)*) => {
        impl<'a> Packed<'a> for $list<'a> {
            const ENCODING: Encoding = Encoding::$list;
            type Entries = $module::Iter<'a>;

            fn open(bytes: &'a [u8]) -> Result<Self, PackedError> {
                Self::new(bytes)
            }

            fn entries(self) -> Self::Entries {
                self.iter()
            }

            fn stated_len(self) -> Option<u16> {
                Self::stated_len(&self)
            }

            fn reread(self, at: usize) -> Option<PackedEntry<'a>> {
                self.entry_at(at)
            }

            $($own)*
        }
    };
}

packed!(
    Listpack,
    listpack,
    #[inline]
    fn pass(entries: &mut Self::Entries) -> Option<()> {
        entries.pass()
    }
);
packed!(Ziplist, ziplist,);

/// The walk. `width` elements of the encoding make one element of the value.
pub(super) struct Walk<'w, 'a, P: Packed<'a>> {
    blob: &'w Blob<'a>,
    list: P,
    entries: P::Entries,
    pub(super) findings: &'w mut Collector,
    width: u64,
    /// The number of the first element.
    first: u64,
    /// Elements of the encoding that were read.
    read: u64,
    odd_forms: u64,
    first_odd_form: usize,
    pub(super) failed: bool,
}

impl<'w, 'a, P: Packed<'a>> Walk<'w, 'a, P> {
    /// Begins the walk; a bad header is reported and returns `None`.
    pub(super) fn new(blob: &'w Blob<'a>, width: u64, first: u64, findings: &'w mut Collector) -> Option<Self> {
        match P::open(blob.bytes) {
            Ok(list) => Some(Self {
                blob,
                list,
                entries: list.entries(),
                findings,
                width,
                first,
                read: 0,
                odd_forms: 0,
                first_odd_form: 0,
                failed: false,
            }),
            Err(error) => {
                packed_error::report(&error, P::ENCODING, blob, None, findings);
                None
            }
        }
    }

    /// Returns the next element of the encoding.
    #[inline]
    pub(super) fn next(&mut self) -> Option<PackedEntry<'a>> {
        match self.entries.next()? {
            Ok(entry) => {
                if !entry.canonical {
                    self.odd_form(entry.at);
                }
                self.read += 1;
                Some(entry)
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    #[cold]
    fn odd_form(&mut self, at: usize) {
        if self.odd_forms == 0 {
            self.first_odd_form = at;
        }
        self.odd_forms += 1;
    }

    #[cold]
    fn fail(&mut self, error: &PackedError) {
        self.failed = true;
        let element = self.first + self.read / self.width;
        let detail = self.findings.subject.detail;
        // Servers go by the header.
        if matches!(error.kind, PackedErrorKind::CountMismatch { .. }) && self.stated_elements() == 0 {
            self.findings.subject.detail = Visibility::Emptied;
        }
        packed_error::report(error, P::ENCODING, self.blob, Some(element), self.findings);
        self.findings.subject.detail = detail;
    }

    /// Returns how many elements of the value there are to be expected at most.
    pub(super) fn expected(&self) -> usize {
        // No element of an encoding has less than two bytes.
        let most = self.list.stated_len().map_or(self.blob.bytes.len() / 2, usize::from);
        most.div_ceil(usize::try_from(self.width).unwrap_or(1))
    }

    /// Returns how many elements of the value there are by the header, which servers go by.
    pub(super) fn stated_elements(&self) -> u64 {
        self.list.stated_len().map_or(u64::MAX, u64::from) / self.width
    }

    /// Returns how many whole elements of the value were read.
    pub(super) fn elements(&self) -> u64 {
        self.read / self.width
    }

    /// Returns how many elements of the encoding were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Returns the number of the element that the element of the encoding read last belongs to.
    pub(super) fn number(&self) -> u64 {
        self.first + self.read.saturating_sub(1) / self.width
    }

    /// Returns the place of an element of the encoding, which was read last.
    pub(super) fn place(&self, entry: &PackedEntry<'_>) -> Location {
        self.blob.place(entry.at, entry.at).element(self.number())
    }

    /// Reports something about the element read last.
    #[cold]
    pub(super) fn report(&mut self, code: Code, entry: &PackedEntry<'_>, message: impl FnOnce() -> String) {
        let place = self.place(entry);
        self.findings.add(code, place, || message() + &self.blob.locate(entry.at));
    }

    /// Remembers the element read last, and reports it if its text came before.
    #[inline]
    pub(super) fn compare(&mut self, entry: &PackedEntry<'a>, what: Code, elements: &mut Elements<'_>) {
        let list = self.list;
        let same = |at| list.reread(at).is_some_and(|before| same_text(before.value, entry.value));
        if let Some(first) = elements.add(elements.hash_of(entry), entry.at, self.number(), same) {
            self.report(what, entry, || twice(first));
        }
    }

    /// Reports what [`compare`](Self::compare) could not compare yet.
    pub(super) fn settle(&mut self, what: Code, elements: Elements<'_>) -> Settled {
        let Self { list, blob, findings, .. } = self;
        let text = |at| list.reread(at).map(|entry| canonical(&entry));
        elements.settle(what, text, findings, |first, later, number, findings| {
            let place = blob.place(later, later).element(number);
            findings.add(what, place, || twice(first) + &blob.locate(later));
        })
    }

    /// Reports elements that are missing to a whole one, and forms that no server writes.
    pub(super) fn finish(&mut self) {
        if !self.failed && !self.read.is_multiple_of(self.width) {
            let place = self.blob.place(0, self.blob.bytes.len()).element(self.first + self.elements());
            let (read, width) = (self.read, self.width);
            self.findings.add(Code::PackedOddCount, place, || format!("{read} elements do not make groups of {width}"));
        }
        self.report_odd_forms();
    }

    /// At most one finding for each packed value: what writes one element oddly writes all of them so.
    pub(super) fn report_odd_forms(&mut self) {
        if self.odd_forms == 0 {
            return;
        }
        let (at, count) = (self.first_odd_form, self.odd_forms);
        self.findings.add(Code::PackedNoncanonical, self.blob.place(at, at), || {
            let elements = if count == 1 { "an element is".to_owned() } else { format!("{count} elements are") };
            format!("{elements} stored as no server stores them{}", self.blob.locate(at))
        });
    }
}

/// That something occurs at `first` already.
pub(super) fn twice(first: usize) -> String {
    format!("the same text as at byte {first} of the packed value")
}
