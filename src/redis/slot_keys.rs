//! Keys of open slots: those of one slot that leave a node or have come to it, as counts by popularity class.
//!
//! A node holds places, keys that can exist, and some of them do. Those of a slot that is not open are all on its
//! owner and counted with the others there. From MIGRATING on a slot's are counted apart, on the source and on the
//! target, until one node has all of them again: so its keys are moved, deleted, created, and found once each. Places
//! without a key go ahead to the target, since a key that is new in a migrating slot is created there.
//!
//! A slot that migrates gives its keys away in an order of its own: in each class the key at the share `u` of the order
//! (a hash of its rank) has gone when the share that has moved is beyond `u`. So a key that is asked for again and again
//! moves once, and a key of many is as likely to have moved as the counts say.
//!
//! Keys that expire or are evicted meanwhile are any of their class: each open slot loses its share by chance.
//!
//! Left out: keys on two nodes. On a real server a RESTORE that comes to be read after MIGRATE's time-out is executed
//! all the same; here it is withdrawn, and one that was read in time is acknowledged, if late. So a repeated move never
//! meets BUSYKEY.

use super::dict::Growth;
use super::keyspace::scope::{Places, Scope};
use super::server::Server;
use super::work::Work;
use crate::cause::Cause;
use crate::rng::{Stream, Uniform};

/// A key on its way between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Popularity class.
    pub class: u16,
    /// Time it has left when it leaves \[ms\], if it expires: RESTORE has no deadline, and clocks of nodes differ.
    pub ttl: Option<u64>,
}

/// The keys of one class in an open slot, on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    class: usize,
    /// Keys that can exist in the slot, on all nodes together.
    total: u64,
    /// Those that can exist here.
    positions: u64,
    /// Those that exist here.
    left: u64,
}

/// An open slot's keys on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingSlot {
    /// The slot.
    pub slot: u16,
    /// They have come here and not always been here.
    pub imported: bool,
    parts: Vec<Part>,
}

impl LeavingSlot {
    /// A slot all of whose places, `positions` of each class, are on `server`, with as large a share of them taken as
    /// of the class without the slots that are open already.
    pub fn new(
        slot: u16,
        positions: &[u64],
        open: &[LeavingSlot],
        server: &Server,
        stream: &mut Stream,
    ) -> Self {
        let parts = positions.iter().enumerate().filter(|(_, positions)| **positions > 0);
        let parts = parts.map(|(class, &positions)| {
            let rest = rest(open, server, class);
            let (mut size, mut present, mut left) = (rest.size, rest.present, 0);
            for _ in 0..positions {
                // All or none need no number; otherwise one of those not looked at yet, without replacement.
                let held = present > 0 && (present >= size || stream.below(size) < present);
                left += held as u64;
                present -= held as u64;
                size = size.saturating_sub(1);
            }
            Part { class, total: positions, positions, left }
        });
        LeavingSlot { slot, imported: false, parts: parts.collect() }
    }

    /// A slot of which nothing is here yet.
    pub fn imported(slot: u16) -> Self {
        LeavingSlot { slot, imported: true, parts: Vec::new() }
    }

    /// Keys that are here.
    pub fn left(&self) -> u64 {
        self.parts.iter().map(|part| part.left).sum()
    }

    /// Keys that can exist here.
    pub fn positions(&self) -> u64 {
        self.parts.iter().map(|part| part.positions).sum()
    }

