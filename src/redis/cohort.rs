//! Keys whose deadlines lie ahead, as counts by deadline: a ring of cells that turns with the clock.
//!
//! Keys of one popularity class are exchangeable, so how many have which deadline is all there is to know. A cell
//! holds a number of keys whose deadlines are spread evenly between its earliest and its latest; that is exact for
//! keys set at one instant and for a cell of one millisecond, and true on average for keys set at a steady rate.

use crate::math::{normal_quantile, whole};
use crate::rng::Uniform;

/// Cells of a ring, and positions of a sweep.
pub const CELLS: usize = 1024;
/// Cells of a block, and blocks of a group: a search looks at half the groups, half a group's blocks and half a
/// block's cells on average.
const BLOCK: usize = 8;
const GROUP: usize = 8;
/// Mean above which a binomial number is drawn by its normal approximation, whose error is then below that of
/// the even spread it is used for.
const NORMAL_FROM: f64 = 64.0;

/// Counts by cell, with block sums, so that a key drawn at random is found in a few dozen steps.
#[derive(Clone, Debug)]
pub struct Weights {
    total: u64,
    groups: [u64; CELLS / BLOCK / GROUP],
    blocks: [u64; CELLS / BLOCK],
    cells: Vec<u64>,
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            total: 0,
            groups: [0; CELLS / BLOCK / GROUP],
            blocks: [0; CELLS / BLOCK],
            cells: vec![0; CELLS],
        }
    }
}

impl Weights {
    /// Sum over all cells.
    #[inline(always)]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Count of one cell.
    #[inline(always)]
    pub fn of(&self, cell: usize) -> u64 {
        self.cells[cell]
    }

    /// Adds `n` to a cell.
    #[inline(always)]
    pub fn add(&mut self, cell: usize, n: u64) {
        self.total += n;
        self.groups[cell / (BLOCK * GROUP)] += n;
        self.blocks[cell / BLOCK] += n;
        self.cells[cell] += n;
    }

    /// Takes `n` from a cell that holds as many.
    #[inline(always)]
    pub fn take(&mut self, cell: usize, n: u64) {
        debug_assert!(self.cells[cell] >= n);
        self.total -= n;
        self.groups[cell / (BLOCK * GROUP)] -= n;
        self.blocks[cell / BLOCK] -= n;
        self.cells[cell] -= n;
    }

    /// The cell of the key number `r`, below [`Weights::total`], counted through the cells, and its number there.
    #[inline(always)]
    pub fn find(&self, r: u64) -> (usize, u64) {
        debug_assert!(r < self.total);
        let (group, r) = within(&self.groups, r);
        let (block, r) = within(&self.blocks[group * GROUP..(group + 1) * GROUP], r);
        let first = (group * GROUP + block) * BLOCK;
        let (cell, r) = within(&self.cells[first..first + BLOCK], r);
        (first + cell, r)
    }

    /// The first cell from `from` on, around the ring, that holds something.
    fn next_filled(&self, from: usize) -> Option<usize> {
        let start = from % CELLS;
        let in_block = |block: usize, from: usize, to: usize| {
            if self.blocks[block] == 0 { None } else { (from..to).find(|&cell| self.cells[cell] > 0) }
        };
        let (block, blocks) = (start / BLOCK, self.blocks.len());
        in_block(block, start, (block + 1) * BLOCK)
            .or_else(|| {
                let others = (1..blocks).map(|step| (block + step) % blocks);
                others.into_iter().find_map(|b| in_block(b, b * BLOCK, (b + 1) * BLOCK))
            })
            .or_else(|| in_block(block, block * BLOCK, start))
    }
}

/// The count that the number `r` falls into, and its number there.
#[inline(always)]
fn within(counts: &[u64], mut r: u64) -> (usize, u64) {
    let mut at = 0;
    while at + 1 < counts.len() && r >= counts[at] {
        r -= counts[at];
        at += 1;
    }
    (at, r)
}

/// Keys with deadlines from `first` to `last` \[ms of the server's clock\], evenly spread over the steps between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Earliest deadline.
    pub first: u64,
    /// Latest deadline.
    pub last: u64,
    /// Keys.
    pub keys: u64,
}

