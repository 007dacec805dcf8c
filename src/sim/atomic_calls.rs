//! What an atomic migration of slots asks of a node: of its source, whose child and clients' writes it concerns, and of
//! its target, which applies what comes in the main thread, a read's worth a turn.
//!
//! Assumed: a command of the stream costs the source what feeding it to a replica does, has the mean length of its
//! group's, and costs the target what its group's commands cost in the mean. Left out: that the pause also stops expiry
//! and eviction at the source.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::member::Told;
use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::observe::blame::Part;
use crate::redis::memory::ValueShape;
use crate::redis::migrate::MovedKey;
use crate::redis::nodes_conf::ConfigEvent;
use crate::redis::slot_export::{Fed, NoChild, SlotExport, hand_over};
use crate::redis::snapshot_cost::SnapshotKey;
use crate::rng::Uniform;
use crate::units::{KIB, MILLISECOND, Nanos, SECOND};

/// Bytes that a target reads in one turn, and that a source's main thread takes from a pipe (`PROTO_IOBUF_LEN`).
pub(crate) const PIECE: u64 = 16 * KIB;

/// Which attempt of which move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Number of the move.
    pub(crate) run: usize,
    /// Counts jobs and their attempts.
    pub(crate) attempt: u32,
}

/// Where a piece comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the child.
    Snapshot,
    /// From the source's clients.
    Stream,
    /// The same, kept at the target until it had the snapshot.
    Kept,
    /// The mark behind the last write.
    Mark,
}

/// Commands on their way to the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) origin: Origin,
    /// Keys that come into being.
    pub(crate) keys: u64,
    pub(crate) fed: Fed,
    /// The child's time \[ns\].
    pub(crate) child: Nanos,
}

/// A part of an atomic migration.
#[derive(Clone, Debug)]
pub(crate) enum SlotCall {
    /// Source: fork, and keep writes to the slots; whether they are sent from now on.
    Fork(Arc<Vec<u16>>, bool),
    /// Source: a piece from the child's pipe to the target's socket.
    PassOn(Piece),
    /// Source: what was kept is sent, and what comes from now on.
    Stream,
    /// Source: no more writes of clients.
    Pause,
    /// Source: the end; with the number of keys that have gone, if they have.
    End(Option<u64>),
    /// Target: apply a piece.
    Apply(Piece),
    /// Target: keep a piece.
    Keep(Piece),
    /// Target: the slots are its own.
    TakeOver(Arc<Vec<u16>>),
    /// Target: so many copies are of no use.
    Drop(u64),
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SlotReport {
    /// The child lives; its time is stretched by so much.
    Forked(f64),
    /// There is no child.
    NoChild(NoChild),
    Passed(Piece),
    Fed(Fed),
    Streams,
    Paused,
    Applied(Piece),
    Kept(Piece),
    TookOver,
}

impl<P: Probe> Simulation<P> {
    /// Does a part of an atomic migration.
    pub(super) fn part_of_migration(&mut self, ticket: Ticket, call: SlotCall) {
        let prices = &self.server.prices;
        let (copy, write, setslot) = (prices.cpu.pipe_copy, prices.cpu.write, prices.cluster.setslot);
        let report = match call {
            SlotCall::Fork(slots, sends) => self.fork_for_slots(ticket, &slots, sends),
            SlotCall::PassOn(piece) => {
                self.server.main.charge(Cause::DisklessCopy, copy);
                SlotReport::Passed(piece)
            }
            SlotCall::Stream => {
                if let Some((_, export)) = self.seat().export.as_deref_mut() {
                    export.sends = true;
                }
                self.send_exported();
                SlotReport::Streams
            }
            SlotCall::Pause => {
                self.server.main.charge(Cause::ClusterCommand, setslot);
                self.seat().holds_writes = true;
                let now = self.server.main.now;
                self.server.main.blocks.note(now, "write-pause", "slots change their node".into());
                self.send_exported();
                SlotReport::Paused
            }
            SlotCall::End(gone) => {
                let (now, paused) = (self.server.main.now, self.seat().holds_writes);
                let released = self.release_writes();
                if paused {
                    let held = format!("{} client writes waited", released.len());
                    self.server.main.blocks.note(now, "write-pause-over", held);
                }
                self.backlog.extend(released);
                self.seat().export = None;
                if let Some(keys) = gone {
                    self.server.delete_copies(keys);
                }
                return;
            }
            SlotCall::Apply(piece) => {
                self.server.main.block(Cause::Restore, piece.fed.apply, String::new);
                self.server.stage(piece.keys);
                self.server.propagate(piece.fed.bytes, piece.fed.commands);
                self.server.rdb.dirty += piece.fed.commands;
                SlotReport::Applied(piece)
            }
            SlotCall::Keep(piece) => SlotReport::Kept(piece),
            SlotCall::TakeOver(slots) => {
                self.server.main.charge(Cause::ClusterCommand, setslot);
                self.take_slots_over(&slots);
                SlotReport::TookOver
            }
            SlotCall::Drop(keys) => {
                let copies = keys.min(self.server.keyspace.staged());
                self.server.keyspace.unstage(copies);
                self.server.delete_copies(copies);
                return;
            }
        };
        if matches!(report, SlotReport::Passed(_)) {
            self.server.main.charge(Cause::Reply, write);
        }
        let now = self.server.main.now;
        self.seat().told.push(Told::Slots(ticket, report, now));
    }

