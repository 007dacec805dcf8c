//! The measured time cut into sections: from how they differ, the uncertainty of what the whole run says follows.
//!
//! A section ends where a base window of the recorder ends, so that keeping sections adds nothing to the hot loop. Where
//! base windows are too long for the number of sections asked for, they are divided.

use super::histogram::Histogram;
use super::result::Counters;
use super::sparse::SparseHistogram;
use crate::cause::Cause;
use crate::units::{NEVER, Nanos, SECOND};

/// Most sections of a run: a stall is seen as one observation only by sections that are longer.
pub const SECTIONS_MAX: u32 = 4096;

/// What happened in one section. Together the sections hold every request and all time the whole run counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its start \[ns\].
    pub start: Nanos,
    /// Its end \[ns\].
    pub end: Nanos,
    /// Sojourns of what was answered in it, by the index that [`Sections::index`] gives a scope.
    pub sojourns: Vec<SparseHistogram>,
    /// Counts from the first turn that passed its start to the first that passed its end; of a maximum, the largest so far.
    pub counters: Counters,
    /// Main-thread time by cause of the same turns \[ns\], indexed by `Cause as usize`.
    pub busy: [Nanos; Cause::COUNT],
    /// Holds of the main thread in them of at least `run.stall-threshold`.
    pub stalls: u64,
}

impl Default for Section {
    fn default() -> Self {
        Section {
            start: 0,
            end: 0,
            sojourns: Vec::new(),
            counters: Counters::default(),
            busy: [0; Cause::COUNT],
            stalls: 0,
        }
    }
}

/// The sections of a run in order of time, all of the same length but for the last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections {
    /// (name of a scope, its index in every section); scopes that hold the same requests share one.
    pub scopes: Vec<(String, usize)>,
    /// The sections.
    pub list: Vec<Section>,
    /// What went on beside requests and recurs, in order of its start.
    pub recurring: Vec<Recurring>,
}

/// Something that recurs and shows in the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// `bgsave` or `aof-rewrite`.
    pub kind: &'static str,
    /// Its start \[ns\].
    pub start: Nanos,
    /// Its end, or that of the run \[ns\].
    pub end: Nanos,
}

impl Sections {
    /// Where a section has the scope `name` (`all`, `read`, `write`, a group's name).
    pub fn index(&self, name: &str) -> Option<usize> {
        self.scopes.iter().find(|scope| scope.0 == name).map(|scope| scope.1)
    }

    /// Sojourns of the scope `name` by section; empty without the scope.
    pub fn sojourns(&self, name: &str) -> Vec<&SparseHistogram> {
        let index = self.index(name);
        index
            .map_or_else(Vec::new, |index| self.list.iter().map(|section| &section.sojourns[index]).collect())
    }

    /// The index of the section at `at` \[ns\]; that of the last for what is later.
    pub fn section_at(&self, at: Nanos) -> usize {
        self.list.partition_point(|section| section.end <= at).min(self.list.len().saturating_sub(1))
    }

    /// Takes the requests of `counted`, which somebody else has counted by the same sections.
    pub(crate) fn take_requests(&mut self, counted: Sections) {
        self.scopes = counted.scopes;
        let both = self.list.iter_mut().zip(counted.list);
        both.for_each(|(section, counted)| section.sojourns = counted.sojourns);
    }

    /// Adds what another node of the same cluster did in the same sections; requests are left alone.
    pub(crate) fn add_node(&mut self, node: &Sections) {
        for (mine, theirs) in self.list.iter_mut().zip(&node.list) {
            mine.counters = mine.counters.plus(&theirs.counters);
            mine.busy.iter_mut().zip(theirs.busy).for_each(|(sum, busy)| *sum += busy);
            mine.stalls += theirs.stalls;
        }
        self.recurring.extend(&node.recurring);
        self.recurring.sort_by_key(|recurring| recurring.start);
    }
}

/// What of the server has been counted by the end of a section.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Counts since measuring began.
    pub counters: Counters,
    /// Main-thread time by cause since then \[ns\].
    pub busy: [Nanos; Cause::COUNT],
    /// Stalls since then.
    pub stalls: u64,
}

