//! Keys whose deadlines lie ahead, as counts by deadline: a ring of cells that turns with the clock.
//!
//! Keys of one popularity class are exchangeable, so how many have which deadline is all there is to know. A cell
//! holds a number of keys whose deadlines are spread evenly between its earliest and its latest; that is exact for
//! keys set at one instant and for a cell of one millisecond, and true on average for keys set at a steady rate.

pub use super::weights::{CELLS, Weights};
use crate::math::{normal_quantile, whole};
use crate::rng::Uniform;

/// Cells ahead of the clock that are near: after so many the boundary moves on.
pub const NEAR: u64 = 16;

/// Mean above which a binomial number is drawn by its normal approximation, whose error is then below that of
/// the even spread it is used for.
const NORMAL_FROM: f64 = 64.0;

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
///
/// Cells before a boundary are near: their keys may be due soon, and their counts are always up to date. No key of the
/// cells behind it, which are far, is due before the clock has come to the boundary; so nobody has to know which of
/// them a key is in, and what becomes of far keys can be counted and made up for later
/// ([`super::renewals`]).
#[derive(Clone, Debug)]
pub struct Ring {
    /// Counts by cell; those of near cells are set aside.
    weights: Weights,
    /// Earliest and latest deadline of each cell that holds keys.
    bounds: Vec<(u64, u64)>,
    /// Length of a cell \[ms\].
    width: u64,
    /// Deadlines are multiples of this \[ms\].
    step: u64,
    /// Number of the cell (deadline / width) before which there is nothing.
    head: u64,
    /// Keys of near cells.
    near: u64,
    /// Number of the first far cell.
    near_end: u64,
}

impl Ring {
    /// A ring for deadlines at most `reach` ms ahead, all of them multiples of `step` ms, at the time `wall`.
    pub fn new(reach: u64, step: u64, wall: u64) -> Self {
        let width = (reach + step).div_ceil(CELLS as u64 - 2).max(1);
        let near_end = wall / width + NEAR + 1;
        let bounds = vec![(0, 0); CELLS];
        Ring { weights: Weights::default(), bounds, width, step, head: 0, near: 0, near_end }
    }

    /// Keys in it.
    #[inline(always)]
    pub fn keys(&self) -> u64 {
        self.near + self.far()
    }

    /// Keys of near cells.
    #[inline(always)]
    pub fn near(&self) -> u64 {
        self.near
    }

    /// Keys of far cells.
    #[inline(always)]
    pub fn far(&self) -> u64 {
        self.weights.total()
    }

    /// No key of a far cell is due while the clock has not passed this \[ms\].
    pub fn far_from(&self) -> u64 {
        self.near_end * self.width
    }

    /// Deadlines that share a cell with `deadline`, a far one: from, and up to without the end; none for a near one.
    #[inline(always)]
    pub fn far_cell(&self, deadline: u64) -> Option<(u64, u64)> {
        let number = deadline / self.width;
        (number >= self.near_end).then_some((number * self.width, (number + 1) * self.width))
    }

    /// Whether `deadline` has a cell now; otherwise what is due must be taken out first.
    #[inline(always)]
    pub fn reaches(&self, deadline: u64) -> bool {
        self.keys() == 0 || deadline / self.width < self.head + CELLS as u64
    }

    /// Adds keys with deadlines of one cell, which the ring [reaches](Ring::reaches); `wall` is the clock.
    pub fn add(&mut self, span: Span, wall: u64) {
        let number = span.first / self.width;
        if self.keys() == 0 {
            self.head = number.min(wall / self.width);
        }
        self.head = self.head.min(number);
        let cell = number as usize % CELLS;
        let bounds = &mut self.bounds[cell];
        *bounds = match self.weights.of(cell) {
            0 => (span.first, span.last),
            _ => (bounds.0.min(span.first), bounds.1.max(span.last)),
        };
        if number < self.near_end {
            self.near += span.keys;
            self.weights.add_aside(cell, span.keys);
        } else {
            self.weights.add(cell, span.keys);
        }
    }

    /// The boundary moves on as the clock stands at `wall`.
    pub fn advance(&mut self, wall: u64) {
        let end = wall / self.width + NEAR + 1;
        if end <= self.near_end {
            return;
        }
        if self.keys() > 0 {
            // Behind the last cell in use the first ones come again.
            for number in self.near_end.max(self.head)..end.min(self.head + CELLS as u64) {
                self.near += self.weights.set_aside(number as usize % CELLS);
            }
        }
        self.near_end = end;
    }