    fn fork_for_slots(&mut self, ticket: Ticket, slots: &[u16], sends: bool) -> SlotReport {
        if self.seat().export.is_some() {
            return SlotReport::NoChild(NoChild::Busy);
        }
        match self.server.fork_for_slots(format!("{} slots for another node", slots.len())) {
            Ok(stretch) => {
                let mut export = SlotExport::new(slots);
                export.sends = sends;
                self.seat().export = Some(Box::new((ticket, export)));
                SlotReport::Forked(stretch)
            }
            Err(why) => SlotReport::NoChild(why),
        }
    }

    fn take_slots_over(&mut self, slots: &[u16]) {
        let now = self.server.main.now;
        let member = self.member.as_mut().expect("only of a node");
        let changed = member.view.take_slots(slots);
        member.config.note(ConfigEvent::SlotCommand);
        if changed.epoch.is_some() {
            member.config.note(ConfigEvent::OwnEpoch);
        }
        member.told.push(Told::Claims(now + member.link_delay));
        self.server.main.blocks.note(now, "slots-taken-over", format!("{} slots", slots.len()));
    }

    /// What clients wrote to exported slots goes to the target.
    pub(super) fn send_exported(&mut self) {
        let write = self.server.prices.cpu.replica_write;
        let Some((ticket, export)) =
            self.seat().export.as_deref_mut().filter(|(_, export)| export.has_news())
        else {
            return;
        };
        let (ticket, fed) = (*ticket, export.take());
        self.server.main.charge(Cause::ReplicaWrite, write);
        let now = self.server.main.now;
        self.seat().told.push(Told::Slots(ticket, SlotReport::Fed(fed), now));
    }

    /// Writes of the turn wait, and everything behind them on their connections.
    #[cold]
    pub(super) fn hold_writes(&mut self) {
        let member = self.member.as_mut().expect("only of a node");
        let mut waits: BTreeSet<u32> = member.held.iter().map(|unit| unit.connection).collect();
        let (plans, held) = (&self.plans, &mut member.held);
        let before = held.len();
        self.units.retain(|unit| {
            let plan = &plans[unit.group as usize];
            let writes = |n: u64| plan.shape_of(n).1;
            let goes_on = !waits.contains(&unit.connection)
                && !(unit.first..unit.first + u64::from(unit.commands)).any(writes);
            if !goes_on {
                waits.insert(unit.connection);
                held.push(*unit);
            }
            goes_on
        });
        if self.blame.is_some() && member.held.len() > before {
            let held = member.held[before..].to_vec();
            self.blame_held(&held, Part::Paused);
        }
    }

