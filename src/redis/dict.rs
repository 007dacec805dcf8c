//! The main hash table of keys: when it grows and shrinks, and the incremental rehash in between.
//!
//! Sources: dict.c (`_dictExpandIfNeeded`, `dictRehash`), server.c (`dictExpandAllowed`, `htNeedsResize`);
//! Valkey 8.1 on: hashtable.c. In cluster mode 7.4 and Valkey 8 have one table a slot; that is not modelled.

mod bulk;

pub use bulk::Inserted;

use super::version::Version;
use crate::units::{MILLISECOND, Nanos};

/// Buckets of the first table.
const INITIAL_BUCKETS: u64 = 4;
/// Entries over buckets up to which growth needs room under maxmemory (6.2 on; `HASHTABLE_MAX_LOAD_FACTOR`).
const REFUSABLE_LOAD: f64 = 1.618;
/// Time that one serverCron spends on rehashing without a child (`incrementallyRehash`).
const CRON_REHASH: Nanos = MILLISECOND;
/// Buckets that it moves between two looks at the clock.
const CRON_BATCH: u64 = 100;
/// Empty buckets that a step passes at most (`empty_visits = n*10`).
const EMPTY_VISITS: f64 = 10.0;
/// Time to pass an empty bucket of an array that is read in order \[ns\]; assumed, an eighth of a cache line.
const EMPTY_BUCKET: f64 = 1.0;
/// Bytes of a bucket of dict.c: one pointer.
const POINTER: u64 = 8;
/// Bytes of a bucket of hashtable.c: a cache line.
const LINE: u64 = 64;
/// Entries of a bucket of hashtable.c.
const LINE_ENTRIES: u64 = 7;

/// Whether this version keeps its keys in hashtable.c's table of cache-line buckets (Valkey 8.1 on).
pub fn has_line_buckets(version: Version) -> bool {
    version.valkey_at_least(8, 1)
}

/// Bytes of a table with so many buckets.
pub fn table_bytes(version: Version, buckets: u64) -> u64 {
    buckets * if has_line_buckets(version) { LINE } else { POINTER }
}

/// Buckets of a table that grew to `keys` keys one by one without a child: a power of two, ≥ 4 (dict.c) or ≥
/// 1.
pub fn settled_buckets(version: Version, keys: u64) -> u64 {
    if has_line_buckets(version) {
        keys.div_ceil(LINE_ENTRIES).next_power_of_two()
    } else {
        keys.next_power_of_two().max(INITIAL_BUCKETS)
    }
}

/// What an insertion did to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Nothing.
    None,
    /// A new table was allocated and zeroed, and a rehash into it began.
    Allocated {
        /// Bytes of the new table.
        new_bytes: u64,
    },
}

/// What a few rehash steps did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Buckets that were moved.
    pub buckets: u64,
    /// Bytes of the old table, freed in the main thread when its last bucket was moved.
    pub freed_bytes: Option<u64>,
}

/// A rehash in progress.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rehash {
    old_buckets: u64,
    /// Buckets of the old table that are done with, in the mean.
    done: f64,
    /// Keys when it began.
    keys: u64,
}

/// The table's sizes; its keys are not in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dict {
    version: Version,
    buckets: u64,
    used: u64,
    rehash: Option<Rehash>,
}

impl Dict {
    /// The table of a server that holds `keys` keys and is not rehashing.
    pub fn new(version: Version, keys: u64) -> Self {
        Dict { version, buckets: settled_buckets(version, keys), used: keys, rehash: None }
    }

    /// Keys in it.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Buckets of the table that new keys go to.
    pub fn buckets(&self) -> u64 {
        self.buckets
    }

    /// Whether two tables exist.
    pub fn is_rehashing(&self) -> bool {
        self.rehash.is_some()
    }

    /// Bytes of the table, or of both.
    pub fn bytes(&self) -> u64 {
        let old = self.rehash.map_or(0, |rehash| rehash.old_buckets);
        table_bytes(self.version, self.buckets + old)
    }

    /// Bytes that the next insertion would allocate for a new table if nothing forbids it; 0 if it would not
    /// grow.
    pub fn wanted_bytes(&self, child_alive: bool) -> u64 {
        if self.rehash.is_some() || !self.is_full(child_alive) {
            return 0;
        }
        table_bytes(self.version, self.grown_buckets())
    }