    /// Whether a cell lies before the boundary.
    #[inline(always)]
    fn is_near(&self, cell: usize) -> bool {
        is_near(cell, self.head, self.near_end)
    }

    /// The cell of its near key number `r` below [`Ring::near`].
    pub fn find_near(&self, mut r: u64) -> usize {
        for cell in self.near_cells() {
            let keys = self.weights.of(cell);
            if r < keys {
                return cell;
            }
            r -= keys;
        }
        unreachable!("near cells add up to their sum")
    }

    /// The cell of its far key number `r` below [`Ring::far`].
    pub fn find_far(&self, r: u64) -> usize {
        self.weights.find_beside(r, |cell| self.is_near(cell))
    }

    fn near_cells(&self) -> impl Iterator<Item = usize> {
        let end = self.near_end.min(self.head + CELLS as u64);
        (self.head..end).map(|number| number as usize % CELLS)
    }

    /// The cell with the earliest deadlines.
    pub fn oldest(&self) -> Option<usize> {
        let filled = |cell: &usize| self.weights.of(*cell) > 0;
        let near = if self.near > 0 { self.near_cells().find(filled) } else { None };
        near.or_else(|| self.weights.next_filled(self.head.max(self.near_end) as usize % CELLS))
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

    /// One key of `cell` gets another deadline, or none, or is deleted; whether the cell was a far one.
    #[inline(always)]
    pub fn take(&mut self, cell: usize) -> bool {
        let near = self.is_near(cell);
        if near {
            self.near -= 1;
            self.weights.take_aside(cell, 1);
        } else {
            self.weights.take(cell, 1);
        }
        !near
    }

    /// Takes `keys` far keys out, every one as likely as every other.
    pub fn thin(&mut self, keys: u64, stream: &mut impl Uniform) {
        let (head, near_end) = (self.head, self.near_end);
        self.weights.thin(keys, |cell| is_near(cell, head, near_end), stream);
    }

    /// Takes out keys whose deadline is before `wall`, which is not behind the boundary, a cell's worth at a time; none
    /// when there are no more.
    ///
    /// Of a cell whose deadlines lie on both sides a binomial number is taken.
    pub fn take_due(&mut self, wall: u64, stream: &mut impl Uniform) -> Option<Span> {
        debug_assert!(wall <= self.far_from());
        let cell = self.oldest()?;
        let (first, last) = self.bounds[cell];
        self.head = first / self.width;
        if first >= wall {
            return None;
        }
        let keys = self.weights.of(cell);
        if last < wall {
            self.take_near(cell, keys);
            return Some(Span { first, last, keys });
        }
        let steps = (last - first) / self.step + 1;
        let due_steps = (wall - first).div_ceil(self.step);
        let due = binomial(keys, due_steps as f64 / steps as f64, stream);
        let next = first + due_steps * self.step;
        self.take_near(cell, due);
        self.bounds[cell] = (next, last);
        (due > 0).then_some(Span { first, last: next - self.step, keys: due })
    }

    fn take_near(&mut self, cell: usize, keys: u64) {
        self.near -= keys;
        self.weights.take_aside(cell, keys);
    }

    /// Bytes of one ring, for the bound on memory.
    pub fn bytes() -> usize {
        CELLS * (size_of::<u64>() + size_of::<(u64, u64)>()) + size_of::<Ring>()
    }

    /// Panics unless blocks and cells add up.
    pub fn check(&self) {
        self.weights.check(self.near);
        assert_eq!(self.near, self.near_cells().map(|cell| self.weights.of(cell)).sum::<u64>(), "near keys");
    }
}

/// Whether a cell of a ring whose first cell in use is number `head` lies before the far ones.
#[inline(always)]
fn is_near(cell: usize, head: u64, near_end: u64) -> bool {
    let ahead = (cell as u64).wrapping_sub(head) % CELLS as u64;
    head + ahead < near_end
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

/// How many of `drawn` keys, drawn at random out of `all`, are among a certain `part` of them, from one uniform number.
///
/// By inversion and normal approximation as [`binomial`], which it is for a large whole.
pub fn hypergeometric(drawn: u64, part: u64, all: u64, stream: &mut impl Uniform) -> u64 {
    debug_assert!(drawn <= all && part <= all);
    if drawn == 0 || part == 0 {
        return 0;
    }
    if drawn == all || part == all {
        return drawn.min(part);
    }
    if 2 * part > all {
        return drawn - hypergeometric(drawn, all - part, all, stream);
    }
    if 2 * drawn > all {
        return part - hypergeometric(all - drawn, part, all, stream);
    }
    let u = stream.unit();
    let (n, k, of) = (drawn as f64, part as f64, all as f64);
    let mean = n * (k / of);
    if mean > NORMAL_FROM {
        let variance = mean * (1.0 - k / of) * ((of - n) / (of - 1.0));
        let value = mean + variance.sqrt() * normal_quantile(u);
        return whole(value.max(0.0)).min(drawn).min(part);
    }
    // None of them: (all − part)! (all − drawn)! / ((all − part − drawn)! all!)
    let factorial = |x: f64| libm::lgamma(x + 1.0);
    let rest = of - k - n;
    let mut chance = libm::exp(factorial(of - k) + factorial(of - n) - factorial(rest) - factorial(of));
    let (mut below, mut hits) = (chance, 0.0);
    while u > below && hits < n.min(k) {
        chance *= (n - hits) * (k - hits) / ((hits + 1.0) * (rest + hits + 1.0));
        hits += 1.0;
        below += chance;
        if chance < 1e-300 {
            break;
        }
    }
    hits as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn stream() -> crate::rng::Stream {
        Streams::new(3, 0).open(StreamId::Expiry, 0)
    }

    #[test]
    fn what_is_due_leaves_the_ring_and_nothing_else() {
        let mut stream = stream();
        let (mut wall, mut given, mut taken) = (1000, 0, 0);
        let mut ring = Ring::new(60_000, 1, wall);
        for round in 0..5000u64 {
            wall += 37;
            let deadline = wall + 1 + round * 7919 % 60_000;
            assert!(ring.reaches(deadline));
            ring.add(Span { first: deadline, last: deadline, keys: 3 }, wall);
            given += 3;
            ring.advance(wall);
            while let Some(span) = ring.take_due(wall, &mut stream) {
                assert!(span.first <= span.last && span.last < wall, "{span:?} at {wall}");
                taken += span.keys;
            }
            assert_eq!(ring.keys(), given - taken);
            ring.check();
        }
        ring.advance(wall + 70_000);
        while let Some(span) = ring.take_due(wall + 70_000, &mut stream) {
            taken += span.keys;
        }
        ring.check();
        assert_eq!((given, ring.keys()), (taken, 0));
    }

    #[test]
    fn deadlines_keep_to_their_step() {
        let mut ring = Ring::new(3_600_000, 60_000, 0);
        let span = |minute: u64| Span { first: minute * 60_000, last: minute * 60_000, keys: 1000 };
        (1..50).for_each(|minute| ring.add(span(minute), 0));
        let mut stream = stream();
        let cell = ring.find_far(0);
        assert_eq!(ring.deadline(cell, 0.9) % 60_000, 0);
        ring.advance(120_000);
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

    #[test]
    fn hypergeometric_numbers_have_their_mean_and_variance() {
        let mut stream = stream();
        let cases =
            [(10, 5, 20), (100, 30, 1000), (50, 900, 1000), (700, 40, 1000), (60_000, 90_000, 1_000_000)];
        for (drawn, part, all) in cases {
            let draws = 20_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                let hits = hypergeometric(drawn, part, all, &mut stream);
                assert!(hits <= drawn.min(part) && drawn - hits <= all - part);
                sum += hits as f64;
                squares += (hits * hits) as f64;
            }
            let (n, k, of) = (drawn as f64, part as f64, all as f64);
            let mean = n * k / of;
            let variance = mean * (1.0 - k / of) * (of - n) / (of - 1.0);
            let (average, runs) = (sum / draws as f64, draws as f64);
            assert!(
                (average - mean).abs() < 4.0 * (variance / runs).sqrt(),
                "{drawn} {part} {all}: {average}"
            );
            let spread = squares / runs - average * average;
            assert!((spread / variance - 1.0).abs() < 0.06, "{drawn} {part} {all}: {spread}");
        }
    }
}
