//! Requests for what stands at a place of an object, each answer checked: that it is of the same object as the first, as long as it
//! should be, and does not take for ever.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path as Place;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};
use tokio::time::timeout;

use super::HEAD;
use super::address::{Address, Scheme};
use super::connect::{client, patience};
use super::failed::{Failed, explained, is_no_range, is_past_the_end, replaced};

/// A server that gives fewer bytes in a second is too slow.
const SLOWEST: u64 = 16 << 10;

/// What an object is read from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    store: Arc<dyn ObjectStore>,
    place: Place,
    pub(super) address: Address,
    pub(super) patience: Duration,
}

/// By what an object is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    tag: Option<String>,
    modified: i64,
    size: u64,
}

/// What the first answer tells.
pub(super) enum Begun {
    /// All of it.
    Whole(Vec<u8>),
    /// The first bytes.
    Head { mark: Mark, size: u64, bytes: Vec<u8> },
    /// The server gives it as a whole alone.
    Stream { size: u64, stream: Answer },
}

impl Mark {
    fn of(meta: &ObjectMeta) -> Self {
        Self { tag: meta.e_tag.clone(), modified: meta.last_modified.timestamp(), size: meta.size }
    }

    /// Returns the tag, if a server can be asked for exactly that one.
    fn exact(&self) -> Option<String> {
        self.tag.clone().filter(|tag| !tag.starts_with("W/"))
    }
}

impl Source {
    pub(super) fn of(address: Address) -> Result<Self, Failed> {
        let store = client(&address)?;
        // The client of a web server is one for the whole address.
        let key = if address.scheme == Scheme::Http { "" } else { address.key.as_str() };
        let place = Place::parse(key).map_err(|error| explained(&error.into(), &address))?;
        if place.as_ref() != key {
            let why = "its key begins or ends with a slash: such a key is not read";
            return Err(Failed::new(ErrorKind::InvalidInput, why));
        }
        Ok(Self { store, place, address, patience: patience() })
    }

    fn failed(&self, error: &object_store::Error) -> Failed {
        explained(error, &self.address)
    }

    /// Asks for the first bytes, and with them for what the object is.
    pub(super) async fn begin(&self) -> Result<Begun, Failed> {
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(0..HEAD)));
        let answer = match self.store.get_opts(&self.place, options).await {
            Ok(answer) => answer,
            Err(error) if is_no_range(&error) => return self.whole().await,
            // There is no first byte.
            Err(error) if is_past_the_end(&error) => return self.empty().await,
            Err(error) => return Err(self.failed(&error)),
        };
        let (mark, size, range) = (Mark::of(&answer.meta), answer.meta.size, answer.range.clone());
        let bytes = self.collected(answer, range, Vec::new()).await?;
        Ok(if bytes.len() as u64 == size { Begun::Whole(bytes) } else { Begun::Head { mark, size, bytes } })
    }

    async fn whole(&self) -> Result<Begun, Failed> {
        let answer = self.store.get_opts(&self.place, GetOptions::new()).await;
        let answer = answer.map_err(|error| self.failed(&error))?;
        let size = answer.meta.size;
        if size <= HEAD {
            return self.collected(answer, 0..size, Vec::new()).await.map(Begun::Whole);
        }
        let stream = Answer::new(self, answer.into_stream(), size);
        Ok(Begun::Stream { size, stream })
    }

    async fn empty(&self) -> Result<Begun, Failed> {
        let answer = self.store.get_opts(&self.place, GetOptions::new().with_head(true)).await;
        match answer.map_err(|error| self.failed(&error))?.meta.size {
            0 => Ok(Begun::Whole(Vec::new())),
            _ => Err(Failed::new(ErrorKind::InvalidData, "the server says that it is empty, and that it is not")),
        }
    }

    /// Asks how long an object is.
    pub(super) async fn size(&self) -> Result<u64, Failed> {
        let answer = self.store.get_opts(&self.place, GetOptions::new().with_head(true)).await;
        answer.map(|answer| answer.meta.size).map_err(|error| self.failed(&error))
    }

    /// Asks for some bytes of the object that is known by its mark.
    pub(super) async fn piece(&self, mark: &Mark, range: Range<u64>, buffer: Vec<u8>) -> Result<Vec<u8>, Failed> {
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range.clone()))).with_if_match(mark.exact());
        let answer = match self.store.get_opts(&self.place, options).await {
            Ok(answer) => answer,
            // It is shorter by now.
            Err(error) if is_past_the_end(&error) => return Err(replaced()),
            Err(error) => return Err(self.failed(&error)),
        };
        if Mark::of(&answer.meta) != *mark {
            return Err(replaced());
        }
        self.collected(answer, range, buffer).await
    }

    /// Returns the bytes of an answer, which are to be as many as the range has.
    async fn collected(&self, answer: GetResult, range: Range<u64>, mut buffer: Vec<u8>) -> Result<Vec<u8>, Failed> {
        let size = range.end - range.start;
        let mut answer = Answer::new(self, answer.into_stream(), size);
        buffer.clear();
        buffer.reserve_exact(usize::try_from(size).map_err(|_| too_much())?);
        while let Some(bytes) = answer.next().await? {
            buffer.extend_from_slice(&bytes);
        }
        Ok(buffer)
    }
}

