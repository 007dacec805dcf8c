//! Nodes of streams: how many entries a listpack takes, its bytes, and the streams of one popularity class as counts.
//!
//! What is modelled and what is left out is said in [`super::streams`].

use super::collection::listpack_entry;
use super::memory::size_class;
use super::resp::STREAM_FIELD_LENGTH;
use super::stream_command::Trim;
use super::version::Version;

/// Largest node when `stream-node-max-bytes` is 0 or above (`STREAM_LISTPACK_MAX_SIZE`) \[bytes\].
const NODE_MAX: u64 = 1 << 30;
/// A new node's allocation (`STREAM_LISTPACK_MAX_PRE_ALLOCATE`, 6.2 on) \[bytes\].
const PREALLOCATED: u64 = 4096;
/// Header and end of a listpack, and of the master entry the count, the deleted, the number of fields and the
/// terminator, two bytes each (numbers up to 127) \[bytes\].
const NODE_HEADER: u64 = 7 + 4 * 2;
/// Entry beyond its values: flags 2, milliseconds since the master 4 (up to 32 s; 3 up to 4 s, 5 up to 2 h), sequence
/// 2, number of elements 2 \[bytes\].
const ENTRY: u64 = 2 + 4 + 2 + 2;
/// Radix-tree node with the rest of a 16-byte key and its pointer (rax.c; approximate) \[bytes\].
const RAX_NODE: u64 = 40;
/// Entries of a node beyond which scenarios are refused: fillings are kept one by one.
pub const CAPACITY_MAX: u64 = 65_536;
/// In an RDB: a node's key, and the length of its string \[bytes\].
const RDB_NODE: u64 = 17 + 2;

/// How the nodes of the streams are filled: one shape of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeShape {
    /// Entries a node takes, ≥ 1.
    pub capacity: u64,
    /// Fields of an entry.
    pub fields: u64,
    /// Length of a field's value \[bytes\].
    pub value: u64,
    /// Bytes of an entry after the first fields' names, which are the master's.
    pub entry: u64,
    /// Bytes of a node without entries.
    pub header: u64,
    /// A new node's allocation \[bytes\]; 0 before 6.2.
    preallocated: u64,
    /// Full by number of entries, hence shrunk to fit.
    shrinks: bool,
}

impl NodeShape {
    /// Nodes of at most `max_bytes` and `max_entries` (0: no limit of that kind), for entries of `fields` fields with
    /// values of `value` bytes, all of the same field names.
    pub fn new(version: Version, max_bytes: u64, max_entries: u64, fields: u64, value: u64) -> Self {
        let max_bytes = if max_bytes == 0 { NODE_MAX } else { max_bytes.min(NODE_MAX) };
        let entry = ENTRY + fields * listpack_entry(value);
        let header = NODE_HEADER + fields * listpack_entry(STREAM_FIELD_LENGTH);
        // The last entry is added while header + n × entry + its fields and values < max_bytes.
        let room = max_bytes.saturating_sub(header + fields * (STREAM_FIELD_LENGTH + value));
        let by_bytes = room.div_ceil(entry).max(1);
        let shrinks = version.has(6, 2) && max_entries > 0 && max_entries <= by_bytes;
        NodeShape {
            capacity: if max_entries > 0 { by_bytes.min(max_entries) } else { by_bytes },
            fields,
            value,
            entry,
            header,
            preallocated: if version.has(6, 2) { PREALLOCATED.min(max_bytes) } else { 0 },
            shrinks,
        }
    }

    /// Bytes of a listpack with `entries` entries.
    fn listpack(&self, entries: u64) -> u64 {
        self.header + entries * self.entry
    }

    /// Allocation of a node that is still filled, with its place in the radix tree.
    pub fn tail_bytes(&self, entries: u64) -> u64 {
        if entries == 0 { 0 } else { size_class(self.preallocated.max(self.listpack(entries))) + RAX_NODE }
    }

    /// The same of a full node.
    pub fn full_bytes(&self) -> u64 {
        if self.shrinks {
            size_class(self.listpack(self.capacity)) + RAX_NODE
        } else {
            self.tail_bytes(self.capacity)
        }
    }

