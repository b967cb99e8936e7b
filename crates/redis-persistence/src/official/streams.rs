//! Streams as the tools load them: nodes, numbers, groups, producers.
//!
//! Of the order of ids, and of what the numbers say about each other, they see next to nothing; Valkey's sees a little more
//! than that of Redis.

mod node;

use super::strings::Seen;
use super::texts::Failure;
use super::values::Within;
use super::{Tool, texts};
use crate::base::error::{Error, Reading};
use crate::rdb::{Event, Numbers, Op, Payload, Place, Role, ValueType};
use std::collections::HashMap;

type Id = (u64, u64);

/// The stream at hand.
#[derive(Debug)]
pub(super) struct Streams {
    tool: Tool,
    budget: usize,
    /// What comes next.
    place: Place,
    nodes: Seen,
    node: u128,
    node_count: u64,
    /// How many entries the nodes say that they have.
    living: u64,
    group: Vec<u8>,
    group_hash: u128,
    groups: Seen,
    /// The group's pending entries: the consumer that owns each, or 0.
    pending: HashMap<Id, u64>,
    unowned: u64,
    consumers: Seen,
    consumer: u64,
    consumers_left: u64,
    owned_left: u64,
    producers: Seen,
    producer: u128,
}

/// What an entry of the table of pending entries takes, about.
const PENDING: usize = 64;

impl Streams {
    pub(super) fn new(tool: Tool, budget: usize) -> Self {
        Self {
            tool,
            budget,
            place: Place::new(&[], 0, true),
            nodes: Seen::new(budget / 4),
            node: 0,
            node_count: 0,
            living: 0,
            group: Vec::new(),
            group_hash: 0,
            groups: Seen::new(budget / 8),
            pending: HashMap::new(),
            unowned: 0,
            consumers: Seen::new(budget / 8),
            consumer: 0,
            consumers_left: 0,
            owned_left: 0,
            producers: Seen::new(budget / 8),
            producer: 0,
        }
    }

    pub(super) fn begin(&mut self, value_type: ValueType) {
        let place = Place::new(value_type.layout(), value_type.layout_version(), true);
        *self = Self { place, ..Self::new(self.tool, self.budget) };
    }

    pub(super) fn event(&mut self, event: &Event<&[u8]>, within: &Within<'_>) -> Result<(), Failure> {
        let Within { before, end, bytes, text } = *within;
        if let Payload::Items { count: u64::MAX, .. } = event.payload {
            return Err(self.cut(b"", end));
        }
        match event.payload {
            // The key is no step of the value.
            Payload::Record(_) | Payload::Str { role: Role::Key, .. } | Payload::Piece { role: Role::Key, .. } => {}
            Payload::Items { count, .. } => self.place.follow(Some(count)),
            _ => self.place.follow(None),
        }
        let internal = |message: &str| Err(Failure::internal(end, message));
        match event.payload {
            Payload::Items { of: Role::StreamNode, count } => self.node_count = count,
            Payload::Str { role: Role::NodeId, .. } | Payload::Piece { role: Role::NodeId, .. } => {
                if text.len != 16 {
                    return internal("Stream node key entry is not the size of a stream ID");
                }
                self.node = text.hash;
            }
            Payload::Str { role: Role::StreamNode, .. } | Payload::Piece { role: Role::StreamNode, .. } => {
                let Some(living) = node::living(&text.start, self.tool == Tool::Valkey91) else {
                    return internal("Stream listpack integrity check failed.");
                };
                self.living = self.living.saturating_add(living);
                if !self.nodes.is_new(self.node) {
                    return internal("Listpack re-added with existing key");
                }
            }
            Payload::Stream(info) => {
                if info.length > 0 && self.node_count == 0 {
                    return internal("Stream length inconsistent with rax entries");
                }
                if self.tool == Tool::Valkey91 && info.length != self.living {
                    return internal("Stream length inconsistent with the number of valid entries");
                }
            }
            Payload::Str { role: Role::Group, .. } | Payload::Piece { role: Role::Group, .. } => {
                self.group.clone_from(&text.start);
                self.group_hash = text.hash;
            }
            Payload::Group { .. } if !self.groups.is_new(self.group_hash) => {
                let mut message = b"Duplicated consumer group name".to_vec();
                if self.tool != Tool::Valkey91 {
                    message.push(b' ');
                    message.extend_from_slice(texts::c_string(&self.group));
                }
                return Err(Failure::internal(end, message));
            }
            Payload::Items { of: Role::Pending, .. } => {
                self.pending.clear();
                self.unowned = 0;
            }
            Payload::Pending { id, .. } => return self.pending(id, end),
            Payload::Items { of: Role::Consumer, count } => {
                self.consumers.clear();
                (self.consumers_left, self.consumer) = (count, 0);
                if count == 0 {
                    return self.group_end(end);
                }
            }
            Payload::Str { role: Role::Consumer, .. } | Payload::Piece { role: Role::Consumer, .. } => {
                self.consumer += 1;
                if !self.consumers.is_new(text.hash) {
                    return internal("Duplicate stream consumer detected.");
                }
            }
            Payload::Items { of: Role::ConsumerPending, count } => {
                self.owned_left = count;
                if count == 0 {
                    return self.consumer_end(end);
                }
            }
            Payload::Id { of: Role::ConsumerPending, id } => return self.owned(id, end),
            Payload::Idmp { duration, max_entries } => {
                if !(1..=86_400).contains(&duration) {
                    let at = before + texts::length(bytes) as u64;
                    return Err(Failure::internal(at, "Stream IDMP duration out of range"));
                }
                if !(1..=10_000).contains(&max_entries) {
                    return internal("Stream IDMP max entries out of range");
                }
            }
            Payload::Str { role: Role::Producer, .. } | Payload::Piece { role: Role::Producer, .. } => {
                self.producer = text.hash;
            }
            Payload::Items { of: Role::ProducerEntry, .. } if !self.producers.is_new(self.producer) => {
                return internal("Stream IDMP entries loading failed.");
            }
            _ => {}
        }
        Ok(())
    }

