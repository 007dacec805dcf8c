//! Many keys at once into the hash table, or out of it: as one after the other, without the time that takes.

use super::{Dict, Growth, LINE_ENTRIES, forced_ratio, has_line_buckets};

/// What a number of insertions did to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The growth on the way.
    pub growth: Growth,
    /// Those that came while two tables existed: each does a step ([`Dict::step`]), as one by one. Many enough to
    /// finish the rehash are better inserted in several calls, since the table may then grow again.
    pub steps: u64,
}

impl Dict {
    /// Adds `keys` keys; `may_grow` decides whether a table of so many bytes fits under maxmemory
    /// (see [`Dict::insert`]).
    pub fn insert_many(
        &mut self,
        keys: u64,
        child_alive: bool,
        mut may_grow: impl FnMut(u64) -> bool,
    ) -> Inserted {
        let mut left = keys;
        while left > 0 {
            let at_once = if self.is_rehashing() { left } else { self.room(child_alive).min(left) };
            if at_once > 0 {
                let steps = if self.is_rehashing() { at_once } else { 0 };
                (self.used, left) = (self.used + at_once, left - at_once);
                if left == 0 {
                    return Inserted { growth: Growth::None, steps };
                }
            }
            let growth = self.insert(child_alive, may_grow(self.wanted_bytes(child_alive)));
            left -= 1;
            if growth != Growth::None {
                self.used += left;
                return Inserted { growth, steps: left };
            }
        }
        Inserted { growth: Growth::None, steps: 0 }
    }

    /// Removes `keys` keys.
    pub fn remove_many(&mut self, keys: u64) {
        self.used = self.used.saturating_sub(keys);
    }

    /// The settled table of a server of this version with other keys.
    pub fn settled_with(&self, keys: u64) -> Dict {
        Dict::new(self.version, keys)
    }

    /// Keys that fit before the one at which the table is due to grow.
    fn room(&self, child_alive: bool) -> u64 {
        let fill = if has_line_buckets(self.version) {
            LINE_ENTRIES * if child_alive { 5 } else { 1 }
        } else if !child_alive {
            1
        } else if self.version.has(7, 4) {
            forced_ratio(self.version)
        } else {
            forced_ratio(self.version) + 1
        };
        (self.buckets * fill).saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::KNOWN;

    #[test]
    fn many_insertions_are_as_many_single_ones() {
        for &version in KNOWN {
            for child_alive in [false, true] {
                for maxmemory in [true, false] {
                    for (before, keys) in [(0, 3), (100, 28), (100, 29), (128, 1), (1000, 20_000), (7, 0)] {
                        let mut one_by_one = Dict::new(version, before);
                        let mut at_once = one_by_one.clone();
                        let (mut growth, mut steps) = (Growth::None, 0);
                        for _ in 0..keys {
                            steps += u64::from(one_by_one.is_rehashing());
                            let grown = one_by_one.insert(child_alive, maxmemory);
                            if grown != Growth::None {
                                assert_eq!(growth, Growth::None);
                                growth = grown;
                            }
                        }
                        let inserted = at_once.insert_many(keys, child_alive, |_| maxmemory);
                        assert_eq!(inserted, Inserted { growth, steps }, "{version}, {before} and {keys}");
                        assert_eq!(at_once, one_by_one);
                        // And into a table that is being rehashed.
                        let more = at_once.insert_many(keys, child_alive, |_| maxmemory);
                        assert!(more.growth == Growth::None || growth == Growth::None);
                    }
                }
            }
        }
    }

    #[test]
    fn a_table_grows_at_the_same_key_under_a_living_child() {
        for &version in KNOWN {
            for child_alive in [false, true] {
                let mut dict = Dict::new(version, 1024);
                let room = dict.room(child_alive);
                assert_eq!(dict.insert_many(room, child_alive, |_| true).growth, Growth::None);
                let next = dict.insert_many(5, child_alive, |_| true);
                assert_ne!(next.growth, Growth::None, "{version}");
                assert_eq!((next.steps, dict.used()), (4, 1024 + room + 5));
            }
        }
    }
}
