//! The keyspace as counts: how many keys of each popularity class exist, their memory, and the main hash table.
//!
//! No key is stored. Whether a request meets its key is a draw with the share of its class that exists, so memory
//! is the same for 10 keys and 10^9.

mod positions;
pub mod scope;

pub use positions::Elements;

use self::scope::Scope;
use super::dict::{Dict, Growth};
use super::version::Version;
use crate::client::key_classes::KeyClasses;
use crate::client::keys::KeySampler;
use crate::rng::Uniform;
use crate::scenario::KeyPopularity;

/// Keys by popularity class.
#[derive(Clone, Debug)]
pub struct Keyspace {
    /// End rank of each class, exclusive, rising.
    ends: Vec<u64>,
    /// Keys of each class that can exist here: all its ranks, but for a node of a cluster.
    sizes: Vec<u64>,
    /// Their sum.
    positions: u64,
    /// Keys of each class that exist.
    present: Vec<u64>,
    keys: u64,
    /// Copies of keys of another node, which are in the table and answer nobody.
    staged: u64,
    /// All keys exist: nobody needs to ask.
    complete: bool,
    /// The main hash table.
    pub dict: Dict,
    /// Mean bytes of a key without its bucket.
    bytes_per_key: f64,
    /// Bytes of an empty server.
    base_bytes: u64,
    /// Bytes of collection elements added since the start.
    element_bytes: f64,
    /// Their number.
    elements: f64,
    /// What the running command is about, on a node with open slots.
    pub scope: Scope,
}

/// The classes of one group of clients within the partition that all groups share.
#[derive(Clone, Debug)]
pub enum ClassMap {
    /// The group's own classes are the partition.
    Own(Box<KeyClasses>),
    /// One key after the other: the keys that exist are the first ones.
    InOrder,
    /// Several groups see the keys differently: by rank.
    ByRank(Box<KeySampler>),
}

/// Sizes of the keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyMemory {
    /// Mean bytes of a key without its hash-table bucket.
    pub per_key: f64,
    /// Bytes of a server without keys.
    pub empty: u64,
}

impl Keyspace {
    /// A keyspace of `keys` keys seen by groups with the given popularities; all exist when `prefilled`.
    pub fn new(
        version: Version,
        keys: u64,
        prefilled: bool,
        popularities: &[KeyPopularity],
        memory: KeyMemory,
    ) -> (Self, Vec<ClassMap>) {
        let alike = popularities.windows(2).all(|pair| pair[0] == pair[1]);
        let partitions: Vec<KeyClasses> = popularities.iter().map(|&p| KeyClasses::new(p, keys)).collect();
        let mut ends: Vec<u64> = partitions
            .iter()
            .flat_map(|p| p.classes().iter().map(|class| class.first + class.keys))
            .collect();
        ends.push(keys);
        ends.sort_unstable();
        ends.dedup();
        let mut start = 0;
        let sizes: Vec<u64> = ends.iter().map(|&end| end - std::mem::replace(&mut start, end)).collect();
        let present: Vec<u64> = sizes.iter().map(|&size| if prefilled { size } else { 0 }).collect();
        let count = present.iter().sum();
        let maps = partitions
            .into_iter()
            .zip(popularities)
            .map(|(classes, &popularity)| match popularity {
                KeyPopularity::Sequential if alike => ClassMap::InOrder,
                _ if alike => ClassMap::Own(Box::new(classes)),
                _ => ClassMap::ByRank(Box::new(KeySampler::new(popularity, keys))),
            })
            .collect();
        let keyspace = Keyspace {
            ends,
            positions: sizes.iter().sum(),
            sizes,
            present,
            keys: count,
            staged: 0,
            complete: prefilled,
            dict: Dict::new(version, count),
            bytes_per_key: memory.per_key,
            base_bytes: memory.empty,
            element_bytes: 0.0,
            elements: 0.0,
            scope: Scope::default(),
        };
        (keyspace, maps)
    }

    /// Keys that exist.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Every key exists.
    #[inline(always)]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Keys that can exist here.
    pub fn positions(&self) -> u64 {
        self.positions
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.ends.len()
    }

    /// Keys of each class that exist.
    pub fn present(&self) -> &[u64] {
        &self.present
    }

    /// Class of the key of a group's request number `n`. No state is kept by key, so the rank itself is drawn only
    /// where groups with different popularities share the classes.
    #[inline(always)]
    pub fn draw_class(&self, map: &ClassMap, n: u64, draws: &mut impl Uniform) -> usize {
        match map {
            ClassMap::Own(classes) => classes.draw(draws.unit()),
            ClassMap::InOrder => 0,
            ClassMap::ByRank(sampler) => {
                let rank = sampler.draw(n, draws);
                self.ends.partition_point(|&end| end <= rank)
            }
        }
    }