impl Default for Mark {
    /// Nothing has been counted yet.
    fn default() -> Self {
        Mark { counters: Counters::default(), busy: [0; Cause::COUNT], stalls: 0 }
    }
}

/// The recorder's part: requests.
#[derive(Clone, Debug)]
pub(super) struct SectionRecorder {
    length: Nanos,
    start: Nanos,
    /// End of the run. What is answered afterwards belongs to the last section.
    horizon: Nanos,
    current: Vec<SparseHistogram>,
    done: Vec<Section>,
}

impl SectionRecorder {
    /// Sections of `length` \[ns\] from `start` to `horizon`, of `sets` histograms.
    pub(super) fn new(length: Nanos, start: Nanos, horizon: Nanos, sets: usize) -> Self {
        SectionRecorder {
            length,
            start,
            horizon,
            current: vec![SparseHistogram::new(); sets],
            done: Vec::new(),
        }
    }

    /// A base window has ended at `end`; `base` gives what was answered in it, by set.
    pub(super) fn close_base(&mut self, end: Nanos, base: impl Iterator<Item = SparseHistogram>) {
        self.add(base);
        if end <= self.horizon && end - self.start >= self.length {
            self.close(end);
        }
    }

    fn add(&mut self, parts: impl Iterator<Item = SparseHistogram>) {
        self.current.iter_mut().zip(parts).for_each(|(sum, part)| sum.merge(&part));
    }

    fn close(&mut self, end: Nanos) {
        let empty = vec![SparseHistogram::new(); self.current.len()];
        let sojourns = std::mem::replace(&mut self.current, empty);
        self.done.push(Section { start: self.start, end, sojourns, ..Section::default() });
        self.start = end;
    }

    /// Sections that have ended.
    pub(super) fn ended(&self) -> usize {
        self.done.len()
    }

    /// No requests from now on: somebody else counts them.
    pub(super) fn without_requests(&mut self) {
        self.current.clear();
    }

    /// All sections. What is left at the end, with `rest` that was answered in it, is a section of its own if it is at
    /// least half as long as the others; otherwise it belongs to the last.
    pub(super) fn finish(mut self, rest: impl Iterator<Item = SparseHistogram>) -> Vec<Section> {
        self.add(rest);
        let end = self.horizon.max(self.start);
        match self.done.last_mut() {
            Some(last) if 2 * (end - self.start) < self.length => {
                last.sojourns.iter_mut().zip(&self.current).for_each(|(sum, rest)| sum.merge(rest));
                last.end = end;
            }
            _ => self.close(end),
        }
        self.done
    }
}

/// Gives the sections what the server did in them: `marks` at the end of each but the last, and `end` at that of the last.
pub fn fill(sections: &mut [Section], marks: &[Mark], end: &Mark) {
    let mut before = Mark::default();
    let last = sections.len().saturating_sub(1);
    for (index, section) in sections.iter_mut().enumerate() {
        let mark = if index == last { end } else { &marks[index] };
        section.counters = mark.counters.since(&before.counters);
        section.busy = std::array::from_fn(|cause| mark.busy[cause] - before.busy[cause]);
        section.stalls = mark.stalls - before.stalls;
        before = *mark;
    }
}

/// Lengths of base windows and of sections, for about `count` sections of `measured` \[ns\] where base windows of `base`
/// are wanted anyway (`NEVER`: none). A base window is divided only if `divisible`.
pub(super) fn lengths(measured: Nanos, count: u32, base: Nanos, divisible: bool) -> (Nanos, Nanos) {
    let count = Nanos::from(count.clamp(1, SECTIONS_MAX));
    let wanted = (measured / count).max(1);
    if base == NEVER {
        return (wanted, wanted);
    }
    if base <= wanted {
        // The multiple that is nearest.
        return (base, base * ((wanted + base / 2) / base));
    }
    // Base windows are whole seconds, so that there is a divisor every few.
    let parts = base.div_ceil(wanted);
    let divisor = (parts..=SECOND).find(|parts| base.is_multiple_of(*parts)).filter(|_| divisible);
    let length = base / divisor.unwrap_or(1);
    (length, length)
}