    /// Bytes of the nodes of one stream of `entries` entries that were never trimmed.
    pub fn stream_bytes(&self, entries: u64) -> u64 {
        let full = entries.saturating_sub(1) / self.capacity;
        full * self.full_bytes() + self.tail_bytes(entries - full * self.capacity)
    }

    /// Bytes of a stream's nodes in an RDB, `entries` stored entries in `nodes` nodes.
    pub fn rdb_bytes(&self, entries: u64, nodes: u64) -> u64 {
        nodes * (RDB_NODE + self.header) + entries * self.entry
    }
}

/// Streams of one popularity class.
#[derive(Clone, Debug)]
pub struct StreamClass {
    /// Streams.
    pub streams: u64,
    /// Number of tails with so many entries, by that number.
    fills: Vec<u64>,
    /// Entries that are there.
    pub entries: u64,
    /// Entries marked deleted in nodes that are still there.
    pub marked: u64,
    /// Nodes.
    pub nodes: u64,
    /// Entries in tails.
    in_tails: u64,
    /// Allocations of tails.
    pub(super) tail_bytes: u64,
    /// Tails with entries.
    pub(super) tails: u64,
    /// Entries the consumer group has not read yet.
    pub undelivered: u64,
    /// Entries delivered and not acknowledged.
    pub pending: u64,
}

/// What adding or removing entries took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// A node was begun.
    pub began: bool,
    /// Entries that went.
    pub removed: u64,
    /// Of those, marked inside a node that stays.
    pub marked: u64,
    /// Entries that were walked over, and nodes freed.
    pub walked: u64,
}

impl StreamClass {
    /// `streams` streams of `entries` entries each.
    pub(super) fn new(streams: u64, entries: u64, shape: &NodeShape) -> Self {
        let full = entries.saturating_sub(1) / shape.capacity;
        let tail = entries - full * shape.capacity;
        let mut fills = vec![0; shape.capacity as usize + 1];
        fills[tail as usize] = streams;
        StreamClass {
            streams,
            fills,
            entries: streams * entries,
            marked: 0,
            nodes: streams * (full + (tail > 0) as u64),
            in_tails: streams * tail,
            tail_bytes: streams * shape.tail_bytes(tail),
            tails: if tail > 0 { streams } else { 0 },
            undelivered: 0,
            pending: 0,
        }
    }

    /// Filling of the tail of a stream drawn by the uniform number `u`.
    pub(super) fn draw(&self, u: f64) -> u64 {
        let mut left = (u * self.streams as f64) as u64;
        for (fill, &count) in self.fills.iter().enumerate() {
            if left < count {
                return fill as u64;
            }
            left -= count;
        }
        self.fills.iter().rposition(|&count| count > 0).unwrap_or(0) as u64
    }

    /// Adds an entry to a stream with a tail of `fill` entries; whether it began a node.
    pub(super) fn add(&mut self, fill: u64, shape: &NodeShape) -> bool {
        let began = fill == 0 || fill == shape.capacity;
        let after = if began { 1 } else { fill + 1 };
        self.fills[fill as usize] -= 1;
        self.fills[after as usize] += 1;
        self.in_tails = self.in_tails - fill + after;
        self.tail_bytes = self.tail_bytes - shape.tail_bytes(fill) + shape.tail_bytes(after);
        self.nodes += began as u64;
        self.tails += (fill == 0) as u64;
        self.entries += 1;
        self.undelivered += 1;
        began
    }

    /// Full nodes that are no tail.
    pub(super) fn sealed(&self) -> u64 {
        self.nodes - self.tails
    }

    /// Marked entries beyond which the class has a head node with nothing else in it.
    fn marks_of_a_node(&self, shape: &NodeShape) -> u64 {
        shape.capacity + (self.streams - 1) * (shape.capacity - 1) / 2
    }

    /// Frees `nodes` head nodes, of which each holds its share of the marked entries; entries that went.
    fn free_nodes(&mut self, nodes: u64, shape: &NodeShape) -> u64 {
        let stored = nodes * shape.capacity;
        let marked = if self.nodes == nodes { self.marked } else { self.marked * nodes / self.nodes };
        let marked = marked.min(stored);
        self.nodes -= nodes;
        self.marked -= marked;
        self.entries -= stored - marked;
        stored - marked
    }

