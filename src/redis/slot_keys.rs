//! Keys of one slot that leave a node or come to it, as counts by popularity class.
//!
//! A slot that migrates gives its keys away in an order of its own: in each class the key at the share `u` of the order
//! (a hash of its rank) has gone when the share that has moved is beyond `u`. So a key that is asked for again and again
//! moves once, and a key of many is as likely to have moved as the counts say.

use super::dict::Growth;
use super::server::Server;
use super::work::Work;
use crate::cause::Cause;
use crate::rng::{Stream, Uniform};

/// A key on its way between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Popularity class.
    pub class: u16,
    /// Its deadline \[ms of the server's clock\], if it has one.
    pub deadline: Option<u64>,
    /// It had expired: only the place where it could be again moves.
    pub expired: bool,
}

/// The keys of one class in a slot that migrates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    class: usize,
    /// Keys that can exist.
    positions: u64,
    moved: u64,
    /// Keys that exist and are still here.
    left: u64,
}

/// A slot whose keys leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingSlot {
    /// The slot.
    pub slot: u16,
    parts: Vec<Part>,
}

impl LeavingSlot {
    /// A slot with `positions` keys that can exist in each class, of which the server holds as many as it does of the
    /// class as a whole.
    pub fn new(slot: u16, positions: &[u64], server: &Server, stream: &mut Stream) -> Self {
        let parts = positions.iter().enumerate().filter(|(_, positions)| **positions > 0);
        let parts = parts.map(|(class, &positions)| {
            let (mut size, mut present) = (server.keyspace.size(class), server.keyspace.present()[class]);
            let mut left = 0;
            for _ in 0..positions {
                // All or none need no number; otherwise one of those not looked at yet, without replacement.
                let held = present == size || (present > 0 && stream.below(size) < present);
                left += held as u64;
                present -= held as u64;
                size -= 1;
            }
            Part { class, positions, moved: 0, left }
        });
        LeavingSlot { slot, parts: parts.collect() }
    }

    /// Keys that are still here.
    pub fn left(&self) -> u64 {
        self.parts.iter().map(|part| part.left).sum()
    }

    /// Keys that have left.
    pub fn moved(&self) -> u64 {
        self.parts.iter().map(|part| part.moved).sum()
    }

    /// Whether the key `rank` of `class` is still here.
    pub fn holds(&self, class: usize, rank: u64) -> bool {
        self.parts.iter().find(|part| part.class == class).is_some_and(|part| {
            let place = (spread(rank) as u128 * part.positions as u128 >> 64) as u64;
            (part.moved..part.moved + part.left).contains(&place)
        })
    }

    /// `keys` that left come back: they did not arrive.
    pub fn returned(&mut self, keys: &[Carried]) {
        for key in keys {
            if let Some(part) = self.parts.iter_mut().find(|part| part.class == key.class as usize) {
                part.moved -= 1;
                part.left += !key.expired as u64;
            }
        }
    }

    /// Keys that can exist in the slot and do not, by class: those that come to be belong to its next owner.
    pub fn vacant(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.parts.iter().map(|part| (part.class, part.positions - part.moved - part.left))
    }

    /// A key of `class` in the slot was deleted, or created, here.
    pub fn changed(&mut self, class: usize, before: u64, after: u64) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.class == class) {
            part.left = (part.left + after).saturating_sub(before).min(part.positions - part.moved);
        }
    }

    /// What others deleted meanwhile of the server's keys cannot be here any more.
    pub fn fit(&mut self, server: &Server) {
        for part in &mut self.parts {
            part.left = part.left.min(server.keyspace.present()[part.class]);
        }
    }

    /// The next key that leaves, the server's count of it included; none when the slot is empty. Of a key that has
    /// expired nothing but its position leaves.
    fn next(&mut self, server: &mut Server, stream: &mut Stream) -> Option<Carried> {
        let left = self.left();
        if left == 0 {
            return None;
        }
        let mut r = stream.below(left);
        let part = self.parts.iter_mut().find(|part| {
            let here = r < part.left;
            r = if here { r } else { r - part.left };
            here
        })?;
        (part.left, part.moved) = (part.left - 1, part.moved + 1);
        let class = part.class;
        let present = server.keyspace.present()[class];
        let place = stream.below(present.max(1));
        let (expired, deadline) = server.expires.leave(class, place, present, stream);
        if expired {
            server.keyspace.remove(class);
            server.keyspace.take_positions(class, 1, 0);
            server.counters.expired_keys += 1;
            server.propagate(server.expired_del_bytes(), 1);
        } else {
            server.keyspace.take_positions(class, 1, 1);
        }
        Some(Carried { class: class as u16, deadline, expired })
    }
}

/// A rank as a share of 2^64 that looks random (SplitMix64's finaliser).
fn spread(rank: u64) -> u64 {
    let mut z = rank.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Server {
    /// Takes up to `keys` keys of a slot out; they are on no node until [`Server::take_in`].
    pub fn give_away(&mut self, slot: &mut LeavingSlot, keys: u32, stream: &mut Stream) -> Vec<Carried> {
        slot.fit(self);
        let carried = (0..keys).map_while(|_| slot.next(self, stream)).collect();
        self.refresh_flags();
        carried
    }

    /// The keys of another node are here now.
    pub fn take_in(&mut self, keys: &[Carried]) {
        for key in keys {
            let (used, limit) = (self.used_memory(), self.config.maxmemory);
            let fits = |bytes: u64| limit == 0 || used + bytes <= limit;
            let present = !key.expired as u64;
            let (class, alive) = (key.class as usize, self.child.is_some());
            let inserted = self.keyspace.give_positions(class, 1, present, alive, fits);
            if let Growth::Allocated { new_bytes } = inserted.growth {
                self.table_grew(new_bytes);
            }
            let mut work = Work::default();
            self.rehash(inserted.steps, &mut work);
            self.main.charge(Cause::Rehash, work.rehash);
            if let Some(deadline) = key.deadline {
                let growth = self.expires.arrive(class, deadline, alive);
                if let Growth::Allocated { new_bytes } = growth {
                    self.expires_table_grew(new_bytes);
                }
            }
        }
        self.refresh_flags();
    }
}
