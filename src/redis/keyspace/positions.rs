//! The part of the keys that a node of a cluster answers for: a number of positions of each class, and keys that move
//! from one node to another.
//!
//! A position is a key that can exist here, whether it does or not. Over all nodes there are as many positions of a
//! class as it has ranks.

use std::ops::Range;

use super::Keyspace;
use crate::redis::dict::Inserted;

/// Elements of collections that go with keys to another node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Elements {
    /// Their number, in the mean.
    pub number: f64,
    /// Their bytes.
    pub bytes: f64,
}

impl Keyspace {
    /// Keys that can exist in the whole cluster.
    pub fn ranks(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Ranks of a class in the whole cluster.
    pub fn ranks_of(&self, class: usize) -> Range<u64> {
        let start = if class == 0 { 0 } else { self.ends[class - 1] };
        start..self.ends[class]
    }

    /// Class of the key of `rank`.
    #[inline]
    pub fn class_of_rank(&self, rank: u64) -> usize {
        self.ends.partition_point(|&end| end <= rank).min(self.ends.len() - 1)
    }

    /// Leaves the keyspace, before its first command, so many positions of each class, with as large a share of
    /// existing keys as before: all or none.
    ///
    /// From here on the `n` of [`Keyspace::exists`] is the number of a group's request among those that this node
    /// gets: keys that are asked for in order are in order on each node too.
    pub fn restrict(&mut self, sizes: &[u64]) {
        for (class, &size) in sizes.iter().enumerate().take(self.sizes.len()) {
            let (present, before) = (self.present[class], self.sizes[class].max(1));
            let kept = u128::from(present) * u128::from(size) / u128::from(before);
            (self.present[class], self.sizes[class]) = (kept as u64, size);
        }
        self.positions = self.sizes.iter().sum();
        self.keys = self.present.iter().sum();
        self.complete = self.keys == self.positions;
        self.dict = self.dict.settled_with(self.keys);
    }

    /// Positions of a class leave, `present` of them with their key; returns the elements that go with these, as many
    /// as keys have on average.
    pub fn take_positions(&mut self, class: usize, positions: u64, present: u64) -> Elements {
        let missing = self.sizes[class] - self.present[class];
        assert!(present <= self.present[class] && present <= positions, "keys that leave exist");
        assert!(positions - present <= missing, "positions that leave without a key have none");
        let share = present as f64 / self.keys.max(1) as f64;
        let taken = Elements { number: self.elements * share, bytes: self.element_bytes * share };
        self.elements -= taken.number;
        self.element_bytes -= taken.bytes;
        self.sizes[class] -= positions;
        self.positions -= positions;
        self.present[class] -= present;
        self.keys -= present;
        self.complete = self.keys == self.positions;
        self.dict.remove_many(present);
        taken
    }

    /// Positions of a class arrive, `present` of them with a key. The table may grow on the way; `may_grow` decides as
    /// in [`Keyspace::insert`].
    pub fn give_positions(
        &mut self,
        class: usize,
        positions: u64,
        present: u64,
        child_alive: bool,
        may_grow: impl FnMut(u64) -> bool,
    ) -> Inserted {
        assert!(present <= positions, "keys that arrive have a position");
        self.sizes[class] += positions;
        self.positions += positions;
        self.present[class] += present;
        self.keys += present;
        self.complete = self.keys == self.positions;
        self.dict.insert_many(present, child_alive, may_grow)
    }

    /// Copies of `keys` keys of another node come into the table, which may grow as in [`Keyspace::insert`].
    pub fn stage(&mut self, keys: u64, child_alive: bool, may_grow: impl FnMut(u64) -> bool) -> Inserted {
        self.staged += keys;
        self.dict.insert_many(keys, child_alive, may_grow)
    }

    /// Copies go without having been anybody's here.
    pub fn unstage(&mut self, keys: u64) {
        let gone = keys.min(self.staged);
        self.staged -= gone;
        self.dict.remove_many(gone);
    }

    /// Copies of another node's keys here.
    pub fn staged(&self) -> u64 {
        self.staged
    }

    /// Positions of a class arrive, `present` of them with a key; `copied` of these are staged copies, which are in the
    /// table already.
    pub fn adopt(&mut self, class: usize, positions: u64, present: u64, copied: u64, child_alive: bool) {
        assert!(copied <= present && copied <= self.staged, "copies that become keys are there");
        self.staged -= copied;
        self.dict.remove_many(copied);
        // As many as have just been taken out fit without growth.
        self.give_positions(class, positions, present, child_alive, |_| true);
    }

    /// Elements of collections arrive with their keys.
    pub fn give_elements(&mut self, elements: Elements) {
        self.elements += elements.number;
        self.element_bytes += elements.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::key_names::KeyNames;
    use crate::client::slot_counts::SlotCounts;
    use crate::redis::keyspace::{ClassMap, KeyMemory};
    use crate::redis::version::Version;
    use crate::rng::{StreamId, Streams, Uniform};
    use crate::scenario::KeyPopularity;
    use crate::slots::{SLOTS, Slot};

    const KEYS: u64 = 1_000_000;
    const NODES: usize = 3;

    fn whole(prefilled: bool) -> (Keyspace, Vec<ClassMap>) {
        let zipf = [KeyPopularity::Zipf { s: 0.99 }, KeyPopularity::Uniform];
        let memory = KeyMemory { per_key: 100.0, empty: 1000 };
        Keyspace::new(Version::redis(7, 2), KEYS, prefilled, &zipf, memory)
    }

    /// Keys of each slot by class, and a node's keyspace for each third of the slots.
    fn cluster(prefilled: bool) -> (Vec<Vec<u64>>, Vec<Keyspace>) {
        let whole = whole(prefilled).0;
        let counts = SlotCounts::new(&KeyNames::new(20, KEYS, None));
        let by_class: Vec<Vec<u64>> =
            (0..whole.classes()).map(|class| counts.by_slot(whole.ranks_of(class))).collect();
        let node = |node: usize| {
            let slots = node * SLOTS / NODES..(node + 1) * SLOTS / NODES;
            let sizes: Vec<u64> = by_class.iter().map(|counts| counts[slots.clone()].iter().sum()).collect();
            let mut keyspace = whole.clone();
            keyspace.restrict(&sizes);
            keyspace.check();
            keyspace
        };
        let nodes = (0..NODES).map(node).collect();
        (by_class, nodes)
    }

    fn sum(nodes: &[Keyspace], of: impl Fn(&Keyspace) -> u64) -> u64 {
        nodes.iter().map(of).sum()
    }

    #[test]
    fn the_nodes_together_are_the_whole() {
        for prefilled in [true, false] {
            let (_, nodes) = cluster(prefilled);
            let (whole, _) = whole(prefilled);
            assert_eq!(sum(&nodes, Keyspace::positions), KEYS);
            assert_eq!(sum(&nodes, Keyspace::keys), whole.keys());
            for class in 0..whole.classes() {
                assert_eq!(sum(&nodes, |node| node.size(class)), whole.size(class));
                assert_eq!(sum(&nodes, |node| node.present()[class]), whole.present()[class]);
                let ranks = whole.ranks_of(class);
                assert_eq!(ranks.end - ranks.start, whole.size(class));
                assert_eq!(whole.class_of_rank(ranks.start), class);
                assert_eq!(whole.class_of_rank(ranks.end - 1), class);
            }
            assert!(nodes.iter().all(|node| node.is_complete() == prefilled));
        }
    }

    #[test]
    fn no_restriction_is_the_restriction_to_everything() {
        let (before, _) = whole(true);
        let mut after = before.clone();
        let sizes: Vec<u64> = (0..before.classes()).map(|class| before.size(class)).collect();
        after.restrict(&sizes);
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }

    #[test]
    fn slots_that_move_back_and_forth_keep_the_books() {
        let (by_class, mut nodes) = cluster(true);
        let (whole, _) = whole(true);
        let mut draws = Streams::new(5, 0).open(StreamId::Keyspace, 0);
        let mut owner: Vec<usize> = (0..SLOTS).map(|slot| slot * NODES / SLOTS).collect();
        nodes[0].give_elements(Elements { number: 3e6, bytes: 3e7 });
        for _ in 0..500 {
            let slot = draws.below(SLOTS as u64) as Slot as usize;
            let (from, to) = (owner[slot], draws.below(NODES as u64) as usize);
            owner[slot] = to;
            for (class, counts) in by_class.iter().enumerate().filter(|(_, counts)| counts[slot] > 0) {
                let elements = nodes[from].take_positions(class, counts[slot], counts[slot]);
                nodes[to].give_elements(elements);
                nodes[to].give_positions(class, counts[slot], counts[slot], false, |_| true);
                nodes[to].dict.step(1, false);
            }
            nodes.iter().for_each(Keyspace::check);
            assert!(nodes.iter().all(Keyspace::is_complete));
        }
        assert_eq!(sum(&nodes, Keyspace::keys), KEYS);
        (0..whole.classes())
            .for_each(|class| assert_eq!(sum(&nodes, |node| node.size(class)), whole.size(class)));
        let bytes: f64 = nodes.iter().map(|node| node.element_bytes).sum();
        assert!((bytes - 3e7).abs() < 1.0);
    }

    #[test]
    fn positions_move_with_and_without_their_keys() {
        let (_, mut nodes) = cluster(true);
        let class = nodes[0].classes() - 1;
        (0..10).for_each(|_| nodes[0].remove(class));
        assert!(!nodes[0].is_complete());
        nodes[0].take_positions(class, 15, 5);
        assert!(nodes[0].is_complete());
        let inserted = nodes[1].give_positions(class, 15, 5, false, |_| true);
        assert_eq!(inserted.steps, 0);
        assert!(!nodes[1].is_complete());
        assert_eq!(sum(&nodes, Keyspace::positions), KEYS);
        assert_eq!(sum(&nodes, Keyspace::keys), KEYS - 10);
        nodes.iter().for_each(Keyspace::check);
        // A key that is written comes into being at a free position.
        (0..10).for_each(|_| {
            nodes[1].insert(class, false, |_| true);
        });
        assert!(nodes[1].is_complete());
    }
}
