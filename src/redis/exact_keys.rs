//! Keys that are kept exactly, one by one: those of operations of several steps.
//!
//! They stand beside the dataset, numbered by group and rank. A key is present, has a value (of a list or sorted set:
//! its number of elements) and perhaps a deadline in milliseconds of the server's clock; it is gone logically when
//! the clock is past that (`db.c keyIsExpired`: now > when), whenever it is deleted. Beside each stands the truth
//! about it, which the server does not know. Left out: a crash of the server takes nothing from them (refused when
//! the scenario is read), eviction does not draw them, and snapshots and rewrites do not count their bytes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::step_plan::{ELEMENT, MEMBER, deletion};
use crate::observe::patterns::{KeyTruth, PatternBooks, PatternSums};
use crate::scenario::pattern::{Call, Pattern};
use crate::units::{MILLISECOND, NEVER, Nanos};

/// Memory of a sorted set's member beyond its text: skiplist node, dict entry, string header \[bytes\].
///
/// Small sets are listpacks and take less.
const MEMBER_OVERHEAD: u64 = 100;
/// Memory of a list's element beyond its text, in a listpack \[bytes\].
const ELEMENT_OVERHEAD: u64 = 8;

/// A key as the server has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExactKey {
    pub(super) present: bool,
    /// Value of a counter; elements of a list.
    pub(super) value: i64,
    /// The number the last SET wrote: the rest of the value is increments.
    pub(super) base: i64,
    /// Expires when the clock is past it \[ms\]; 0: never.
    pub(super) deadline_ms: u64,
    /// Its entry in the heap of deadlines; 0: none.
    queued_ms: u64,
    /// [`ExactKeys::advance`] has named it, and it has not been deleted yet.
    reported: bool,
}

/// The keys of one group.
#[derive(Clone, Debug)]
pub(super) struct ExactGroup {
    pub(super) pattern: Pattern,
    pub(super) name: String,
    first_id: u32,
    pub(super) keys: Vec<ExactKey>,
    pub(super) truths: Vec<KeyTruth>,
    /// Scores of each sorted set's members \[ms\]; empty for other patterns.
    members: Vec<VecDeque<u64>>,
    pub(super) books: PatternBooks,
    /// Counts at the end of the warm-up.
    pub(super) before: PatternSums,
    /// Counters: increments in lives that have ended.
    pub(super) ended: u64,
    pub(super) counts: bool,
    /// Length of a key, and its memory; memory of an element \[bytes\].
    key_size: u64,
    key_bytes: u64,
    element_bytes: u64,
}

/// All keys that are kept exactly.
#[derive(Clone, Debug, Default)]
pub struct ExactKeys {
    /// By group of clients; none for groups of single commands.
    pub(super) groups: Vec<Option<ExactGroup>>,
    /// (deadline, id), at most one entry a key but for deadlines that were brought forward.
    deadlines: BinaryHeap<Reverse<(u64, u32)>>,
    pub(super) present: u64,
    pub(super) volatile: u64,
    bytes: u64,
    /// Keys that were named as due and met by a command before the active cycle deleted them.
    gone: Vec<u32>,
}

impl ExactKeys {
    /// No keys yet; groups come one by one.
    pub fn new() -> Self {
        ExactKeys::default()
    }

    /// The next group of clients: with a pattern, or without. `key_size` is the length of one of its keys, and
    /// `key_bytes` its memory.
    pub fn add_group(&mut self, pattern: Option<&Pattern>, name: &str, key_size: u64, key_bytes: u64) {
        let first_id = self.groups.iter().flatten().map(|group| group.keys.len() as u32).sum();
        let group = pattern.map(|pattern| {
            let keys = pattern.key_count as usize;
            let zset = pattern.calls().any(|call| call == Call::Zadd);
            let list = pattern.calls().any(|call| call == Call::Lpush);
            ExactGroup {
                pattern: pattern.clone(),
                name: name.to_owned(),
                first_id,
                keys: vec![ExactKey::default(); keys],
                truths: vec![KeyTruth::absent(); keys],
                members: if zset { vec![VecDeque::new(); keys] } else { Vec::new() },
                books: PatternBooks::default(),
                before: PatternSums::default(),
                ended: 0,
                counts: !zset && !list,
                key_size,
                key_bytes,
                element_bytes: if zset {
                    MEMBER + MEMBER_OVERHEAD
                } else if list {
                    ELEMENT + ELEMENT_OVERHEAD
                } else {
                    0
                },
            }
        });
        self.groups.push(group);
    }

