//! Keys with a time to live: how many of each popularity class have which deadline, which are due, and the table of
//! their deadlines (`db->expires`).
//!
//! No key is stored. Keys whose deadline lies ahead are counts in rings ([`super::cohort`]), one for each class and
//! each way in which the scenario gives a time to live; keys that are due lie in ranges of the table
//! ([`super::due`]) until somebody meets them. So memory is the same for a thousand keys and 10^9. A key is expired
//! when the clock, in whole milliseconds, is past its deadline (`keyIsExpired`). What happens to keys that are far
//! from their deadline is counted first and settled with the rings now and then ([`super::renewals`]), at times
//! that depend on the commands and their clock alone.

use super::cohort::Ring;
use super::dict::{Dict, Growth, has_line_buckets};
use super::due::{Due, EXACT, Taken};
use super::renewals::Renewals;
use super::version::Version;
use crate::observe::expiry::ExpirySeen;
use crate::rng::{Stream, StreamId, Streams, Uniform};
use crate::scenario::ttl::{Ttl, TtlSampler};
use crate::units::{MILLISECOND, Nanos};

/// Time to live of keys that have one but of which nothing else is known (`dataset.ttl-share` alone): 30 years.
pub const NEVER_DUE_MS: u64 = 946_080_000_000;

/// Where the addressed key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does not exist.
    Absent,
    /// It has no time to live.
    Lasting,
    /// Its deadline lies far ahead: its number among those of its class of which that is true, as long as none of them
    /// changes.
    Ahead(u64),
    /// Its deadline lies ahead: ring and cell.
    Waiting(u32, u16),
    /// It is past its deadline in a ring that was not turned since: ring, cell, deadline.
    Overdue(u32, u16, u64),
    /// It is due: its number among those of its class.
    Due(u64),
}

/// What became of every time to live that was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Keys that got a time to live, the dataset's included.
    pub given: u64,
    /// Keys deleted after their deadline.
    pub expired: u64,
    /// Keys whose time to live was replaced by another or taken away.
    pub replaced: u64,
    /// Times to live that were replaced far from the deadline; counted in neither of the two above.
    pub renewed: u64,
    /// Keys that a command deleted before their deadline.
    pub deleted: u64,
    /// Keys that were evicted.
    pub evicted: u64,
    /// Keys that went to another node of the cluster.
    pub left: u64,
}

/// The volatile keys of a server.
#[derive(Clone, Debug)]
pub struct Expires {
    on: bool,
    /// The table of deadlines.
    pub dict: Dict,
    /// Samplers by way: the dataset's, then those of each group's commands.
    pub(super) ways: Vec<(TtlSampler, u64)>,
    /// By way and class, made when first used.
    pub(super) rings: Vec<Option<Box<Ring>>>,
    /// Keys whose deadlines lie ahead, by class.
    pub(super) waiting: Vec<u64>,
    pub(super) waiting_keys: u64,
    /// Those of them that are far from their deadline, by class.
    pub(super) renewals: Vec<Renewals>,
    /// No far key is due while the clock has not passed this \[ms\].
    pub(super) far_from: u64,
    pub(super) due: Due,
    pub(super) stream: Stream,
    /// Offset of the server's wall clock at time 0.
    phase: Nanos,
    /// The clock commands see: when it was looked at, and in whole milliseconds.
    clock: Nanos,
    pub(super) wall: u64,
    /// When the next millisecond begins.
    wall_ends: Nanos,
    /// Bytes of an entry beyond its share of the table.
    entry_bytes: f64,
    exact_volatile: u64,
    /// Exact keys that the active cycle deleted since somebody took them from here.
    pub deleted_exact: Vec<u32>,
    /// What became of times to live.
    pub fates: Fates,
    /// What was seen, for the result.
    pub seen: ExpirySeen,
}

impl Expires {
    /// The volatile keys of a server with `classes` classes of keys. `ways` are the times to live that the scenario
    /// gives, the dataset's first; empty for none.
    pub fn new(
        version: Version,
        classes: usize,
        ways: &[Ttl],
        entry_bytes: f64,
        phase: Nanos,
        streams: &Streams,
    ) -> Self {
        let way = |ttl: &Ttl| (TtlSampler::new(ttl), ttl.longest_ms());
        Expires {
            on: !ways.is_empty(),
            dict: Dict::new(version, 0),
            ways: ways.iter().map(way).collect(),
            rings: vec![None; ways.len() * classes],
            waiting: vec![0; classes],
            waiting_keys: 0,
            renewals: vec![Renewals::default(); classes],
            far_from: u64::MAX,
            due: Due::new(classes),
            stream: streams.open(StreamId::Expiry, 0),
            phase,
            clock: 0,
            wall: phase / MILLISECOND,
            wall_ends: MILLISECOND - phase % MILLISECOND,
            entry_bytes,
            exact_volatile: 0,
            deleted_exact: Vec::new(),
            fates: Fates::default(),
            seen: ExpirySeen::default(),
        }
    }

