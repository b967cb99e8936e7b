//! The digest of 256 bits.
//!
//! ```text
//! key       SHA-256 of: kind, expiry, name, content       summed over the keys of a database
//! content   string: its text. List: each element. Stream: each entry, the last id, the sum of its groups
//!           set, hash, sorted set: count and sum of a SHA-256 of each member, of each field with value and expiry, of
//!           each member with its score
//! text      its length in eight bytes, then its bytes     numbers are little-endian
//! ```

use sha2::{Digest as _, Sha256};

use super::Digest;
use crate::rdb::packed::IntText;
use crate::rdb::{Element, Head, ModuleItem, SlotValue};

/// A sum of digests, modulo 2^256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (to, from) in self.0.iter_mut().zip(other.0) {
            let (sum, one) = to.overflowing_add(from);
            let (sum, two) = sum.overflowing_add(u64::from(carry));
            (*to, carry) = (sum, one || two);
        }
    }

    fn of(digest: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        Self(words)
    }

    pub(crate) fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// What is hashed together; a different one for each kind of thing, so that none can stand for another.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Tag {
    Total = 1,
    Database,
    Function,
    Key,
    Member,
    Field,
    Scored,
    Group,
    Pending,
    Consumer,
    Owned,
    Nacked,
    Producer,
}

/// Returns the digest of so many things that add up to that.
pub(crate) fn finish(count: u64, sum: Sum) -> Digest {
    let mut text = Text::new(Tag::Total);
    text.number(count);
    text.bytes.extend_from_slice(&sum.bytes());
    Digest(text.hash())
}

pub(crate) fn of_database(db: u64, keys: u64, sum: Sum) -> Sum {
    let mut text = Text::new(Tag::Database);
    text.number(db);
    text.number(keys);
    text.bytes.extend_from_slice(&sum.bytes());
    text.sum()
}

pub(crate) fn of_function(code: &[u8]) -> Sum {
    let mut text = Text::new(Tag::Function);
    text.text(code);
    text.sum()
}

/// What is put together to be hashed. Once it is long it is hashed as it comes.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    hasher: Option<Sha256>,
}

/// This many bytes are held before they are hashed.
const HELD: usize = 4 << 10;

impl Text {
    fn new(tag: Tag) -> Self {
        let mut text = Self::default();
        text.begin(tag);
        text
    }

    fn begin(&mut self, tag: Tag) {
        self.bytes.clear();
        self.hasher = None;
        self.bytes.push(tag as u8);
    }

    #[inline]
    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    #[inline]
    fn optional(&mut self, number: Option<i64>) {
        self.bytes.push(u8::from(number.is_some()));
        self.number(number.unwrap_or(0).cast_unsigned());
    }

    fn id(&mut self, id: (u64, u64)) {
        self.number(id.0);
        self.number(id.1);
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        if self.bytes.len() + text.len() > HELD {
            let hasher = self.hasher.get_or_insert_default();
            hasher.update(&self.bytes);
            hasher.update(text);
            self.bytes.clear();
        } else {
            self.bytes.extend_from_slice(text);
        }
    }

    fn hash(&mut self) -> [u8; 32] {
        match self.hasher.take() {
            None => Sha256::digest(&self.bytes).into(),
            Some(mut hasher) => {
                hasher.update(&self.bytes);
                hasher.finalize().into()
            }
        }
    }

    fn sum(&mut self) -> Sum {
        Sum::of(&self.hash())
    }
}

/// The digest of one key after the other.
#[derive(Debug, Default)]
pub(crate) struct Own {
    key: Text,
    /// An element that is hashed by itself.
    element: Text,
    /// The elements whose order does not matter.
    elements: Sum,
    count: u64,
    /// The group at hand: what it is, and the sum of what it holds.
    group: Option<(Text, Sum)>,
    /// The consumer at hand.
    consumer: Vec<u8>,
}

impl Own {
    #[inline]
    pub(crate) fn begin(&mut self, head: &Head, name: &[u8]) {
        self.key.begin(Tag::Key);
        self.key.bytes.push(head.value_type.shape().number());
        self.key.optional(head.expires_ms);
        self.key.text(name);
        (self.elements, self.count, self.group) = (Sum::default(), 0, None);
    }

