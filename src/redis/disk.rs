//! The device under the data directory and the page cache above it, shared by the AOF, a child and other programs.
//!
//! Rates are a fluid: what others write takes its share of the bandwidth, and an fdatasync is drawn from the
//! idle or the busy distribution by that share. Left out: the order of single requests inside the device.

use crate::cost_model::Disk as Prices;
use crate::math::{Factor, whole};
use crate::rng::{Stream, Uniform};
use crate::units::{KIB, MILLISECOND, NEVER, Nanos, SECOND};

/// Longest sleep of one write(2) above the dirty threshold (Linux mm/page-writeback.c, MAX_PAUSE).
const MAX_PAUSE: Nanos = 200 * MILLISECOND;
/// A writer's share of the bandwidth beside others that write at full speed.
const FAIR_SHARE: f64 = 0.5;

/// Device and page cache.
#[derive(Clone, Debug)]
pub struct Disk {
    prices: Prices,
    /// Copying into the page cache \[ns/byte\].
    copy: Factor,
    /// Dirty bytes above which writers are throttled.
    free_run: u64,
    stream: Stream,
    advanced_at: Nanos,
    /// Bytes others have dirtied beyond what the device took.
    dirty_others: f64,
    /// Bytes of the AOF that are in the page cache only.
    dirty_aof: u64,
    /// Since when the AOF has dirty pages; [`NEVER`] when it has none.
    aof_dirty_since: Nanos,
    /// A child's write rate \[bytes/s\].
    child_rate: f64,
    /// Write rate of other servers on the machine \[bytes/s\].
    neighbours: f64,
    /// Another program's write rate \[bytes/s\] and its end.
    foreign: (f64, Nanos),
    /// Until when write(2) fails with ENOSPC, and fdatasync with EIO.
    full_until: Nanos,
    fsync_fails_until: Nanos,
    /// Space taken since the start \[bytes\].
    used: u64,
    accepted: u64,
    flushed: u64,
}

impl Disk {
    /// An idle device with clean pages.
    pub fn new(prices: &Prices, stream: Stream) -> Self {
        Disk {
            prices: prices.clone(),
            copy: Factor::new(SECOND as f64 / prices.page_cache_bandwidth),
            free_run: u64::midpoint(prices.dirty_background, prices.dirty_limit),
            stream,
            advanced_at: 0,
            dirty_others: 0.0,
            dirty_aof: 0,
            aof_dirty_since: NEVER,
            child_rate: 0.0,
            neighbours: 0.0,
            foreign: (0.0, 0),
            full_until: 0,
            fsync_fails_until: 0,
            used: 0,
            accepted: 0,
            flushed: 0,
        }
    }

    /// Brings the page cache to `now`: what others write beyond the bandwidth stays dirty.
    pub fn advance(&mut self, now: Nanos) {
        let seconds = now.saturating_sub(self.advanced_at) as f64 / SECOND as f64;
        self.advanced_at = self.advanced_at.max(now);
        if now >= self.foreign.1 {
            self.foreign = (0.0, 0);
        }
        let surplus = self.others() + self.child_rate - self.prices.bandwidth;
        self.dirty_others = (self.dirty_others + surplus * seconds).max(0.0);
    }

    /// Share of the bandwidth that others take, 0 to 1.
    pub fn utilisation(&self) -> f64 {
        if self.dirty_others > 0.0 {
            return 1.0;
        }
        ((self.others() + self.child_rate) / self.prices.bandwidth).min(1.0)
    }

    /// Bandwidth left for a child beside another program \[bytes/s\].
    pub fn bandwidth_for_child(&self) -> f64 {
        self.prices.bandwidth * (1.0 - self.others() / self.prices.bandwidth).max(FAIR_SHARE)
    }

    /// A child writes at `rate` bytes/s from now on; 0 when it has gone.
    pub fn set_child_rate(&mut self, now: Nanos, rate: f64) {
        self.advance(now);
        self.child_rate = rate;
    }

    /// Other programs and servers on the machine \[bytes/s\].
    fn others(&self) -> f64 {
        self.foreign.0 + self.neighbours
    }

    /// A child's write rate \[bytes/s\].
    pub fn child_rate(&self) -> f64 {
        self.child_rate
    }

    /// Bytes of the AOF handed to write(2) so far.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Other servers on the machine write at `rate` bytes/s from now on.
    pub fn set_neighbours(&mut self, now: Nanos, rate: f64) {
        self.advance(now);
        self.neighbours = rate;
    }

    /// Another program writes at `rate` bytes/s until `until`.
    pub fn set_foreign(&mut self, now: Nanos, rate: f64, until: Nanos) {
        self.advance(now);
        self.foreign = (rate, until);
    }

    /// write(2) fails until `until`.
    pub fn fill_until(&mut self, until: Nanos) {
        self.full_until = until;
    }