    /// Nothing is kept exactly.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(Option::is_none)
    }

    /// Keys that exist, expired and not yet deleted ones included.
    pub fn present(&self) -> u64 {
        self.present
    }

    /// Of those, with a time to live.
    pub fn volatile(&self) -> u64 {
        self.volatile
    }

    /// Their memory, the elements of collections included.
    pub fn used_bytes(&self) -> u64 {
        self.bytes
    }

    /// Id of a key, over all groups.
    pub fn id(&self, group: usize, rank: u32) -> u32 {
        self.groups[group].as_ref().map_or(rank, |group| group.first_id + rank)
    }

    /// Group and rank of an id.
    fn place(&self, id: u32) -> (usize, u32) {
        let holds =
            |group: &ExactGroup| id >= group.first_id && id - group.first_id < group.keys.len() as u32;
        let group = self.groups.iter().position(|group| group.as_ref().is_some_and(holds));
        let group = group.expect("an id of a key");
        (group, id - self.groups[group].as_ref().map_or(0, |group| group.first_id))
    }

    /// Bytes in the AOF of a key's deletion by expiry.
    pub fn del_bytes(&self, id: u32, lazily: bool) -> u64 {
        deletion(self.group(self.place(id).0).key_size, lazily)
    }

    /// Deadline of a key; none if it does not exist or has none \[ms\].
    pub fn deadline_ms(&self, id: u32) -> Option<u64> {
        let (group, rank) = self.place(id);
        let key = self.group(group).keys[rank as usize];
        (key.present && key.deadline_ms > 0).then_some(key.deadline_ms)
    }

    fn group(&self, group: usize) -> &ExactGroup {
        self.groups[group].as_ref().expect("a group with a pattern")
    }

    pub(super) fn group_mut(&mut self, group: usize) -> &mut ExactGroup {
        self.groups[group].as_mut().expect("a group with a pattern")
    }

    /// A key's state at `now_ms`: windows that have ended are counted, nothing is deleted.
    pub(super) fn look(&mut self, group: usize, rank: u32, now_ms: u64) -> ExactKey {
        let group = self.group_mut(group);
        let key = group.keys[rank as usize];
        if key.present {
            let window = group.pattern.window_ms;
            group.truths[rank as usize].settle(now_ms, key.deadline_ms > 0, window, &mut group.books);
        }
        key
    }

    /// A key comes into being with `value`, without a time to live.
    pub(super) fn create(&mut self, group: usize, rank: u32, now: Nanos, now_ms: u64) {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let (key, window) = (&mut group.keys[rank as usize], group.pattern.window());
        *key = ExactKey { present: true, queued_ms: key.queued_ms, ..ExactKey::default() };
        let truth = &mut group.truths[rank as usize];
        truth.created(now_ms + group.pattern.window_ms);
        truth.has_ttl(now, false, window, &mut group.books);
        self.present += 1;
        self.bytes += group.key_bytes;
    }

    /// A key gets a deadline, or loses it (0).
    pub(super) fn set_deadline(&mut self, group: usize, rank: u32, deadline_ms: u64, now: Nanos) {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let key = &mut group.keys[rank as usize];
        self.volatile -= (key.deadline_ms > 0) as u64;
        self.volatile += (deadline_ms > 0) as u64;
        key.deadline_ms = deadline_ms;
        if deadline_ms > 0 && (key.queued_ms == 0 || deadline_ms < key.queued_ms) {
            key.queued_ms = deadline_ms;
            self.deadlines.push(Reverse((deadline_ms, group.first_id + rank)));
        }
        let window = group.pattern.window();
        group.truths[rank as usize].has_ttl(now, deadline_ms > 0, window, &mut group.books);
    }

    /// SET wrote `value` into a key that exists by now.
    pub(super) fn set(&mut self, group: usize, rank: u32, value: i64) {
        let group = self.group_mut(group);
        let key = &mut group.keys[rank as usize];
        let counted = key.value.abs_diff(key.base);
        (key.value, key.base) = (value, value);
        group.truths[rank as usize].set(counted, &mut group.books);
    }

    /// The counter goes up by one; its value.
    pub(super) fn increment(&mut self, group: usize, rank: u32) -> i64 {
        let group = self.group_mut(group);
        let key = &mut group.keys[rank as usize];
        key.value += 1;
        group.truths[rank as usize].incremented(key.value, group.pattern.limit, &mut group.books);
        key.value
    }

    /// A member with score `now_ms` comes to a sorted set; their number.
    pub(super) fn add_member(&mut self, group: usize, rank: u32, now_ms: u64) -> i64 {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let members = &mut group.members[rank as usize];
        members.push_back(now_ms);
        group.books.sums.increments += 1;
        group.keys[rank as usize].value = members.len() as i64;
        self.bytes += group.element_bytes;
        members.len() as i64
    }

    /// Members with a score of at most `until_ms` go; how many.
    pub(super) fn remove_members(&mut self, group: usize, rank: u32, until_ms: u64) -> u64 {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let members = &mut group.members[rank as usize];
        let before = members.len();
        while members.front().is_some_and(|&score| score <= until_ms) {
            members.pop_front();
        }
        group.keys[rank as usize].value = members.len() as i64;
        let removed = (before - members.len()) as u64;
        self.bytes -= removed * group.element_bytes;
        removed
    }

    /// An element comes to a list; its length.
    pub(super) fn push_element(&mut self, group: usize, rank: u32) -> i64 {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        group.books.sums.increments += 1;
        self.bytes += group.element_bytes;
        group.keys[rank as usize].value += 1;
        group.keys[rank as usize].value
    }

    /// A list keeps its first `keep` elements; how many go.
    pub(super) fn trim(&mut self, group: usize, rank: u32, keep: u64) -> u64 {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let key = &mut group.keys[rank as usize];
        let removed = (key.value as u64).saturating_sub(keep);
        key.value -= removed as i64;
        self.bytes -= removed * group.element_bytes;
        removed
    }

    /// A key goes: because it had expired, or by DEL.
    pub(super) fn delete(&mut self, group: usize, rank: u32, now: Nanos, expired: bool) {
        let group = self.groups[group].as_mut().expect("a group with a pattern");
        let key = &mut group.keys[rank as usize];
        if key.reported {
            self.gone.push(group.first_id + rank);
        }
        let counted = if group.counts { key.value.abs_diff(key.base) } else { 0 };
        let window = group.pattern.window();
        group.truths[rank as usize].ended(now, counted, expired, window, &mut group.books);
        group.ended += counted;
        self.present -= 1;
        self.volatile -= (key.deadline_ms > 0) as u64;
        self.bytes -= group.key_bytes + if group.counts { 0 } else { key.value as u64 * group.element_bytes };
        *key = ExactKey { queued_ms: key.queued_ms, ..ExactKey::default() };
        if let Some(members) = group.members.get_mut(rank as usize) {
            members.clear();
        }
    }

    /// Ids of keys whose deadline has passed by `now_ms` and that still exist, each once for each life.
    pub fn advance(&mut self, now_ms: u64, due: &mut Vec<u32>) {
        while let Some(&Reverse((at, id))) = self.deadlines.peek() {
            if at >= now_ms {
                return;
            }
            self.deadlines.pop();
            let (group, rank) = self.place(id);
            let group = self.groups[group].as_mut().expect("a group with a pattern");
            let key = &mut group.keys[rank as usize];
            if key.queued_ms != at {
                continue;
            }
            key.queued_ms = 0;
            if key.present && key.deadline_ms > 0 {
                if key.deadline_ms < now_ms {
                    key.reported = true;
                    due.push(id);
                } else {
                    key.queued_ms = key.deadline_ms;
                    self.deadlines.push(Reverse((key.deadline_ms, id)));
                }
            }
        }
    }

    /// Deletes the key `id`, whose deadline has passed, at `now`; false if that was done already.
    pub fn expire(&mut self, id: u32, now: Nanos, now_ms: u64) -> bool {
        let (group, rank) = self.place(id);
        let key = self.look(group, rank, now_ms);
        let expired = key.present && key.deadline_ms > 0 && key.deadline_ms < now_ms;
        if expired {
            self.group_mut(group).keys[rank as usize].reported = false;
            self.delete(group, rank, now, true);
        }
        expired
    }

    /// Ids that [`advance`](Self::advance) named and that a command has deleted since, each once.
    pub fn take_gone(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.gone)
    }
}

