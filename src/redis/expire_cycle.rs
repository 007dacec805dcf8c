//! The active expire cycle: `activeExpireCycle` in expire.c, slow from serverCron and fast from `beforeSleep`.
//!
//! From 6.0 on it sweeps the table of deadlines with a saved cursor; before, it draws random keys. One database holds
//! all keys; the other 15 are empty and cost an iteration each, which matters because the clock is read once in 16.
//! Not modelled: fields of hashes with deadlines (7.4 on), one table a slot in cluster mode, WAIT and scripts that
//! hold expiry up. Within a bucket all keys are taken, as there, so a loop may sample a key or two more than asked.

use super::due::{EXACT, Met, Taken};
use super::server::Server;
use super::version::Version;
use super::work::Work;
use crate::cause::Cause;
use crate::observe::expiry::ExpiryResult;
use crate::observe::result::InfoValue;
use crate::rng::Uniform;
use crate::units::{KIB, MICROSECOND, MILLISECOND, Nanos};

/// Keys of one loop at the least effort (`ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP`; `_LOOKUPS_PER_LOOP` before 6.0).
const KEYS_PER_LOOP: u64 = 20;
/// Limit of a fast cycle at the least effort (`ACTIVE_EXPIRE_CYCLE_FAST_DURATION`).
const FAST_DURATION: Nanos = 1000 * MICROSECOND;
/// Share of the time between two serverCrons that a slow cycle may take \[%\] (`ACTIVE_EXPIRE_CYCLE_SLOW_TIME_PERC`).
const SLOW_TIME_PERC: u64 = 25;
/// Share of sampled keys that may be expired without another loop \[%\] (`ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE`).
const ACCEPTABLE_STALE: u64 = 10;
/// Buckets looked at for each key asked for.
const BUCKETS_PER_KEY: u64 = 20;
/// Loops between two looks at the clock.
const LOOPS_PER_CLOCK: u32 = 16;
/// Databases (`databases`), of which one holds keys.
const DATABASES: u32 = 16;
/// A call's weight in the running estimate of stale keys.
const STALE_WEIGHT: f64 = 0.05;
/// Empty buckets that cost as much as a look at a key, when they are read in order (6.0 and 6.2) …
const BUCKETS_IN_ORDER: u64 = 16;
/// … and in the order of `dictScan`, a cache line each (7.0 on). Both assumed.
const BUCKETS_BY_SCAN: u64 = 4;
/// Elements up to which lazyfree leaves a value to the main thread (`LAZYFREE_THRESHOLD`).
const LAZYFREE_THRESHOLD: f64 = 64.0;
/// `UNLINK` is longer than `DEL` by so many bytes.
pub(super) const UNLINK_EXTRA: u64 = 3;

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CycleKind {
    /// From serverCron.
    Slow,
    /// From beforeSleep.
    Fast,
}

/// What the cycle remembers between calls (its static variables).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpireCycle {
    /// The last call ended by time.
    pub time_limit_exit: bool,
    /// A fast cycle runs in beforeSleep from [`ExpireCycle::next_fast_at`] on.
    pub wants_fast: bool,
    /// Earliest start of the next fast cycle.
    pub next_fast_at: Nanos,
    /// Database the next call begins with; keys are in number 0.
    next_db: u32,
    /// `stat_expired_stale_perc`, 0 to 1.
    pub stale: f64,
    /// `stat_expire_cycle_time_used` \[ns\], from the start of the run.
    pub time_used: Nanos,
}

/// Numbers of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Keys of a loop.
    pub keys_per_loop: u64,
    /// Limit of a fast cycle.
    pub fast_limit: Nanos,
    /// Limit of a slow cycle.
    pub slow_limit: Nanos,
    /// Share of sampled keys that may be expired without another loop \[%\].
    pub acceptable: u64,
    /// A sweep with a cursor (6.0 on), not random keys.
    pub sweeps: bool,
    /// A turn of the cursor ends the database's part of the call (7.4 on).
    pub ends_with_turn: bool,
    /// Much staleness starts fast cycles by itself (8.10 on; before, 0..1 is compared with a percentage).
    pub stale_starts_fast: bool,
}