    /// Whether keys of the keyspace may have a time to live.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Keys with a deadline, dead ones included.
    pub fn keys(&self) -> u64 {
        self.dict.used()
    }

    /// Dead keys in memory, as of the last cycle.
    pub fn pending(&self) -> u64 {
        self.due.keys()
    }

    /// Volatile keys of a class.
    #[inline(always)]
    pub fn of_class(&self, class: usize) -> u64 {
        self.waiting[class] + self.due.of_class(class)
    }

    /// Bytes of deadlines and their table.
    pub fn used_bytes(&self) -> u64 {
        if !self.on && self.exact_volatile == 0 {
            return 0;
        }
        self.dict.bytes() + (self.keys() as f64 * self.entry_bytes) as u64
    }

    /// The server's clock at `at`, in whole milliseconds.
    #[inline(always)]
    pub fn wall_at(&self, at: Nanos) -> u64 {
        (at + self.phase) / MILLISECOND
    }

    /// Commands from here on see the clock as of `at`, which never goes back.
    #[inline(always)]
    pub fn look_at_clock(&mut self, at: Nanos) {
        self.clock = at;
        if at >= self.wall_ends {
            self.next_millisecond(at);
        }
    }

    #[inline(never)]
    fn next_millisecond(&mut self, at: Nanos) {
        self.wall = self.wall_at(at);
        self.wall_ends = (self.wall + 1) * MILLISECOND - self.phase;
        if self.wall > self.far_from {
            self.advance(self.wall);
        }
    }

    /// How long `deadline` is past at `at`.
    #[inline(always)]
    pub fn lag(&self, deadline: u64, at: Nanos) -> Nanos {
        (at + self.phase).saturating_sub(deadline * MILLISECOND)
    }

    /// Takes the time to live of a key away; returns its deadline when it is past.
    #[inline(always)]
    pub(super) fn take(&mut self, class: usize, held: Held) -> Option<u64> {
        match held {
            Held::Absent | Held::Lasting => None,
            Held::Ahead(r) => {
                self.renewals[class].take(r);
                self.waiting[class] -= 1;
                self.waiting_keys -= 1;
                None
            }
            Held::Waiting(ring, cell) | Held::Overdue(ring, cell, _) => {
                let far = self.rings[ring as usize].as_mut().is_some_and(|ring| ring.take(cell as usize));
                if far {
                    self.renewals[class].took_from_cell();
                }
                self.waiting[class] -= 1;
                self.waiting_keys -= 1;
                if let Held::Overdue(_, _, deadline) = held { Some(deadline) } else { None }
            }
            Held::Due(r) => {
                let u = self.stream.unit();
                Some(self.due.take_of_class(class, r, u).deadline)
            }
        }
    }

    /// A command met the expired key `held` of a class, and it is gone.
    pub fn expire_met(&mut self, class: usize, held: Held) {
        let deadline = self.take(class, held).unwrap_or(self.wall);
        self.dict.remove();
        self.fates.expired += 1;
        let lag = self.lag(deadline, self.clock);
        self.seen.expired(lag, true);
    }

    /// A volatile key was deleted by a command before its deadline.
    pub fn forget(&mut self, class: usize, held: Held) {
        if !matches!(held, Held::Absent | Held::Lasting) {
            self.take(class, held);
            self.dict.remove();
            self.fates.deleted += 1;
        }
    }

    /// A key lives on without a time to live.
    pub fn clear(&mut self, class: usize, held: Held) {
        if !matches!(held, Held::Absent | Held::Lasting) {
            self.take(class, held);
            self.dict.remove();
            self.fates.replaced += 1;
        }
    }

    /// A volatile key was evicted.
    pub fn evict(&mut self, class: usize, held: Held) {
        if !matches!(held, Held::Absent | Held::Lasting) {
            self.take(class, held);
            self.dict.remove();
            self.fates.evicted += 1;
        }
    }

    /// A key of a class, which stood at `held`, gets a time to live in the way number `way`. The table of deadlines
    /// may grow; `child_alive` and `may_grow` as for the main one.
    #[inline(always)]
    pub fn set(
        &mut self,
        class: usize,
        held: Held,
        way: usize,
        draws: &mut impl Uniform,
        child_alive: bool,
        may_grow: impl FnOnce(u64) -> bool,
    ) -> Growth {
        if !matches!(held, Held::Absent | Held::Lasting) {
            self.replace(class, held, way, draws);
            return Growth::None;
        }
        let fits = may_grow(self.dict.wanted_bytes(child_alive));
        let growth = self.dict.insert(child_alive, fits);
        self.give(class, way, draws);
        growth
    }

    /// The time to live of a key of a class, which stood at `held`, is replaced by another in the way number `way`.
    #[inline(always)]
    pub fn replace(&mut self, class: usize, held: Held, way: usize, draws: &mut impl Uniform) {
        self.take(class, held);
        self.fates.replaced += 1;
        self.give(class, way, draws);
    }