/// The first instant at which a key with this deadline is gone, for a server whose clock shows `phase` at time 0.
pub fn gone_at(deadline_ms: u64, phase: Nanos) -> Nanos {
    if deadline_ms == 0 { NEVER } else { ((deadline_ms + 1) * MILLISECOND).saturating_sub(phase) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u64) -> ExactKeys {
        let pattern =
            Pattern { key_count: count, ..Pattern::new("get-set-incr", 100, None).expect("built in") };
        let mut keys = ExactKeys::new();
        keys.add_group(None, "other", 0, 0);
        keys.add_group(Some(&pattern), "group", 20, 60);
        keys
    }

    #[test]
    fn a_key_is_due_once_and_a_later_deadline_counts() {
        let mut keys = keys(3);
        for rank in 0..3 {
            keys.create(1, rank, 0, 0);
            keys.set_deadline(1, rank, 50, 0);
        }
        keys.set_deadline(1, 1, 80, 0);
        keys.set_deadline(1, 2, 20, 0);
        let mut due = Vec::new();
        keys.advance(50, &mut due);
        assert_eq!(due, [2]);
        keys.advance(51, &mut due);
        assert_eq!(due, [2, 0]);
        keys.advance(100, &mut due);
        assert_eq!(due, [2, 0, 1]);
        for id in due {
            assert!(keys.expire(id, 0, 100) && !keys.expire(id, 0, 100));
        }
        keys.check();
        assert_eq!((keys.present(), keys.volatile(), keys.used_bytes()), (0, 0, 0));
    }

    #[test]
    fn a_due_key_that_a_command_meets_first_is_named_as_gone() {
        let mut keys = keys(2);
        for rank in 0..2 {
            keys.create(1, rank, 0, 0);
            keys.set_deadline(1, rank, 5, 0);
        }
        keys.delete(1, 0, 0, true);
        let mut due = Vec::new();
        keys.advance(10, &mut due);
        assert_eq!((due, keys.take_gone()), (vec![1], vec![]));
        keys.delete(1, 1, 0, true);
        assert!(!keys.expire(1, 0, 10));
        assert_eq!((keys.take_gone(), keys.take_gone()), (vec![1], vec![]));
    }

    #[test]
    fn a_key_is_gone_one_millisecond_after_its_deadline() {
        assert_eq!(gone_at(10, 0), 11 * MILLISECOND);
        assert_eq!(gone_at(10, 300), 11 * MILLISECOND - 300);
        assert_eq!(gone_at(0, 300), NEVER);
    }

    #[test]
    fn increments_are_in_counters_gone_or_lost() {
        let mut keys = keys(1);
        keys.create(1, 0, 0, 0);
        assert_eq!((keys.increment(1, 0), keys.increment(1, 0)), (1, 2));
        keys.set(1, 0, 10);
        assert_eq!(keys.increment(1, 0), 11);
        keys.check();
        keys.set_deadline(1, 0, 5, 0);
        assert_eq!(keys.deadline_ms(0), Some(5));
        assert!(!keys.expire(0, 0, 5) && keys.expire(0, 0, 6));
        keys.check();
        let sums = keys.books(1).sums;
        assert_eq!((sums.increments, sums.increments_lost, sums.expiries), (3, 2, 1));
    }
}