    /// Removes the oldest entry of a stream whose head node has `before` marked entries.
    pub(super) fn remove_oldest(&mut self, before: u64, shape: &NodeShape) -> Moved {
        self.entries -= 1;
        if self.marked + 1 >= self.marks_of_a_node(shape) && self.sealed() > 0 {
            self.nodes -= 1;
            self.marked -= shape.capacity - 1;
            return Moved { removed: 1, walked: 1, ..Moved::default() };
        }
        self.marked += 1;
        Moved { removed: 1, marked: 1, walked: before + 1, ..Moved::default() }
    }

    /// `MAXLEN` after an XADD to a stream whose tail had `fill` entries before it.
    pub(super) fn trim_one(&mut self, trim: Trim, limit: u64, fill: u64, shape: &NodeShape) -> Moved {
        let bound = trim.length.saturating_mul(self.streams);
        // Longer than one entry or node beyond it: only at the start, when all streams are as long.
        let (excess, step) = (
            (self.entries / self.streams).saturating_sub(trim.length),
            if trim.is_approximate() { shape.capacity } else { 1 },
        );
        if excess >= 2 * step {
            return self.trim_all(trim, limit, shape);
        }
        if trim.is_approximate() {
            let bound = bound.saturating_add((self.streams - 1) * (shape.capacity - 1) / 2);
            if self.entries < bound.saturating_add(shape.capacity) || self.sealed() == 0 {
                return Moved::default();
            }
            return Moved { removed: self.free_nodes(1, shape), walked: 1, ..Moved::default() };
        }
        if self.entries <= bound {
            return Moved::default();
        }
        // Entries ever added ≡ fill, entries kept = MAXLEN: the rest of the head node is marked.
        let (fill, capacity) = (fill as i128, shape.capacity as i128);
        let before = (fill - trim.length as i128).rem_euclid(capacity) as u64;
        self.remove_oldest(before, shape)
    }

    /// XTRIM of one stream, which has as many entries as the mean of its class.
    pub(super) fn trim_all(&mut self, trim: Trim, limit: u64, shape: &NodeShape) -> Moved {
        let excess = (self.entries / self.streams).saturating_sub(trim.length);
        let in_head = (self.marked / self.streams).min(shape.capacity - 1);
        let whole = (excess + in_head) / shape.capacity;
        let allowed = if trim.is_approximate() && limit > 0 { limit / shape.capacity } else { u64::MAX };
        let nodes = whole.min(allowed).min(self.sealed());
        let mut moved = Moved::default();
        if nodes > 0 {
            moved.removed = self.free_nodes(nodes, shape);
            moved.walked = nodes;
        }
        if !trim.is_approximate() {
            let left = excess.saturating_sub(moved.removed).min(self.entries);
            for _ in 0..left {
                let one = self.remove_oldest(0, shape);
                moved.removed += one.removed;
                moved.marked += one.marked;
            }
            // One walk over the head node, whatever was marked before.
            moved.walked += if left > 0 { in_head + left } else { 0 };
        }
        moved
    }

    /// Entries of one stream among `total` of the class: exact for one stream, else the mean rounded by `u`.
    pub(super) fn share(&self, total: u64, u: f64) -> u64 {
        if self.streams == 1 { total } else { (total as f64 / self.streams as f64 + u) as u64 }.min(total)
    }

    /// Panics unless the books agree.
    pub(super) fn check(&self, shape: &NodeShape) {
        assert_eq!(self.fills.iter().sum::<u64>(), self.streams, "tails of streams");
        let in_tails: u64 = self.fills.iter().zip(0..).map(|(count, fill)| count * fill).sum();
        assert_eq!(in_tails, self.in_tails, "entries in tails");
        let free = self.tails * shape.capacity - self.in_tails;
        assert_eq!(self.nodes * shape.capacity, self.entries + self.marked + free, "entries of nodes");
        let bytes: u64 = self.fills.iter().zip(0..).map(|(count, fill)| count * shape.tail_bytes(fill)).sum();
        assert_eq!(bytes, self.tail_bytes, "bytes of tails");
    }
}

#[cfg(test)]
mod tests;