/// The deadlines of the keys of one class that got them in one way.
#[derive(Clone, Debug)]
pub struct Ring {
    weights: Weights,
    /// Earliest and latest deadline of each cell that holds keys.
    bounds: Vec<(u64, u64)>,
    /// Length of a cell \[ms\].
    width: u64,
    /// Deadlines are multiples of this \[ms\].
    step: u64,
    /// Number of the cell (deadline / width) before which there is nothing.
    head: u64,
}

impl Ring {
    /// A ring for deadlines at most `reach` ms ahead, all of them multiples of `step` ms.
    pub fn new(reach: u64, step: u64) -> Self {
        let width = (reach + step).div_ceil(CELLS as u64 - 2).max(1);
        Ring { weights: Weights::default(), bounds: vec![(0, 0); CELLS], width, step, head: 0 }
    }

    /// Keys in it.
    #[inline(always)]
    pub fn keys(&self) -> u64 {
        self.weights.total()
    }

    /// Whether `deadline` has a cell now; otherwise what is due must be taken out first.
    #[inline(always)]
    pub fn reaches(&self, deadline: u64) -> bool {
        self.keys() == 0 || deadline / self.width < self.head + CELLS as u64
    }

    /// Adds `keys` with one deadline, which the ring [reaches](Ring::reaches); `wall` is the clock.
    #[inline(always)]
    pub fn add(&mut self, deadline: u64, keys: u64, wall: u64) {
        let number = deadline / self.width;
        if self.keys() == 0 {
            self.head = number.min(wall / self.width);
        }
        self.head = self.head.min(number);
        let cell = number as usize % CELLS;
        let bounds = &mut self.bounds[cell];
        *bounds = match self.weights.of(cell) {
            0 => (deadline, deadline),
            _ => (bounds.0.min(deadline), bounds.1.max(deadline)),
        };
        self.weights.add(cell, keys);
    }

    /// The cell of its key number `r` below [`Ring::keys`].
    #[inline(always)]
    pub fn find(&self, r: u64) -> usize {
        self.weights.find(r).0
    }

    /// The cell with the earliest deadlines.
    pub fn oldest(&self) -> Option<usize> {
        self.weights.next_filled(self.head as usize % CELLS)
    }

    /// Earliest deadline of a cell that holds keys.
    #[inline(always)]
    pub fn earliest(&self, cell: usize) -> u64 {
        self.bounds[cell].0
    }

    /// A deadline drawn from a cell by the uniform number `u`.
    #[inline(always)]
    pub fn deadline(&self, cell: usize, u: f64) -> u64 {
        let (first, last) = self.bounds[cell];
        draw(first, last, self.step, u)
    }

    /// One key of `cell` gets another deadline, or none, or is deleted.
    #[inline(always)]
    pub fn take(&mut self, cell: usize) {
        self.weights.take(cell, 1);
    }

    /// Takes out keys whose deadline is before `wall`, a cell's worth at a time; none when there are no more.
    ///
    /// Of a cell whose deadlines lie on both sides a binomial number is taken.
    pub fn take_due(&mut self, wall: u64, stream: &mut impl Uniform) -> Option<Span> {
        let cell = self.weights.next_filled(self.head as usize % CELLS)?;
        let (first, last) = self.bounds[cell];
        self.head = first / self.width;
        if first >= wall {
            return None;
        }
        let keys = self.weights.of(cell);
        if last < wall {
            self.weights.take(cell, keys);
            return Some(Span { first, last, keys });
        }
        let steps = (last - first) / self.step + 1;
        let due_steps = (wall - first).div_ceil(self.step);
        let due = binomial(keys, due_steps as f64 / steps as f64, stream);
        let next = first + due_steps * self.step;
        self.weights.take(cell, due);
        self.bounds[cell] = (next, last);
        (due > 0).then_some(Span { first, last: next - self.step, keys: due })
    }

    /// Bytes of one ring, for the bound on memory.
    pub fn bytes() -> usize {
        CELLS * (size_of::<u64>() + size_of::<(u64, u64)>()) + size_of::<Ring>()
    }

    /// Panics unless blocks and cells add up.
    pub fn check(&self) {
        assert_eq!(self.weights.total, self.weights.cells.iter().sum::<u64>(), "keys by deadline");
    }
}

