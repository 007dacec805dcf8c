//! Sojourns of answered requests: whole run and windows, by scope, and the view a closed-loop benchmark would have.
//!
//! The hot loop adds to one small histogram a group and kind (read, write). At the end of every base window those
//! are merged upwards, so longer windows cost nothing a request. A request belongs to the window in which its
//! turn answered it.

use super::histogram::Histogram;
use super::result::{Scope, WindowQuantiles, WindowRow};
use super::sections::{self, SectionRecorder, Sections};
use crate::client::group::Unit;
use crate::client::replies::Reply;
use crate::units::{NEVER, Nanos};

/// Recorder of sojourns.
#[derive(Clone, Debug)]
pub struct Recorder {
    measured_from: Nanos,
    /// Base histograms: group × 2 + (0 read, 1 write).
    cells: Vec<Histogram>,
    /// What a closed-loop client would not have seen: it still waited. That is rare, and what it saw is the rest.
    unseen: Histogram,
    /// The longest it saw.
    seen_max: Nanos,
    /// Until when a closed-loop client of each connection would still wait.
    view_free_at: Vec<Nanos>,
    base: Nanos,
    /// End of the current base window.
    next_tick_at: Nanos,
    /// Distinct sets of cells.
    sets: Vec<CellSet>,
    /// Row length of the timeline and what was answered in the current row.
    row: Option<(Nanos, Histogram)>,
    /// (scope name, operation, index of its set).
    scopes: Vec<(String, String, usize)>,
    /// Base windows that have ended, for the recorder of a whole cluster.
    passed: Option<Vec<PassedWindow>>,
    /// Empty cells for the next ones.
    spare: Vec<Vec<Histogram>>,
    /// Sections of the measured time, if there are any.
    sections: Option<SectionRecorder>,
}

/// End of a base window and what was answered in it, by cell.
pub type PassedWindow = (Nanos, Vec<Histogram>);

#[derive(Clone, Debug)]
struct CellSet {
    cells: Vec<usize>,
    total: Histogram,
    levels: Vec<Level>,
}

/// Windows of one length.
#[derive(Clone, Debug)]
struct Level {
    window: Nanos,
    ends_at: Nanos,
    /// The level it is merged from; none: the base.
    source: Option<usize>,
    current: Histogram,
    rows: Vec<WindowRow>,
    p99_worst: (Nanos, Nanos),
    p999_worst: Nanos,
}

/// Requests of a timeline row, and their p50, p90, p99, p99.9 and maximum \[ns\].
pub type RowQuantiles = (u64, [Nanos; 5]);

/// A group for the recorder.
#[derive(Clone, Debug)]
pub struct GroupKinds {
    /// Its name.
    pub name: String,
    /// Its operations as written.
    pub operation: String,
    /// It has commands that read.
    pub reads: bool,
    /// It has commands that write.
    pub writes: bool,
}

impl Recorder {
    /// A recorder of requests that arrive from `measured_from` on. `windows` are the lengths to keep; `interval` is
    /// the timeline's row length if there is one.
    pub fn new(
        groups: &[GroupKinds],
        connections: usize,
        measured_from: Nanos,
        windows: &[Nanos],
        interval: Option<Nanos>,
    ) -> Self {
        // Without windows and rows nothing ever ends.
        let base = match windows.iter().copied().chain(interval).fold(0, gcd) {
            0 => NEVER,
            base => base,
        };
        let mut recorder = Recorder {
            measured_from,
            cells: vec![Histogram::new(); groups.len() * 2],
            unseen: Histogram::new(),
            seen_max: 0,
            view_free_at: vec![0; connections],
            base,
            next_tick_at: measured_from.saturating_add(base),
            sets: Vec::new(),
            row: interval.map(|length| (length, Histogram::new())),
            scopes: Vec::new(),
            passed: None,
            spare: Vec::new(),
            sections: None,
        };
        let of = |kind: usize| {
            let has = move |group: &GroupKinds| if kind == 0 { group.reads } else { group.writes };
            groups.iter().enumerate().filter(move |(_, group)| has(group)).map(move |(i, _)| 2 * i + kind)
        };
        let mut all: Vec<usize> = of(0).chain(of(1)).collect();
        all.sort_unstable();
        recorder.add_scope("all", "", all, windows);
        recorder.add_scope("read", "", of(0).collect(), windows);
        recorder.add_scope("write", "", of(1).collect(), windows);
        for (index, group) in groups.iter().enumerate() {
            let cells = of(0).chain(of(1)).filter(|cell| cell / 2 == index).collect();
            recorder.add_scope(&group.name, &group.operation, cells, windows);
        }
        recorder
    }