    fn pending(&mut self, id: Id, end: u64) -> Result<(), Failure> {
        if self.pending.len() < self.budget / PENDING {
            if self.pending.insert(id, 0).is_some() {
                let message = "Duplicated global PEL entry loading stream consumer group";
                return Err(Failure::internal(end, message));
            }
            self.unowned += 1;
        }
        Ok(())
    }

    fn owned(&mut self, id: Id, end: u64) -> Result<(), Failure> {
        self.owned_left = self.owned_left.saturating_sub(1);
        let all_known = self.pending.len() < self.budget / PENDING;
        match self.pending.get_mut(&id) {
            None if all_known => {
                return Err(Failure::internal(end, "Consumer entry not found in group global PEL"));
            }
            None => {}
            Some(owner) if *owner == self.consumer => {
                let message = "Duplicated consumer PEL entry  loading a stream consumer group";
                return Err(Failure::internal(end, message));
            }
            Some(owner) if *owner > 0 && self.tool == Tool::Valkey91 => {
                let message =
                    "NACK already assigned to a different consumer, shared NACKs across consumers are not valid";
                return Err(Failure::internal(end, message));
            }
            Some(owner) => {
                self.unowned -= u64::from(*owner == 0);
                *owner = self.consumer;
            }
        }
        if self.owned_left == 0 { self.consumer_end(end) } else { Ok(()) }
    }

    fn consumer_end(&mut self, end: u64) -> Result<(), Failure> {
        self.consumers_left = self.consumers_left.saturating_sub(1);
        if self.consumers_left == 0 { self.group_end(end) } else { Ok(()) }
    }

    fn group_end(&mut self, end: u64) -> Result<(), Failure> {
        if self.unowned > 0 {
            return Err(Failure::internal(end, "Stream CG PEL entry without consumer"));
        }
        Ok(())
    }

    /// Returns whether the parser stopped in an id or a time.
    pub(super) fn is_fixed(&self, error: &Error, base: u64) -> bool {
        match error.reading() {
            // The count of deliveries is a length, and lies behind both.
            Reading::Pel => matches!(self.place.next(), Some(Op::Numbers(Numbers::Id(_)))) || error.start() < base + 24,
            _ => matches!(self.place.next(), Some(Op::Numbers(Numbers::Consumer))),
        }
    }

    /// Returns what the tools say of a stream that ends too early, at `at`. `done` was read of the thing at hand.
    pub(super) fn cut(&self, done: &[u8], at: u64) -> Failure {
        let message = match self.place.next() {
            Some(Op::Many(Numbers::Items(of), _)) => match of {
                Role::StreamNode => "Stream listpacks len loading failed.",
                Role::Group => "Stream cgroup count loading failed.",
                Role::Pending => "Stream PEL size loading failed.",
                Role::Consumer => "Stream consumers num loading failed.",
                Role::ConsumerPending => "Stream consumer PEL num loading failed.",
                _ => "Stream IDMP entries loading failed.",
            },
            Some(Op::Str(role)) => match role {
                Role::NodeId if self.tool == Tool::Valkey91 => {
                    "Stream primary ID loading failed: invalid encoding or I/O error."
                }
                Role::NodeId => "Stream master ID loading failed: invalid encoding or I/O error.",
                Role::StreamNode => "Stream listpacks loading failed.",
                Role::Group => "Error reading the consumer group name from Stream",
                Role::Consumer => "Error reading the consumer name from Stream group.",
                _ => "Stream IDMP entries loading failed.",
            },
            Some(Op::Numbers(read)) => match read {
                Numbers::Stream => "Stream object metadata loading failed.",
                Numbers::Group if numbers(done) < 2 => "Stream cgroup ID loading failed.",
                Numbers::Group => "Stream cgroup offset loading failed.",
                Numbers::Pending if done.is_empty() => "Stream PEL ID loading failed.",
                Numbers::Pending => "Stream PEL NACK loading failed.",
                Numbers::Consumer if done.is_empty() => "Stream short read reading seen time.",
                Numbers::Consumer => "Stream short read reading active time.",
                Numbers::Id(_) => "Stream short read reading PEL streamID.",
                Numbers::Idmp if done.is_empty() => "Stream IDMP duration loading failed.",
                Numbers::Idmp => "Stream IDMP max entries loading failed.",
                Numbers::IdmpTotals if done.is_empty() => "Stream iids_added loading failed.",
                Numbers::IdmpTotals => "Stream iids_duplicates loading failed.",
                _ => "Stream IDMP entries loading failed.",
            },
            _ => "Stream IDMP entries loading failed.",
        };
        Failure::internal(at, message)
    }
}

/// Returns how many numbers there are in `bytes`.
fn numbers(bytes: &[u8]) -> usize {
    let (mut rest, mut count) = (bytes, 0);
    while !rest.is_empty() {
        rest = &rest[texts::length(rest)..];
        count += 1;
    }
    count
}
