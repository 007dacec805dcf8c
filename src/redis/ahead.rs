//! Attributes of numbered commands, drawn ahead of them.
//!
//! An attribute of command n is a function of n, so it may be drawn at any time. The first that a command asks for is
//! what everything else about it waits for; drawn in one plain loop for many commands the draws do not wait for each
//! other, nor for the clock. Where numbers are not consecutive, as on a node of a cluster, nothing is drawn ahead.

use std::cell::Cell;

/// Commands drawn ahead.
const BATCH: usize = 64;

/// One attribute of the next commands.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    batch: [Cell<u64>; BATCH],
    /// Number of the first command of the batch.
    first: Cell<u64>,
    /// Number of the command that was not in the batch and shows, if it is the next to be asked for, that numbers are
    /// consecutive.
    next: Cell<u64>,
}

impl Default for Ahead {
    fn default() -> Self {
        // No command has a number that large.
        let none = u64::MAX / 2;
        Ahead { batch: std::array::from_fn(|_| Cell::new(0)), first: Cell::new(none), next: Cell::new(none) }
    }
}

impl Ahead {
    /// The attribute of command number `n`, as `draw` gives it for every number.
    #[inline(always)]
    pub(super) fn of(&self, n: u64, draw: impl Fn(u64) -> u64) -> u64 {
        let place = n.wrapping_sub(self.first.get());
        if place < BATCH as u64 { self.batch[place as usize].get() } else { self.draw(n, draw) }
    }

    #[inline(never)]
    fn draw(&self, n: u64, draw: impl Fn(u64) -> u64) -> u64 {
        if n != self.next.get() {
            self.next.set(n + 1);
            return draw(n);
        }
        for (cell, n) in self.batch.iter().zip(n..) {
            cell.set(draw(n));
        }
        self.first.set(n);
        self.next.set(n + BATCH as u64);
        self.batch[0].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_attribute_in_whatever_order_it_is_asked_for() {
        let (ahead, draws) = (Ahead::default(), Cell::new(0u64));
        let draw = |n: u64| {
            draws.set(draws.get() + 1);
            n * n
        };
        let numbers = (0..200).chain((500..900).step_by(3)).chain(880..1000).chain([7, 3, 64]);
        numbers.for_each(|n| assert_eq!(ahead.of(n, draw), n * n, "{n}"));
        draws.set(0);
        (2000..2000 + 10 * BATCH as u64).for_each(|n| assert_eq!(ahead.of(n, draw), n * n));
        assert!(draws.get() <= 11 * BATCH as u64, "consecutive numbers are drawn once");
        draws.set(0);
        (0..1000).map(|n| 5000 + 2 * n).for_each(|n| assert_eq!(ahead.of(n, draw), n * n));
        assert_eq!(draws.get(), 1000, "others are not drawn ahead");
    }
}
