//! Numbers of the points of a grid that exclusion rules have holes in, without a list of the points.
//!
//! Points count as digits do, the last axis fastest, and what is left out has no number. While the digits of a point
//! are chosen from the slowest on, all that matters of those chosen is which rules still hold; so the points left
//! behind each such state are counted once.

/// A grid whose k-th point that is left can be found.
#[derive(Clone, Debug)]
pub struct Grid {
    /// For each digit and each of its values: the rules that hold for it, a bit each.
    masks: Vec<Vec<u64>>,
    /// For each digit, the states before it; those before the first digit are the one with all rules.
    states: Vec<Vec<State>>,
}

/// What is left behind the digits chosen so far.
#[derive(Clone, Debug)]
struct State {
    /// Rules that hold so far.
    rules: u64,
    /// Points with at most this value of the next digit, by value.
    up_to: Vec<u64>,
}

impl Grid {
    /// A grid of digits whose values fulfil these rules; none if its points are too many to count.
    pub fn new(masks: Vec<Vec<u64>>, rules: usize) -> Option<Grid> {
        let all = if rules == 64 { u64::MAX } else { (1 << rules) - 1 };
        let total = masks.iter().try_fold(1u64, |product, digit| product.checked_mul(digit.len() as u64));
        total?;
        let reached = reached(&masks, all);
        let mut states: Vec<Vec<State>> = Vec::new();
        for (digit, rules) in masks.iter().zip(&reached).rev() {
            let after = states.last();
            let left = |rules: u64| match after {
                Some(states) => find(states, rules).total(),
                None => u64::from(rules == 0),
            };
            let state = |&rules: &u64| {
                let mut sum = 0;
                let up_to = digit.iter().map(|mask| {
                    sum += left(rules & mask);
                    sum
                });
                State { rules, up_to: up_to.collect() }
            };
            let before = rules.iter().map(state).collect();
            states.push(before);
        }
        states.reverse();
        Some(Grid { masks, states })
    }

    /// Points that are left.
    pub fn len(&self) -> u64 {
        self.states.first().map_or(0, |states| states[0].total())
    }

    /// The value of each digit of point number `index`, below [`Grid::len`].
    pub fn point(&self, mut index: u64) -> Vec<usize> {
        let mut rules = self.states.first().map_or(0, |states| states[0].rules);
        let mut digits = Vec::with_capacity(self.masks.len());
        for (masks, states) in self.masks.iter().zip(&self.states) {
            let up_to = &find(states, rules).up_to;
            let value = up_to.partition_point(|&sum| sum <= index);
            index -= if value == 0 { 0 } else { up_to[value - 1] };
            rules &= masks[value];
            digits.push(value);
        }
        digits
    }
}

impl State {
    fn total(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }
}

/// The sets of rules that can hold before each digit, in ascending order.
fn reached(masks: &[Vec<u64>], all: u64) -> Vec<Vec<u64>> {
    let mut before = vec![vec![all]];
    for digit in masks.iter().take(masks.len().saturating_sub(1)) {
        let mut own = digit.clone();
        own.sort_unstable();
        own.dedup();
        let last = before.last().into_iter().flatten();
        let mut next: Vec<u64> = last.flat_map(|rules| own.iter().map(move |mask| rules & mask)).collect();
        next.sort_unstable();
        next.dedup();
        before.push(next);
    }
    before
}

fn find(states: &[State], rules: u64) -> &State {
    let at = states.partition_point(|state| state.rules < rules);
    &states[at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    /// All points that no rule leaves out, in order.
    fn listed(masks: &[Vec<u64>]) -> Vec<Vec<usize>> {
        let mut points: Vec<(Vec<usize>, u64)> = vec![(Vec::new(), u64::MAX)];
        for digit in masks {
            let longer = |(point, rules): &(Vec<usize>, u64)| {
                let point = point.clone();
                let rules = *rules;
                let with =
                    move |(value, mask): (usize, &u64)| ([&point[..], &[value]].concat(), rules & mask);
                digit.iter().enumerate().map(with).collect::<Vec<_>>()
            };
            points = points.iter().flat_map(longer).collect();
        }
        points.into_iter().filter(|(_, rules)| *rules == 0).map(|(point, _)| point).collect()
    }

    #[test]
    fn points_are_numbered_as_a_list_would() {
        let mut random = Streams::new(5, 0).open(StreamId::Keys, 0);
        for rules in [0u32, 1, 3, 5] {
            for _ in 0..20 {
                let mut digit =
                    || (0..1 + random.below(4)).map(|_| random.bits() & ((1 << rules) - 1)).collect();
                let masks: Vec<Vec<u64>> = (0..4).map(|_| digit()).collect();
                let grid = Grid::new(masks.clone(), rules as usize).expect("a small grid");
                let points: Vec<_> = (0..grid.len()).map(|index| grid.point(index)).collect();
                assert_eq!(points, listed(&masks), "{masks:?}");
            }
        }
    }

    #[test]
    fn a_grid_of_a_thousand_million_points_takes_no_room() {
        let mut masks = vec![vec![0; 1000]; 3];
        let grid = Grid::new(masks.clone(), 0).expect("below 2^64");
        assert_eq!((grid.len(), grid.point(123_456_789)), (1_000_000_000, vec![123, 456, 789]));
        // The digit between has no part in the rule. Everything is left out whose first and last digits are both
        // below 500.
        masks[1].fill(1);
        (0..500).for_each(|value| (masks[0][value], masks[2][value]) = (1, 1));
        let grid = Grid::new(masks, 1).expect("below 2^64");
        assert_eq!(grid.len(), 750_000_000);
        assert_eq!(grid.point(0), [0, 0, 500]);
        assert_eq!(grid.point(749_999_999), [999, 999, 999]);
        assert!(Grid::new(vec![vec![0; 1_000_000]; 4], 0).is_none());
    }
}
