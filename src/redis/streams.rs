//! Streams as counts: entries, listpack nodes and the filling of tail nodes by popularity class, no stream by itself.
//!
//! Redis: t_stream.c. A stream is a radix tree of listpacks. `streamAppendItem` adds to the tail node and begins
//! another when the node holds `stream-node-max-entries` or when its bytes and the new entry's would reach
//! `stream-node-max-bytes` (a rule of bytes alone, after the fact, before 6.2: the same within an entry). A new node
//! is allocated with 4096 bytes at once (6.2 on) and shrunk to fit when it is full by entries. `streamTrim` frees
//! whole head nodes; exact trimming goes on inside the head node, where entries are marked deleted one by one and
//! stay until their node goes, so that each MAXLEN walks over those marked before.
//!
//! Streams of a class are exchangeable: how many tails hold how many entries is kept, and an XADD moves one tail,
//! drawn by those numbers, one entry ahead. That is exact. What is trimmed is kept for the class as a whole: exact
//! for one stream, right on average for many, which in truth reach their MAXLEN at slightly different times.
//!
//! Invariant: nodes × capacity = live entries + marked entries + free places in tails.

use super::command::CommandKind;
use super::keyspace::{ClassMap, KeyMemory, Keyspace};
use super::memory::{ValueShape, bytes_per_key, size_class};
use super::resp::{STREAM_FIELD_LENGTH, STREAM_ID_LENGTH, bulk, digits};
use super::stream_command::{CONSUMER_LENGTH, GROUP_LENGTH, Trim};
pub use super::stream_nodes::{Moved, NodeShape, StreamClass};
use super::version::Version;
use crate::observe::streams::StreamUse;
use crate::rng::{Numbered, StreamId, Streams as Randomness};
use crate::scenario::Scenario;

/// `LIMIT` of an approximate trim in nodes of `stream-node-max-entries` (t_stream.c `streamParseAddOrTrimArgsOrReply`).
const LIMIT_NODES: u64 = 100;
/// `stream` (stream.h) from 7.0 on, and before \[bytes\].
const STREAM: (u64, u64) = (80, 40);
/// A `rax` and its first node \[bytes\].
const RAX: u64 = 24 + 16;
/// A consumer group with one consumer: two trees for pending entries, one for consumers (used_memory of Redis 7.0.15)
/// \[bytes\].
const GROUP: u64 = 300;
/// A pending entry: `streamNACK` and a place in the radix trees of group and consumer (used_memory of Redis 7.0.15:
/// 149) \[bytes\].
const PENDING: u64 = 150;
/// In an RDB: a stream's length, ids and numbers; a pending entry in the group (id, time, count) and in the consumer
/// (id) \[bytes\].
const RDB_STREAM: u64 = 40;
const RDB_PENDING: u64 = 16 + 8 + 1 + 16;

/// The streams of a server.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Their keys and popularity classes; all exist.
    pub keyspace: Keyspace,
    /// How nodes are filled.
    pub shape: NodeShape,
    /// By popularity class.
    pub classes: Vec<StreamClass>,
    /// Which stream of a class.
    pub(super) draws: Vec<Numbered>,
    /// By group: its view of the keys; none for groups without stream commands.
    pub(super) maps: Vec<Option<ClassMap>>,
    /// Entries added, removed, delivered and acknowledged since the start.
    pub totals: Totals,
    /// `LIMIT` of an approximate trim \[entries\]; 0: none.
    limit: u64,
    key_size: u64,
    has_group: bool,
    at_start: u64,
}

/// Sums over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries added.
    pub added: u64,
    /// Entries removed by MAXLEN, XTRIM, XDEL.
    pub removed: u64,
    /// Entries delivered to consumers.
    pub delivered: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Undelivered entries that were removed.
    pub missed: u64,
}

/// The shape of the entries that `scenario` adds: fields and mean length of a value.
pub fn entries_of(scenario: &Scenario) -> (u64, u64) {
    let mut adds = scenario.workloads.iter().flat_map(|workload| {
        workload
            .mix
            .iter()
            .filter(|(command, _)| command.kind == CommandKind::Xadd)
            .map(move |(c, _)| (c, workload))
    });
    match adds.next() {
        Some((command, workload)) => (u64::from(command.elements), workload.value_size.mean().round() as u64),
        None => (1, scenario.dataset.value_size.mean().round() as u64),
    }
}