    /// fdatasync fails until `until`.
    pub fn fail_fsync_until(&mut self, until: Nanos) {
        self.fsync_fails_until = until;
    }

    /// Whether write(2) of new bytes fails now.
    pub fn is_full(&self, now: Nanos) -> bool {
        now < self.full_until || self.used >= self.prices.free
    }

    /// Whether an fdatasync that ends now fails.
    pub fn fsync_fails(&self, now: Nanos) -> bool {
        now < self.fsync_fails_until
    }

    /// Takes (or with a negative number gives back) space of finished or removed files.
    pub fn take_space(&mut self, bytes: i64) {
        self.used = self.used.saturating_add_signed(bytes);
    }

    /// Bytes in the page cache that are not on the device.
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_aof + whole(self.dirty_others)
    }

    /// Bytes the AOF may write before the disk is full or writers are throttled.
    pub fn room(&self) -> u64 {
        let dirty = self.free_run.saturating_sub(self.dirty_bytes());
        if self.full_until > self.advanced_at {
            0
        } else {
            dirty.min(self.prices.free.saturating_sub(self.used))
        }
    }

    /// Time of a write(2) of `bytes` that is not throttled.
    #[inline(always)]
    pub fn write_cost(&self, bytes: u64) -> Nanos {
        self.prices.write + self.copy.of(bytes)
    }

    /// Takes `bytes` of the AOF into the page cache, the first of them at `now`.
    #[inline(always)]
    pub fn accept_aof(&mut self, now: Nanos, bytes: u64) {
        self.accepted += bytes;
        self.used += bytes;
        if self.dirty_aof == 0 {
            self.aof_dirty_since = now;
        }
        self.dirty_aof += bytes;
    }

    /// Accepts a write(2) of `bytes` to the AOF; returns its own cost and the wait of dirty throttling.
    ///
    /// Throttling (Linux `balance_dirty_pages`): above half way between the background and the hard threshold a
    /// writer sleeps so that it goes at its share of the bandwidth, at most 200 ms a call.
    #[inline]
    pub fn write_aof(&mut self, now: Nanos, bytes: u64) -> (Nanos, Nanos) {
        self.accept_aof(now, bytes);
        let pause = if self.dirty_bytes() > self.free_run { self.pause(now, bytes) } else { 0 };
        (self.write_cost(bytes), pause)
    }

    #[cold]
    fn pause(&mut self, now: Nanos, bytes: u64) -> Nanos {
        self.advance(now);
        let share = (1.0 - self.utilisation()).max(FAIR_SHARE) * self.prices.bandwidth;
        let pause = (bytes as f64 / share * SECOND as f64) as Nanos;
        // The kernel's flusher works for the same time.
        self.write_back((share * pause as f64 / SECOND as f64) as u64);
        pause.min(MAX_PAUSE)
    }

    /// Bytes an fdatasync of the AOF would flush.
    pub fn flushable(&self) -> u64 {
        self.dirty_aof
    }

    /// Time of an fdatasync of `bytes` dirty bytes that starts now. Takes two uniform numbers, always.
    pub fn fdatasync(&mut self, now: Nanos, bytes: u64) -> Nanos {
        self.advance(now);
        let utilisation = self.utilisation();
        let (which, depth) = (self.stream.unit(), self.stream.unit());
        let dist = if which < utilisation { &self.prices.fdatasync_busy } else { &self.prices.fdatasync };
        let kib = bytes.saturating_sub(4 * KIB) as f64 / KIB as f64;
        let flush = kib * self.prices.fdatasync_per_kib / (1.0 - utilisation).max(FAIR_SHARE);
        (dist.quantile(depth) + flush).round() as Nanos
    }

    /// The AOF's dirty bytes go to the device; returns how many there were.
    pub fn flush_aof(&mut self) -> u64 {
        self.aof_dirty_since = NEVER;
        let bytes = std::mem::take(&mut self.dirty_aof);
        self.flushed += bytes;
        bytes
    }

    /// The kernel's periodic write-back: true when the AOF's pages were old enough and are on the device now.
    pub fn periodic_write_back(&mut self, now: Nanos) -> bool {
        let old = self.aof_dirty_since != NEVER && now >= self.aof_dirty_since + self.prices.dirty_expire;
        if old {
            self.flush_aof();
        } else if self.dirty_bytes() > self.prices.dirty_background {
            let free = (1.0 - self.utilisation()).max(FAIR_SHARE) * self.prices.bandwidth;
            self.write_back((free * self.prices.dirty_writeback as f64 / SECOND as f64) as u64);
        }
        old
    }

    fn write_back(&mut self, bytes: u64) {
        let written = bytes.min(self.dirty_aof);
        self.dirty_aof -= written;
        self.flushed += written;
    }

    /// Prices.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Panics unless every byte of the AOF that was accepted is flushed or dirty.
    pub fn check(&self) {
        assert_eq!(self.accepted, self.flushed + self.dirty_aof, "AOF bytes in the page cache");
    }
}
