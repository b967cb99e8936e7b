//! The keys of a file, one after the other.

use std::io::Read;

use super::value::{Decoder, Element, Head, Part, Value};
use super::{Payload, ValueType};
use crate::base::error::{Error, ErrorKind, ReadError, Reading};
use crate::base::limits::Limits;
use crate::rdb::reader::Reader;

/// The keys of an RDB that comes from `io::Read`, in the order of the file.
///
/// Values are read only where they are asked for; those of other keys are passed over.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::{Keys, Value};
///
/// // A list of two elements, then a string.
/// let file = b"REDIS0004\xfe\x00\x01\x04list\x02\x01a\x01b\x00\x01k\x01v\xff";
/// let mut keys = Keys::new(&file[..]);
/// let mut found = Vec::new();
/// while let Some(key) = keys.next()? {
///     let name = String::from_utf8_lossy(key.name()).into_owned();
///     found.push((name, key.value()?));
/// }
/// assert_eq!(found[0], ("list".into(), Value::List(vec![b"a".to_vec(), b"b".to_vec()])));
/// assert_eq!(found[1], ("k".into(), Value::String(b"v".to_vec())));
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Keys<R> {
    reader: Reader<R>,
    decoder: Decoder,
    limits: Limits,
    name: Vec<u8>,
    /// The value of a string key, which came with its name.
    text: Option<Vec<u8>>,
    /// Whether events of the key's record are to come.
    open: bool,
}

/// A key of a file.
#[derive(Debug)]
pub struct Key<'k, R> {
    keys: &'k mut Keys<R>,
    head: Head,
}

impl<R: Read> Keys<R> {
    /// Returns the keys of an RDB, from its start.
    pub fn new(input: R) -> Self {
        Self::with_limits(input, Limits::default())
    }

    /// Returns the same with limits of one's own: of a string, and of a value that [`Key::value`] holds, at most
    /// [`Limits::packed_bytes`] are kept.
    pub fn with_limits(input: R, limits: Limits) -> Self {
        Self {
            reader: Reader::with_limits(input, limits.clone()),
            decoder: Decoder::new(&limits),
            limits,
            name: Vec::new(),
            text: None,
            open: false,
        }
    }

    /// Returns the next key; `None` behind the last one.
    ///
    /// # Errors
    /// If the input fails, its bytes leave no way on, or the name of a key is longer than the limits allow.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend from itself")]
    pub fn next(&mut self) -> Result<Option<Key<'_, R>>, ReadError> {
        if std::mem::take(&mut self.open) {
            self.decoder.leave();
            self.reader.skip_record()?;
        }
        self.text = None;
        let mut head = None;
        let Self { reader, decoder, name, text, .. } = self;
        while head.is_none() {
            let Some(event) = reader.next()? else { return Ok(None) };
            let ends = event.ends_record;
            let inline = matches!(event.payload, Payload::Record(_));
            decoder.event(&event, &mut |part| match part {
                Part::Key(found, text) => {
                    head = Some(*found);
                    name.clear();
                    name.extend_from_slice(text);
                }
                Part::Element(Element::Text(value)) if inline => *text = Some(value.to_vec()),
                Part::Element(_) | Part::End(_) | Part::Function(_) => {}
            })?;
            self.open = head.is_some() && !ends;
        }
        Ok(head.map(|head| Key { keys: self, head }))
    }

    /// The file offset behind what was read.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    fn elements(&mut self, mut each: impl FnMut(Element<'_>) -> Result<(), ReadError>) -> Result<(), ReadError> {
        if let Some(text) = self.text.take() {
            return each(Element::Text(&text));
        }
        while self.open {
            let Some(event) = self.reader.next()? else { break };
            self.open = !event.ends_record;
            let mut result = Ok(());
            self.decoder.event(&event, &mut |part| {
                if let (Part::Element(element), Ok(())) = (part, &result) {
                    result = each(element);
                }
            })?;
            result?;
        }
        Ok(())
    }
}

impl<R: Read> Key<'_, R> {
    /// Returns the name of the key.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.keys.name
    }

    /// Returns the number of its database.
    #[must_use]
    pub fn db(&self) -> u64 {
        self.head.db
    }

    /// Returns the type and encoding of its value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.head.value_type
    }

    /// When it expires, in milliseconds since the epoch.
    #[must_use]
    pub fn expires_ms(&self) -> Option<i64> {
        self.head.expires_ms
    }

    /// Returns how long nobody had used it when the file was written, in seconds, if the file says that.
    #[must_use]
    pub fn idle(&self) -> Option<u64> {
        self.head.idle
    }

    /// Returns how often it was used, as the logarithmic counter of LFU, if the file says that.
    #[must_use]
    pub fn freq(&self) -> Option<u8> {
        self.head.freq
    }

    /// Returns the file offset of its record.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.head.start
    }

    /// Hands out the elements of its value, one at a time. No more than one string of it is held.
    ///
    /// # Errors
    /// If the input fails, or the value cannot be read.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb::{Element, Keys};
    ///
    /// let file = b"REDIS0004\xfe\x00\x04\x04hash\x01\x05field\xc0\x07\xff";
    /// let mut keys = Keys::new(&file[..]);
    /// if let Some(key) = keys.next()? {
    ///     key.for_each(|element| {
    ///         assert_eq!(element, Element::Field { name: b"field", value: b"7", expires_ms: None });
    ///     })?;
    /// }
    /// # Ok::<(), redis_persistence::ReadError>(())
    /// ```
    pub fn for_each(self, mut each: impl FnMut(Element<'_>)) -> Result<(), ReadError> {
        self.keys.elements(|element| {
            each(element);
            Ok(())
        })
    }

    /// Its value, as a whole.
    ///
    /// # Errors
    /// If the input fails, the value cannot be read, or it is larger than the limits allow.
    pub fn value(self) -> Result<Value, ReadError> {
        let Head { start, value_type, .. } = self.head;
        let mut value = Value::empty(value_type);
        let (mut size, limit) = (0_u64, self.keys.limits.packed_bytes as u64);
        self.keys.elements(|element| {
            size = size.saturating_add(element.weight());
            if size > limit {
                let kind = ErrorKind::LimitExceeded { size, limit };
                return Err(Error::new(start, start, Reading::StringValue, kind).into());
            }
            value.push(&element);
            Ok(())
        })?;
        Ok(value)
    }
}
