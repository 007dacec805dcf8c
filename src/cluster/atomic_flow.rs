//! What goes between the nodes of an atomic migration: the child's snapshot, the stream of writes, the mark behind them,
//! and in the end the keys.
//!
//! The child is held up when 512 KiB are on their way (pipe and sockets; assumed), the stream of writes too. Both share
//! the link.

use super::atomic_run::SlotEvent;
use super::world::{Task, World};
use crate::redis::slot_export::Fed;
use crate::sim::atomic_calls::{Origin, PIECE, Piece, SlotCall, Ticket};
use crate::units::{Nanos, SECOND};

/// Pieces on their way at most.
const WINDOW: u32 = 32;
/// `CLUSTER SYNCSLOTS …` behind the last write, about \[bytes\].
const MARK_BYTES: u64 = 60;

impl World<'_> {
    /// Whatever can go on its way does.
    pub(super) fn pump(&mut self, at: Nanos, ticket: Ticket) {
        loop {
            let Some(job) = self.job_of(ticket) else { return };
            let (from, to) = (job.from, job.to);
            if job.ready.is_none() && job.left > 0 {
                let (left, begun_at) = (job.left, job.child_at.max(at));
                let piece = self.nodes[from].snapshot_piece(left, to);
                let Some(job) = self.job_of(ticket) else { return };
                job.left -= piece.keys;
                job.child_at = begun_at + (piece.child as f64 * job.stretch) as Nanos;
                job.ready = Some(piece);
                let next = job.child_at;
                self.at(next, Task::Slots(ticket, SlotEvent::Child));
                continue;
            }
            if job.on_way[0] < WINDOW
                && job.child_at <= at
                && let Some(piece) = job.ready.take()
            {
                job.on_way[0] += 1;
                job.snapshot_bytes += piece.fed.bytes;
                let (valkey, last, bytes) = (job.is_valkey(), job.left == 0, job.snapshot_bytes);
                match valkey {
                    true => self.ask(from, at, ticket, SlotCall::PassOn(piece)),
                    // The child has the target's socket itself.
                    false => self.carry(at, ticket, piece),
                }
                if last {
                    self.nodes[from].server.slot_child_exits(at, bytes, None);
                    let noticed_at = self.nodes[from].next_cron(at);
                    self.at(noticed_at, Task::Slots(ticket, SlotEvent::Noticed));
                }
                continue;
            }
            if job.on_way[1] < WINDOW && job.run.sends_writes() && job.unsent.bytes > 0 {
                let fed = job.unsent.split(PIECE);
                job.on_way[1] += 1;
                job.sent += fed.bytes;
                self.carry(at, ticket, Piece { origin: Origin::Stream, keys: 0, fed, child: 0 });
                continue;
            }
            if job.mark && job.unsent.bytes == 0 {
                job.mark = false;
                let fed = Fed { commands: 0, bytes: MARK_BYTES, apply: 0 };
                self.carry(at, ticket, Piece { origin: Origin::Mark, keys: 0, fed, child: 0 });
            }
            return;
        }
    }

    /// A piece goes over the link.
    pub(super) fn carry(&mut self, at: Nanos, ticket: Ticket, piece: Piece) {
        let (delay, bandwidth) = (self.spec.link_delay, self.spec.link_bandwidth);
        let Some(job) = self.job_of(ticket) else { return };
        let transfer = (piece.fed.bytes as f64 / bandwidth * SECOND as f64).round() as Nanos;
        job.link_at = job.link_at.max(at) + transfer;
        let (to, there_at) = (job.to, job.link_at + delay);
        let keeps = piece.origin == Origin::Stream && !job.is_valkey() && !job.drained;
        let call = if keeps { SlotCall::Keep(piece) } else { SlotCall::Apply(piece) };
        self.ask(to, there_at, ticket, call);
    }

    /// The next piece of what a Redis target has kept; its first ACK comes when there is none left.
    pub(super) fn apply_kept(&mut self, at: Nanos, ticket: Ticket) {
        let Some(job) = self.job_of(ticket) else { return };
        if job.kept.bytes == 0 {
            if !std::mem::replace(&mut job.drained, true) {
                self.at(at, Task::Slots(ticket, SlotEvent::Ack));
            }
            return;
        }
        let (to, fed) = (job.to, job.kept.split(PIECE));
        self.ask(to, at, ticket, SlotCall::Apply(Piece { origin: Origin::Kept, keys: 0, fed, child: 0 }));
    }

    /// The target has taken the slots over: their keys are its own from this instant on.
    pub(super) fn slots_taken(&mut self, ticket: Ticket) {
        let Some(job) = self.job_of(ticket) else { return };
        let (from, to, copied) = (job.from, job.to, job.copied);
        let positions = std::mem::take(&mut job.positions);
        let Ok([source, target]) = self.nodes.get_disjoint_mut([from, to]) else { return };
        let keys = source.hand_over_to(target, &positions, copied);
        if let Some(job) = self.job_of(ticket) {
            job.moved = Some(keys);
        }
    }
}
