//! The keys of slots that change their node in one instant (atomic migration): the child that writes them, the writes
//! that follow it, the copies at the target, and the instant itself.
//!
//! Valkey 9: `slotExportJobBeginSnapshot`, `clusterFeedSlotExportJobs` (cluster_migrateslots.c); Redis 8.4: cluster_asm.c.
//! The child shares the parent's memory as any child does; it writes no file. Its keys are copies until the target takes
//! the slots over: there they take memory and places in the hash table, and no command can see them.

use super::child::{Child, ChildKind};
use super::dict::Growth;
use super::server::Server;
use super::version::Flavour;
use super::work::Work;
use crate::cause::Cause;
use crate::rng::{Stream, Uniform};
use crate::slots::SLOTS;
use crate::units::Nanos;

/// `*3 TRIMSLOTS RANGES 1 first last`: what Redis propagates instead of a DEL for each key (`propagateTrimSlots`).
const TRIMSLOTS: u64 = 62;

/// Slots that a source exports, and what was written to them and not taken away yet.
#[derive(Clone, Debug)]
pub struct SlotExport {
    slots: Vec<bool>,
    /// Commands are passed on as they are executed; else they gather here.
    pub sends: bool,
    fed: Fed,
}

/// Writes to exported slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// Commands.
    pub commands: u64,
    /// Their bytes in the stream.
    pub bytes: u64,
    /// The target's execution of them \[ns\].
    pub apply: Nanos,
}

/// Why there is no child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChild {
    /// Another one lives: one is enough for the kernel, and for the server (`hasActiveChildProcess`).
    Busy,
    /// fork(2) failed.
    Refused,
}

impl SlotExport {
    /// An export of `slots`.
    pub fn new(slots: &[u16]) -> Self {
        let mut export = SlotExport { slots: vec![false; SLOTS], sends: false, fed: Fed::default() };
        slots.iter().for_each(|&slot| export.slots[slot as usize] = true);
        export
    }

    /// Whether `slot` is one of them.
    #[inline]
    pub fn has(&self, slot: u16) -> bool {
        self.slots[slot as usize]
    }

    /// Commands on the slots were executed.
    pub fn feed(&mut self, commands: u64, bytes: u64, apply: Nanos) {
        self.fed.commands += commands;
        self.fed.bytes += bytes;
        self.fed.apply += apply;
    }

    /// Whether there is something to send, and it is to be sent.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.sends && self.fed.bytes > 0
    }

    /// Takes what was written.
    pub fn take(&mut self) -> Fed {
        std::mem::take(&mut self.fed)
    }
}

impl Fed {
    /// Takes off as much as `bytes` of it, at least a command.
    pub fn split(&mut self, bytes: u64) -> Fed {
        if self.bytes <= bytes || self.commands <= 1 {
            return std::mem::take(self);
        }
        let commands = (self.commands * bytes / self.bytes).max(1);
        let share =
            |whole: u64| (u128::from(whole) * u128::from(commands) / u128::from(self.commands)) as u64;
        let part = Fed { commands, bytes: share(self.bytes), apply: share(self.apply) };
        self.commands -= part.commands;
        self.bytes -= part.bytes;
        self.apply -= part.apply;
        part
    }

    /// Adds what came later.
    pub fn add(&mut self, other: Fed) {
        self.commands += other.commands;
        self.bytes += other.bytes;
        self.apply += other.apply;
    }
}

impl Server {
    /// fork(2) for a snapshot of slots; what the child's time is stretched by, since it shares cores.
    pub fn fork_for_slots(&mut self, trigger: String) -> Result<f64, NoChild> {
        if self.child.is_some() {
            return Err(NoChild::Busy);
        }
        let child = Child::new(ChildKind::SlotSnapshot, trigger, self.main.now);
        let child = self.fork(child).ok_or(NoChild::Refused)?;
        self.child = Some(child);
        self.refresh_flags();
        Ok(self.child_stretch())
    }

    /// The child of a snapshot of slots has written `bytes` and exits, or is killed for the reason `failed`; serverCron
    /// notices.
    pub fn slot_child_exits(&mut self, at: Nanos, bytes: u64, failed: Option<&'static str>) {
        let child = self.child.as_mut().filter(|child| child.kind == ChildKind::SlotSnapshot);
        if let Some(child) = child {
            (child.exits_at, child.file_bytes, child.fails) = (at, bytes, failed);
        }
    }