impl Streams {
    /// The streams of `scenario`; none when no command of it is a stream's.
    pub fn new(scenario: &Scenario, randomness: &Randomness) -> Option<Self> {
        let of_streams = |workload: &crate::scenario::Workload| {
            workload.mix.iter().any(|(command, _)| command.kind.is_stream())
        };
        if !scenario.workloads.iter().any(of_streams) {
            return None;
        }
        let (config, dataset) = (&scenario.redis, &scenario.dataset);
        let version = config.version;
        let (fields, value) = entries_of(scenario);
        let (max_bytes, max_entries) = (config.stream_node_max_bytes, config.stream_node_max_entries);
        let shape = NodeShape::new(version, max_bytes, max_entries, fields, value);
        let popularities: Vec<_> =
            scenario.workloads.iter().filter(|w| of_streams(w)).map(|workload| workload.keys).collect();
        let memory = KeyMemory { per_key: 0.0, empty: 0 };
        let (keyspace, maps) = Keyspace::new(version, dataset.streams, true, &popularities, memory);
        let mut maps = maps.into_iter();
        let maps = scenario.workloads.iter().map(|w| of_streams(w).then(|| maps.next()).flatten()).collect();
        let classes: Vec<_> = keyspace
            .present()
            .iter()
            .map(|&streams| StreamClass::new(streams, dataset.stream_entries, &shape))
            .collect();
        let group = |kind| matches!(kind, CommandKind::Xreadgroup | CommandKind::Xack);
        Some(Streams {
            at_start: classes.iter().map(|class| class.entries).sum(),
            keyspace,
            shape,
            classes,
            draws: (0..scenario.workloads.len() as u64)
                .map(|index| Numbered::new(randomness, StreamId::Streams, index))
                .collect(),
            maps,
            totals: Totals::default(),
            limit: LIMIT_NODES * max_entries,
            key_size: u64::from(dataset.key_size),
            has_group: scenario.workloads.iter().flat_map(|w| &w.mix).any(|(command, _)| group(command.kind)),
        })
    }

    /// XADD to a stream of `class`, drawn by `u`.
    pub fn add(&mut self, class: usize, trim: Option<Trim>, u: f64) -> Moved {
        let (streams, shape) = (&mut self.classes[class], &self.shape);
        let fill = streams.draw(u);
        let began = streams.add(fill, shape);
        self.totals.added += 1;
        let moved = trim.map_or(Moved::default(), |trim| streams.trim_one(trim, self.limit, fill, shape));
        self.forget(class, moved.removed);
        Moved { began, ..moved }
    }

    /// XTRIM of a stream of `class`.
    pub fn trim(&mut self, class: usize, trim: Trim) -> Moved {
        let moved = self.classes[class].trim_all(trim, self.limit, &self.shape);
        self.forget(class, moved.removed);
        moved
    }

    /// XDEL of the oldest `count` entries of a stream of `class`, as a consumer that is done with them does.
    pub fn delete(&mut self, class: usize, count: u64, u: f64) -> Moved {
        let streams = &mut self.classes[class];
        let count = streams.share(streams.entries, u).min(count);
        let mut moved = Moved::default();
        for _ in 0..count {
            let before = (streams.marked / streams.streams).min(self.shape.capacity - 1);
            let one = streams.remove_oldest(before, &self.shape);
            moved.removed += 1;
            moved.marked += one.marked;
            moved.walked += one.walked;
        }
        self.forget(class, moved.removed);
        moved
    }

    /// Removed entries cannot be delivered any more.
    fn forget(&mut self, class: usize, removed: u64) {
        let streams = &mut self.classes[class];
        self.totals.removed += removed;
        let missed = streams.undelivered.saturating_sub(streams.entries);
        streams.undelivered -= missed;
        self.totals.missed += missed;
    }

    /// XREADGROUP of at most `count` entries from a stream of `class`; entries delivered.
    pub fn deliver(&mut self, class: usize, count: u64, u: f64) -> u64 {
        let streams = &mut self.classes[class];
        let delivered = streams.share(streams.undelivered, u).min(count);
        streams.undelivered -= delivered;
        streams.pending += delivered;
        self.totals.delivered += delivered;
        delivered
    }

    /// XACK of `count` ids of a stream of `class`; entries that were pending.
    pub fn acknowledge(&mut self, class: usize, count: u64, u: f64) -> u64 {
        let streams = &mut self.classes[class];
        let acknowledged = streams.share(streams.pending, u).min(count);
        streams.pending -= acknowledged;
        self.totals.acknowledged += acknowledged;
        acknowledged
    }

    /// Streams.
    pub fn keys(&self) -> u64 {
        self.keyspace.keys()
    }

    fn sum(&self, of: impl Fn(&StreamClass) -> u64) -> u64 {
        self.classes.iter().map(of).sum()
    }