    /// Adds a key, having grown the table first if it was due.
    ///
    /// While a child lives the table grows only when overloaded (`updateDictResizePolicy`).
    /// `maxmemory_allows`: a new table of [`Dict::wanted_bytes`] fits under maxmemory; without room growth is
    /// put off up to a load of 1.618 (6.2 on, earlier versions allocate regardless).
    pub fn insert(&mut self, child_alive: bool, maxmemory_allows: bool) -> Growth {
        let grows = self.rehash.is_none()
            && self.is_full(child_alive)
            && (maxmemory_allows || !self.version.has(6, 2) || self.load() > REFUSABLE_LOAD);
        let growth = if grows { self.replace(self.grown_buckets()) } else { Growth::None };
        self.used += 1;
        growth
    }

    /// Whether `keys` keys are in the one table without another growth, living child or not.
    #[inline(always)]
    pub fn holds(&self, keys: u64) -> bool {
        let capacity = self.buckets * if has_line_buckets(self.version) { LINE_ENTRIES } else { 1 };
        self.rehash.is_none() && keys <= capacity
    }

    /// Removes a key.
    pub fn remove(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Does so many steps of a rehash in progress: each lookup, insertion and deletion does one. A step moves the
    /// next bucket that holds keys, and passes over empty ones on the way, at most 10 (`dictRehash`); hashtable.c
    /// has no such rule. Keys lie at random, so the share of buckets that hold some follows from the load.
    ///
    /// While a child lives nothing is moved from 7.0 on, unless the two tables differ by the forced ratio.
    pub fn step(&mut self, steps: u64, child_alive: bool) -> Moved {
        let full = self.full_share();
        let Some(rehash) = &mut self.rehash else { return Moved::default() };
        if child_alive && self.version.has(7, 0) {
            let (small, large) = (self.buckets.min(rehash.old_buckets), self.buckets.max(rehash.old_buckets));
            if large / small < forced_ratio(self.version) {
                return Moved::default();
            }
        }
        let before = rehash.done;
        rehash.done = (before + steps as f64 * passed_by_a_step(full, steps)).min(rehash.old_buckets as f64);
        let buckets = (rehash.done * full) as u64 - (before * full) as u64;
        if rehash.done < rehash.old_buckets as f64 {
            return Moved { buckets, freed_bytes: None };
        }
        let freed_bytes = Some(table_bytes(self.version, rehash.old_buckets));
        self.rehash = None;
        Moved { buckets, freed_bytes }
    }

    /// Share of the old table's buckets that hold keys.
    fn full_share(&self) -> f64 {
        match &self.rehash {
            Some(rehash) if !has_line_buckets(self.version) => {
                let keys = rehash.keys.min(self.used).max(1);
                -libm::expm1(-(keys as f64) / rehash.old_buckets as f64)
            }
            _ => 1.0,
        }
    }

    /// Buckets of both tables (`dictSlots`).
    pub fn slots(&self) -> u64 {
        self.buckets + self.rehash.map_or(0, |rehash| rehash.old_buckets)
    }

    /// Shrinks a sparse table, as serverCron does before it rehashes.
    ///
    /// Filled below 10 % up to 7.2 (and then only without a child), 12.5 % from 7.4 on (1/32 with one);
    /// Valkey 8.1 on 13 % of the entries that fit (3 %).
    pub fn shrink(&mut self, child_alive: bool) -> Growth {
        if self.rehash.is_some() || self.buckets <= INITIAL_BUCKETS {
            return Growth::None;
        }
        let sparse = if has_line_buckets(self.version) {
            let percent = if child_alive { 3 } else { 13 };
            self.used * 100 <= self.buckets * LINE_ENTRIES * percent
        } else if self.version.has(7, 4) {
            let share = if child_alive { 32 } else { 8 };
            self.used * share <= self.buckets
        } else {
            !child_alive && self.used * 100 / self.buckets < 10
        };
        let buckets = settled_buckets(self.version, self.used);
        if sparse && buckets < self.buckets { self.replace(buckets) } else { Growth::None }
    }

    /// Steps that one serverCron does in its millisecond, where moving a bucket takes `bucket` nanoseconds; none
    /// while a child lives or without `activerehashing`, which the caller knows.
    pub fn cron_rehash_budget(&self, bucket: Nanos) -> u64 {
        if self.rehash.is_none() {
            return 0;
        }
        let full = self.full_share();
        let passed = passed_by_a_step(full, CRON_BATCH);
        let step = passed * full * bucket as f64 + passed * (1.0 - full) * EMPTY_BUCKET;
        ((CRON_REHASH as f64 / step.max(1.0)) as u64).next_multiple_of(CRON_BATCH).max(CRON_BATCH)
    }

    fn replace(&mut self, buckets: u64) -> Growth {
        self.rehash = Some(Rehash { old_buckets: self.buckets, done: 0.0, keys: self.used });
        self.buckets = buckets;
        Growth::Allocated { new_bytes: table_bytes(self.version, buckets) }
    }

    /// Keys over what dict.c would have buckets for.
    fn load(&self) -> f64 {
        let capacity = self.buckets * if has_line_buckets(self.version) { LINE_ENTRIES } else { 1 };
        self.used as f64 / capacity as f64
    }

    fn is_full(&self, child_alive: bool) -> bool {
        let (used, buckets) = (self.used, self.buckets);
        if has_line_buckets(self.version) {
            // MAX_FILL_PERCENT_SOFT and _HARD: 100 % and 500 % of seven entries a bucket.
            let fill = if child_alive { 5 } else { 1 };
            used + 1 > buckets * LINE_ENTRIES * fill
        } else if !child_alive {
            used >= buckets
        } else if self.version.has(7, 4) {
            used >= buckets * forced_ratio(self.version)
        } else {
            used / buckets > forced_ratio(self.version)
        }
    }

    fn grown_buckets(&self) -> u64 {
        if has_line_buckets(self.version) {
            // 5/32 buckets an entry, BUCKET_FACTOR and BUCKET_DIVISOR.
            ((self.used + 1) * 5).div_ceil(32).next_power_of_two()
        } else if self.version.has(6, 2) {
            (self.used + 1).next_power_of_two()
        } else {
            (self.used * 2).next_power_of_two()
        }
    }
}

/// Buckets that one of `steps` steps taken together passes in the mean, the one it moves included, when a share of
/// `full` holds keys: up to 10 empty ones for each step, then it ends without a move.
fn passed_by_a_step(full: f64, steps: u64) -> f64 {
    if full >= 1.0 {
        1.0
    } else if steps < CRON_BATCH {
        (1.0 - libm::pow(1.0 - full, EMPTY_VISITS)) / full
    } else {
        (1.0 / full).min(EMPTY_VISITS / (1.0 - full))
    }
}

/// Entries to buckets, or one table to the other, from which a living child no longer holds a rehash up
/// (`dict_force_resize_ratio`).
fn forced_ratio(version: Version) -> u64 {
    if version.has(7, 4) { 4 } else { 5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    fn grow(dict: &mut Dict, child_alive: bool) -> u64 {
        loop {
            if let Growth::Allocated { new_bytes } = dict.insert(child_alive, true) {
                return new_bytes;
            }
        }
    }

    #[test]
    fn tables_double_and_free_as_in_the_reference() {
        let mib = 1 << 20;
        for (keys, allocated, freed) in [(1 << 20, 16, 8), (1 << 24, 256, 128), (1 << 26, 1024, 512)] {
            let mut dict = Dict::new(Version::redis(7, 2), keys);
            assert_eq!(dict.insert(false, true), Growth::Allocated { new_bytes: allocated * mib });
            assert_eq!(dict.bytes(), (allocated + freed) * mib);
            let done = dict.step(keys, false);
            assert_eq!(done.freed_bytes, Some(freed * mib));
            // All but 1/e of the buckets held keys.
            let full = keys as f64 * (1.0 - (-1f64).exp());
            assert!((done.buckets as f64 - full).abs() <= 2.0, "{} of {full}", done.buckets);
            assert_eq!((dict.bytes(), dict.is_rehashing()), (allocated * mib, false));
        }
    }

    /// A table of which every bucket is drawn, gone through as dict.c does.
    fn steps_of_dict_c(buckets: usize, keys: u64) -> u64 {
        let mut draws = Streams::new(1, 0).open(StreamId::Keyspace, keys);
        let mut full = vec![false; buckets];
        (0..keys).for_each(|_| full[draws.below(buckets as u64) as usize] = true);
        let (mut next, mut steps) = (0, 0);
        while next < buckets {
            steps += 1;
            let mut visits = 10;
            while next < buckets && !full[next] && visits > 0 {
                (next, visits) = (next + 1, visits - 1);
            }
            next += (visits > 0) as usize;
        }
        steps
    }

    #[test]
    fn steps_pass_over_empty_buckets_as_those_of_dict_c() {
        let buckets = 1 << 16;
        for keys in [buckets, buckets / 3, buckets / 12, buckets / 50] {
            let mut dict = Dict { used: keys, ..Dict::new(Version::redis(7, 2), buckets) };
            dict.replace(4);
            let mut steps = 0;
            while dict.is_rehashing() {
                dict.step(1, false);
                steps += 1;
            }
            let exact = steps_of_dict_c(buckets as usize, keys) as f64;
            assert!((steps as f64 / exact - 1.0).abs() < 0.03, "{keys} keys: {steps} steps, exactly {exact}");
        }
    }

    #[test]
    fn a_rehash_moves_the_buckets_that_hold_keys() {
        let mut dict = Dict::new(Version::redis(7, 2), 1000);
        assert_eq!(dict.buckets(), 1024);
        grow(&mut dict, false);
        assert_eq!(dict.used(), 1025);
        let mut moves = 0;
        while dict.is_rehashing() {
            moves += dict.step(1, false).buckets;
        }
        assert_eq!(moves, 647);
        assert_eq!(dict.step(1, false), Moved::default());
    }

    #[test]
    fn a_child_puts_growth_off_until_overload_or_its_end() {
        for (version, ratio) in
            [(Version::redis(7, 2), 6), (Version::redis(7, 4), 4), (Version::valkey(8, 0), 4)]
        {
            let mut dict = Dict::new(version, 1024);
            grow(&mut dict, true);
            assert_eq!(dict.used(), 1024 * ratio + 1, "{version}");
            // Tables so different are rehashed under the child too.
            assert_eq!(dict.step(1, true).buckets, 1);

            let mut dict = Dict::new(version, 1024);
            for _ in 0..1024 {
                assert_eq!(dict.insert(true, true), Growth::None);
            }
            assert_eq!(dict.insert(false, true), Growth::Allocated { new_bytes: 4096 * 8 });
        }
    }

    #[test]
    fn a_child_stops_the_moves_of_a_doubling_from_7_0_on() {
        for (version, moves) in
            [(Version::redis(6, 2), 1), (Version::redis(7, 0), 0), (Version::valkey(8, 1), 0)]
        {
            let mut dict = Dict::new(version, 1 << 20);
            grow(&mut dict, false);
            assert_eq!((dict.step(100, true).buckets > 0) as u64, moves, "{version}");
            assert!(dict.step(100, false).buckets > 0);
        }
    }

    #[test]
    fn maxmemory_puts_growth_off_up_to_the_golden_ratio() {
        let mut dict = Dict::new(Version::redis(6, 2), 1000);
        let refused = (0..).take_while(|_| dict.insert(false, false) == Growth::None).count();
        assert_eq!(1000 + refused, 1657);
        let mut old = Dict::new(Version::redis(6, 0), 1024);
        assert_eq!(old.wanted_bytes(false), 2048 * 8);
        assert_ne!(old.insert(false, false), Growth::None);
    }

    #[test]
    fn sparse_tables_shrink() {
        for (version, keys) in [(Version::redis(7, 2), 102), (Version::redis(7, 4), 128)] {
            let mut dict = Dict::new(version, 1024);
            while dict.shrink(false) == Growth::None {
                dict.remove();
            }
            assert_eq!((dict.used(), dict.buckets()), (keys, 128), "{version}");
            assert!(dict.is_rehashing());
        }
        let mut dict = Dict::new(Version::redis(7, 2), 1024);
        (0..1000).for_each(|_| dict.remove());
        assert_eq!(dict.shrink(true), Growth::None);
    }

    #[test]
    fn cache_line_buckets_double_when_seven_a_bucket_are_taken() {
        let mut dict = Dict::new(Version::valkey(8, 1), 7 * 1024);
        assert_eq!(dict.bytes(), 65536);
        assert_eq!(dict.insert(false, true), Growth::Allocated { new_bytes: 131072 });
        assert_eq!(dict.cron_rehash_budget(130), 7700);
        assert_eq!(dict.step(5000, false), Moved { buckets: 1024, freed_bytes: Some(65536) });
        assert_eq!(dict.cron_rehash_budget(130), 0);
    }
}