    /// Places by class.
    pub fn places(&self) -> impl Iterator<Item = Places> + '_ {
        self.parts.iter().map(|part| Places { class: part.class, size: part.positions, present: part.left })
    }

    /// Whether the key `rank` of `class` is here.
    pub fn holds(&self, class: usize, rank: u64) -> bool {
        self.parts.iter().find(|part| part.class == class).is_some_and(|part| {
            let place = ((spread(rank) as u128 * part.total as u128) >> 64) as u64;
            if self.imported { place < part.left } else { place >= part.total - part.left }
        })
    }

    /// `positions` places of `class`, `present` of them with a key, come here; the slot has `total`.
    pub fn arrive(&mut self, class: usize, positions: u64, present: u64, total: u64) {
        let at = self.parts.partition_point(|part| part.class < class);
        if self.parts.get(at).is_none_or(|part| part.class != class) {
            self.parts.insert(at, Part { class, total, positions: 0, left: 0 });
        }
        self.parts[at].positions += positions;
        self.parts[at].left += present;
    }

    /// Takes the places without a key, by class; they are still the server's.
    pub fn take_vacant(&mut self) -> Vec<(usize, u64)> {
        let parts = self.parts.iter_mut().filter(|part| part.positions > part.left);
        parts
            .map(|part| (part.class, std::mem::replace(&mut part.positions, part.left) - part.left))
            .collect()
    }

    /// A command was about the slot, and `scope` is what it left of it.
    pub fn changed(&mut self, scope: &Scope) {
        for (part, seen) in self.parts.iter_mut().zip(&scope.parts) {
            part.left = seen.present.min(part.positions);
        }
    }

    /// The next key that leaves, the server's count of it included; none when the slot is empty. One that has expired
    /// does not leave, and is gone.
    fn next(&mut self, server: &mut Server, stream: &mut Stream) -> Option<Option<Carried>> {
        let mut r = stream.below(self.left().max(1));
        let part = self.parts.iter_mut().find(|part| {
            let here = r < part.left;
            r = if here { r } else { r - part.left };
            here
        })?;
        part.left -= 1;
        let class = part.class;
        let present = server.keyspace.present()[class];
        let place = stream.below(present.max(1));
        let (expired, deadline) = server.expires.leave(class, place, present, stream);
        if expired {
            let freed = server.remove_expired(class);
            let bytes = server.expired_del_bytes();
            server.main.charge(Cause::Migrate, freed + server.expire_cost(bytes));
            server.counters.expired_keys += 1;
            server.propagate(bytes, 1);
            return Some(None);
        }
        part.positions -= 1;
        server.keyspace.take_positions(class, 1, 1);
        let now = server.expires.wall_at(server.main.now);
        let ttl = deadline.map(|deadline| deadline.saturating_sub(now).max(1));
        Some(Some(Carried { class: class as u16, ttl }))
    }
}

/// What the server has of a class beside its open slots.
fn rest(open: &[LeavingSlot], server: &Server, class: usize) -> Places {
    let mut rest =
        Places { class, size: server.keyspace.size(class), present: server.keyspace.present()[class] };
    for part in open.iter().flat_map(|slot| &slot.parts).filter(|part| part.class == class) {
        rest.size = rest.size.saturating_sub(part.positions);
        rest.present = rest.present.saturating_sub(part.left);
    }
    rest
}

