//! maxmemory: making room before a command.
//!
//! Redis: `performEvictions` in evict.c. A key is sampled and deleted at a time until memory is below the limit;
//! after 16 keys the clock is looked at, and beyond the time limit the command goes on. Recency is not simulated
//! key by key: an LRU or LFU victim is taken from the least popular of `maxmemory-samples` sampled classes. Victims of
//! policies for volatile keys, and where keys have deadlines, are in `evict_volatile.rs`.

use super::config::MaxmemoryPolicy;
use super::server::Server;
use super::work::Work;
use crate::rng::Uniform;
use crate::units::{MICROSECOND, NEVER, Nanos};

/// Keys between two looks at the clock.
const KEYS_PER_CLOCK: u64 = 16;

/// Time limit of one call by `maxmemory-eviction-tenacity` (`evictionTimeLimitUs`).
pub fn time_limit(tenacity: u32) -> Nanos {
    match tenacity {
        0..=10 => 50 * MICROSECOND * tenacity as u64,
        11..=99 => (500_000.0 * libm::pow(1.15, (tenacity - 10) as f64)) as Nanos,
        _ => NEVER,
    }
}

impl Server {
    /// Evicts until memory fits; false when it does not and nothing may be evicted (OOM).
    pub(super) fn make_room(&mut self, work: &mut Work) -> bool {
        let limit = self.config.maxmemory;
        if limit == 0 || self.data_bytes() <= limit {
            return true;
        }
        let policy = self.config.maxmemory_policy;
        let none_volatile = match self.expires.is_on() {
            true => self.expires.keys() == self.expires.exact_volatile(),
            false => self.ttl_share == 0.0,
        };
        if policy == MaxmemoryPolicy::Noeviction || (policy.is_volatile() && none_volatile) {
            return false;
        }
        let time_limit = time_limit(self.config.maxmemory_eviction_tenacity);
        let (mut spent, mut evicted) = (0, 0u64);
        while self.data_bytes() > limit && self.keyspace.keys() > 0 {
            let Some(class) = self.take_victim(policy) else { break };
            self.keyspace.remove(class);
            self.all_alike = false;
            self.keys_matter = true;
            self.counters.evicted_keys += 1;
            let mut cost = self.prices.cpu.evict_key;
            self.rdb.dirty += 1;
            if self.config.appendonly {
                cost += self.prices.cpu.aof_append;
                work.aof_bytes += self.del_bytes;
            }
            if self.replication.feeds {
                cost += self.replication.feed.cost(1, self.del_bytes);
                work.repl_bytes += self.del_bytes;
                work.repl_work += self.prices.cpu.del;
            }
            work.eviction += cost;
            spent += cost;
            evicted += 1;
            if evicted % KEYS_PER_CLOCK == 0 && spent > time_limit {
                break;
            }
        }
        // Streams alone may be too large: no key is left to go.
        self.streams.is_none() || self.keyspace.keys() > 0 || self.data_bytes() <= limit
    }

    /// Class of the key that goes; its time to live is gone already.
    fn take_victim(&mut self, policy: MaxmemoryPolicy) -> Option<usize> {
        if self.expires.is_on() {
            return self.take_victim_of_some_volatile(policy);
        }
        Some(self.victim(policy))
    }

    /// Class of the key that goes.
    fn victim(&mut self, policy: MaxmemoryPolicy) -> usize {
        use MaxmemoryPolicy::*;
        let samples = match policy {
            AllkeysRandom | VolatileRandom => 1,
            _ => self.config.maxmemory_samples,
        };
        // Later classes are less popular.
        let draw = |_| self.keyspace.class_of_random(self.eviction_stream.unit());
        (0..samples.max(1)).map(draw).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_ten_is_half_a_millisecond_and_a_hundred_has_no_limit() {
        assert_eq!(time_limit(10), 500 * MICROSECOND);
        assert_eq!(time_limit(0), 0);
        assert!((time_limit(99) as f64 / 120e9 - 1.0).abs() < 0.1);
        assert_eq!(time_limit(100), NEVER);
    }
}