impl Rules {
    /// Those of `version` with this effort (1 to 10) and hz.
    pub fn of(version: Version, effort: u32, hz: u32) -> Self {
        let effort = if version.has(6, 0) { u64::from(effort.clamp(1, 10)) - 1 } else { 0 };
        let slow_us = (SLOW_TIME_PERC + 2 * effort) * 1_000_000 / u64::from(hz.max(1)) / 100;
        Rules {
            keys_per_loop: KEYS_PER_LOOP + KEYS_PER_LOOP / 4 * effort,
            fast_limit: FAST_DURATION + FAST_DURATION / 4 * effort,
            slow_limit: slow_us.max(1) * MICROSECOND,
            acceptable: ACCEPTABLE_STALE - effort,
            sweeps: version.has(6, 0),
            ends_with_turn: version.has(7, 4),
            stale_starts_fast: version.redis_at_least(8, 10),
        }
    }

    /// Whether the database is gone through again after a loop.
    fn repeats(&self, sampled: u64, expired: u64) -> bool {
        if self.sweeps {
            sampled == 0 || expired * 100 / sampled > self.acceptable
        } else {
            expired > KEYS_PER_LOOP / 4
        }
    }
}

/// What one loop did.
#[derive(Clone, Copy, Debug, Default)]
struct Loop {
    sampled: u64,
    expired: u64,
    buckets: u64,
    turned: bool,
}

impl Server {
    /// Whether `beforeSleep` runs a fast cycle now.
    #[inline(always)]
    pub fn wants_fast_expire_cycle(&self) -> bool {
        self.expire_cycle.wants_fast && self.main.now >= self.expire_cycle.next_fast_at
    }

    /// One call of `activeExpireCycle`.
    pub fn active_expire_cycle(&mut self, kind: CycleKind) {
        self.sync_exact_keys();
        if self.expires.keys() == 0 && !self.expire_cycle.wants_fast && self.expire_cycle.stale == 0.0 {
            return;
        }
        let version = self.config.version;
        let rules = Rules::of(version, self.config.active_expire_effort, self.hz);
        let start = self.main.now;
        let limit = match kind {
            CycleKind::Slow => rules.slow_limit,
            CycleKind::Fast => {
                self.expire_cycle.next_fast_at = start + 2 * rules.fast_limit;
                rules.fast_limit
            }
        };
        let (mut sampled, mut expired, mut capped) = (0, 0, false);
        let mut work = Work::default();
        // Databases before the one with keys.
        let mut iteration = (DATABASES - self.expire_cycle.next_db) % DATABASES;
        loop {
            iteration += 1;
            let keys = self.expires.keys();
            if keys == 0 || self.expires.slots(version).1 {
                break;
            }
            self.expires.turn(self.expires.wall_at(start + work.cpu));
            self.expires.seen.pending(self.expires.pending());
            let num = keys.min(rules.keys_per_loop);
            let done = match rules.sweeps {
                true => self.sweep_loop(num, start, &rules, &mut work),
                false => self.random_loop(num, start, &mut work),
            };
            sampled += done.sampled;
            expired += done.expired;
            if iteration.is_multiple_of(LOOPS_PER_CLOCK) && work.cpu > limit {
                capped = true;
                break;
            }
            if done.turned || !rules.repeats(done.sampled, done.expired) {
                break;
            }
        }
        self.end_cycle(kind, &rules, (sampled, expired, capped), &work);
    }

    /// One loop of the sweep: buckets from the cursor on until enough keys or buckets were seen.
    fn sweep_loop(&mut self, num: u64, start: Nanos, rules: &Rules, work: &mut Work) -> Loop {
        let buckets = self.expires.dict.buckets() as f64;
        let (mut done, most) = (Loop::default(), num * BUCKETS_PER_KEY);
        while done.sampled < num && done.buckets < most && !done.turned {
            let (due, stream, waiting) = self.expires.sweep();
            let first = (due.cursor() * buckets).floor();
            let end = ((first + (most - done.buckets) as f64) / buckets).min(1.0);
            let mut met = due.advance(end, waiting, stream);
            let mut bucket = ((due.cursor() * buckets).floor()).max(first);
            if met == Met::Nothing {
                bucket = end * buckets - 1.0;
            }
            done.buckets += (bucket - first) as u64 + 1;
            // All keys of the bucket that the first one lies in.
            let bucket_end = ((bucket + 1.0) / buckets).min(1.0);
            while met != Met::Nothing {
                done.sampled += 1;
                if let Met::Due(taken) = met {
                    done.expired += 1;
                    self.delete_swept(taken, start, work);
                } else {
                    work.cpu += self.prices.cpu.expire_sample;
                }
                let (due, stream, waiting) = self.expires.sweep();
                met = due.advance(bucket_end, waiting, stream);
            }
            if bucket_end >= 1.0 {
                done.turned = rules.ends_with_turn;
            }
        }
        let per_sample = if self.config.version.has(7, 0) { BUCKETS_BY_SCAN } else { BUCKETS_IN_ORDER };
        work.cpu += done.buckets * self.prices.cpu.expire_sample / per_sample;
        done
    }