    /// The pause is over: what waited, in order.
    pub(crate) fn release_writes(&mut self) -> Vec<Unit> {
        let Some(member) = &mut self.member else { return Vec::new() };
        member.holds_writes = false;
        let held = std::mem::take(&mut member.held);
        if self.blame.is_some() {
            self.blame_released(&held);
        }
        held
    }

    /// The run is over: what waits still waits.
    pub(crate) fn keep_waiting(&mut self) {
        let held = self.release_writes();
        self.backlog.extend(held);
    }

    /// The server has died at `at`, its child and connections with it.
    pub(super) fn died(&mut self, at: Nanos) {
        if let Some(member) = &mut self.member {
            member.export = None;
            member.told.push(Told::Died(at));
        }
    }

    /// The next keys of a snapshot of which `left` are missing, as the child writes them to node `to`: a piece, or the
    /// rest.
    pub(crate) fn snapshot_piece(&mut self, left: u64, to: usize) -> Piece {
        let (server, member) = (&self.server, self.member.as_mut().expect("only of a node"));
        let volatile = server.volatile_share();
        let mut piece = Piece { origin: Origin::Snapshot, keys: 0, fed: Fed::default(), child: 0 };
        while piece.keys < left && piece.fed.bytes < PIECE {
            let key = MovedKey {
                key_size: member.key_size,
                value: ValueShape::Text(member.values.sample(&mut member.stream)),
                // How long it still lives changes nothing in an absolute deadline.
                ttl: (volatile > 0.0 && member.stream.unit() < volatile).then_some(SECOND),
            };
            let target = &member.machines[to];
            let cost = SnapshotKey::of(server.config.version, &key, &server.prices, target);
            piece.keys += 1;
            piece.fed.add(Fed { commands: cost.commands, bytes: cost.bytes, apply: cost.apply });
            piece.child += cost.child;
        }
        piece
    }

    /// Places of keys in `slots`, by class.
    pub(crate) fn positions_of(&mut self, slots: &[u16]) -> Vec<u64> {
        let (keyspace, member) = (&self.server.keyspace, self.member.as_ref().expect("only of a node"));
        let in_class = |class| {
            let ranks = keyspace.ranks_of(class);
            slots.iter().map(|&slot| member.counts.in_slot(ranks.clone(), slot)).sum()
        };
        (0..keyspace.classes()).map(in_class).collect()
    }

    /// Keys in the mean among `positions` places by class.
    pub(crate) fn keys_among(&self, positions: &[u64]) -> u64 {
        let keyspace = &self.server.keyspace;
        let of_class = |(class, &places): (usize, &u64)| {
            let (present, size) = (keyspace.present()[class], keyspace.size(class).max(1));
            (u128::from(places) * u128::from(present) / u128::from(size)) as u64
        };
        positions.iter().enumerate().map(of_class).sum()
    }

    /// Keys and places change hands; returns the number of keys.
    pub(crate) fn hand_over_to(&mut self, target: &mut Self, positions: &[u64], copied: u64) -> u64 {
        let member = self.member.as_mut().expect("only of a node");
        hand_over(&mut self.server, &mut target.server, positions, copied, &mut member.stream)
    }

    /// Calls of an attempt that has ended are of no use.
    pub(crate) fn withdraw_part(&mut self, ticket: Ticket) {
        let calls = &mut self.seat().calls;
        calls.retain(|call| !matches!(call.2, super::member::Call::Slots(other, _) if other == ticket));
        self.look_at_calls();
    }

    /// When serverCron looks at children next, at least a millisecond after `at`.
    pub(crate) fn next_cron(&self, at: Nanos) -> Nanos {
        self.server.cron_at.max(at + MILLISECOND)
    }
}
