//! What is seen of expiry: how late keys are deleted, how long the cycle holds the thread, and how storms go.

use super::histogram::Histogram;
use crate::units::{Nanos, SECOND};

/// What the run's expiry came to.
#[derive(Clone, Debug, Default)]
pub struct ExpiryResult {
    /// Keys deleted because their deadline had passed.
    pub expired_keys: u64,
    /// Of those, by a command that met them.
    pub expired_on_access: u64,
    /// Deadline to deletion \[ns\].
    pub lag: Histogram,
    /// Most dead keys in memory at once, as seen by the cycles.
    pub pending_max: u64,
    /// Dead keys in memory at the end.
    pub pending: u64,
    /// Keys with a deadline at the end, dead ones included.
    pub volatile_keys: u64,
    /// Longest cycle \[ns\].
    pub slice_max: Nanos,
    /// Slow cycles and fast ones.
    pub slow_cycles: u64,
    /// Fast cycles.
    pub fast_cycles: u64,
    /// `expired_time_cap_reached_count`: cycles that ended by time.
    pub time_cap_reached: u64,
    /// `expired_stale_perc` at the end, 0 to 1.
    pub stale: f64,
    /// Time of all cycles \[ns\].
    pub cycle_time: Nanos,
    /// Longest spell in which every slow cycle ended by time \[ns\].
    pub storm: Nanos,
    /// Largest share of a second of the run that cycles took.
    pub busy_share_max: f64,
    /// Keys deleted per second while cycles ended by time; 0 without a storm.
    pub storm_rate_per_s: f64,
}

impl ExpiryResult {
    /// Adds what another server saw: counts are added, the worst is the worst.
    pub fn add(&mut self, other: &ExpiryResult) {
        let ExpiryResult {
            expired_keys,
            expired_on_access,
            lag,
            pending_max,
            pending,
            volatile_keys,
            slice_max,
            slow_cycles,
            fast_cycles,
            time_cap_reached,
            stale,
            cycle_time,
            storm,
            busy_share_max,
            storm_rate_per_s,
        } = other;
        self.expired_keys += *expired_keys;
        self.expired_on_access += *expired_on_access;
        self.lag.merge(lag);
        self.pending_max += *pending_max;
        self.pending += *pending;
        self.volatile_keys += *volatile_keys;
        self.slice_max = self.slice_max.max(*slice_max);
        self.slow_cycles += *slow_cycles;
        self.fast_cycles += *fast_cycles;
        self.time_cap_reached += *time_cap_reached;
        self.stale = self.stale.max(*stale);
        self.cycle_time += *cycle_time;
        self.storm = self.storm.max(*storm);
        self.busy_share_max = self.busy_share_max.max(*busy_share_max);
        self.storm_rate_per_s = self.storm_rate_per_s.max(*storm_rate_per_s);
    }
}

/// Gathers what is seen while the run goes on.
#[derive(Clone, Debug, Default)]
pub struct ExpirySeen {
    lag: Histogram,
    expired: u64,
    on_access: u64,
    pending_max: u64,
    slice_max: Nanos,
    slow_cycles: u64,
    fast_cycles: u64,
    time_cap_reached: u64,
    cycle_time: Nanos,
    /// Start of the storm that goes on, and keys expired before it.
    storm_from: Option<(Nanos, u64)>,
    storm: Nanos,
    storm_keys: u64,
    /// The second that cycles are summed over now, and their sum.
    second: u64,
    in_second: Nanos,
    in_second_max: Nanos,
}

impl ExpirySeen {
    /// The measured time begins.
    pub fn clear(&mut self) {
        *self = ExpirySeen::default();
    }

    /// A key whose deadline was `lag` ago was deleted; by a command that met it, or by the cycle.
    #[inline]
    pub fn expired(&mut self, lag: Nanos, on_access: bool) {
        self.lag.record(lag);
        self.expired += 1;
        self.on_access += on_access as u64;
    }

    /// Cycles that ended by time.
    pub fn time_cap_reached(&self) -> u64 {
        self.time_cap_reached
    }

    /// So many dead keys are in memory.
    pub fn pending(&mut self, keys: u64) {
        self.pending_max = self.pending_max.max(keys);
    }

    /// A cycle took from `start` for `span`; `capped`: it ended by time.
    pub fn cycle(&mut self, start: Nanos, span: Nanos, is_slow: bool, capped: bool) {
        self.slice_max = self.slice_max.max(span);
        self.cycle_time += span;
        self.time_cap_reached += capped as u64;
        self.slow_cycles += is_slow as u64;
        self.fast_cycles += !is_slow as u64;
        self.sum_seconds(start, span);
        match (is_slow, capped, self.storm_from) {
            (true, true, None) => self.storm_from = Some((start, self.expired)),
            (true, false, _) => self.storm_from = None,
            _ => {}
        }
        if let Some((from, keys)) = self.storm_from.filter(|storm| start + span - storm.0 > self.storm) {
            self.storm = start + span - from;
            self.storm_keys = self.expired - keys;
        }
    }

    fn sum_seconds(&mut self, mut start: Nanos, mut span: Nanos) {
        loop {
            let second = start / SECOND;
            if second != self.second {
                (self.second, self.in_second) = (second, 0);
            }
            let here = span.min((second + 1) * SECOND - start);
            self.in_second += here;
            self.in_second_max = self.in_second_max.max(self.in_second);
            span -= here;
            start += here;
            if span == 0 {
                return;
            }
        }
    }

    /// The figures, with the state at the end.
    pub fn finish(self, pending: u64, volatile_keys: u64, stale: f64) -> ExpiryResult {
        let storm_s = self.storm as f64 / SECOND as f64;
        ExpiryResult {
            expired_keys: self.expired,
            expired_on_access: self.on_access,
            lag: self.lag,
            pending_max: self.pending_max.max(pending),
            pending,
            volatile_keys,
            slice_max: self.slice_max,
            slow_cycles: self.slow_cycles,
            fast_cycles: self.fast_cycles,
            time_cap_reached: self.time_cap_reached,
            stale,
            cycle_time: self.cycle_time,
            storm: self.storm,
            busy_share_max: self.in_second_max as f64 / SECOND as f64,
            storm_rate_per_s: if self.storm > 0 { self.storm_keys as f64 / storm_s } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MILLISECOND;

    #[test]
    fn a_storm_is_a_spell_of_capped_slow_cycles() {
        let mut seen = ExpirySeen::default();
        let slice = 25 * MILLISECOND;
        for cycle in 0..8 {
            (0..1000).for_each(|_| seen.expired(MILLISECOND, false));
            seen.cycle(cycle * 125 * MILLISECOND, slice, true, true);
            seen.cycle(cycle * 125 * MILLISECOND + 30 * MILLISECOND, MILLISECOND, false, false);
        }
        seen.cycle(SECOND, slice, true, false);
        seen.cycle(2 * SECOND, slice, true, true);
        let result = seen.finish(7, 9, 0.1);
        assert_eq!(result.storm, (7 * 125 + 31) * MILLISECOND);
        assert_eq!((result.slow_cycles, result.fast_cycles, result.time_cap_reached), (10, 8, 9));
        assert_eq!(result.busy_share_max, 0.208);
        assert!((result.storm_rate_per_s - 7000.0 / 0.906).abs() < 1.0);
    }

    #[test]
    fn a_cycle_is_split_at_the_second() {
        let mut seen = ExpirySeen::default();
        seen.cycle(SECOND - 10 * MILLISECOND, 30 * MILLISECOND, true, false);
        assert_eq!((seen.in_second_max, seen.second), (20 * MILLISECOND, 1));
    }
}
