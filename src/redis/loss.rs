//! What a crash would lose: how far acknowledged writes are ahead of those that survive.
//!
//! Every write command has a number, counted from 1. `written` is the last one handed to write(2), `synced` the
//! last one on the device (or in a finished snapshot, without AOF). A process that dies loses what is beyond
//! `written`, a machine what is beyond `synced`.

use std::collections::VecDeque;

use crate::observe::histogram::Histogram;
use crate::observe::result::Loss;
use crate::rng::Stream;
use crate::units::{NEVER, Nanos, SECOND};

/// Mean time between two sampled crash instants, when the run is long enough for 10,000 of them.
const SAMPLE_GAP: Nanos = SECOND;

/// Counters of writes by how safe they are.
#[derive(Clone, Debug)]
pub struct LossTracker {
    stream: Stream,
    next_sample_at: Nanos,
    mean_gap: f64,
    /// Writes answered.
    acknowledged: u64,
    /// Writes handed to the kernel.
    written: u64,
    /// Syncs (or the snapshot) that run now, in the order in which they end: the last write each covers, and when
    /// the first write beyond it was answered.
    covers: VecDeque<(u64, Nanos)>,
    /// Writes that survive a machine's death.
    synced: u64,
    /// The last write that the newest sync or snapshot covers, running or done.
    covered: u64,
    /// When the first write beyond the newest cover was answered.
    first_uncovered_at: Nanos,
    /// When the first write beyond `synced` was answered.
    first_unsynced_at: Nanos,
    /// Without AOF only snapshots are safe, for a dying process too.
    snapshots_only: bool,
    process: Histogram,
    machine: Histogram,
    seconds_sum: f64,
    process_max: u64,
    machine_max: u64,
    seconds_max: f64,
}

impl LossTracker {
    /// `already` writes are acknowledged and not safe at the start (changes since the last save, `age` old).
    pub fn new(stream: Stream, duration: Nanos, already: u64) -> Self {
        let mut tracker = LossTracker {
            stream,
            next_sample_at: 0,
            mean_gap: (SAMPLE_GAP as f64).min(duration as f64 / 10_000.0).max(1.0),
            acknowledged: already,
            written: already,
            covers: VecDeque::with_capacity(4),
            synced: 0,
            covered: 0,
            first_uncovered_at: if already > 0 { 0 } else { NEVER },
            first_unsynced_at: if already > 0 { 0 } else { NEVER },
            snapshots_only: false,
            process: Histogram::new(),
            machine: Histogram::new(),
            seconds_sum: 0.0,
            process_max: 0,
            machine_max: 0,
            seconds_max: 0.0,
        };
        tracker.schedule();
        tracker
    }

    /// The measured time begins: samples and maxima so far are forgotten.
    pub fn clear(&mut self) {
        self.process.clear();
        self.machine.clear();
        (self.seconds_sum, self.process_max, self.machine_max, self.seconds_max) = (0.0, 0, 0, 0.0);
    }

    /// Next instant to sample.
    pub fn next_sample_at(&self) -> Nanos {
        self.next_sample_at
    }

    fn schedule(&mut self) {
        self.next_sample_at += (self.stream.exponential() * self.mean_gap).ceil() as Nanos;
    }

    /// `n` writes are answered from `now` on.
    #[inline(always)]
    pub fn acknowledge(&mut self, now: Nanos, n: u64) {
        self.acknowledged += n;
        // A flush covers the writes of its turn before they are answered.
        if self.acknowledged > self.covered {
            self.first_uncovered_at = self.first_uncovered_at.min(now);
        }
        if self.acknowledged > self.synced {
            self.first_unsynced_at = self.first_unsynced_at.min(now);
        }
    }

    /// Everything up to write number `last` is handed to the kernel now.
    #[inline(always)]
    pub fn wrote(&mut self, last: u64) {
        self.process_max = self.process_max.max(self.process_loss());
        self.written = last;
    }

    /// A sync or snapshot starts that covers everything up to write number `last`, the newest there is.
    pub fn cover(&mut self, last: u64) {
        if let Some(newest) = self.covers.back_mut() {
            newest.1 = self.first_uncovered_at;
        }
        self.covers.push_back((last, NEVER));
        self.covered = last;
        self.first_uncovered_at = NEVER;
    }