    /// The same with about `count` sections of the time up to `horizon`; 0: none. Base windows are divided for it only
    /// if they are `divisible`.
    pub fn with_sections(mut self, count: u32, horizon: Nanos, divisible: bool) -> Self {
        if count > 0 {
            let measured = horizon.saturating_sub(self.measured_from);
            let (base, length) = sections::lengths(measured, count, self.base, divisible);
            (self.base, self.next_tick_at) = (base, self.measured_from + base);
            self.sections = Some(SectionRecorder::new(length, self.measured_from, horizon, self.sets.len()));
        }
        self
    }

    /// Sections that have ended.
    pub fn sections_ended(&self) -> usize {
        self.sections.as_ref().map_or(0, SectionRecorder::ended)
    }

    fn add_scope(&mut self, name: &str, operation: &str, cells: Vec<usize>, windows: &[Nanos]) {
        if cells.is_empty() {
            return;
        }
        let known = self.sets.iter().position(|set| set.cells == cells);
        let index = known.unwrap_or_else(|| {
            let levels = levels(windows, self.measured_from);
            self.sets.push(CellSet { cells, total: Histogram::new(), levels });
            self.sets.len() - 1
        });
        self.scopes.push((name.into(), operation.into(), index));
    }

    /// End of the current base window.
    #[inline(always)]
    pub fn next_tick_at(&self) -> Nanos {
        self.next_tick_at
    }

    /// The commands of `unit` were answered; the client has read the reply at `read_at`.
    #[inline(always)]
    pub fn answered(&mut self, group: usize, unit: &Unit, read_at: Nanos) {
        let &Unit { arrived_at, connection, reads, writes, .. } = unit;
        self.answered_all(group, &[Reply { arrived_at, at: read_at, connection, reads, writes }]);
    }

    /// The same of replies that clients have read.
    #[inline(always)]
    pub fn answered_all(&mut self, group: usize, replies: &[Reply]) {
        let from = self.measured_from;
        let of = |n: fn(&Reply) -> u32| {
            let counted = replies.iter().filter(move |reply| n(reply) > 0 && reply.arrived_at >= from);
            counted.map(move |reply| (reply.at - reply.arrived_at, n(reply) as u64))
        };
        self.cells[2 * group + 1].record_all(of(|reply| reply.writes));
        self.cells[2 * group].record_all(of(|reply| reply.reads));
        for reply in replies.iter().filter(|reply| reply.arrived_at >= from) {
            let sojourn = reply.at - reply.arrived_at;
            let free_at = &mut self.view_free_at[reply.connection as usize];
            if reply.arrived_at >= *free_at {
                *free_at = reply.at;
                self.seen_max = self.seen_max.max(sojourn);
            } else {
                self.unseen.record_n(sojourn, (reply.reads + reply.writes) as u64);
            }
        }
    }

    /// Ends every base window that ends by `now`. `row` is called at the end of each timeline row with its end and
    /// what was answered in it.
    pub fn tick(&mut self, now: Nanos, mut row: impl FnMut(Nanos, Option<RowQuantiles>)) {
        while self.next_tick_at <= now {
            let end = self.next_tick_at;
            self.next_tick_at = end.saturating_add(self.base);
            for set in &mut self.sets {
                set.close_base(&self.cells, end);
            }
            if let Some(sections) = &mut self.sections {
                sections.close_base(end, self.sets.iter().map(|set| sections::sum(&self.cells, &set.cells)));
            }
            if let Some((length, current)) = &mut self.row {
                self.cells.iter().for_each(|cell| current.merge(cell));
                if (end - self.measured_from).is_multiple_of(*length) {
                    row(end, row_quantiles(current));
                    current.clear();
                }
            }
            if let Some(passed) = &mut self.passed {
                let cells = self.cells.len();
                let empty = self.spare.pop().unwrap_or_else(|| vec![Histogram::new(); cells]);
                passed.push((end, std::mem::replace(&mut self.cells, empty)));
            }
            self.cells.iter_mut().for_each(Histogram::clear);
        }
    }

    /// From now on base windows are kept for somebody who adds them up.
    pub fn pass_on(&mut self) {
        self.passed = Some(Vec::new());
        self.sections.iter_mut().for_each(SectionRecorder::without_requests);
    }