    /// Whether a child writes a snapshot of slots, or has exited unnoticed.
    pub fn has_slot_child(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.kind == ChildKind::SlotSnapshot)
    }

    /// Share of keys that carry a time to live.
    pub fn volatile_share(&self) -> f64 {
        match self.expires.is_on() {
            true => self.expires.keys() as f64 / self.keyspace.keys().max(1) as f64,
            false => self.ttl_share,
        }
    }

    /// Copies of `keys` keys of another node have been made here.
    pub fn stage(&mut self, keys: u64) {
        let (used, limit, alive) = (self.used_memory(), self.config.maxmemory, self.child.is_some());
        let inserted = self.keyspace.stage(keys, alive, |bytes| limit == 0 || used + bytes <= limit);
        if let Growth::Allocated { new_bytes } = inserted.growth {
            self.table_grew(new_bytes);
        }
        let mut work = Work::default();
        self.rehash(inserted.steps, &mut work);
        self.main.charge(Cause::Rehash, work.rehash);
        self.refresh_flags();
    }

    /// `keys` copies of keys that are another's are deleted: one by one, each with its DEL, or by a background thread
    /// that gets their hash tables (Redis).
    pub fn delete_copies(&mut self, keys: u64) {
        if self.config.version.flavour == Flavour::Redis {
            let cost = self.prices.cluster.setslot;
            self.main.charge(Cause::ClusterCommand, cost);
            self.propagate(TRIMSLOTS, 1);
            return;
        }
        let span = keys * self.prices.cpu.expire_key;
        self.main.block(Cause::Migrate, span, || format!("deleting {keys} keys of slots that are another's"));
        self.propagate(keys * self.expired_del_bytes(), keys);
        self.rdb.dirty += keys;
    }
}

/// Keys and places of slots with `positions` places by class change from `source` to `target`, which has `staged` copies.
/// Returns the number of keys.
pub fn hand_over(
    source: &mut Server,
    target: &mut Server,
    positions: &[u64],
    staged: u64,
    stream: &mut Stream,
) -> u64 {
    let (mut keys, mut copies, alive) = (0, staged, target.child.is_some());
    let clock = |server: &Server| server.expires.wall_at(server.main.now);
    let (there, here) = (clock(source), clock(target));
    for (class, &places) in positions.iter().enumerate().filter(|(_, places)| **places > 0) {
        let held = held_among(places, source.keyspace.size(class), source.keyspace.present()[class], stream);
        keys += held;
        let mut moves = |target: &mut Server, places: u64, present: u64| {
            let copied = present.min(copies);
            copies -= copied;
            target.keyspace.adopt(class, places, present, copied, alive);
        };
        if source.expires.is_on() {
            // Every key takes its own deadline along.
            for _ in 0..held {
                let deadline = source.take_one_out(class, stream);
                moves(target, 1, deadline.is_some() as u64);
                if let Some(Some(deadline)) = deadline {
                    // The time left is the same, whatever the clocks show.
                    let deadline = (deadline + here).saturating_sub(there);
                    let growth = target.expires.arrive(class, deadline, alive);
                    if let Growth::Allocated { new_bytes } = growth {
                        target.expires_table_grew(new_bytes);
                    }
                }
                keys -= deadline.is_none() as u64;
            }
            source.keyspace.take_positions(class, places - held, 0);
            moves(target, places - held, 0);
        } else {
            let elements = source.keyspace.take_positions(class, places, held);
            moves(target, places, held);
            target.keyspace.give_elements(elements);
        }
    }
    // Keys that have gone at the source since the snapshot have gone at the target with the stream.
    target.keyspace.unstage(copies);
    source.refresh_flags();
    target.refresh_flags();
    keys
}

/// How many of `places` places of a class have a key when `present` of its `size` have: one after the other, without
/// replacement; all or none need no number.
fn held_among(places: u64, mut size: u64, mut present: u64, stream: &mut Stream) -> u64 {
    let mut held = 0;
    for _ in 0..places {
        let one = present > 0 && (present >= size || stream.below(size) < present);
        held += one as u64;
        present -= one as u64;
        size = size.saturating_sub(1);
    }
    held
}

impl Server {
    /// A key of `class` leaves with its place and its deadline, if it has one; none: it had expired, and the place is
    /// all that leaves.
    fn take_one_out(&mut self, class: usize, stream: &mut Stream) -> Option<Option<u64>> {
        let present = self.keyspace.present()[class];
        let place = stream.below(present.max(1));
        let (expired, deadline) = self.expires.leave(class, place, present, stream);
        if expired {
            self.keyspace.remove(class);
            self.keyspace.take_positions(class, 1, 0);
            self.counters.expired_keys += 1;
            self.propagate(self.expired_del_bytes(), 1);
            return None;
        }
        self.keyspace.take_positions(class, 1, 1);
        Some(deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fed_is_taken_whole() {
        let mut export = SlotExport::new(&[3, 16_383]);
        assert!(export.has(3) && export.has(16_383) && !export.has(4));
        export.feed(7, 700, 70);
        assert!(!export.has_news());
        export.sends = true;
        assert!(export.has_news());
        let mut fed = export.take();
        assert_eq!((fed, export.has_news()), (Fed { commands: 7, bytes: 700, apply: 70 }, false));
        let mut sum = Fed::default();
        while fed.bytes > 0 {
            let part = fed.split(250);
            assert!(part.commands > 0 && part.bytes <= 250);
            sum.add(part);
        }
        assert_eq!(sum, Fed { commands: 7, bytes: 700, apply: 70 });
    }
}
