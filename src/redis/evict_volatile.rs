//! Eviction where keys have times to live: which key goes (`performEvictions`, `evictionPoolPopulate` in evict.c).
//!
//! Policies for volatile keys draw from the table of deadlines, the others from all keys. `volatile-ttl` takes the
//! nearest deadline of `maxmemory-samples` keys. The pool that keeps the best 16 of earlier samples is not modelled: with
//! it, victims are nearer to the true first ones.

use super::config::MaxmemoryPolicy;
use super::expires::Held;
use super::server::Server;
use crate::rng::Uniform;

impl Server {
    /// Takes the time to live of the key that goes away, if it has one; the key's class. None when no key may go.
    pub(super) fn take_victim_of_some_volatile(&mut self, policy: MaxmemoryPolicy) -> Option<usize> {
        use MaxmemoryPolicy::*;
        let samples = match policy {
            AllkeysRandom | VolatileRandom => 1,
            _ => self.config.maxmemory_samples.max(1),
        };
        let mut best: Option<(usize, u64)> = None;
        let mut nearest: Option<(u64, usize, Held)> = None;
        for _ in 0..samples {
            let (class, r) = self.random_key(policy.is_volatile())?;
            if policy == VolatileTtl {
                let (held, deadline) = self.expires.look_with_deadline(class, r, &mut self.eviction_stream);
                if nearest.as_ref().is_none_or(|found| deadline < found.0) {
                    nearest = Some((deadline, class, held));
                }
            } else if best.is_none_or(|found| class > found.0) {
                // Later classes are less popular.
                best = Some((class, r));
            }
        }
        let (class, held) = match (nearest, best) {
            (Some((_, class, held)), _) => (class, held),
            (None, Some((class, r))) => {
                let present = self.keyspace.present()[class];
                (class, self.expires.look(class, r, present, &mut self.eviction_stream))
            }
            (None, None) => return None,
        };
        self.expires.evict(class, held);
        Some(class)
    }

    /// A key drawn from all, or all volatile ones: its class, and its number among those of the class, volatile ones
    /// first.
    fn random_key(&mut self, volatile: bool) -> Option<(usize, u64)> {
        let of_class = |server: &Self, class: usize| match volatile {
            true => server.expires.of_class(class),
            false => server.keyspace.present()[class],
        };
        let classes = self.keyspace.classes();
        let all: u64 = (0..classes).map(|class| of_class(self, class)).sum();
        if all == 0 {
            return None;
        }
        let mut r = self.eviction_stream.below(all);
        for class in 0..classes {
            let keys = of_class(self, class);
            if r < keys {
                return Some((class, r));
            }
            r -= keys;
        }
        None
    }
}
