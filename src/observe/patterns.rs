//! What became of operations of several steps: the true count of each key beside the server's, and how windows
//! ended.
//!
//! A *life* of a key is from its creation to its expiry or deletion. A *window* is a life, or, of a key that has no
//! time to live, each length of the pattern's window since its creation. In every life the true count is the number
//! of increments executed; the server's counter misses those that a later SET wiped out, and nothing else:
//! truth − counter = lost, exactly, which [`KeyTruth::check`] asserts.

use crate::observe::histogram::Histogram;
use crate::units::{NEVER, Nanos};

/// The truth about one key, beside what the server has.
#[derive(Clone, Copy, Debug)]
pub struct KeyTruth {
    /// Increments executed in this life.
    pub truth: u64,
    /// Of those, wiped out by a SET.
    pub lost: u64,
    /// Increments let through in this window.
    allowed: u64,
    /// SETs that wrote in this life.
    sets: u32,
    /// The life began after an expiry, not at the start of the run.
    after_expiry: bool,
    /// The life has been counted as left without a time to live.
    left: bool,
    /// Last millisecond of the window, on the server's clock.
    window_end_ms: u64,
    /// Since when the key has no time to live; [`NEVER`] if it has one or does not exist.
    bare_since: Nanos,
}

/// Counts of a group's pattern.
#[derive(Clone, Debug, Default)]
pub struct PatternBooks {
    /// Counts that only add up.
    pub sums: PatternSums,
    /// Most SETs after one expiry.
    pub sets_max: u64,
    /// Longest time without a time to live of a key that outlived its window so \[ns\].
    pub bare_max: Nanos,
    /// Sojourn of operations that were done \[ns\].
    pub sojourn: Histogram,
}

macro_rules! sums {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of a group's pattern that only add up.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PatternSums {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl PatternSums {
            /// What has come since `before`.
            pub fn since(&self, before: &PatternSums) -> PatternSums {
                PatternSums { $($name: self.$name - before.$name,)* }
            }
        }
    };
}

sums! {
    /// Operations that ended, however.
    operations,
    /// Of those, without success: refused, timed out for good, or their client died.
    failed,
    /// Of those, refused by the server or cut off by its death.
    refused,
    /// Of those, timed out with no retry left.
    timed_out,
    /// Of those, ended by their client's death between two steps.
    died,
    /// Operations of which a step was sent again.
    retried,
    /// Requests given up.
    timeouts,
    /// Requests sent again.
    retries,
    /// Increments executed.
    increments,
    /// Of those, that a client read the reply of.
    increments_acked,
    /// Of those, executed for a client that no longer waited.
    increments_unseen,
    /// Of those, wiped out by a SET.
    increments_lost,
    /// Lives that ended with their key's expiry.
    expiries,
    /// Lives after an expiry that were followed to the end of their first window.
    followed,
    /// SETs that wrote in those.
    sets,
    /// Of those lives, left without a time to live when that window ended.
    left_without_ttl,
    /// Windows that ended.
    windows,
    /// Of those, with a key without a time to live.
    windows_without_ttl,
    /// SETs that overwrote a counter that had been incremented.
    resets_mid_window,
    /// Increments let through beyond the limit of a window.
    over_limit,
    /// Increments turned away although the window's limit was not reached.
    locked_out,
    /// Time without a time to live of keys that outlived their window so, once such a time has ended \[ns\].
    bare_time,
    /// Such times.
    bare_times,
    /// Commands executed.
    commands,
    /// Bytes they added to the AOF.
    aof_bytes,
}

/// What became of the operations of one group.
#[derive(Clone, Debug)]
pub struct PatternResult {
    /// Name of the pattern.
    pub name: String,
    /// Name of the group.
    pub group: String,
    /// Limit of a window, if there is one.
    pub limit: Option<u64>,
    /// Length of a window \[ns\].
    pub window: Nanos,
    /// Counts over the measured time.
    pub sums: PatternSums,
    /// Most SETs after one expiry.
    pub sets_max: u64,
    /// Longest time a key that outlived its window had no time to live \[ns\], those at the end included.
    pub bare_max: Nanos,
    /// Keys at the end, and of those without a time to live for longer than a window.
    pub keys_at_end: (u64, u64),
    /// Sojourn of operations that were done: intended start to last reply \[ns\].
    pub sojourn: Histogram,
}

impl KeyTruth {
    /// A key that does not exist.
    pub fn absent() -> Self {
        KeyTruth {
            truth: 0,
            lost: 0,
            allowed: 0,
            sets: 0,
            after_expiry: false,
            left: false,
            window_end_ms: 0,
            bare_since: NEVER,
        }
    }

    /// Its life begins with a window that ends after `window_end_ms`.
    pub fn created(&mut self, window_end_ms: u64) {
        self.window_end_ms = window_end_ms;
    }

    /// The key has a time to live from `now` on, or has none.
    pub fn has_ttl(&mut self, now: Nanos, has: bool, window: Nanos, books: &mut PatternBooks) {
        if has {
            self.end_bare(now, window, books);
        } else {
            self.bare_since = self.bare_since.min(now);
        }
    }

    fn end_bare(&mut self, now: Nanos, window: Nanos, books: &mut PatternBooks) {
        let span = now.saturating_sub(self.bare_since);
        if self.bare_since < NEVER && span > window {
            books.sums.bare_time += span;
            books.sums.bare_times += 1;
            books.bare_max = books.bare_max.max(span);
        }
        self.bare_since = NEVER;
    }

