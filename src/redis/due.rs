//! Keys that are due but still there, by their place in the hash table, and the cursor that sweeps over them.
//!
//! Places are hash values, so they are uniform and independent of everything else. A key that is not due yet needs
//! none: the sweep meets such keys as a Poisson process over the table. A key that is due gets one of up to 1024
//! ranges of places when its deadline passes, and stays there until the cursor comes by or somebody asks for it.
//! Redis sweeps with `dictScan`, whose order (by reversed bits of the hash) survives growth and shrinking of the
//! table, and so do the ranges.

use super::cohort::{CELLS, Span, Weights, binomial, draw};
pub use super::due_part::EXACT;
use super::due_part::{PARTS, Part, Parts};
use crate::rng::{Stream, Uniform};

/// Keys that get their ranges one by one; more are split by binomial numbers.
const ONE_BY_ONE: u64 = 4 * CELLS as u64;

/// A due key that was met or drawn, and taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Popularity class; [`EXACT`] for an exact key.
    pub class: u16,
    /// Its deadline \[ms of the server's clock\].
    pub deadline: u64,
    /// Number of an exact key.
    pub id: u32,
}

/// What the sweep met next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// A key that is due; it has been taken out.
    Due(Taken),
    /// A key that is not due.
    Waiting,
    /// Nothing before the given place.
    Nothing,
}

/// The due keys and the cursor.
#[derive(Clone, Debug)]
pub struct Due {
    /// Ranges in use, at most [`CELLS`].
    ranges: usize,
    /// Keys ahead of the cursor in its range, all keys of the others.
    parts: Vec<Parts>,
    /// Keys of the cursor's range behind it.
    behind: Parts,
    by_range: Weights,
    /// By class, made when a class has its first due key.
    by_class: Vec<Option<Box<Weights>>>,
    /// Exact keys among them.
    exact: u64,
    /// Place of the cursor, 0 to 1.
    cursor: f64,
}