/// The non-empty slots of the sum of some cells.
pub(super) fn sum(cells: &[Histogram], chosen: &[usize]) -> SparseHistogram {
    match chosen {
        [only] => SparseHistogram::from(&cells[*only]),
        _ => {
            let parts = chosen.iter().filter(|&&cell| cells[cell].count() > 0);
            let mut sum = SparseHistogram::new();
            parts.for_each(|&cell| sum.merge(&SparseHistogram::from(&cells[cell])));
            sum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_about_as_many_as_were_asked_for() {
        // (measured, sections, base window, base window afterwards, section), in seconds.
        let table = [
            (3540, 64, 10, 10.0, 60.0),
            (21540, 64, 1, 1.0, 337.0),
            (60, 64, 10, 0.625, 0.625),
            (60, 6, 10, 10.0, 10.0),
            (3600, 3600, 3600, 1.0, 1.0),
        ];
        for (measured, count, base, expected, section) in table {
            let (base, length) = lengths(measured * SECOND, count, base * SECOND, true);
            let seconds = |span: Nanos| span as f64 / SECOND as f64;
            assert_eq!((seconds(base), seconds(length)), (expected, section), "{measured} / {count}");
        }
        assert_eq!(lengths(60 * SECOND, 64, 10 * SECOND, false), (10 * SECOND, 10 * SECOND));
        assert_eq!(lengths(64 * SECOND, 64, NEVER, true), (SECOND, SECOND));
    }

    fn recorder(horizon: Nanos, ends: &[(Nanos, Nanos)]) -> SectionRecorder {
        let mut recorder = SectionRecorder::new(10, 100, horizon, 1);
        for &(end, value) in ends {
            recorder.close_base(end, [one(value)].into_iter());
        }
        recorder
    }

    fn one(value: Nanos) -> SparseHistogram {
        let mut histogram = Histogram::new();
        histogram.record(value);
        SparseHistogram::from(&histogram)
    }

    #[test]
    fn a_short_rest_belongs_to_the_last_section_and_a_long_one_stands_alone() {
        let bases = [(105, 1), (110, 2), (115, 3), (120, 4)];
        let spans = |sections: &[Section]| -> Vec<(Nanos, Nanos, u64)> {
            sections.iter().map(|s| (s.start, s.end, s.sojourns[0].count())).collect()
        };
        let rest = || [one(9)].into_iter();
        assert_eq!(recorder(124, &bases).ended(), 2);
        assert_eq!(spans(&recorder(124, &bases).finish(rest())), [(100, 110, 2), (110, 124, 3)]);
        let long = recorder(125, &bases).finish(rest());
        assert_eq!(spans(&long), [(100, 110, 2), (110, 120, 2), (120, 125, 1)]);
        // A run that is shorter than a section is one, and one that overshoots its end has no section there.
        assert_eq!(spans(&recorder(103, &[]).finish(rest())), [(100, 103, 1)]);
        assert_eq!(spans(&recorder(118, &bases).finish(rest())), [(100, 110, 2), (110, 118, 3)]);
    }

    #[test]
    fn sections_hold_the_differences_of_their_marks() {
        let mark = |forks, fork_time, stalls| {
            let mut busy = [0; Cause::COUNT];
            busy[Cause::Fork as usize] = fork_time;
            Mark { counters: Counters { forks, ..Counters::default() }, busy, stalls }
        };
        let mut sections = recorder(131, &[(110, 1), (120, 2), (130, 3)]).finish([].into_iter());
        // The short rest after the third mark is part of the third section.
        fill(&mut sections, &[mark(2, 20, 1), mark(2, 20, 1), mark(5, 50, 3)], &mark(6, 61, 4));
        let seen: Vec<_> =
            sections.iter().map(|s| (s.counters.forks, s.busy[Cause::Fork as usize], s.stalls)).collect();
        assert_eq!(seen, [(2, 20, 1), (0, 0, 0), (4, 41, 3)]);
    }
}
