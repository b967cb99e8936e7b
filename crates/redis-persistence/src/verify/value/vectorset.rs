//! Vector sets of Redis 8: values of the module type `vectorset`.
//!
//! ```text
//! dimension, elements, quantisation + 256 * M, flags; with flag 1: dimension of the input, projection matrix
//! then for each element: name, with flag 2: attributes, vector, count of parameters, parameters
//! parameters   id, level + 2^24 * version; for each level from 0 on: count of links, their most, links (ids),
//!              with version 1: place of the worst link; then norm and range
//! ```
//!
//! Numbers are unsigned items of the module's stream, the rest strings. Version 1 came with Redis 8.0.6 and 8.2.

mod ids;
mod links;

use super::Context;
use super::elements::unchecked;
use super::text::{LongText, Text, text};
use crate::base::error::Reading;
use crate::rdb::{Event, ModuleId, ModuleItem, Payload, RdbString, Role};
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::report::facts::Visibility;
use ids::Ids;
use links::Links;
use std::sync::Arc;

/// The most dimensions that a server takes.
const MOST_DIMENSIONS: u64 = 65_536;
/// The highest level of an element that a server writes.
const MOST_LEVEL: u64 = 15;
/// The most links of an element in level 0 that a server writes.
const MOST_LINKS: u64 = 8192;
/// The most links that a server since 8.0.6 takes to be the most.
const MOST_LINKS_READ: u64 = 16_384;
/// What one number holds where a server keeps 32 bits of it.
const LOW: u64 = 0xFFFF_FFFF;

/// What the next item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Dimension,
    Count,
    Form,
    Flags,
    InputDimension,
    Matrix,
    Name,
    Attributes,
    Vector,
    Parameters,
    /// This many parameters of an element are left.
    Parameter(Parameter, u64),
    /// The end of the module's stream.
    End,
    /// Nobody knows.
    Lost,
}

/// What a parameter of an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Id,
    Level,
    LinkCount,
    MostLinks,
    /// This many links are left in this level.
    Link(u64),
    Worst,
    Norm,
    Rest,
}

#[derive(Debug)]
pub(crate) struct Checker {
    next: Next,
    dimension: u64,
    elements: u64,
    quantisation: u64,
    attributes: bool,
    input: u64,
    /// Elements that are complete, which is also the number of the one at hand.
    count: u64,
    id: u64,
    /// The level at hand, the highest one of the element, and the version of its parameters.
    level: (u64, u64, u64),
    link_count: u64,
    ids: Ids,
    links: Links,
    /// Whether an element is not what a server reads, so that its links are not known.
    broken: bool,
    /// Whether an element of version 1 was met.
    versioned: bool,
    long: Option<Box<LongText>>,
}

/// Returns whether a module id, of any version, is that of vector sets.
pub(crate) fn is_vectorset(id: ModuleId) -> bool {
    id.name() == "vectorset"
}