    /// Time passes up to `now_ms` on the server's clock, before anything happens to the living key: windows of a key
    /// without a time to live end.
    #[inline]
    pub fn settle(&mut self, now_ms: u64, has_ttl: bool, window_ms: u64, books: &mut PatternBooks) {
        if has_ttl || now_ms <= self.window_end_ms {
            return;
        }
        let ended = (now_ms - self.window_end_ms).div_ceil(window_ms + 1);
        self.window_end_ms += ended * (window_ms + 1);
        books.sums.windows += ended;
        books.sums.windows_without_ttl += ended;
        if !self.left {
            self.left = true;
            self.followed(books, true);
        }
        self.allowed = 0;
    }

    /// An increment was executed, and gave `value`.
    #[inline]
    pub fn incremented(&mut self, value: i64, limit: Option<u64>, books: &mut PatternBooks) {
        self.truth += 1;
        books.sums.increments += 1;
        let Some(limit) = limit else { return };
        if value <= limit as i64 {
            self.allowed += 1;
            books.sums.over_limit += (self.allowed > limit) as u64;
        } else {
            books.sums.locked_out += (self.allowed < limit) as u64;
        }
    }

    /// A SET wrote; it wiped out `counted` increments.
    pub fn set(&mut self, counted: u64, books: &mut PatternBooks) {
        self.sets += 1;
        self.lost += counted;
        books.sums.increments_lost += counted;
        books.sums.resets_mid_window += (counted > 0) as u64;
    }

    /// The life ends at `now` with the counter at `counted` increments: by expiry, or by DEL.
    pub fn ended(
        &mut self,
        now: Nanos,
        counted: u64,
        expired: bool,
        window: Nanos,
        books: &mut PatternBooks,
    ) {
        self.check(counted);
        self.end_bare(now, window, books);
        if !self.left {
            self.followed(books, false);
        }
        if expired {
            books.sums.expiries += 1;
            books.sums.windows += 1;
        }
        *self = KeyTruth { after_expiry: expired, ..KeyTruth::absent() };
    }

    fn followed(&mut self, books: &mut PatternBooks, without_ttl: bool) {
        if self.after_expiry {
            books.sums.followed += 1;
            books.sums.sets += self.sets as u64;
            books.sums.left_without_ttl += without_ttl as u64;
            books.sets_max = books.sets_max.max(self.sets as u64);
        }
    }

    /// Since when the key has had no time to live, if it has none.
    pub fn bare_since(&self) -> Option<Nanos> {
        (self.bare_since < NEVER).then_some(self.bare_since)
    }

    /// Panics unless the true count is what the server's counter shows and what SETs have wiped out.
    pub fn check(&self, counted: u64) {
        assert_eq!(self.truth, counted + self.lost, "truth = counter + lost");
    }
}

impl PatternResult {
    /// Mean SETs that wrote after an expiry; none without expiries that were followed.
    pub fn sets_per_expiry(&self) -> Option<f64> {
        self.per_followed(self.sums.sets)
    }

    /// Share of the expiries after which the key was left without a time to live.
    pub fn share_left_without_ttl(&self) -> Option<f64> {
        self.per_followed(self.sums.left_without_ttl)
    }

    fn per_followed(&self, count: u64) -> Option<f64> {
        (self.sums.followed > 0).then(|| count as f64 / self.sums.followed as f64)
    }

    /// `count` an operation; none without operations.
    pub fn per_operation(&self, count: u64) -> Option<f64> {
        (self.sums.operations > 0).then(|| count as f64 / self.sums.operations as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_set_loses_what_it_wipes_out() {
        let (mut key, mut books) = (KeyTruth::absent(), PatternBooks::default());
        key.created(1000);
        key.has_ttl(0, false, 10, &mut books);
        (1..=3).for_each(|value| key.incremented(value, Some(2), &mut books));
        key.set(3, &mut books);
        key.has_ttl(5, true, 10, &mut books);
        key.incremented(1, Some(2), &mut books);
        key.check(1);
        key.ended(2000, 1, true, 10, &mut books);
        let sums = books.sums;
        assert_eq!((sums.increments, sums.increments_lost, sums.resets_mid_window), (4, 3, 1));
        assert_eq!((sums.over_limit, sums.locked_out, sums.bare_times), (1, 0, 0));
        assert_eq!((sums.windows, sums.expiries, sums.followed), (1, 1, 0));
    }

    #[test]
    fn windows_of_a_key_without_a_time_to_live_end_all_the_same() {
        let (mut key, mut books) = (KeyTruth::absent(), PatternBooks::default());
        key.after_expiry = true;
        key.created(100);
        key.has_ttl(0, false, 99_000_000, &mut books);
        key.settle(100, false, 99, &mut books);
        assert_eq!(books.sums.windows, 0);
        key.settle(101, false, 99, &mut books);
        key.settle(350, false, 99, &mut books);
        assert_eq!((books.sums.windows, books.sums.windows_without_ttl), (3, 3));
        assert_eq!((books.sums.followed, books.sums.left_without_ttl), (1, 1));
        key.ended(400_000_000, 0, false, 99_000_000, &mut books);
        assert_eq!((books.sums.bare_times, books.bare_max), (1, 400_000_000));
    }
}
