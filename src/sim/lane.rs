//! What a run of turns at low load adds up to while it lasts, in local variables of `alone.rs`.

use crate::math::Factor;
use crate::redis::server::Server;
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

/// What the turns added up to.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) turns: u64,
    /// Client writes read.
    pub(super) reads: u64,
    /// Those in turns whose commands were all alike; `work` is that of the other turns, and all faults.
    pub(super) alike: u64,
    /// Most commands in a turn.
    pub(super) largest: u64,
    pub(super) idle: Nanos,
    pub(super) wake: Nanos,
    pub(super) contention: Nanos,
    pub(super) aof_write: Nanos,
    pub(super) aof_writes: u64,
    pub(super) reply: Nanos,
    pub(super) work: Work,
    /// Writes to replicas: their time, turns that had some, when the first and the last were done.
    pub(super) replicas: Nanos,
    pub(super) sent: u64,
    pub(super) sent_first: Nanos,
    pub(super) sent_last: Nanos,
    /// When the first turn that changed something was flushed, and the first that wrote.
    pub(super) changed_at: Nanos,
    pub(super) wrote_at: Nanos,
}

impl Sums {
    /// A turn of `reads` client writes is over, `alike` of them or none of which were like all others; its faults took
    /// `cow`.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        work: &Work,
        cow: Nanos,
        alike: u64,
        reads: u64,
        aof_write: Nanos,
        (executed_at, flushed_at): (Nanos, Nanos),
    ) {
        self.aof_write += aof_write;
        if work.aof_bytes > 0 {
            self.aof_writes += 1;
            self.wrote_at = self.wrote_at.min(executed_at);
        }
        if work.changed > 0 {
            self.changed_at = self.changed_at.min(flushed_at);
        }
        self.turns += 1;
        self.reads += reads;
        if alike > 0 {
            self.alike += alike;
            self.work.cow += cow;
        } else {
            self.work.add(work);
        }
    }
}

/// What holds for a run of turns, and where it stands.
pub(super) struct Lane {
    /// A turn that has executed its commands after this has more to do.
    pub(super) due_at: Nanos,
    /// End of the current window: a turn that has flushed after this is of the next one.
    pub(super) tick_at: Nanos,
    /// Bytes that the AOF takes in the course of it.
    pub(super) room: u64,
    /// Bytes that replicas take, at least, and when that was so; exactly where there is no time.
    pub(super) repl_room: u64,
    pub(super) room_at: Option<Nanos>,
    pub(super) feeds: bool,
    pub(super) turn: Nanos,
    pub(super) read: Nanos,
    pub(super) write: Nanos,
    pub(super) stretch: Factor,
    /// Commands of a client write.
    pub(super) commands: u32,
    /// Keys with a time to live that it may name, and whether the tables have room for them.
    pub(super) volatile_keys: u64,
    pub(super) has_room: bool,
    /// The work of a client write whose commands are alike.
    pub(super) each: Work,
    /// Replicas, and the time of a write to one of what such a write feeds them.
    pub(super) replicas: (u64, Nanos),
    /// What replicas know of already.
    pub(super) passed_on: PassedOn,
    pub(super) now: Nanos,
    pub(super) sums: Sums,
}

/// What turns fed to replicas.
#[derive(Clone, Copy, Default)]
pub(super) struct PassedOn {
    pub(super) repl_bytes: u64,
    pub(super) repl_work: Nanos,
    pub(super) changed: u64,
}

impl Lane {
    /// Replicas take so many bytes, those counted that they have not been passed.
    #[inline(always)]
    pub(super) fn replicas_take(&mut self, bytes: u64, server: &mut Server) -> bool {
        bytes <= self.repl_room || self.replicas_do_take(bytes, server)
    }

    #[cold]
    fn replicas_do_take(&mut self, bytes: u64, server: &mut Server) -> bool {
        if let Some(at) = self.room_at.take() {
            self.repl_room = server.replication.room(at, &server.config).unwrap_or(0);
        }
        bytes <= self.repl_room
    }

    /// What the turns fed to replicas.
    pub(super) fn fed(&self) -> PassedOn {
        let (each, sums) = (&self.each, &self.sums);
        PassedOn {
            repl_bytes: each.repl_bytes * sums.alike + sums.work.repl_bytes,
            repl_work: each.repl_work * sums.alike + sums.work.repl_work,
            changed: each.changed * sums.alike + sums.work.changed,
        }
    }

    /// Replicas get what the turns of one client write fed them since they last got something.
    #[inline(always)]
    pub(super) fn pass_on(&mut self, server: &mut Server) {
        let fed = self.fed();
        if self.sums.sent > 0 {
            let before = self.passed_on;
            let done = Work {
                repl_bytes: fed.repl_bytes - before.repl_bytes,
                repl_work: fed.repl_work - before.repl_work,
                changed: fed.changed - before.changed,
                ..Work::default()
            };
            let sums = &mut self.sums;
            let changes = server.changes + fed.changed;
            server.replicated_in_bulk((sums.sent_first, sums.sent_last), sums.sent, &done, changes);
            (sums.sent, sums.sent_first) = (0, NEVER);
        }
        self.passed_on = fed;
    }
}

/// A turn that the general code goes on with.
pub(super) enum Unfinished {
    /// Nothing is left of it.
    Nothing,
    /// Client writes have been taken: when the poll returned.
    Gathered(Nanos),
    /// Their commands have been executed; whether it was several.
    Executed(Work, bool),
}

/// How a turn of several client writes went.
pub(super) enum Few {
    Done,
    /// Done, and something is due now.
    Last,
    Unfinished(Unfinished),
}