/// A deadline among the multiples of `step` from `first` to `last`, by the uniform number `u`.
#[inline(always)]
pub fn draw(first: u64, last: u64, step: u64, u: f64) -> u64 {
    let steps = (last - first) / step;
    if steps == 0 { first } else { first + ((u * (steps + 1) as f64) as u64).min(steps) * step }
}

/// Successes among `n` trials of probability `p`, from one uniform number.
///
/// By inversion up to a mean of 64 (of successes or failures), by the normal approximation above.
pub fn binomial(n: u64, p: f64, stream: &mut impl Uniform) -> u64 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    if p > 0.5 {
        return n - binomial(n, 1.0 - p, stream);
    }
    let (u, mean) = (stream.unit(), n as f64 * p);
    if mean > NORMAL_FROM {
        let drawn = mean + (mean * (1.0 - p)).sqrt() * normal_quantile(u);
        return whole(drawn.max(0.0)).min(n);
    }
    let ratio = p / (1.0 - p);
    let mut chance = libm::exp(n as f64 * libm::log1p(-p));
    let (mut below, mut successes) = (chance, 0);
    while u > below && successes < n {
        chance *= ratio * (n - successes) as f64 / (successes + 1) as f64;
        successes += 1;
        below += chance;
        if chance < 1e-300 {
            break;
        }
    }
    successes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn stream() -> crate::rng::Stream {
        Streams::new(3, 0).open(StreamId::Expiry, 0)
    }

    #[test]
    fn every_key_is_found_where_it_was_put() {
        let mut weights = Weights::default();
        for cell in 0..CELLS {
            weights.add(cell, (cell % 7) as u64);
        }
        let mut expected = (0..CELLS).flat_map(|cell| (0..cell % 7).map(move |n| (cell, n as u64)));
        for r in 0..weights.total() {
            assert_eq!(weights.find(r), expected.next().unwrap());
        }
    }

    #[test]
    fn what_is_due_leaves_the_ring_and_nothing_else() {
        let mut ring = Ring::new(60_000, 1);
        let mut stream = stream();
        let (mut wall, mut given, mut taken) = (1000, 0, 0);
        for round in 0..5000u64 {
            wall += 37;
            let deadline = wall + 1 + round * 7919 % 60_000;
            assert!(ring.reaches(deadline));
            ring.add(deadline, 3, wall);
            given += 3;
            while let Some(span) = ring.take_due(wall, &mut stream) {
                assert!(span.first <= span.last && span.last < wall, "{span:?} at {wall}");
                taken += span.keys;
            }
            assert_eq!(ring.keys(), given - taken);
            ring.check();
        }
        while let Some(span) = ring.take_due(u64::MAX, &mut stream) {
            taken += span.keys;
        }
        assert_eq!((given, ring.keys()), (taken, 0));
    }

    #[test]
    fn deadlines_keep_to_their_step() {
        let mut ring = Ring::new(3_600_000, 60_000);
        (1..50).for_each(|minute| ring.add(minute * 60_000, 1000, 0));
        let mut stream = stream();
        let cell = ring.find(0);
        assert_eq!(ring.deadline(cell, 0.9) % 60_000, 0);
        let span = ring.take_due(60_001, &mut stream).unwrap();
        assert_eq!((span.first, span.keys), (60_000, 1000));
        assert_eq!(ring.take_due(120_000, &mut stream), None);
        assert_eq!(ring.oldest().map(|cell| ring.earliest(cell)), Some(120_000));
    }

    #[test]
    fn binomial_numbers_have_their_mean_and_variance() {
        let mut stream = stream();
        for (n, p) in [(10, 0.3), (1000, 0.001), (1000, 0.7), (1_000_000, 0.25), (100, 0.5)] {
            let draws = 20_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                let drawn = binomial(n, p, &mut stream) as f64;
                sum += drawn;
                squares += drawn * drawn;
            }
            let (mean, variance) = (sum / draws as f64, n as f64 * p * (1.0 - p));
            assert!((mean - n as f64 * p).abs() < 4.0 * (variance / draws as f64).sqrt(), "{n} {p}: {mean}");
            let spread = squares / draws as f64 - mean * mean;
            assert!((spread / variance - 1.0).abs() < 0.06, "{n} {p}: {spread} against {variance}");
        }
    }
}
