//! The replication backlog, and what is known of the stream behind an offset.
//!
//! Redis: `feedReplicationBacklog` and `createReplicationBacklog`; from 7.0 on `feedReplicationBuffer` and
//! `incrementalTrimReplicationBacklog` in replication.c. Up to 6.2 the backlog is a ring; from 7.0 on a list of
//! blocks that replicas share, whose head is freed only when no replica reads it.

use std::collections::VecDeque;

use super::version::Version;
use crate::units::{KIB, MILLISECOND, NEVER, Nanos};

/// Smallest block (`PROTO_REPLY_CHUNK_BYTES`).
const BLOCK_MIN: u64 = 16 * KIB;
/// Blocks of a backlog: a block is at most this part of it (redis #11666).
const BLOCKS_PER_BACKLOG: u64 = 16;
/// Blocks freed when one is added (`REPL_BACKLOG_TRIM_BLOCKS_PER_CALL`) …
pub const TRIM_PER_BLOCK: u64 = 64;
/// … and in one `beforeSleep` (ten times that).
pub const TRIM_PER_TURN: u64 = 640;

/// The backlog.
#[derive(Clone, Debug)]
pub struct Backlog {
    size: u64,
    /// Size of a block; 0: a ring.
    block: u64,
    /// Offset before its first byte: `repl_backlog_first_byte_offset` − 1.
    start: u64,
    /// Offset of its last byte.
    end: u64,
}

impl Backlog {
    /// An empty backlog of `size` behind offset `at`.
    pub fn new(version: Version, size: u64, at: u64) -> Self {
        let block = if version.has(7, 0) { BLOCK_MIN.max(size / BLOCKS_PER_BACKLOG) } else { 0 };
        Backlog { size, block, start: at, end: at }
    }

    /// A backlog that holds as much of the stream before `at` as it may, as that of a replica in step since long.
    pub fn full(version: Version, size: u64, at: u64, since: u64) -> Self {
        Backlog { start: at.saturating_sub(size).max(since), ..Backlog::new(version, size, at) }
    }

    /// The stream goes on to `end`. `needed_from`: the lowest offset that a replica has still to be sent.
    pub fn feed(&mut self, end: u64, needed_from: u64) {
        let from = std::mem::replace(&mut self.end, end);
        if self.has_surplus() {
            let blocks = (end - from).checked_div(self.block).map_or(0, |blocks| blocks + 1);
            self.trim(needed_from, blocks * TRIM_PER_BLOCK);
        }
    }

    /// Whether there is a block, or in a ring a byte, more than the size wants.
    #[inline(always)]
    fn has_surplus(&self) -> bool {
        self.end - self.start > self.size + self.block
    }

    /// Frees up to `blocks` blocks that nobody reads and the size does not want; a ring overwrites.
    pub fn trim(&mut self, needed_from: u64, blocks: u64) {
        if !self.has_surplus() {
            return;
        }
        if self.block == 0 {
            self.start = self.start.max(self.end.saturating_sub(self.size));
            return;
        }
        // A block goes while what is left without it still exceeds the size.
        let surplus = (self.end - self.start).saturating_sub(self.size + 1) / self.block;
        let unread = needed_from.saturating_sub(self.start) / self.block;
        self.start += surplus.min(unread).min(blocks) * self.block;
    }

    /// Whether a replica that has everything up to `offset` can go on from here
    /// (`masterTryPartialResynchronization`: `psync_offset` = offset + 1 within the backlog or just behind it).
    pub fn holds(&self, offset: u64) -> bool {
        (self.start..=self.end).contains(&offset)
    }

    /// `repl_backlog_histlen`.
    pub fn histlen(&self) -> u64 {
        self.end - self.start
    }

    /// `repl_backlog_first_byte_offset`.
    pub fn first_byte_offset(&self) -> u64 {
        self.start + 1
    }

    /// Memory it takes: the whole ring, or its blocks.
    pub fn memory(&self) -> u64 {
        if self.block == 0 { self.size } else { self.histlen().next_multiple_of(self.block.max(1)) }
    }

    /// Another `repl-backlog-size` (`resizeReplicationBacklog`): a ring is emptied, blocks are trimmed.
    pub fn resize(&mut self, version: Version, size: u64) {
        if size == self.size {
            return;
        }
        let start = if self.block == 0 { self.end } else { self.start };
        *self = Backlog { start, ..Backlog::new(version, size, self.end) };
    }

    /// Panics unless its bounds are in order.
    pub fn check(&self, offset: u64) {
        assert!(self.start <= self.end && self.end == offset, "the backlog ends at master_repl_offset");
        assert!(self.block > 0 || self.histlen() <= self.size, "a ring is never longer than itself");
    }
}

/// One point of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knot {
    /// `master_repl_offset` …
    pub offset: u64,
    /// … at this time.
    pub at: Nanos,
    /// Commands that changed the keyspace up to there.
    pub changes: u64,
    /// What applying all of it takes, without the replica's event loop \[ns\].
    pub work: Nanos,
}

/// The stream as a line through points at least a millisecond apart, as far back as somebody has to go.
#[derive(Clone, Debug)]
pub struct History {
    knots: VecDeque<Knot>,
    spacing: Nanos,
}

/// Points kept; beyond that every second one goes.
const KNOTS_MAX: usize = 1 << 16;

impl History {
    /// Begins at `knot`.
    pub fn new(knot: Knot) -> Self {
        History { knots: VecDeque::from([knot]), spacing: MILLISECOND }
    }