    #[inline(always)]
    fn give(&mut self, class: usize, way: usize, draws: &mut impl Uniform) {
        let deadline = self.ways[way].0.deadline(self.wall, draws);
        self.add(class, way, deadline);
        self.fates.given += 1;
    }

    /// The clock stands at `wall`: keys before it are due and get their places.
    pub fn turn(&mut self, wall: u64) {
        if wall > self.far_from {
            self.advance(wall);
        }
        let classes = self.waiting.len();
        for (index, ring) in self.rings.iter_mut().enumerate() {
            let Some(ring) = ring.as_mut().filter(|ring| ring.keys() > 0) else { continue };
            let class = index % classes;
            while let Some(span) = ring.take_due(wall, &mut self.stream) {
                self.waiting[class] -= span.keys;
                self.waiting_keys -= span.keys;
                self.due.scatter(class, span, &mut self.stream);
            }
        }
    }

    /// The due keys, for the active cycle: with the table's buckets as they are now, and the number of keys that are
    /// not due.
    pub(super) fn sweep(&mut self) -> (&mut Due, &mut Stream, u64) {
        self.due.fit(self.dict.buckets(), &mut self.stream);
        let waiting = self.waiting_keys + self.exact_volatile - self.due.exact();
        (&mut self.due, &mut self.stream, waiting)
    }

    /// The active cycle deletes a key it took out at `at`.
    pub(super) fn expire_swept(&mut self, taken: Taken, at: Nanos) {
        self.dict.remove();
        if taken.class == EXACT {
            self.exact_volatile -= 1;
            self.deleted_exact.push(taken.id);
        } else {
            self.fates.expired += 1;
        }
        let lag = self.lag(taken.deadline, at);
        self.seen.expired(lag, false);
    }

    /// Keys that are kept exactly and have a deadline, due or not; they are counted in the table.
    pub fn exact_volatile(&self) -> u64 {
        self.exact_volatile
    }

    /// An exact key without a deadline gets one; the table may grow as in [`Expires::set`].
    pub fn exact_set(&mut self, child_alive: bool, may_grow: impl FnOnce(u64) -> bool) -> Growth {
        self.exact_volatile += 1;
        let fits = may_grow(self.dict.wanted_bytes(child_alive));
        self.dict.insert(child_alive, fits)
    }

    /// The deadline of the exact key `id` \[ms of the server's clock\] has passed: the cycle may meet it.
    pub fn exact_due(&mut self, id: u32, deadline: u64) {
        self.due.add_exact(id, deadline);
    }

    /// The exact key `id`, which was due, was met by a command: the cycle cannot meet it any more.
    pub fn exact_met(&mut self, id: u32) {
        self.due.remove_exact(id);
    }

    /// An exact key has no deadline any more: deleted by a command, or its time to live was taken away.
    pub fn exact_unset(&mut self) {
        self.exact_volatile -= 1;
        self.dict.remove();
    }

    /// Bytes of the simulator's own state at most, for the bound on memory; exact keys not counted.
    pub fn state_bytes(&self) -> usize {
        let classes = self.waiting.len();
        self.rings.len() * Ring::bytes() + classes * Renewals::bytes() + Due::bytes(classes)
    }

    /// Buckets of the table, and whether deadlines fill less than one per cent of them, when the cycle leaves the
    /// table alone (`DICT_HT_INITIAL_SIZE`; hashtable.c counts seven entries a bucket).
    pub(super) fn slots(&self, version: Version) -> (u64, bool) {
        let per_bucket = if has_line_buckets(version) { 7 } else { 1 };
        let (buckets, keys) = (self.dict.slots(), self.keys());
        (buckets, buckets > 4 && keys * 100 / (buckets * per_bucket) < 1)
    }

    /// Panics unless every time to live that was given ended in one way or is still there; `present`: keys of each
    /// class that exist.
    pub fn check(&self, present: &[u64]) {
        self.rings.iter().flatten().for_each(|ring| ring.check());
        self.due.check();
        let classes = self.waiting.len();
        for (class, &waiting) in self.waiting.iter().enumerate() {
            self.renewals[class].check(&self.rings, (class, classes));
            let rings = self.rings.iter().skip(class).step_by(classes).flatten();
            let near: u64 = rings.map(|ring| ring.near()).sum();
            assert_eq!(waiting, near + self.ahead(class), "keys before their deadline");
            assert!(self.of_class(class) <= present[class], "volatile keys of a class");
        }
        assert_eq!(self.waiting_keys, self.waiting.iter().sum::<u64>(), "keys before their deadline");
        let there = self.waiting_keys + self.due.keys() - self.due.exact();
        assert_eq!(self.dict.used(), there + self.exact_volatile, "keys in the table of deadlines");
        let fates = &self.fates;
        let ended = fates.expired + fates.replaced + fates.deleted + fates.evicted + fates.left;
        assert_eq!(fates.given, ended + there, "every time to live ends once or is still there");
    }
}
