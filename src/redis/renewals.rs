//! Far keys whose deadlines change, counted now and put into their cells later.
//!
//! A key drawn at random among those of a class that are not due for a while is as likely one of these as one of those:
//! as long as none of them is near its deadline nobody sees which it was. So a key that gets another deadline is only
//! counted: one more taken from the far cells, one more in the run of its new deadlines. Keys of runs can be drawn
//! again; then a run loses a key, not a cell. Before the boundary of the far cells moves, or somebody asks for a
//! deadline, the books are settled: as many keys as were taken leave the far cells, drawn without replacement, and
//! the runs enter them. That is what taking every key at once would have led to, in distribution and to the key.

use super::cohort::{Ring, Span, hypergeometric};
use crate::rng::Uniform;

/// Runs kept before the books are settled.
pub const RUNS: usize = 64;
/// Of these the last ones are looked at for one that a deadline belongs to: as many as there are usually ways that take
/// turns.
const RECENT: usize = 4;

/// Keys that got deadlines of one far cell.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Index of the ring.
    ring: u32,
    /// Deadlines of the cell, from and up to without the end \[ms\].
    cell: (u64, u64),
    span: Span,
}

impl Run {
    #[inline(always)]
    fn add(&mut self, deadline: u64) {
        self.span.first = self.span.first.min(deadline);
        self.span.last = self.span.last.max(deadline);
        self.span.keys += 1;
    }
}

/// The far keys of one class.
#[derive(Clone, Debug, Default)]
pub struct Renewals {
    /// All of them.
    keys: u64,
    /// Those in runs; the others are in cells, which still count keys that have left.
    new: u64,
    runs: Vec<Run>,
    /// A key that gets its deadline in this millisecond of the clock belongs to the last run as it is, in the ring of that.
    open: Option<u64>,
}

impl Renewals {
    /// All far keys.
    #[inline(always)]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Whether everything is in its cell, where cells count `far` keys.
    fn is_settled(&self, far: u64) -> bool {
        self.runs.is_empty() && self.keys == far
    }

    /// The key number `r` below [`Renewals::keys`] leaves.
    #[inline(always)]
    pub fn take(&mut self, r: u64) {
        self.keys -= 1;
        if r < self.new {
            self.take_new(r);
        }
    }

    /// A key leaves its cell, which knows of it.
    #[inline(always)]
    pub fn took_from_cell(&mut self) {
        self.keys -= 1;
    }

    /// The key number `r` of those in runs leaves; the last run's come first.
    fn take_new(&mut self, mut r: u64) {
        for run in self.runs.iter_mut().rev() {
            if r < run.span.keys {
                run.span.keys -= 1;
                self.new -= 1;
                return;
            }
            r -= run.span.keys;
        }
        unreachable!("runs add up to their sum")
    }

    /// A key gets `deadline` in a ring; false when the books have to be settled first.
    #[inline(always)]
    pub fn add(&mut self, ring: u32, deadline: u64, cell: impl FnOnce() -> (u64, u64)) -> bool {
        let full = self.runs.len() == RUNS;
        let fits = |run: &&mut Run| run.ring == ring && (run.cell.0..run.cell.1).contains(&deadline);
        match self.runs.iter_mut().rev().take(RECENT).find(fits) {
            Some(run) => run.add(deadline),
            None if full => return false,
            None => {
                let span = Span { first: deadline, last: deadline, keys: 1 };
                self.runs.push(Run { ring, cell: cell(), span });
            }
        }
        self.new += 1;
        self.keys += 1;
        self.open = None;
        true
    }

    /// All deadlines given in a ring at `wall` are `deadline`, which a key has got.
    pub fn goes_on(&mut self, wall: u64, ring: u32, deadline: u64) {
        let last = self.runs.last().filter(|run| run.ring == ring && run.span.last == deadline);
        self.open = last.map(|_| wall);
    }

    /// The key number `r` below [`Renewals::keys`] gets a deadline in a ring at `wall`, the same as the last key that did;
    /// false when nothing was done, since it is another.
    #[inline(always)]
    pub fn renew_again(&mut self, r: u64, ring: u32, wall: u64) -> bool {
        let (Some(run), true) = (self.runs.last_mut(), self.open == Some(wall)) else { return false };
        if run.ring != ring {
            return false;
        }
        if r >= self.new {
            self.new += 1;
            run.span.keys += 1;
        } else if r >= run.span.keys {
            run.span.keys += 1;
            self.move_to_last(r);
        }
        true
    }

    /// The key number `r` below [`Renewals::keys`] gets `deadline` in a ring, if that belongs to the last run: what
    /// [`take`](Self::take) and [`add`](Self::add) would do, in one go. False when nothing was done.
    pub fn renew(&mut self, r: u64, ring: u32, deadline: u64) -> bool {
        let Some(run) = self.runs.last_mut() else { return false };
        if run.ring != ring || !(run.cell.0..run.cell.1).contains(&deadline) {
            return false;
        }
        let keys = run.span.keys;
        run.add(deadline);
        if r >= self.new {
            self.new += 1;
        } else if r >= keys {
            self.move_to_last(r);
        } else {
            run.span.keys = keys;
        }
        true
    }

    /// The key number `r` of those in runs has gone to the last run, which counts it already.
    #[inline(never)]
    fn move_to_last(&mut self, r: u64) {
        // The last run's keys come first, and they are one more now.
        self.take_new(r + 1);
        self.new += 1;
    }

    /// Settles the books with the rings of the class, at the time `wall`: `rings` by number from `first` on in steps of
    /// `classes`.
    pub fn settle(
        &mut self,
        rings: &mut [Option<Box<Ring>>],
        (first, classes): (usize, usize),
        wall: u64,
        stream: &mut impl Uniform,
    ) {
        let mut among = far_of(rings, (first, classes));
        if self.is_settled(among) {
            return;
        }
        let mut left = among - (self.keys - self.new);
        for ring in rings.iter_mut().skip(first).step_by(classes).flatten() {
            let far = ring.far();
            let keys = hypergeometric(left, far, among, stream);
            ring.thin(keys, stream);
            (left, among) = (left - keys, among - far);
        }
        for run in self.runs.drain(..).filter(|run| run.span.keys > 0) {
            if let Some(ring) = &mut rings[run.ring as usize] {
                ring.add(run.span, wall);
            }
        }
        (self.new, self.open) = (0, None);
        self.count(rings, (first, classes));
    }

    /// Counts the far keys, all of which are in their cells.
    pub fn count(&mut self, rings: &[Option<Box<Ring>>], (first, classes): (usize, usize)) {
        self.keys = far_of(rings, (first, classes));
    }

    /// Bytes of the runs of a class at most.
    pub fn bytes() -> usize {
        size_of::<Self>() + RUNS * size_of::<Run>()
    }

    /// Panics unless the counts agree with the rings of the class.
    pub fn check(&self, rings: &[Option<Box<Ring>>], (first, classes): (usize, usize)) {
        let far = far_of(rings, (first, classes));
        assert!(self.keys - self.new <= far, "far keys in their cells");
        assert_eq!(self.new, self.runs.iter().map(|run| run.span.keys).sum::<u64>(), "keys in runs");
    }
}

/// Keys that far cells of a class count.
fn far_of(rings: &[Option<Box<Ring>>], (first, classes): (usize, usize)) -> u64 {
    rings.iter().skip(first).step_by(classes).flatten().map(|ring| ring.far()).sum()
}