impl Due {
    /// None of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Due {
            ranges: CELLS,
            parts: vec![Parts::default(); CELLS],
            behind: Parts::default(),
            by_range: Weights::default(),
            by_class: vec![None; classes],
            exact: 0,
            cursor: 0.0,
        }
    }

    /// All due keys, exact ones included.
    #[inline(always)]
    pub fn keys(&self) -> u64 {
        self.by_range.total()
    }

    /// Due keys of a class.
    #[inline(always)]
    pub fn of_class(&self, class: usize) -> u64 {
        self.by_class[class].as_ref().map_or(0, |weights| weights.total())
    }

    /// Exact keys among them.
    pub fn exact(&self) -> u64 {
        self.exact
    }

    /// Place of the cursor, 0 to 1.
    pub fn cursor(&self) -> f64 {
        self.cursor
    }

    fn range_of(&self, place: f64) -> usize {
        ((place * self.ranges as f64) as usize).min(self.ranges - 1)
    }

    fn current(&self) -> usize {
        self.range_of(self.cursor)
    }

    /// Share of the cursor's range that is ahead of it.
    fn ahead_share(&self) -> f64 {
        (self.current() + 1) as f64 - self.cursor * self.ranges as f64
    }

    /// A table of fewer buckets than there are ranges gets a range for each bucket. Keys are placed anew.
    pub fn fit(&mut self, buckets: u64, stream: &mut Stream) {
        let ranges = (buckets.max(1) as usize).min(CELLS);
        if ranges == self.ranges {
            return;
        }
        let behind = std::mem::take(&mut self.behind);
        let all: Vec<Parts> = [behind].into_iter().chain(self.parts.iter_mut().map(std::mem::take)).collect();
        self.by_range = Weights::default();
        self.by_class.iter_mut().flatten().for_each(|weights| **weights = Weights::default());
        (self.exact, self.ranges) = (0, ranges);
        // Onto the bucket that the cursor is in.
        self.cursor = (self.cursor * ranges as f64).floor() / ranges as f64;
        for part in all.iter().flat_map(Parts::iter) {
            match part.class() {
                EXACT => self.add_exact(part.id(), part.span().first),
                class => self.scatter(class as usize, part.span(), stream),
            }
        }
    }

    /// The keys of `span` are due now: they get their places.
    pub fn scatter(&mut self, class: usize, span: Span, stream: &mut Stream) {
        let part = Part::new(class as u16, span);
        let current = self.current();
        let share = self.ahead_share();
        if span.keys <= ONE_BY_ONE {
            for _ in 0..span.keys {
                let range = stream.below(self.ranges as u64) as usize;
                let ahead = range != current || stream.unit() < share;
                self.put(range, part.with(1), ahead);
            }
            return;
        }
        let mut left = span.keys;
        for range in 0..self.ranges {
            let keys = binomial(left, 1.0 / (self.ranges - range) as f64, stream);
            left -= keys;
            let ahead = if range == current { binomial(keys, share, stream) } else { keys };
            self.put(range, part.with(ahead), true);
            self.put(range, part.with(keys - ahead), false);
        }
    }

    /// The exact key `id` is due; its place follows from its number.
    pub fn add_exact(&mut self, id: u32, deadline: u64) {
        let place = place_of(id);
        let range = self.range_of(place);
        let ahead = range != self.current() || place >= self.cursor;
        self.put(range, Part::exact(id, deadline), ahead);
        self.exact += 1;
    }

    /// Takes the exact key `id` out; false if it is not due.
    pub fn remove_exact(&mut self, id: u32) -> bool {
        let range = self.range_of(place_of(id));
        let behind = range == self.current() && self.behind.take_exact(id);
        let was_due = behind || self.parts[range].take_exact(id);
        if was_due {
            self.note_taken(range, EXACT);
        }
        was_due
    }

    #[inline(always)]
    fn put(&mut self, range: usize, part: Part, ahead: bool) {
        let keys = part.span().keys;
        if keys == 0 {
            return;
        }
        self.by_range.add(range, keys);
        if part.class() != EXACT {
            self.by_class[part.class() as usize].get_or_insert_default().add(range, keys);
        }
        let parts = if ahead { &mut self.parts[range] } else { &mut self.behind };
        parts.push(part);
    }

    /// Takes the key number `r` of a range, counted over what is ahead, then behind; with a class only its keys.
    fn take_of(&mut self, range: usize, r: u64, class: Option<u16>, u: f64) -> Taken {
        let part = self.parts[range].take(r, class).or_else(|r| {
            assert!(range == self.current(), "a due key is where its count says");
            self.behind.take(r, class)
        });
        let part = part.expect("a due key is where its count says");
        let (class, span) = (part.class(), part.span());
        self.note_taken(range, class);
        Taken { class, deadline: draw(span.first, span.last, 1, u), id: part.id() }
    }

    fn note_taken(&mut self, range: usize, class: u16) {
        self.by_range.take(range, 1);
        if class == EXACT {
            self.exact -= 1;
        } else if let Some(weights) = &mut self.by_class[class as usize] {
            weights.take(range, 1);
        }
    }

    /// Takes the due key number `r` of a class.
    pub fn take_of_class(&mut self, class: usize, r: u64, u: f64) -> Taken {
        let weights = self.by_class[class].as_ref().expect("a class with due keys has its counts");
        let (range, r) = weights.find(r);
        let others = self.by_range.of(range) > weights.of(range);
        self.take_of(range, r, others.then_some(class as u16), u)
    }

    /// Takes the due key number `r` of all.
    pub fn take_any(&mut self, r: u64, u: f64) -> Taken {
        let (range, r) = self.by_range.find(r);
        self.take_of(range, r, None, u)
    }

    /// Moves the cursor to the next key before `end`, at most 1, and takes it out if it is due; to `end` without
    /// one. `waiting` keys that are not due lie anywhere in the table.
    pub fn advance(&mut self, end: f64, waiting: u64, stream: &mut Stream) -> Met {
        // No key of a Poisson process: one of infinite distance.
        let gap = if waiting == 0 { f64::INFINITY } else { stream.exponential() / waiting as f64 };
        let next_waiting = self.cursor + gap;
        let ranges = self.ranges as f64;
        loop {
            let range = self.current();
            let range_end = (range + 1) as f64 / ranges;
            let ahead = self.parts[range].keys();
            if ahead > 0 {
                // The nearest of so many uniform places.
                let nearest = nearest_share(stream.exponential() / ahead as f64);
                let place = self.cursor + (range_end - self.cursor) * nearest;
                if place < next_waiting && place < end {
                    self.cursor = place;
                    let (r, u) = (stream.below(ahead), stream.unit());
                    return Met::Due(self.take_of(range, r, None, u));
                }
            }
            if next_waiting < range_end.min(end) {
                self.cursor = next_waiting;
                return Met::Waiting;
            }
            if end < range_end {
                self.cursor = end;
                return Met::Nothing;
            }
            self.enter((range + 1) % self.ranges);
            if end <= range_end {
                if end < 1.0 {
                    self.cursor = end;
                }
                return Met::Nothing;
            }
        }
    }

    /// The cursor enters a range: what was behind it in the last one is ahead again, a turn away.
    fn enter(&mut self, range: usize) {
        let last = self.current();
        self.parts[last].append(&mut self.behind);
        self.cursor = range as f64 / self.ranges as f64;
    }

    /// Bytes at most with so many classes, exact keys not counted.
    pub fn bytes(classes: usize) -> usize {
        let weights = CELLS * size_of::<u64>() + size_of::<Weights>();
        // Blocks of parts have a sum each.
        CELLS * 2 * (PARTS + classes) * (size_of::<Part>() + 1) + (classes + 1) * weights
    }

    /// Panics unless the counts are those of the parts.
    pub fn check(&self) {
        let mut by_class = vec![0; self.by_class.len()];
        let (mut all, mut exact) = (0, 0);
        for parts in self.parts.iter().chain([&self.behind]) {
            parts.check();
            all += parts.keys();
            for part in parts.iter() {
                match part.class() {
                    EXACT => exact += part.span().keys,
                    class => by_class[class as usize] += part.span().keys,
                }
            }
        }
        assert_eq!((all, exact), (self.keys(), self.exact), "due keys");
        for (class, keys) in by_class.into_iter().enumerate() {
            assert_eq!(keys, self.of_class(class), "due keys of a class");
        }
    }
}

