//! Counts by cell, with sums over blocks and groups of cells, so that a key drawn at random is found in a few dozen steps.
//!
//! Keys may be set aside: they keep their cell and leave the sums, so that they are not found any more. What is taken
//! out at random is taken one by one while it is little, and split by hypergeometric numbers from the whole down to
//! the cells when it is much.

use super::cohort::hypergeometric;
use crate::rng::Uniform;

/// Cells of a ring, and positions of a sweep.
pub const CELLS: usize = 1024;
/// Cells of a block, and blocks of a group: a search looks at half the groups, half a group's blocks and half a
/// block's cells on average.
const BLOCK: usize = 8;
const GROUP: usize = 8;
/// Keys taken at random that are found one by one; from here on splitting is faster.
const ONE_BY_ONE: u64 = 32 * CELLS as u64;

/// Counts by cell.
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
    /// Sum over all cells, without what is set aside.
    #[inline(always)]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Count of one cell, set aside or not.
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
        self.leave_sums(cell, n);
        self.cells[cell] -= n;
    }

    #[inline(always)]
    fn leave_sums(&mut self, cell: usize, n: u64) {
        debug_assert!(self.cells[cell] >= n);
        self.total -= n;
        self.groups[cell / (BLOCK * GROUP)] -= n;
        self.blocks[cell / BLOCK] -= n;
    }

    /// Sets a cell's keys aside; returns how many they are.
    pub fn set_aside(&mut self, cell: usize) -> u64 {
        let keys = self.cells[cell];
        self.leave_sums(cell, keys);
        keys
    }

    /// Adds `n` to a cell that is set aside.
    #[inline(always)]
    pub fn add_aside(&mut self, cell: usize, n: u64) {
        self.cells[cell] += n;
    }

    /// Takes `n` from a cell that is set aside and holds as many.
    #[inline(always)]
    pub fn take_aside(&mut self, cell: usize, n: u64) {
        self.cells[cell] -= n;
    }

    /// The cell of the key number `r`, below [`Weights::total`], counted through the cells, and its number there.
    ///
    /// A block may hold both cells that are set aside and others; `aside` tells them apart.
    #[inline(always)]
    fn find_but(&self, r: u64, aside: impl Fn(usize) -> bool) -> (usize, u64) {
        debug_assert!(r < self.total);
        let (group, r) = within(&self.groups, r);
        let (block, mut r) = within(&self.blocks[group * GROUP..(group + 1) * GROUP], r);
        let first = (group * GROUP + block) * BLOCK;
        for cell in first..first + BLOCK {
            let keys = if aside(cell) { 0 } else { self.cells[cell] };
            if r < keys {
                return (cell, r);
            }
            r -= keys;
        }
        unreachable!("a block's cells add up to its sum")
    }

    /// The same where nothing is set aside.
    #[inline(always)]
    pub fn find(&self, r: u64) -> (usize, u64) {
        self.find_but(r, |_| false)
    }

    /// The same where `aside` tells which cells are set aside.
    pub fn find_beside(&self, r: u64, aside: impl Fn(usize) -> bool) -> usize {
        self.find_but(r, aside).0
    }

    /// Takes out `keys` keys drawn at random, every one as likely as every other; `aside` tells which cells are set
    /// aside.
    pub fn thin(&mut self, keys: u64, aside: impl Fn(usize) -> bool, stream: &mut impl Uniform) {
        debug_assert!(keys <= self.total);
        if keys <= ONE_BY_ONE {
            for _ in 0..keys {
                let cell = self.find_beside(stream.below(self.total), &aside);
                self.take(cell, 1);
            }
            return;
        }
        let mut all = Share { keys, of: self.total };
        for group in 0..self.groups.len() {
            let mut in_group = all.split(self.groups[group], stream);
            for block in group * GROUP..(group + 1) * GROUP {
                let mut in_block = in_group.split(self.blocks[block], stream);
                for cell in block * BLOCK..(block + 1) * BLOCK {
                    if in_block.keys > 0 && !aside(cell) {
                        let taken = in_block.split(self.cells[cell], stream).keys;
                        self.take(cell, taken);
                    }
                }
            }
        }
    }

    /// The first cell from `from` on, around the ring, that holds something in a block that is not all set aside.
    pub fn next_filled(&self, from: usize) -> Option<usize> {
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

    /// Panics unless the sums are those of the cells, `aside` of whose keys are set aside.
    pub fn check(&self, aside: u64) {
        assert_eq!(self.total + aside, self.cells.iter().sum::<u64>(), "keys by deadline");
        assert_eq!(self.total, self.blocks.iter().sum::<u64>(), "keys by block");
        assert_eq!(self.total, self.groups.iter().sum::<u64>(), "keys by group");
    }
}

/// `keys` keys, drawn at random from `of`.
struct Share {
    keys: u64,
    of: u64,
}

impl Share {
    /// Draws how many of them are among the first `part`, and goes on to the rest.
    fn split(&mut self, part: u64, stream: &mut impl Uniform) -> Share {
        let keys = hypergeometric(self.keys, part, self.of, stream);
        self.keys -= keys;
        self.of -= part;
        Share { keys, of: part }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

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
        let aside = |cell: usize| (5..30).contains(&cell);
        let set_aside: u64 = (0..CELLS).filter(|&cell| aside(cell)).map(|cell| weights.set_aside(cell)).sum();
        weights.check(set_aside);
        let mut expected = (0..CELLS).filter(|&cell| !aside(cell)).flat_map(|cell| vec![cell; cell % 7]);
        for r in 0..weights.total() {
            assert_eq!(weights.find_beside(r, aside), expected.next().unwrap());
        }
    }

    #[test]
    fn what_is_taken_out_is_drawn_from_all_keys_alike() {
        let mut stream = Streams::new(3, 0).open(StreamId::Expiry, 0);
        let size = |cell: usize| if cell < 100 { 0 } else { 200 + (cell % 5) as u64 * 100 };
        let aside = |cell: usize| (500..520).contains(&cell);
        for (taken, runs) in [(20_000, 40), (150_000, 400)] {
            let (mut sum, mut squares, mut cells) = (0.0, 0.0, 0.0);
            for _ in 0..runs {
                let mut weights = Weights::default();
                (0..CELLS).for_each(|cell| weights.add(cell, size(cell)));
                let set_aside: u64 =
                    (0..CELLS).filter(|&cell| aside(cell)).map(|cell| weights.set_aside(cell)).sum();
                let all = weights.total();
                weights.thin(taken, aside, &mut stream);
                weights.check(set_aside);
                assert_eq!(weights.total(), all - taken);
                let share = taken as f64 / all as f64;
                for cell in (100..CELLS).filter(|&cell| !aside(cell)) {
                    let mean = share * size(cell) as f64;
                    let variance = mean * (1.0 - share) * (all - size(cell)) as f64 / (all - 1) as f64;
                    let z = (size(cell) as f64 - weights.of(cell) as f64 - mean) / variance.sqrt();
                    (sum, squares, cells) = (sum + z, squares + z * z, cells + 1.0);
                }
            }
            assert!((sum / cells).abs() < 4.0 / f64::sqrt(cells), "{taken}: mean {}", sum / cells);
            assert!((squares / cells - 1.0).abs() < 0.03, "{taken}: variance {}", squares / cells);
        }
    }
}