    /// One loop before 6.0: so many random keys (`dictGetRandomKey`).
    fn random_loop(&mut self, num: u64, start: Nanos, work: &mut Work) -> Loop {
        let mut done = Loop::default();
        while done.sampled < num && self.expires.keys() > 0 {
            done.sampled += 1;
            let all = self.expires.keys();
            let (due, stream, _) = self.expires.sweep();
            let r = stream.below(all);
            if r < due.keys() {
                let u = stream.unit();
                let taken = due.take_any(r, u);
                done.expired += 1;
                self.delete_swept(taken, start, work);
            } else {
                work.cpu += self.prices.cpu.expire_sample;
            }
        }
        done
    }

    /// Deletes a key that the cycle took out (`deleteExpiredKeyAndPropagate`; it adds nothing to `dirty`).
    fn delete_swept(&mut self, taken: Taken, start: Nanos, work: &mut Work) {
        let exact = taken.class == EXACT;
        let class = if exact { self.keyspace.classes() } else { taken.class as usize };
        let bytes = match exact {
            true => self.exact.del_bytes(taken.id, self.config.lazyfree_lazy_expire),
            false => self.expired_del_bytes(),
        };
        if !exact {
            work.cpu += self.remove_expired(class);
        }
        if self.cow.is_active() {
            work.cow += self.cow.touch(class, self.prices.cow.pages_per_update);
        }
        work.cpu += self.expire_cost(bytes);
        work.aof_bytes += bytes;
        work.changed += 1;
        if self.keyspace.dict.is_rehashing() {
            self.rehash(1, work);
        }
        self.rehash_expires(1, work);
        self.expires.expire_swept(taken, start + work.cpu);
        self.counters.expired_keys += 1;
    }

    /// Bytes of the DEL, or UNLINK, of an expired key.
    pub(super) fn expired_del_bytes(&self) -> u64 {
        self.del_bytes + if self.config.lazyfree_lazy_expire { UNLINK_EXTRA } else { 0 }
    }

    /// Deleting a key with a DEL of `bytes`.
    pub(super) fn expire_cost(&self, bytes: u64) -> Nanos {
        let cpu = &self.prices.cpu;
        let append = match self.config.appendonly {
            true => cpu.aof_append + (cpu.aof_append_per_kib / KIB as f64 * bytes as f64) as Nanos,
            false => 0,
        };
        let feed = if self.replication.feeds { self.replication.feed.cost(1, bytes) } else { 0 };
        cpu.expire_key + append + feed
    }

    /// A key of `class` is gone from the keyspace; returns the time of freeing the elements of a collection, which is
    /// the mean one, in the main thread.
    pub(super) fn remove_expired(&mut self, class: usize) -> Nanos {
        self.keyspace.remove(class);
        let elements = self.keyspace.take_elements_of_one();
        if self.config.lazyfree_lazy_expire && elements > LAZYFREE_THRESHOLD {
            return 0;
        }
        (elements * self.prices.memory.free_element as f64).round() as Nanos
    }

    /// Books of a call.
    fn end_cycle(&mut self, kind: CycleKind, rules: &Rules, seen: (u64, u64, bool), work: &Work) {
        let (sampled, expired, capped) = seen;
        let start = self.main.now;
        let cycle = &mut self.expire_cycle;
        cycle.time_limit_exit = capped;
        if capped {
            // The next call begins with the next database.
            cycle.next_db = 1;
        }
        let share = if sampled > 0 { expired as f64 / sampled as f64 } else { 0.0 };
        cycle.stale = share * STALE_WEIGHT + cycle.stale * (1.0 - STALE_WEIGHT);
        if cycle.stale < 1e-9 {
            cycle.stale = 0.0;
        }
        let stale = rules.stale_starts_fast && cycle.stale * 100.0 >= rules.acceptable as f64;
        cycle.wants_fast = capped || stale;
        cycle.time_used += work.cpu;
        if work.cpu > 0 {
            let name = if kind == CycleKind::Slow { "slow" } else { "fast" };
            let end = if capped { ", time limit" } else { "" };
            self.main.block(Cause::ExpireCycle, work.cpu, || format!("{name}: {expired} keys{end}"));
        }
        self.main.charge(Cause::Cow, work.cow);
        self.main.charge(Cause::Rehash, work.rehash);
        self.expires.seen.cycle(start, work.cpu, kind == CycleKind::Slow, capped);
        self.propagate(work.aof_bytes, work.changed);
        self.drop_swept_exact_keys();
    }