#[cfg(test)]
impl Source {
    /// Returns one of an object in memory.
    pub(super) async fn in_memory(bytes: Vec<u8>) -> Result<Self, Failed> {
        use object_store::ObjectStoreExt as _;

        let (store, place) = (Arc::new(object_store::memory::InMemory::new()), Place::from("object"));
        let address = Address { scheme: Scheme::S3, bucket: "bucket".to_owned(), key: "object".to_owned() };
        store.put(&place, bytes.into()).await.map_err(|error| explained(&error, &address))?;
        Ok(Self { store, place, address, patience: patience() })
    }

    /// Puts another object in its place.
    pub(super) async fn replace(&self, bytes: Vec<u8>) -> Result<(), Failed> {
        use object_store::ObjectStoreExt as _;

        let put = self.store.put(&self.place, bytes.into()).await;
        put.map(drop).map_err(|error| self.failed(&error))
    }
}

fn too_much() -> Failed {
    Failed::new(ErrorKind::InvalidData, "the server gives more bytes than it said")
}

/// The bytes of an answer as they come.
pub(super) struct Answer {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    address: Address,
    patience: Duration,
    size: u64,
    got: u64,
    /// How long was waited for it.
    waited: Duration,
}

impl Answer {
    fn new(source: &Source, stream: BoxStream<'static, object_store::Result<Bytes>>, size: u64) -> Self {
        let (address, patience) = (source.address.clone(), source.patience);
        Self { stream, address, patience, size, got: 0, waited: Duration::ZERO }
    }

    /// Waits for the next bytes; at the end there are none, and there have been as many as there should be.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failed> {
        let most = self.patience + Duration::from_secs(self.got / SLOWEST);
        let left = most.saturating_sub(self.waited);
        let since = Instant::now();
        let Ok(next) = timeout(left, self.stream.next()).await else {
            let why =
                format!("the server is too slow: {} of {} bytes came in {} s", self.got, self.size, most.as_secs());
            return Err(Failed::new(ErrorKind::TimedOut, why));
        };
        self.waited += since.elapsed();
        let Some(bytes) = next.transpose().map_err(|error| explained(&error, &self.address))? else {
            if self.got < self.size {
                let why = format!("the answer is short: {} of {} bytes came", self.got, self.size);
                return Err(Failed::new(ErrorKind::UnexpectedEof, why));
            }
            return Ok(None);
        };
        self.got += bytes.len() as u64;
        if self.got > self.size {
            return Err(too_much());
        }
        Ok(Some(bytes))
    }
}