    /// Entries that are there.
    pub fn entries(&self) -> u64 {
        self.sum(|class| class.entries)
    }

    /// Entries marked deleted whose nodes are there.
    pub fn marked(&self) -> u64 {
        self.sum(|class| class.marked)
    }

    /// Nodes.
    pub fn nodes(&self) -> u64 {
        self.sum(|class| class.nodes)
    }

    /// Entries delivered and not acknowledged.
    pub fn pending(&self) -> u64 {
        self.sum(|class| class.pending)
    }

    /// Bytes of keys, trees, nodes, consumer groups and pending entries.
    pub fn bytes(&self, version: Version) -> u64 {
        let key = bytes_per_key(version, self.key_size as u32, ValueShape::Counter, false);
        let stream = size_class(if version.has(7, 0) { STREAM.0 } else { STREAM.1 }) + RAX;
        let of_each = key + (stream + if self.has_group { GROUP } else { 0 }) as f64;
        (self.keys() as f64 * of_each) as u64
            + self.sum(|class| class.sealed() * self.shape.full_bytes() + class.tail_bytes)
            + self.pending() * PENDING
    }

    /// Bytes of all streams in an RDB, marked entries included.
    pub fn rdb_bytes(&self) -> u64 {
        let stored = self.entries() + self.marked();
        self.keys() * (1 + 1 + self.key_size + RDB_STREAM)
            + self.shape.rdb_bytes(stored, self.nodes())
            + self.pending() * RDB_PENDING
    }

    /// Bytes of all streams in an AOF rewritten as commands: an XADD an entry, an XSETID a stream, and for a consumer
    /// group XGROUP CREATE and an XCLAIM a pending entry (aof.c `rewriteStreamObject`). From 7.0 on the two commands of
    /// a stream carry its counts.
    pub fn aof_bytes(&self, version: Version) -> u64 {
        let command = |arguments: u64, lengths: &[u64]| {
            3 + digits(arguments) + lengths.iter().map(|&length| bulk(length)).sum::<u64>()
        };
        let (key, id, shape) = (self.key_size, STREAM_ID_LENGTH, &self.shape);
        let pair = bulk(STREAM_FIELD_LENGTH) + bulk(shape.value);
        let add = command(3 + 2 * shape.fields, &[4, key, id]) + shape.fields * pair;
        let (set_id, create) = if version.has(7, 0) {
            (command(7, &[6, key, id, 12, 4, 12, id]), command(7, &[6, 6, key, GROUP_LENGTH, id, 11, 4]))
        } else {
            (command(3, &[6, key, id]), command(5, &[6, 6, key, GROUP_LENGTH, id]))
        };
        let claim = command(12, &[6, key, GROUP_LENGTH, CONSUMER_LENGTH, 1, id, 4, 13, 10, 1, 6, 5]);
        self.entries() * add
            + self.keys() * (set_id + if self.has_group { create } else { 0 })
            + self.pending() * claim
    }

    /// Pages of each class for copy-on-write: tails, one a stream; headers of streams; full nodes; pending entries.
    pub(super) fn pages(&self) -> impl Iterator<Item = f64> + '_ {
        let header = (size_class(STREAM.0) + RAX) as f64 / 4096.0;
        let node = (self.shape.full_bytes() as f64 / 4096.0).max(1.0 / 64.0);
        self.classes.iter().flat_map(move |class| {
            let pending = (class.pending * PENDING) as f64 / 4096.0;
            [class.tails as f64, class.streams as f64 * header, class.sealed() as f64 * node, pending]
        })
    }

    /// State for the result.
    pub fn used(&self, version: Version) -> StreamUse {
        StreamUse {
            streams: self.keys(),
            entries: self.entries(),
            marked: self.marked(),
            nodes: self.nodes(),
            node_capacity: self.shape.capacity,
            bytes: self.bytes(version),
            rdb_bytes: self.rdb_bytes(),
            added: self.totals.added,
            removed: self.totals.removed,
            missed: if self.has_group { self.totals.missed } else { 0 },
            delivered: self.totals.delivered,
            acknowledged: self.totals.acknowledged,
            pending: self.pending(),
        }
    }

    /// Panics unless the books agree.
    pub fn check(&self) {
        for class in &self.classes {
            class.check(&self.shape);
            assert!(class.undelivered <= class.entries, "entries to deliver");
        }
        assert_eq!(
            self.at_start + self.totals.added,
            self.entries() + self.totals.removed,
            "entries added and removed"
        );
        assert_eq!(self.totals.delivered, self.totals.acknowledged + self.pending(), "entries delivered");
    }
}