/// A rank as a share of 2^64 that looks random (SplitMix64's finaliser).
fn spread(rank: u64) -> u64 {
    let mut z = rank.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The open slots of a node, and the keys of each class as they were when last looked at.
#[derive(Clone, Debug, Default)]
pub struct OpenSlots {
    /// They.
    pub slots: Vec<LeavingSlot>,
    known: Vec<u64>,
}

impl OpenSlots {
    /// The open slot `slot`.
    pub fn get(&mut self, slot: u16) -> Option<&mut LeavingSlot> {
        self.slots.iter_mut().find(|open| open.slot == slot)
    }

    /// Every change of the server's keys so far is booked.
    pub fn booked(&mut self, server: &Server) {
        self.known.clear();
        if !self.slots.is_empty() {
            self.known.extend_from_slice(server.keyspace.present());
        }
        self.fit(server);
    }

    /// A command may have made room by evicting keys of whatever slot: no part has more keys than there are, or than it
    /// has places for.
    fn fit(&mut self, server: &Server) {
        let keyspace = &server.keyspace;
        for class in 0..self.known.len() {
            let (size, present) = (keyspace.size(class), keyspace.present()[class]);
            let (mut here, mut apart) = (present, 0);
            for part in self.parts_of(class) {
                part.left = part.left.min(here);
                here -= part.left;
                apart += part.positions;
            }
            let mut over = here.saturating_sub(size.saturating_sub(apart));
            if over == 0 {
                continue;
            }
            for part in self.parts_of(class) {
                let more = over.min(part.positions - part.left);
                part.left += more;
                over -= more;
            }
        }
    }

    fn parts_of(&mut self, class: usize) -> impl Iterator<Item = &mut Part> {
        self.slots.iter_mut().flat_map(|slot| &mut slot.parts).filter(move |part| part.class == class)
    }

    /// Keys that the server has lost on its own, by expiry or eviction, were of open slots too.
    pub fn look(&mut self, server: &Server, stream: &mut Stream) {
        let present = server.keyspace.present();
        if self.slots.is_empty() || self.known == present {
            return;
        }
        for (class, (&known, &present)) in self.known.iter().zip(present).enumerate() {
            let (mut before, mut lost) = (known, known.saturating_sub(present));
            for part in self.slots.iter_mut().flat_map(|slot| &mut slot.parts) {
                if part.class != class {
                    continue;
                }
                for _ in 0..part.left {
                    let is_lost = lost > 0 && stream.below(before) < lost;
                    part.left -= is_lost as u64;
                    lost -= is_lost as u64;
                    before -= 1;
                }
            }
        }
        self.booked(server);
    }

    /// What a command about `slot` is about: its keys here, of which only those that exist if it is `leaving`, or all
    /// others.
    pub fn scope(&self, slot: u16, leaving: bool, server: &mut Server) {
        let mut scope = std::mem::take(&mut server.keyspace.scope);
        scope.clear();
        match self.slots.iter().find(|open| open.slot == slot) {
            Some(open) => {
                scope.only = true;
                scope.parts.extend(open.places().map(|places| Places {
                    size: if leaving { places.present } else { places.size },
                    ..places
                }));
            }
            None => {
                for part in self.slots.iter().flat_map(|open| &open.parts) {
                    if scope.parts.iter().all(|places| places.class != part.class) {
                        scope.parts.push(rest(&self.slots, server, part.class));
                    }
                }
            }
        }
        server.keyspace.scope = scope;
    }

    /// Panics unless every open slot's keys are among the server's.
    pub fn check(&self, server: &Server) {
        for part in self.slots.iter().flat_map(|open| &open.parts) {
            assert!(part.left <= part.positions && part.positions <= part.total, "places of an open slot");
            let of_class = self.slots.iter().flat_map(|open| &open.parts).filter(|p| p.class == part.class);
            let (size, keys) = of_class.fold((0, 0), |sum, p| (sum.0 + p.positions, sum.1 + p.left));
            let (all, present) = (server.keyspace.size(part.class), server.keyspace.present()[part.class]);
            assert!(size <= all && keys <= present && present - keys <= all - size, "keys beside open slots");
        }
    }
}

impl Server {
    /// Takes up to `keys` keys of a slot out; they are on no node until [`Server::take_in`].
    pub fn give_away(&mut self, slot: &mut LeavingSlot, keys: u32, stream: &mut Stream) -> Vec<Carried> {
        let carried = (0..keys).map_while(|_| slot.next(self, stream)).flatten().collect();
        self.refresh_flags();
        carried
    }

    /// The keys of another node are here now.
    pub fn take_in(&mut self, keys: &[Carried]) {
        for key in keys {
            let (used, limit) = (self.used_memory(), self.config.maxmemory);
            let fits = |bytes: u64| limit == 0 || used + bytes <= limit;
            let (class, alive) = (key.class as usize, self.child.is_some());
            let inserted = self.keyspace.give_positions(class, 1, 1, alive, fits);
            if let Growth::Allocated { new_bytes } = inserted.growth {
                self.table_grew(new_bytes);
            }
            let mut work = Work::default();
            self.rehash(inserted.steps, &mut work);
            self.main.charge(Cause::Rehash, work.rehash);
            if let Some(ttl) = key.ttl {
                let deadline = self.expires.wall_at(self.main.now) + ttl;
                let growth = self.expires.arrive(class, deadline, alive);
                if let Growth::Allocated { new_bytes } = growth {
                    self.expires_table_grew(new_bytes);
                }
            }
        }
        self.refresh_flags();
    }

    /// Deletes the keys of a slot that another node has claimed, with a DEL each (`delKeysInSlot` of dirty slots).
    pub fn delete_keys(&mut self, slot: &mut LeavingSlot, stream: &mut Stream) {
        for place in 0..slot.parts.len() {
            let class = slot.parts[place].class;
            for _ in 0..std::mem::take(&mut slot.parts[place].left) {
                let present = self.keyspace.present()[class];
                self.expires.drop_one(class, stream.below(present.max(1)), present, stream);
                self.keyspace.remove(class);
                self.main.charge(Cause::ClusterCommand, self.prices.cpu.del);
                self.propagate(self.expired_del_bytes(), 1);
            }
        }
        self.refresh_flags();
    }
}