    /// The oldest running sync or snapshot has succeeded at `now`.
    pub fn covered_is_safe(&mut self, now: Nanos) {
        self.worst(now);
        if let Some((last, _)) = self.covers.pop_front() {
            self.synced = self.synced.max(last);
            self.first_unsynced_at =
                self.covers.iter().map(|cover| cover.1).fold(self.first_uncovered_at, Nanos::min);
        }
    }

    /// The newest running sync or snapshot has failed: nothing is safer than before.
    pub fn cover_failed(&mut self) {
        if self.covers.pop_back().is_some() {
            let before = self.covers.back().map_or(self.first_unsynced_at, |cover| cover.1);
            self.first_uncovered_at = self.first_uncovered_at.min(before);
            self.covered = self.covers.back().map_or(self.synced, |cover| cover.0);
        }
    }

    /// Everything up to write number `last` is on the device now, before its replies (`always`).
    #[inline]
    pub fn synced_now(&mut self, now: Nanos, last: u64) {
        self.cover(last);
        self.covered_is_safe(now);
    }

    /// Without AOF a process's death loses what is beyond the last snapshot as well.
    pub fn follow_snapshots(&mut self, only: bool) {
        self.snapshots_only = only;
        self.covers.clear();
        (self.covered, self.first_uncovered_at) = (self.synced, self.first_unsynced_at);
    }

    /// Writes answered so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The last write that survives a machine's death.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Acknowledged writes that a process's death now loses.
    pub fn process_loss(&self) -> u64 {
        let safe = if self.snapshots_only { self.synced } else { self.written };
        self.acknowledged.saturating_sub(safe)
    }

    /// Acknowledged writes that a machine's death now loses.
    pub fn machine_loss(&self) -> u64 {
        self.acknowledged.saturating_sub(self.synced)
    }

    fn seconds(&self, now: Nanos) -> f64 {
        if self.machine_loss() == 0 {
            return 0.0;
        }
        now.saturating_sub(self.first_unsynced_at) as f64 / SECOND as f64
    }

    /// Notes how bad it is right now.
    pub fn worst(&mut self, now: Nanos) {
        self.process_max = self.process_max.max(self.process_loss());
        self.machine_max = self.machine_max.max(self.machine_loss());
        self.seconds_max = self.seconds_max.max(self.seconds(now));
    }

    /// Samples every due instant up to `now`.
    pub fn sample(&mut self, now: Nanos) {
        while self.next_sample_at <= now {
            let at = self.next_sample_at;
            self.process.record(self.process_loss());
            self.machine.record(self.machine_loss());
            self.seconds_sum += self.seconds(at);
            self.schedule();
        }
    }

    /// The kernel has written back all that it was handed.
    pub fn written_back(&mut self, now: Nanos) {
        self.synced_now(now, self.written);
    }

    /// A crash: what is lost is gone and counts no more; numbers go on. Returns the writes lost.
    pub fn crash(&mut self, now: Nanos, machine: bool) -> u64 {
        self.worst(now);
        let lost = if machine { self.machine_loss() } else { self.process_loss() };
        (self.written, self.synced, self.covered) = (self.acknowledged, self.acknowledged, self.acknowledged);
        self.covers.clear();
        (self.first_uncovered_at, self.first_unsynced_at) = (NEVER, NEVER);
        lost
    }

    /// The figures of the run, which ends at `now`.
    pub fn finish(mut self, now: Nanos) -> Loss {
        self.worst(now);
        let samples = self.machine.count();
        Loss {
            samples,
            process_death_writes_mean: self.process.mean(),
            process_death_writes_max: self.process_max,
            machine_death_writes_mean: self.machine.mean(),
            machine_death_writes_p99: self.machine.quantile(0.99),
            machine_death_writes_max: self.machine_max,
            machine_death_seconds_mean: if samples == 0 { 0.0 } else { self.seconds_sum / samples as f64 },
            machine_death_seconds_max: self.seconds_max,
        }
    }
}
