//! Long holds of the main thread and changes of state: the list behind `events.csv`, the ten longest stalls, and
//! totals by cause and length.

use std::cmp::Reverse;

use crate::cause::Cause;
use crate::observe::journal::{Journal, Note};
use crate::observe::result::{BlockTotals, EventRow};
use crate::units::Nanos;

/// Rows kept in the list; later ones are counted, and still enter the totals and the longest.
const LIST_LIMIT: usize = 100_000;
/// Longest stalls kept.
const LONGEST: usize = 10;
/// Steps an octave of the length totals.
const STEPS: u32 = 8;

/// Recorder of holds and state changes.
#[derive(Clone, Debug)]
pub struct Blocks {
    threshold: Nanos,
    rows: Vec<EventRow>,
    dropped: u64,
    /// Holds of at least the threshold.
    long: u64,
    longest: Vec<EventRow>,
    totals: Vec<Totals>,
    /// Every piece of the thread's time, while somebody reads it.
    pub journal: Option<Box<Journal>>,
}

#[derive(Clone, Debug, Default)]
struct Totals {
    count: u64,
    sum: Nanos,
    longest: Nanos,
    by_length: Vec<u64>,
}

impl Blocks {
    /// A recorder that lists holds of at least `threshold`.
    pub fn new(threshold: Nanos) -> Self {
        let totals =
            vec![Totals { by_length: vec![0; 64 * STEPS as usize], ..Totals::default() }; Cause::COUNT];
        Blocks {
            threshold,
            rows: Vec::new(),
            dropped: 0,
            long: 0,
            longest: Vec::new(),
            totals,
            journal: None,
        }
    }

    /// Adds a hold of the main thread.
    pub fn add(&mut self, at: Nanos, span: Nanos, cause: Cause, detail: impl FnOnce() -> String) {
        if span == 0 {
            return;
        }
        let totals = &mut self.totals[cause as usize];
        totals.count += 1;
        totals.sum += span;
        totals.longest = totals.longest.max(span);
        totals.by_length[step(span)] += 1;
        if span >= self.threshold {
            self.long += 1;
            let row = EventRow { at, span, cause: cause.name(), detail: detail() };
            if self.longest.len() < LONGEST || span > self.longest[LONGEST - 1].span {
                let place = self.longest.partition_point(|other| other.span >= span);
                self.longest.insert(place, row.clone());
                self.longest.truncate(LONGEST);
            }
            self.list(row);
        }
    }

    /// Number of holds that are listed, or would be if the list had no limit.
    pub fn long(&self) -> u64 {
        self.long
    }

    /// The longest hold that began in a time, of those that are listed, and its cause; 0 without one.
    pub fn longest_between(&self, from: Nanos, until: Nanos) -> (Nanos, &'static str) {
        let within = self.rows.iter().filter(|row| row.at >= from && row.at <= until);
        within.max_by_key(|row| row.span).map_or((0, ""), |row| (row.span, row.cause))
    }

    /// Adds a change of state.
    pub fn note(&mut self, at: Nanos, what: &'static str, detail: String) {
        if let Some(journal) = &mut self.journal {
            journal.notes.push(Note { at, what, detail: detail.clone() });
        }
        self.list(EventRow { at, span: 0, cause: what, detail });
    }

    fn list(&mut self, row: EventRow) {
        if self.rows.len() < LIST_LIMIT {
            self.rows.push(row);
        } else {
            self.dropped += 1;
        }
    }

    /// Forgets everything: the measured time begins.
    pub fn clear(&mut self) {
        *self = Blocks { journal: self.journal.take(), ..Blocks::new(self.threshold) };
    }

    /// Rows in order of time, rows dropped, the longest stalls, and totals of causes that occurred.
    pub fn finish(mut self) -> (Vec<EventRow>, u64, Vec<EventRow>, Vec<BlockTotals>) {
        self.rows.sort_by_key(|row| (row.at, Reverse(row.span)));
        let totals = Cause::ALL
            .iter()
            .zip(self.totals)
            .filter(|(_, totals)| totals.count > 0)
            .map(|(&cause, totals)| BlockTotals {
                cause,
                count: totals.count,
                sum: totals.sum,
                longest: totals.longest,
                by_length: totals
                    .by_length
                    .iter()
                    .enumerate()
                    .filter(|(_, count)| **count > 0)
                    .map(|(step, &count)| (step_end(step).min(totals.longest), count))
                    .collect(),
            })
            .collect();
        (self.rows, self.dropped, self.longest, totals)
    }
}

/// Step of a length: `STEPS` a doubling, linear within it.
fn step(span: Nanos) -> usize {
    let octave = 63 - (span | 1).leading_zeros();
    let within = if octave >= 3 { (span >> (octave - 3)) & 7 } else { (span << (3 - octave)) & 7 };
    (octave * STEPS) as usize + within as usize
}

/// Largest length of a step.
fn step_end(step: usize) -> Nanos {
    let (octave, within) = (step as u32 / STEPS, step as u64 % STEPS as u64);
    (((8 + within + 1) as u128) << octave >> 3) as Nanos - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_lies_below_the_end_of_its_step() {
        for span in (8..5000u64).chain([1 << 40, (1 << 40) + 12345]) {
            assert!(span <= step_end(step(span)), "{span}");
            assert!(step(span) == 0 || span > step_end(step(span) - 1), "{span}");
        }
    }

    #[test]
    fn the_longest_are_kept_in_order() {
        let mut blocks = Blocks::new(1000);
        for span in [5, 3000, 1000, 9000, 2000, 999].into_iter().chain(10_000..10_020) {
            blocks.add(span * 10, span, Cause::Fork, || "BGSAVE".into());
        }
        let (rows, dropped, longest, totals) = blocks.finish();
        assert_eq!((rows.len(), dropped), (24, 0));
        assert_eq!(
            longest.iter().map(|row| row.span).collect::<Vec<_>>(),
            (10_010..10_020).rev().collect::<Vec<_>>()
        );
        assert_eq!((totals[0].count, totals[0].longest), (26, 10_019));
        assert_eq!(totals[0].by_length.iter().map(|x| x.1).sum::<u64>(), 26);
    }
}