    /// Moves up to `buckets` buckets of the table of deadlines.
    pub(super) fn rehash_expires(&mut self, buckets: u64, work: &mut Work) {
        if !self.expires.dict.is_rehashing() {
            return;
        }
        let moved = self.expires.dict.step(buckets, self.child.is_some());
        work.rehash += moved.buckets * self.rehash_step;
        if let Some(bytes) = moved.freed_bytes {
            self.table_freed(bytes);
        }
    }

    /// serverCron's part for the table of deadlines: it shrinks, and is rehashed when the main table needs no more.
    pub(super) fn cron_rehash_expires(&mut self) {
        if self.child.is_some() || self.expires.keys() == 0 && !self.expires.is_on() {
            return;
        }
        self.expires.dict.shrink(false);
        let idle = self.config.activerehashing && !self.keyspace.dict.is_rehashing();
        if idle && self.expires.dict.is_rehashing() {
            let mut work = Work::default();
            self.rehash_expires(self.expires.dict.cron_rehash_budget(self.rehash_step), &mut work);
            self.main.block(Cause::Rehash, work.rehash, || "serverCron, deadlines".into());
        }
    }

    /// Bytes that times to live add to each key of a saved file, on average over all keys.
    pub(super) fn saved_ttl_bytes_per_key(&self, rdb: bool) -> f64 {
        if self.expires.keys() == 0 {
            return 0.0;
        }
        let each = if rdb { self.rdb_ttl_bytes } else { self.aof_ttl_bytes };
        each * self.expires.keys() as f64 / self.keyspace.keys().max(1) as f64
    }

    /// INFO's fields of expiry; none where no key has a time to live.
    pub fn expiry_info(&self) -> Vec<(&'static str, InfoValue)> {
        if !self.expires.is_on() && self.expires.keys() == 0 {
            return Vec::new();
        }
        let keyspace = format!("keys={},expires={}", self.keyspace.keys(), self.expires.keys());
        vec![
            ("expired_stale_perc", InfoValue::Ratio(self.expire_cycle.stale * 100.0)),
            ("expired_time_cap_reached_count", InfoValue::Int(self.expires.seen.time_cap_reached())),
            ("expire_cycle_cpu_milliseconds", InfoValue::Int(self.expire_cycle.time_used / MILLISECOND)),
            ("db0", InfoValue::Text(keyspace)),
        ]
    }

    /// What the result says of expiry; none where no key ever had a time to live.
    pub fn expiry_result(&mut self) -> Option<ExpiryResult> {
        if !self.expires.is_on() && self.expires.keys() == 0 && self.counters.expired_keys == 0 {
            return None;
        }
        self.expires.turn(self.expires.wall_at(self.main.now));
        let (pending, keys) = (self.expires.pending(), self.expires.keys());
        let seen = std::mem::take(&mut self.expires.seen);
        Some(seen.finish(pending, keys, self.expire_cycle.stale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_table() {
        let v72 = Version::redis(7, 2);
        let default = Rules::of(v72, 1, 10);
        assert_eq!((default.keys_per_loop, default.acceptable), (20, 10));
        assert_eq!((default.fast_limit, default.slow_limit), (1000 * MICROSECOND, 25_000 * MICROSECOND));
        for (hz, us) in [(40, 6250), (100, 2500), (500, 500)] {
            assert_eq!(Rules::of(v72, 1, hz).slow_limit, us * MICROSECOND);
        }
        let hard = Rules::of(v72, 10, 10);
        assert_eq!((hard.keys_per_loop, hard.acceptable, hard.slow_limit), (65, 1, 43_000 * MICROSECOND));
        assert_eq!(hard.fast_limit, 3250 * MICROSECOND);
        assert_eq!(Rules::of(Version::redis(5, 0), 10, 10).slow_limit, 25_000 * MICROSECOND);
        assert!(!default.ends_with_turn && Rules::of(Version::valkey(8, 0), 1, 10).ends_with_turn);
        assert!(!Rules::of(Version::redis(8, 8), 1, 10).stale_starts_fast);
    }

    #[test]
    fn a_loop_repeats_above_a_tenth_or_before_6_0_above_a_quarter() {
        let now = Rules::of(Version::redis(7, 2), 1, 10);
        assert!(now.repeats(0, 0) && now.repeats(20, 3) && !now.repeats(20, 2));
        let old = Rules::of(Version::redis(5, 0), 1, 10);
        assert!(old.repeats(20, 6) && !old.repeats(20, 5));
    }
}