    /// Base windows that nobody has taken, in order of time.
    pub fn passed(&self) -> &[PassedWindow] {
        self.passed.as_deref().unwrap_or(&[])
    }

    /// Takes the first of them if it ends at `end`.
    pub fn take_passed(&mut self, end: Nanos) -> Option<Vec<Histogram>> {
        let passed = self.passed.as_mut()?;
        let is_it = passed.first().is_some_and(|window| window.0 == end);
        is_it.then(|| passed.remove(0).1)
    }

    /// Gives back what [`take_passed`](Self::take_passed) gave.
    pub fn recycle(&mut self, mut cells: Vec<Histogram>) {
        cells.iter_mut().for_each(Histogram::clear);
        self.spare.push(cells);
    }

    /// Adds what another recorder of the same groups has seen in the current base window.
    pub fn absorb(&mut self, cells: &[Histogram]) {
        self.cells.iter_mut().zip(cells).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    /// What was answered in the current base window, by cell.
    pub fn current(&self) -> &[Histogram] {
        &self.cells
    }

    /// Adds all sojourns so far to `all`.
    pub fn add_all_to(&self, all: &mut Histogram) {
        if let Some((_, _, index)) = self.scopes.first() {
            all.merge(&self.sets[*index].total);
        }
        self.cells.iter().for_each(|cell| all.merge(cell));
    }

    /// Length of the base window.
    pub fn base(&self) -> Nanos {
        self.base
    }

    /// The scopes, the closed-loop view and the sections; what is in unfinished windows
    /// counts for the whole run and the last section only.
    pub fn finish(mut self) -> (Vec<Scope>, Histogram, Sections) {
        let rest = self.sets.iter().map(|set| sections::sum(&self.cells, &set.cells));
        let list = self.sections.take().map_or_else(Vec::new, |sections| sections.finish(rest));
        let names = self.scopes.iter().filter(|_| !list.is_empty());
        let scopes = names.map(|scope| (scope.0.clone(), scope.2)).collect();
        let sections = Sections { scopes, list, recurring: Vec::new() };
        for set in &mut self.sets {
            for &cell in &set.cells {
                set.total.merge(&self.cells[cell]);
            }
        }
        let view = match self.scopes.first() {
            Some((_, _, all)) => self.sets[*all].total.without(&self.unseen, self.seen_max),
            None => Histogram::new(),
        };
        let scopes = self
            .scopes
            .into_iter()
            .map(|(name, operation, index)| {
                let set = &self.sets[index];
                let windows = set.levels.iter().map(Level::quantiles).collect();
                Scope { name, operation, sojourn: set.total.clone(), windows }
            })
            .collect();
        (scopes, view, sections)
    }
}

impl CellSet {
    fn close_base(&mut self, cells: &[Histogram], end: Nanos) {
        let merged;
        let base = match self.cells[..] {
            [only] => &cells[only],
            _ => {
                let mut sum = Histogram::new();
                self.cells.iter().for_each(|&cell| sum.merge(&cells[cell]));
                merged = sum;
                &merged
            }
        };
        self.total.merge(base);
        for index in 0..self.levels.len() {
            let (below, rest) = self.levels.split_at_mut(index);
            let level = &mut rest[0];
            match level.source {
                None => level.current.merge(base),
                Some(source) if below[source].ends_at == end => level.current.merge(&below[source].current),
                Some(_) => {}
            }
            if level.ends_at == end {
                level.summarise();
            }
        }
        for level in &mut self.levels {
            if level.ends_at == end {
                level.ends_at += level.window;
                level.current.clear();
            }
        }
    }
}

impl Level {
    fn summarise(&mut self) {
        if self.current.count() == 0 {
            return;
        }
        let [p50, p99, p999] = self.current.quantiles([0.5, 0.99, 0.999]);
        let start = self.ends_at - self.window;
        if p99 > self.p99_worst.0 {
            self.p99_worst = (p99, start);
        }
        self.p999_worst = self.p999_worst.max(p999);
        let (requests, max) = (self.current.count(), self.current.max());
        self.rows.push(WindowRow { start, requests, p50, p99, p999, max });
    }

