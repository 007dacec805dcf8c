//! The books of keys that are kept exactly: every increment is somewhere, and what a run says of them at its end.

use super::exact_keys::{ExactGroup, ExactKeys};
use crate::observe::patterns::{PatternBooks, PatternResult};
use crate::units::Nanos;

impl ExactKeys {
    /// The warm-up is over: counts so far are forgotten.
    pub fn measure(&mut self) {
        for group in self.groups.iter_mut().flatten() {
            group.before = group.books.sums;
            (group.books.sets_max, group.books.bare_max) = (0, 0);
        }
    }

    /// Counts of a group, for what its clients see.
    pub fn books(&mut self, group: usize) -> &mut PatternBooks {
        &mut self.group_mut(group).books
    }

    /// Panics unless every increment is in a counter, in one that has gone, or lost.
    pub fn check(&self) {
        let keys = || self.groups.iter().flatten().flat_map(|group| &group.keys);
        assert_eq!(self.present, keys().filter(|key| key.present).count() as u64, "exact keys");
        assert_eq!(self.volatile, keys().filter(|key| key.deadline_ms > 0).count() as u64, "deadlines");
        for group in self.groups.iter().flatten().filter(|group| group.counts) {
            let mut counted = 0;
            for (key, truth) in group.keys.iter().zip(&group.truths) {
                truth.check(key.value.abs_diff(key.base));
                counted += key.value.abs_diff(key.base);
            }
            let sums = &group.books.sums;
            let accounted = counted + group.ended + sums.increments_lost;
            assert_eq!(sums.increments, accounted, "increments = in counters + in ended windows + lost");
        }
    }

    /// The results at the end of the run, `end` (`end_ms` on the server's clock).
    pub fn finish(&mut self, end: Nanos, end_ms: u64) -> Vec<PatternResult> {
        self.groups.iter_mut().flatten().map(|group| group.finish(end, end_ms)).collect()
    }
}

impl ExactGroup {
    fn finish(&mut self, end: Nanos, end_ms: u64) -> PatternResult {
        let (window_ms, window) = (self.pattern.window_ms, self.pattern.window());
        let mut at_end = (0, 0);
        let mut bare_max = self.books.bare_max;
        for (key, truth) in self.keys.iter().zip(&mut self.truths).filter(|(key, _)| key.present) {
            truth.settle(end_ms, key.deadline_ms > 0, window_ms, &mut self.books);
            at_end.0 += 1;
            let bare = truth.bare_since().map_or(0, |since| end.saturating_sub(since));
            if bare > window {
                at_end.1 += 1;
                bare_max = bare_max.max(bare);
            }
        }
        PatternResult {
            name: self.pattern.name.clone(),
            group: self.name.clone(),
            limit: self.pattern.limit,
            window,
            sums: self.books.sums.since(&self.before),
            sets_max: self.books.sets_max,
            bare_max,
            keys_at_end: at_end,
            sojourn: std::mem::take(&mut self.books.sojourn),
        }
    }
}