impl Checker {
    /// One for a value that began, if it is a vector set. `limits` bounds what is remembered of it.
    pub(crate) fn new(id: ModuleId, event: &Event<&[u8]>, cx: &mut Context<'_>) -> Option<Self> {
        if !is_vectorset(id) {
            return None;
        }
        cx.elements.clear();
        let mut checker = Self {
            next: Next::Dimension,
            dimension: 0,
            elements: 0,
            quantisation: 0,
            attributes: false,
            input: 0,
            count: 0,
            id: 0,
            level: (0, 0, 0),
            link_count: 0,
            ids: Ids::new(cx.limits.duplicate_bytes / 16),
            links: Links::new(cx.elements.key(), cx.limits.duplicate_bytes / 16),
            broken: false,
            versioned: false,
            long: None,
        };
        if id.version() != 0 {
            let version = id.version();
            checker.lost(event, cx, format!("a vector set in encoding version {version}, where 0 is the only one"));
        }
        Some(checker)
    }

    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match &event.payload {
            Payload::Item(ModuleItem::End) if matches!(self.next, Next::End | Next::Lost) => {}
            Payload::Item(ModuleItem::End) => {
                let (count, elements) = (self.count, self.elements);
                self.lost(event, cx, format!("the vector set ends after {count} of {elements} elements"));
            }
            Payload::Item(ModuleItem::Unsigned(number)) => self.number(*number, event, cx),
            Payload::Item(_) => self.lost(event, cx, "an item that is no part of a vector set".to_owned()),
            Payload::Str { role: Role::ModuleString, string } => self.string(string, event, cx),
            Payload::Piece { bytes, last, .. } => self.piece(bytes, *last, cx),
            _ => {}
        }
    }

    fn place(&self, event: &Event<&[u8]>) -> Location {
        let place = Location::span(event.start, event.end).reading(Reading::ModuleItem);
        match self.next {
            Next::Name | Next::Attributes | Next::Vector | Next::Parameters | Next::Parameter(..) => {
                place.element(self.count)
            }
            _ => place,
        }
    }

    /// Reports what no server reads; what follows is not understood.
    fn lost(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>, message: String) {
        if self.next != Next::Lost {
            let place = self.place(event);
            cx.findings.add(Code::VectorsetInvalid, place, || message);
        }
        (self.next, self.broken) = (Next::Lost, true);
    }

    /// Reports what servers refuse, but what follows is understood.
    fn invalid(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>, message: impl FnOnce() -> String) {
        self.broken = true;
        cx.findings.add(Code::VectorsetInvalid, self.place(event), message);
    }

    /// Reports what servers read, but never write.
    fn odd(&self, event: &Event<&[u8]>, cx: &mut Context<'_>, message: impl FnOnce() -> String) {
        cx.findings.add(Code::VectorsetInvalid, self.place(event).detail(Visibility::Lenient), message);
    }

    /// Returns the half of a number that servers keep.
    fn low(&self, number: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) -> u64 {
        if number > LOW {
            self.odd(event, cx, || format!("the number {number}, of which servers keep the low 32 bits"));
        }
        number & LOW
    }

    fn number(&mut self, number: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        self.next = match self.next {
            Next::Dimension => {
                self.dimension = self.low(number, event, cx);
                self.dimensions(self.dimension, event, cx);
                Next::Count
            }
            Next::Count => {
                self.elements = number;
                if number == 0 {
                    cx.findings
                        .add(Code::VectorsetEmpty, self.place(event), || "a vector set without elements".to_owned());
                }
                Next::Form
            }
            Next::Form => {
                let form = self.low(number, event, cx);
                self.quantisation = form & 0xFF;
                let (quantisation, m) = (self.quantisation, form >> 8);
                if quantisation > 2 {
                    return self.lost(event, cx, format!("quantisation {quantisation}, where 2 is the highest"));
                }
                if !(4..=4096).contains(&m) {
                    self.odd(event, cx, || format!("M is {m}, where servers write 4 to 4096"));
                }
                Next::Flags
            }
            Next::Flags => {
                let flags = self.low(number, event, cx);
                if flags > 3 {
                    self.odd(event, cx, || format!("the flags are {flags}, where 3 is the highest that servers write"));
                }
                self.attributes = flags & 2 != 0;
                if flags & 1 != 0 { Next::InputDimension } else { self.next_element() }
            }
            Next::InputDimension => {
                self.input = self.low(number, event, cx);
                if self.input > MOST_DIMENSIONS || self.input < self.dimension {
                    let (input, output) = (self.input, self.dimension);
                    cx.findings.add(Code::VectorsetDimension, self.place(event), || {
                        format!("vectors of {input} dimensions are projected to {output}")
                    });
                }
                Next::Matrix
            }
            Next::Parameters if number == 0 => {
                return self.lost(event, cx, "an element without parameters".to_owned());
            }
            Next::Parameters => Next::Parameter(Parameter::Id, number),
            Next::Parameter(parameter, left) => {
                let Some(then) = self.parameter(parameter, number, left - 1, event, cx) else { return };
                if left > 1 {
                    Next::Parameter(then, left - 1)
                } else if then == Parameter::Rest {
                    self.count += 1;
                    self.next_element()
                } else {
                    return self.lost(event, cx, "the parameters of the element end too early".to_owned());
                }
            }
            _ => return self.lost(event, cx, "a number where a vector set has none".to_owned()),
        };
    }

    fn dimensions(&self, dimension: u64, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        if dimension == 0 || dimension > MOST_DIMENSIONS {
            cx.findings.add(Code::VectorsetDimension, self.place(event), || {
                format!("{dimension} dimensions, where 1 to {MOST_DIMENSIONS} are possible")
            });
        }
    }

    fn next_element(&self) -> Next {
        if self.count < self.elements { Next::Name } else { Next::End }
    }

    /// Takes a parameter, behind which `left` follow, and returns what the next one is.
    fn parameter(
        &mut self,
        parameter: Parameter,
        number: u64,
        left: u64,
        event: &Event<&[u8]>,
        cx: &mut Context<'_>,
    ) -> Option<Parameter> {
        Some(match parameter {
            Parameter::Id => {
                self.id = number;
                self.ids.add(number);
                if number == 0 {
                    cx.findings.add(Code::VectorsetDuplicate, self.place(event), || "the element's id is 0".to_owned());
                }
                Parameter::Level
            }
            Parameter::Level => {
                let word = self.low(number, event, cx);
                let (version, level) = (word >> 24, word & 0xFF);
                if version > 1 {
                    self.lost(event, cx, format!("parameters of version {version}, where 1 is the highest"));
                    return None;
                }
                if level > MOST_LEVEL || word >> 8 & 0xFFFF != 0 {
                    self.odd(event, cx, || format!("level {}, where {MOST_LEVEL} is the highest", word & 0xFF_FFFF));
                }
                if word > 0xFF && !std::mem::replace(&mut self.versioned, true) {
                    cx.findings.add(Code::VectorsetIndex, self.place(event), || {
                        "elements as Redis 8.0.6 and later store them: earlier ones of 8.0 refuse them".to_owned()
                    });
                }
                self.level = (0, level, version);
                Parameter::LinkCount
            }
            Parameter::LinkCount => {
                self.link_count = self.low(number, event, cx);
                // Their most comes before them.
                if self.link_count.saturating_add(1) > left {
                    let count = self.link_count;
                    self.lost(event, cx, format!("{count} links, where {left} parameters are left"));
                    return None;
                }
                Parameter::MostLinks
            }
            Parameter::MostLinks => {
                let (most, count) = (number, self.link_count);
                if count > most || most > MOST_LINKS_READ {
                    cx.findings.add(Code::VectorsetLinks, self.place(event), || format!("{count} of {most} links"));
                    self.broken = true;
                } else if most > MOST_LINKS {
                    self.odd(event, cx, || format!("at most {most} links, where servers write {MOST_LINKS} at most"));
                }
                self.links.begin(self.id, self.level.0);
                if count > 0 { Parameter::Link(count) } else { self.after_links() }
            }
            Parameter::Link(more) => {
                if number == self.id {
                    self.bad_link(event, cx, "a link of an element to itself");
                } else if self.links.add(number, event.start, self.count) {
                    self.bad_link(event, cx, "a link that stands twice in one level");
                }
                if more > 1 { Parameter::Link(more - 1) } else { self.after_links() }
            }
            Parameter::Worst => {
                let (worst, count) = (number & LOW, self.link_count);
                if worst >= count && count > 0 {
                    self.invalid(event, cx, || format!("link {worst} is the worst one of {count}"));
                }
                self.after_level()
            }
            Parameter::Norm => Parameter::Rest,
            Parameter::Rest => {
                self.odd(event, cx, || "a parameter that has no meaning".to_owned());
                Parameter::Rest
            }
        })
    }

    fn bad_link(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>, what: &str) {
        self.broken = true;
        cx.findings.add(Code::VectorsetLinks, self.place(event), || what.to_owned());
    }

    fn after_links(&mut self) -> Parameter {
        if self.level.2 > 0 { Parameter::Worst } else { self.after_level() }
    }

    fn after_level(&mut self) -> Parameter {
        let (level, last, _) = &mut self.level;
        if level == last {
            return Parameter::Norm;
        }
        *level += 1;
        Parameter::LinkCount
    }

    fn string(&mut self, string: &RdbString<&[u8]>, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        let (len, dimension) = (string.text_len(), self.dimension);
        self.next = match self.next {
            Next::Matrix => {
                let want = u128::from(self.input) * u128::from(dimension) * 4;
                if u128::from(len) != want {
                    let input = self.input;
                    cx.findings.add(Code::VectorsetProjection, self.place(event), || {
                        format!("a matrix of {len} bytes, where {input} x {dimension} numbers take {want}")
                    });
                }
                self.next_element()
            }
            Next::Name => {
                let place = || self.place(event);
                match text(string, place, &mut cx.scratch.decoded, cx.elements, cx.findings) {
                    Text::Hash(hashes) if cx.duplicates => cx.elements.insert(hashes, string.start),
                    Text::Long(long) => self.long = Some(long),
                    Text::Hash(_) | Text::Damaged => {}
                }
                if self.attributes { Next::Attributes } else { Next::Vector }
            }
            Next::Attributes => Next::Vector,
            Next::Vector => {
                let want = match self.quantisation {
                    0 => dimension * 4,
                    1 => dimension,
                    _ => dimension.div_ceil(64) * 8,
                };
                if len != want {
                    self.invalid(event, cx, || {
                        format!("a vector of {len} bytes, where {dimension} dimensions take {want}")
                    });
                }
                Next::Parameters
            }
            _ => return self.lost(event, cx, "a string where a vector set has none".to_owned()),
        };
    }

    fn piece(&mut self, bytes: &[u8], last: bool, cx: &mut Context<'_>) {
        let Some(long) = &mut self.long else { return };
        if let Some(hashes) = long.piece(bytes, last, cx.findings)
            && cx.duplicates
        {
            cx.elements.insert(hashes, long.start());
        }
        if last {
            self.long = None;
        }
    }

    pub(crate) fn end(self, start: u64, cx: &mut Context<'_>) -> u64 {
        let Context { elements, suspects, findings, .. } = cx;
        let mut subject = None;
        let settled = elements.settle(|places| {
            let subject = subject.get_or_insert_with(|| Arc::new(findings.subject.clone()));
            suspects.add(Code::VectorsetDuplicate, places, subject);
        });
        unchecked(settled, Location::at(start), cx);
        let Self { mut ids, links, broken, count, .. } = self;
        let unique = ids.settle();
        if let Some(id) = unique.twice {
            cx.findings.add(Code::VectorsetDuplicate, Location::at(start), || format!("two elements have the id {id}"));
        }
        if !unique.complete {
            cx.findings.add(Code::VectorsetUnchecked, Location::at(start), || {
                format!("whether the ids of {count} elements are unique was not checked: the memory for it is used up")
            });
        }
        if !broken {
            Self::mutual(links, &ids, unique.complete, start, cx);
        }
        count
    }

    /// Says which link is not mutual, as far as they were remembered.
    fn mutual(links: Links, ids: &Ids, all_ids: bool, start: u64, cx: &mut Context<'_>) {
        if links.are_mutual() {
            return;
        }
        let Some(lone) = links.lone() else {
            // Whether one leads to no element is not known, so no server is said to load it.
            let place = Location::at(start).reading(Reading::ModuleItem);
            return cx.findings.add(Code::VectorsetInvalid, place, || "links of elements are not mutual".to_owned());
        };
        for link in lone {
            let (id, level) = (link.to, link.level);
            let place = Location::at(link.at).element(link.element).reading(Reading::ModuleItem);
            if all_ids && ids.contains(id) {
                cx.findings.add(Code::VectorsetLinks, place, || {
                    format!("a link to the element of id {id} in level {level}, which has none back")
                });
            } else {
                cx.findings
                    .add(Code::VectorsetInvalid, place, || format!("a link to the id {id}, which no element has"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