    #[inline]
    pub(crate) fn element(&mut self, element: &Element<'_>) {
        match element {
            Element::Text(text) | Element::Item(text) | Element::ModuleString(text) => self.key.text(text),
            Element::Member(member) => {
                self.element.begin(Tag::Member);
                self.element.text(member);
                self.add();
            }
            Element::Field { name, value, expires_ms } => {
                self.element.begin(Tag::Field);
                self.element.optional(*expires_ms);
                self.element.text(name);
                self.element.text(value);
                self.add();
            }
            Element::Scored { member, score } => {
                self.element.begin(Tag::Scored);
                self.element.number(score.to_bits());
                self.element.text(member);
                self.add();
            }
            Element::Entry { id, fields } => {
                self.key.id(*id);
                let (mut one, mut two) = (IntText::new(), IntText::new());
                for (name, value) in fields.clone() {
                    self.key.text(name.text(&mut one));
                    self.key.text(value.text(&mut two));
                }
                // Ends the fields: none is so long.
                self.key.number(u64::MAX);
            }
            Element::Stream(info) => self.key.id(info.last_id),
            Element::Group { .. }
            | Element::Pending { .. }
            | Element::Consumer { .. }
            | Element::Owned { .. }
            | Element::Nacked { .. }
            | Element::ProducerEntry { .. } => self.of_group(element),
            Element::Slot { index, value } => {
                self.key.number(*index);
                match value {
                    SlotValue::Int(number) => self.key.text(IntText::new().write(*number)),
                    SlotValue::Float(number) => self.key.text(super::score::shortest(*number).as_bytes()),
                    SlotValue::Text(text) => self.key.text(text),
                }
            }
            Element::Module(id) => self.key.number(id.0),
            Element::ModuleItem(item) => self.item(*item),
        }
    }

    #[cold]
    fn of_group(&mut self, element: &Element<'_>) {
        self.element.begin(match element {
            Element::Pending { .. } => Tag::Pending,
            Element::Consumer { .. } => Tag::Consumer,
            Element::Owned { .. } => Tag::Owned,
            Element::Nacked { .. } => Tag::Nacked,
            _ => Tag::Producer,
        });
        match element {
            Element::Group { name, last_id, .. } => {
                self.end_group();
                let mut group = Text::new(Tag::Group);
                group.text(name);
                group.id(*last_id);
                self.group = Some((group, Sum::default()));
                return;
            }
            Element::Pending { id, time, deliveries } => {
                self.element.id(*id);
                self.element.number(time.cast_unsigned());
                self.element.number(*deliveries);
            }
            Element::Consumer { name, .. } => {
                self.consumer = name.to_vec();
                self.element.text(name);
            }
            Element::Owned { id } => {
                self.element.id(*id);
                self.element.text(&self.consumer);
            }
            Element::Nacked { id } => self.element.id(*id),
            Element::ProducerEntry { producer, iid, id } => {
                // They belong to the stream and follow its groups.
                self.end_group();
                self.element.text(producer);
                self.element.text(iid);
                self.element.id(*id);
            }
            _ => return,
        }
        let sum = self.element.sum();
        match &mut self.group {
            Some((_, group)) => group.add(&sum),
            None => {
                self.elements.add(&sum);
                self.count += 1;
            }
        }
    }

    fn end_group(&mut self) {
        if let Some((mut group, sum)) = self.group.take() {
            group.bytes.extend_from_slice(&sum.bytes());
            self.elements.add(&group.sum());
            self.count += 1;
        }
    }

    #[inline]
    fn add(&mut self) {
        self.elements.add(&self.element.sum());
        self.count += 1;
    }

    fn item(&mut self, item: ModuleItem) {
        let (kind, bits) = match item {
            ModuleItem::Signed(number) => (1, number.cast_unsigned()),
            ModuleItem::Unsigned(number) => (2, number),
            ModuleItem::Float(number) => (3, u64::from(number.to_bits())),
            ModuleItem::Double(number) => (4, number.to_bits()),
            ModuleItem::End => (0, 0),
        };
        self.key.bytes.push(kind);
        self.key.number(bits);
    }

    /// Returns the digest of the key that began last.
    #[inline]
    pub(crate) fn end(&mut self) -> Sum {
        self.end_group();
        if self.count > 0 {
            self.key.number(self.count);
            self.key.bytes.extend_from_slice(&self.elements.bytes());
        }
        self.key.sum()
    }
}