    fn quantiles(&self) -> WindowQuantiles {
        let mut quantiles = WindowQuantiles {
            window: self.window,
            count: self.rows.len() as u64,
            p99_median: 0,
            p99_worst: self.p99_worst.0,
            p999_worst: self.p999_worst,
            p99_worst_at: self.p99_worst.1,
            rows: self.rows.clone(),
        };
        quantiles.p99_median = quantiles.over_windows(0.5, |row| row.p99).unwrap_or(0);
        quantiles
    }
}

/// One level a window length, shortest first; each is merged from the longest that divides it.
fn levels(windows: &[Nanos], from: Nanos) -> Vec<Level> {
    let mut lengths = windows.to_vec();
    lengths.sort_unstable();
    lengths.dedup();
    let source = |index: usize| (0..index).rev().find(|&below| lengths[index].is_multiple_of(lengths[below]));
    (0..lengths.len())
        .map(|index| Level {
            window: lengths[index],
            ends_at: from + lengths[index],
            source: source(index),
            current: Histogram::new(),
            rows: Vec::new(),
            p99_worst: (0, 0),
            p999_worst: 0,
        })
        .collect()
}

fn row_quantiles(row: &Histogram) -> Option<RowQuantiles> {
    let [p50, p90, p99, p999] = row.quantiles([0.5, 0.9, 0.99, 0.999]);
    (row.count() > 0).then(|| (row.count(), [p50, p90, p99, p999, row.max()]))
}

fn gcd(a: Nanos, b: Nanos) -> Nanos {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    #[test]
    fn without_windows_nothing_ever_ends() {
        let group = GroupKinds { name: "g".into(), operation: "SET".into(), reads: false, writes: true };
        let recorder = Recorder::new(&[group], 1, SECOND, &[], None);
        assert_eq!(recorder.next_tick_at(), NEVER);
    }

    #[test]
    fn a_closed_loop_sees_the_first_slow_reply_of_each_connection() {
        let group = GroupKinds { name: "g".into(), operation: "SET".into(), reads: true, writes: true };
        let mut recorder = Recorder::new(&[group], 2, SECOND, &[10 * SECOND], None);
        let mut seen = Histogram::new();
        let mut free_at = [0; 2];
        for step in 0..300u64 {
            let (at, connection) = (step * SECOND / 10, (step % 2) as u32);
            // Every 50th is 2 s late, and all behind it on its connection until it is there.
            let sojourn = if step % 50 == 0 { 2 * SECOND + step } else { 1000 + step };
            recorder.tick(at, |_, _| ());
            let unit = Unit { arrived_at: at, connection, reads: 1, writes: 2, ..Unit::default() };
            recorder.answered(0, &unit, at + sojourn);
            let free_at = &mut free_at[connection as usize];
            if at >= SECOND && at >= *free_at {
                *free_at = at + sojourn;
                seen.record_n(sojourn, 3);
            }
        }
        let (scopes, view, _) = recorder.finish();
        assert!(view.count() < scopes[0].sojourn.count());
        assert_eq!((view.count(), view.sum(), view.max()), (seen.count(), seen.sum(), seen.max()));
        assert_eq!(view.quantiles([0.5, 0.9, 0.99]), seen.quantiles([0.5, 0.9, 0.99]));
    }

    #[test]
    fn windows_of_every_length_hold_what_was_answered_in_them() {
        let group = GroupKinds { name: "g".into(), operation: "SET".into(), reads: false, writes: true };
        let windows = [10 * SECOND, 15 * SECOND, 30 * SECOND];
        let mut recorder = Recorder::new(&[group], 1, SECOND, &windows, None);
        assert_eq!(recorder.base(), 5 * SECOND);
        for step in 0..640u64 {
            let at = step * SECOND / 10;
            recorder.tick(at, |_, _| ());
            recorder.answered(0, &Unit { arrived_at: at, writes: 1, ..Unit::default() }, at + 1000 + step);
        }
        let (scopes, view, sections) = recorder.finish();
        assert_eq!(sections, Sections::default());
        assert_eq!(scopes.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["all", "write", "g"]);
        assert_eq!((scopes[0].sojourn.count(), view.count()), (630, 630));
        let counts: Vec<_> = scopes[0].windows.iter().map(|w| (w.window / SECOND, w.count)).collect();
        assert_eq!(counts, [(10, 6), (15, 4), (30, 2)]);
        // The last whole 10 s window holds steps 510 to 609; its P99 is the 99th of them.
        assert!(scopes[0].windows[0].p99_worst.abs_diff(1608) <= 1);
        assert_eq!(scopes[0].windows[0].p99_worst_at, 51 * SECOND);
    }
}