    /// Keys that can exist here in a class.
    #[inline(always)]
    pub fn size(&self, class: usize) -> u64 {
        self.sizes[class]
    }

    /// Whether the key of request `n` in `class` exists; draws only when some do and some do not.
    #[inline(always)]
    pub fn exists(&self, map: &ClassMap, n: u64, class: usize, draw: impl FnOnce() -> f64) -> bool {
        let (present, size) = (self.present[class], self.size(class));
        present == size
            || match map {
                _ if !self.scope.is_everything() => self.exists_within(class, draw),
                ClassMap::InOrder => n % size < present,
                _ => draw() * (size as f64) < present as f64,
            }
    }

    #[cold]
    fn exists_within(&self, class: usize, draw: impl FnOnce() -> f64) -> bool {
        let (size, present) = self.places(class);
        present > 0 && (present == size || draw() * (size as f64) < present as f64)
    }

    /// Keys that can exist and those that do of a class, of what the running command is about.
    #[inline(always)]
    pub fn places(&self, class: usize) -> (u64, u64) {
        let within = if self.scope.is_everything() { None } else { self.scope.of(class) };
        within.map_or((self.sizes[class], self.present[class]), |places| (places.size, places.present))
    }

    /// No further key of a class can exist among those that the running command is about. Beside a key that is missing
    /// this happens when a node is asked for a slot whose keys lie on another: a real server would make a second one.
    #[cold]
    pub fn is_full(&self, class: usize) -> bool {
        let (size, present) = self.places(class);
        present >= size
    }

    /// A key of `class` comes into being; `child_alive` and `may_grow` decide whether the table may grow.
    pub fn insert(&mut self, class: usize, child_alive: bool, may_grow: impl FnOnce(u64) -> bool) -> Growth {
        self.scope.book(class, true);
        self.present[class] += 1;
        self.keys += 1;
        self.complete = self.keys == self.positions;
        let fits = may_grow(self.dict.wanted_bytes(child_alive));
        self.dict.insert(child_alive, fits)
    }

    /// A key of `class` is gone.
    pub fn remove(&mut self, class: usize) {
        self.scope.book(class, false);
        self.present[class] -= 1;
        self.keys -= 1;
        self.complete = false;
        self.dict.remove();
    }

    /// Elements of collections were added.
    pub fn add_elements(&mut self, bytes: f64) {
        self.element_bytes += bytes;
    }

    /// The same, by number.
    pub fn count_elements(&mut self, elements: u32) {
        self.elements += f64::from(elements);
    }

    /// A key that was just removed takes its elements with it, as many as a key has on average; returns their number.
    pub fn take_elements_of_one(&mut self) -> f64 {
        if self.elements == 0.0 {
            return 0.0;
        }
        let share = 1.0 / (self.keys + 1) as f64;
        let elements = self.elements * share;
        self.elements -= elements;
        self.element_bytes -= self.element_bytes * share;
        elements
    }

    /// Bytes of keys, values, elements and the hash table, and of the server itself.
    pub fn used_bytes(&self) -> u64 {
        self.base_bytes
            + self.dict.bytes()
            + ((self.keys + self.staged) as f64 * self.bytes_per_key + self.element_bytes) as u64
    }

    /// Mean bytes of a key, its bucket included.
    pub fn bytes_per_key(&self) -> f64 {
        self.bytes_per_key + self.dict.bytes() as f64 / self.keys.max(1) as f64
    }

    /// Class of a key drawn at random among those that exist, by the uniform number `u`.
    pub fn class_of_random(&self, u: f64) -> usize {
        let mut left = (u * self.keys as f64) as u64;
        for (class, &present) in self.present.iter().enumerate() {
            if left < present {
                return class;
            }
            left -= present;
        }
        self.present.iter().rposition(|&present| present > 0).unwrap_or(0)
    }

    /// Panics unless the classes add up.
    pub fn check(&self) {
        assert_eq!(self.keys, self.present.iter().sum::<u64>(), "keys by class");
        assert_eq!(self.positions, self.sizes.iter().sum::<u64>(), "places by class");
        assert!((0..self.ends.len()).all(|class| self.present[class] <= self.size(class)), "keys of a class");
        assert_eq!(self.keys + self.staged, self.dict.used(), "keys in the hash table");
    }
}