    /// The stream has come to `knot`.
    pub fn push(&mut self, knot: Knot) {
        let count = self.knots.len();
        if count >= 2 && knot.at - self.knots[count - 2].at < self.spacing {
            self.knots[count - 1] = knot;
            return;
        }
        self.knots.push_back(knot);
        if self.knots.len() > KNOTS_MAX {
            self.spacing *= 2;
            let last = *self.knots.back().unwrap_or(&knot);
            let mut index = 0;
            self.knots.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            if self.knots.back() != Some(&last) {
                self.knots.push_back(last);
            }
        }
    }

    /// Nobody goes back before `offset` any more.
    pub fn forget_before(&mut self, offset: u64) {
        while self.knots.len() > 2 && self.knots[1].offset <= offset {
            self.knots.pop_front();
        }
    }

    /// The stream goes on from `offset` under another primary, whose data has `changes` behind it.
    pub fn rewind(&mut self, offset: u64, now: Nanos, changes: u64) {
        let knot = Knot { at: now, changes, ..self.at(offset) };
        self.knots.retain(|other| other.offset < offset);
        self.knots.push_back(Knot { offset, ..knot });
    }

    /// The stream at `offset`; its ends beyond them.
    pub fn at(&self, offset: u64) -> Knot {
        let next = self.knots.partition_point(|knot| knot.offset < offset);
        match (next.checked_sub(1).and_then(|before| self.knots.get(before)), self.knots.get(next)) {
            (_, Some(after)) if after.offset == offset => *after,
            (Some(before), Some(after)) => between(before, after, offset),
            (None, Some(after)) => *after,
            (before, None) => before.copied().unwrap_or_default(),
        }
    }

    /// When the first byte behind `offset` came into the stream; [`NEVER`] when there is none.
    pub fn next_byte_at(&self, offset: u64) -> Nanos {
        match self.knots.back() {
            Some(last) if last.offset > offset => self.at(offset + 1).at,
            _ => NEVER,
        }
    }
}

fn between(before: &Knot, after: &Knot, offset: u64) -> Knot {
    let whole = (after.offset - before.offset).max(1);
    let part = offset - before.offset;
    let mix = |from: u64, to: u64| from + proportion(to - from, part, whole);
    Knot {
        offset,
        at: mix(before.at, after.at),
        changes: mix(before.changes, after.changes),
        work: mix(before.work, after.work),
    }
}

/// `of × part / whole` without overflow, rounded down; `part` ≤ `whole`, or the result fits all the same.
#[inline]
pub fn proportion(of: u64, part: u64, whole: u64) -> u64 {
    match of.checked_mul(part) {
        Some(product) => product / whole,
        // Divisions of 128 bits are slow, and rare here.
        None => (of as u128 * part as u128 / whole as u128) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    #[test]
    fn a_ring_holds_its_size_and_blocks_at_least_it() {
        let mut ring = Backlog::new(Version::redis(6, 2), MIB, 0);
        let mut list = Backlog::new(Version::redis(7, 2), MIB, 0);
        for step in 1..=3000u64 {
            ring.feed(step * 1000, step * 1000);
            list.feed(step * 1000, step * 1000);
            ring.check(step * 1000);
            list.check(step * 1000);
        }
        assert_eq!(ring.histlen(), MIB);
        assert!((MIB..=MIB + 2 * (MIB / 16)).contains(&list.histlen()), "{}", list.histlen());
    }

    #[test]
    fn blocks_that_a_replica_reads_stay() {
        let mut list = Backlog::new(Version::redis(7, 2), MIB, 0);
        (1..=100u64).for_each(|step| list.feed(step * MIB, MIB));
        assert!(list.holds(MIB) && list.histlen() >= 99 * MIB);
        list.trim(100 * MIB, TRIM_PER_TURN);
        assert!(list.histlen() > 50 * MIB, "one turn frees at most 640 blocks");
        (0..4).for_each(|_| list.trim(100 * MIB, TRIM_PER_TURN));
        assert!(list.histlen() <= MIB + MIB / 8);
        assert!(
            list.holds(99 * MIB) && list.holds(100 * MIB) && !list.holds(100 * MIB + 1) && !list.holds(MIB)
        );
    }

    #[test]
    fn the_stream_is_a_line_between_its_points() {
        let knot = |at, offset| Knot { at, offset, changes: offset / 100, work: offset * 10 };
        let mut history = History::new(knot(0, 0));
        for step in 1..=5000u64 {
            history.push(knot(step * 100_000, step * 1000));
        }
        assert!(history.knots.len() < 600);
        let middle = history.at(2_500_500);
        assert_eq!((middle.work, middle.changes), (25_005_000, 25_005));
        assert!(middle.at.abs_diff(250_050_000) < 200);
        history.forget_before(2_000_000);
        assert_eq!(history.at(2_500_500), middle);
        assert_eq!(history.next_byte_at(5_000_000), NEVER);
    }

    #[test]
    fn a_long_history_is_thinned() {
        let mut history = History::new(Knot::default());
        for step in 1..=200_000u64 {
            history.push(Knot { at: step * MILLISECOND, offset: step * 100, changes: step, work: step });
        }
        assert!(history.knots.len() <= KNOTS_MAX + 1);
        assert!(history.at(10_000_000).changes.abs_diff(100_000) <= 1);
    }
}
