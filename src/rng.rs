//! Sources of randomness: one named, independent stream for each thing that is random.
//!
//! The state of a stream depends on the seed, the replication, its name and its owner's index alone, so two
//! scenarios under the same seed see the same arrivals, sizes and noise whatever else differs between them.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a stream is for. The number is part of a result's identity: never renumber or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum StreamId {
    /// Gaps between arrivals of an open-loop group, think times of a closed-loop group.
    Arrivals = 1,
    /// Connection a request arrives on.
    Connections = 2,
    /// Key of a request.
    Keys = 3,
    /// Value size of a request.
    ValueSizes = 4,
    /// Command of a request when a group has a mix.
    Mix = 5,
    /// Network jitter of a request.
    Network = 6,
    /// Duration of an fdatasync.
    Fsync = 7,
    /// Times and lengths of the host's gaps.
    HostNoise = 8,
    /// Durations of forks and children.
    Children = 9,
    /// Instants at which a crash is sampled.
    Crash = 10,
    /// Whether a key existed already.
    Keyspace = 11,
    /// Keys drawn by eviction.
    Eviction = 12,
    /// Variation of a command's CPU time.
    CommandCost = 13,
    /// Which stream of a popularity class an entry goes to.
    Streams = 19,
    /// Back-off of a client after a redirect, node it fetches a map from.
    Redirects = 20,
    /// Which keys of a class are in a slot, sizes of values that move.
    Migration = 21,
    /// Whom a node pings, phases of clusterCron, delays of elections.
    ClusterBus = 22,
    /// Where in its cycles a server begins.
    StartPhase = 23,
    /// Phase of a replica's own clock.
    Replica = 18,
    /// Key of an operation of several steps, and whether its client dies.
    Pattern = 16,
    /// Jitter of a retry's pause.
    Retry = 17,
    /// Time to live a request gives its key.
    Ttl = 14,
    /// Which keys are due, where they lie in the table, which the active cycle meets.
    Expiry = 15,
    /// Places of the points of a design, of draws of prices and of sensitivity analyses.
    Design = 30,
    /// Orders in which a Latin hypercube takes the parts of its dimensions.
    Permutation = 31,
    /// Resampling for an interval (bootstrap).
    Resampling = 32,
}

/// Opens the streams of one run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
    replication: u64,
}

impl Streams {
    /// Streams of `replication` (0 for a single run) under `seed`.
    pub fn new(seed: u64, replication: u64) -> Self {
        Streams { seed, replication }
    }

    /// Streams of the node number `node` of a cluster; those of the first are those of a single server.
    pub fn of_node(&self, node: u64) -> Streams {
        match node {
            0 => *self,
            _ => Streams { seed: splitmix(self.seed ^ splitmix(node)), replication: self.replication },
        }
    }

    /// The stream `id` of the owner number `index` (a workload group, a node; 0 when there is one owner).
    pub fn open(&self, id: StreamId, index: u64) -> Stream {
        let mut key = splitmix(self.seed);
        for part in [self.replication, id as u64, index] {
            key = splitmix(key ^ splitmix(part.wrapping_add(0x9E37_79B9_7F4A_7C15)));
        }
        Stream(Xoshiro256PlusPlus::seed_from_u64(key))
    }
}

/// One stream of uniform random numbers (xoshiro256++).
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// An exponential number with mean 1.
    #[inline(always)]
    pub fn exponential(&mut self) -> f64 {
        -crate::math::ln(self.unit())
    }
}

/// Random attributes of numbered requests: those of the n-th request depend on the stream's key and n alone, so
/// they can be drawn when they are needed, in any order, or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    key: u64,
}

impl Numbered {
    /// The attributes named `id` of the owner number `index`.
    pub fn new(streams: &Streams, id: StreamId, index: u64) -> Self {
        Numbered { key: streams.open(id, index).bits() }
    }

    /// The draws of request number `n`: SplitMix64 from a state that mixes key and number.
    #[inline(always)]
    pub fn of(&self, n: u64) -> Draws {
        Draws(splitmix(self.key ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03)))
    }

    /// One number of request number `n` and no more: that number of SplitMix64's own sequence, in half the time.
    #[inline(always)]
    pub fn only(&self, n: u64) -> Draws {
        Draws(self.key.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }
}

/// The random numbers of one request.
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

/// A source of uniform numbers.
pub trait Uniform {
    /// 64 random bits.
    fn bits(&mut self) -> u64;

    /// A uniform number strictly between 0 and 1 (53 bits).
    #[inline(always)]
    fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) * (1.0 / 9007199254740992.0)
    }

    /// A uniform whole number below `n`, n ≥ 1 (bias below n / 2^64).
    #[inline(always)]
    fn below(&mut self, n: u64) -> u64 {
        ((self.bits() as u128 * n as u128) >> 64) as u64
    }
}

impl Uniform for Stream {
    #[inline(always)]
    fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

impl Uniform for Draws {
    #[inline(always)]
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes every bit.
fn splitmix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first = |s: Streams, id, index| s.open(id, index).bits();
        let base = first(Streams::new(1, 0), StreamId::Keys, 0);
        assert_eq!(base, first(Streams::new(1, 0), StreamId::Keys, 0));
        assert_ne!(base, first(Streams::new(2, 0), StreamId::Keys, 0));
        assert_ne!(base, first(Streams::new(1, 1), StreamId::Keys, 0));
        assert_ne!(base, first(Streams::new(1, 0), StreamId::Mix, 0));
        assert_ne!(base, first(Streams::new(1, 0), StreamId::Keys, 1));
    }
}