/// Place of an exact key, 0 to 1: a hash of its number (Fibonacci hashing).
fn place_of(id: u32) -> f64 {
    let hash = (id as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// 1 − e^−x, the distance of the nearest of n uniform places when x is exponential with mean 1/n.
#[inline(always)]
fn nearest_share(x: f64) -> f64 {
    if x < 1e-3 { x * (1.0 - 0.5 * x) } else { -libm::expm1(-x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn stream() -> Stream {
        Streams::new(5, 0).open(StreamId::Expiry, 0)
    }

    #[test]
    fn one_turn_meets_every_due_key_once() {
        for (keys, waiting) in [(10, 0), (3000, 500), (100_000, 0)] {
            let (mut due, mut stream) = (Due::new(2), stream());
            due.scatter(0, Span { first: 5, last: 9, keys }, &mut stream);
            due.scatter(1, Span { first: 7, last: 7, keys: 40 }, &mut stream);
            due.check();
            let (mut met, mut passed) = ([0; 2], 0);
            loop {
                match due.advance(1.0, waiting, &mut stream) {
                    Met::Due(taken) => {
                        met[taken.class as usize] += 1;
                        assert!((5..=9).contains(&taken.deadline));
                    }
                    Met::Waiting => passed += 1,
                    Met::Nothing => break,
                }
            }
            assert_eq!((met, due.keys(), due.cursor()), ([keys, 40], 0, 0.0));
            let error = 4.0 * (waiting as f64).sqrt();
            assert!((passed as f64 - waiting as f64).abs() <= error, "{passed} of {waiting}");
            due.check();
        }
    }

    #[test]
    fn a_key_that_gets_due_behind_the_cursor_waits_a_turn() {
        let (mut due, mut stream) = (Due::new(1), stream());
        due.fit(4, &mut stream);
        assert_eq!(due.advance(0.5, 0, &mut stream), Met::Nothing);
        due.scatter(0, Span { first: 1, last: 1, keys: 40_000 }, &mut stream);
        let mut met = 0;
        while due.advance(1.0, 0, &mut stream) != Met::Nothing {
            met += 1;
        }
        assert!((19_000..21_000).contains(&met), "{met}");
        while due.advance(0.5, 0, &mut stream) != Met::Nothing {
            met += 1;
        }
        assert_eq!((met, due.keys()), (40_000, 0));
    }

    #[test]
    fn keys_are_taken_by_class_number_and_id() {
        let (mut due, mut stream) = (Due::new(2), stream());
        due.scatter(0, Span { first: 1, last: 3, keys: 500 }, &mut stream);
        due.scatter(1, Span { first: 4, last: 6, keys: 300 }, &mut stream);
        (0..20).for_each(|id| due.add_exact(id, 8));
        while due.of_class(1) > 0 {
            let r = stream.below(due.of_class(1));
            assert_eq!(due.take_of_class(1, r, 0.5).deadline, 5);
        }
        assert!(due.remove_exact(7) && !due.remove_exact(7));
        due.check();
        let mut exact = 0;
        while due.keys() > 0 {
            let r = stream.below(due.keys());
            exact += (due.take_any(r, 0.5).class == EXACT) as u32;
        }
        assert_eq!(exact, 19);
        due.check();
    }

    #[test]
    fn a_key_is_the_same_one_by_its_number_in_the_range_or_in_its_class() {
        let (mut by_range, mut stream) = (Due::new(2), stream());
        by_range.fit(4, &mut stream);
        for first in 0..200 {
            by_range.scatter(0, Span { first, last: first + first % 3, keys: 1 + first % 5 }, &mut stream);
        }
        let mut by_class = by_range.clone();
        while by_range.keys() > 0 {
            let (r, u) = (stream.below(by_range.keys()), stream.unit());
            let (range, within) = by_class.by_range.find(r);
            assert_eq!(by_range.take_any(r, u), by_class.take_of(range, within, Some(0), u));
        }
        by_range.check();
        by_class.check();
        assert_eq!(by_class.keys(), 0);
    }

    #[test]
    fn parts_are_joined_before_there_are_many() {
        let (mut due, mut stream) = (Due::new(3), stream());
        for first in 0..5000 {
            due.scatter(first as usize % 3, Span { first, last: first, keys: 9000 }, &mut stream);
        }
        assert!(due.parts.iter().all(|parts| parts.iter().count() <= PARTS));
        due.check();
        assert_eq!(due.keys(), 45_000_000);
    }
}
