//! What a run of turns at low load adds up to while it lasts, in local variables of `alone.rs`.

use super::alone::{ALIKE, RENEWING};
use crate::client::group::Unit;
use crate::redis::plan::{Alike, GroupPlan};
use crate::redis::server::Server;
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

/// What the turns added up to, and what they have left.
pub(super) struct Sums {
    /// Bytes that the AOF still takes, and the replicas at least.
    room: u64,
    repl_room: u64,
    /// That is what they take exactly.
    exact: bool,
    pub(super) turns: u64,
    /// Client writes read.
    pub(super) reads: u64,
    /// Those whose commands were all alike; `work` is that of the others, and all faults.
    pub(super) alike: u64,
    /// Most client writes in a turn.
    pub(super) largest: u64,
    pub(super) idle: Nanos,
    pub(super) wake: Nanos,
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
    /// Those of no turn.
    pub(super) fn new(lane: &Lane) -> Self {
        Sums {
            room: lane.room,
            repl_room: lane.repl_room,
            exact: false,
            turns: 0,
            reads: 0,
            alike: 0,
            largest: 0,
            idle: 0,
            wake: 0,
            aof_write: 0,
            aof_writes: 0,
            reply: 0,
            work: Work::default(),
            replicas: 0,
            sent: 0,
            sent_first: NEVER,
            sent_last: 0,
            changed_at: NEVER,
            wrote_at: NEVER,
        }
    }

    /// Whether the AOF and the replicas take what a turn has for them as they do most of the time.
    #[inline(always)]
    pub(super) fn take(&mut self, turn: &Turned, lane: &Lane, server: &mut Server) -> bool {
        if turn.repl_bytes > self.repl_room && lane.feeds && !self.exact {
            self.exact = true;
            self.repl_room = exact_room(lane.begun_at, server).saturating_sub(self.fed(lane).repl_bytes);
        }
        turn.aof_bytes <= self.room && (turn.repl_bytes <= self.repl_room || !lane.feeds)
    }

    /// A write(2) of so many bytes to each replica, which it has room for, at `now`; returns when they are done.
    #[inline(always)]
    pub(super) fn write_to_replicas(
        &mut self,
        now: Nanos,
        bytes: u64,
        lane: &Lane,
        server: &Server,
    ) -> Nanos {
        if bytes == 0 {
            return now;
        }
        let (number, cost) = match bytes == lane.each.repl_bytes {
            true => lane.replicas,
            false => server.replication.writes_of(bytes, &server.prices),
        };
        self.replicas += number * cost;
        let done_at = now + number * cost;
        self.sent += 1;
        self.sent_first = self.sent_first.min(done_at);
        self.sent_last = done_at;
        done_at
    }

    /// What the turns fed to replicas: bytes, work and changes.
    fn fed(&self, lane: &Lane) -> Work {
        let (each, work) = (&lane.each, &self.work);
        Work {
            repl_bytes: each.repl_bytes * self.alike + work.repl_bytes,
            repl_work: each.repl_work * self.alike + work.repl_work,
            changed: each.changed * self.alike + work.changed,
            ..Work::default()
        }
    }

    /// Replicas get what the turns fed them.
    pub(super) fn pass_on(&self, lane: &Lane, server: &mut Server) {
        if self.sent > 0 {
            let fed = self.fed(lane);
            let changes = server.changes + fed.changed;
            server.replicated_in_bulk((self.sent_first, self.sent_last), self.sent, &fed, changes);
        }
    }

    /// A turn of `reads` client writes is over.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        turn: &Turned,
        reads: u64,
        aof_write: Nanos,
        (executed_at, flushed_at): (Nanos, Nanos),
    ) {
        self.aof_write += aof_write;
        if turn.aof_bytes > 0 {
            self.aof_writes += 1;
            self.wrote_at = self.wrote_at.min(executed_at);
        }
        if turn.changed > 0 {
            self.changed_at = self.changed_at.min(flushed_at);
        }
        self.turns += 1;
        self.reads += reads;
        self.largest = self.largest.max(reads);
        self.alike += turn.alike;
        self.work.cow += turn.touched;
        self.room -= turn.aof_bytes;
        self.repl_room -= turn.repl_bytes;
    }
}

/// Bytes that replicas take at `at`.
#[cold]
#[inline(never)]
fn exact_room(at: Nanos, server: &mut Server) -> u64 {
    server.replication.room(at, &server.config).unwrap_or(0)
}

/// What the commands of one turn came to.
#[derive(Clone, Copy)]
pub(super) struct Turned {
    /// Client writes whose commands were all alike.
    pub(super) alike: u64,
    /// Faults of these, part of `cow`.
    pub(super) touched: Nanos,
    pub(super) cpu: Nanos,
    pub(super) cow: Nanos,
    pub(super) changed: u64,
    pub(super) aof_bytes: u64,
    pub(super) repl_bytes: u64,
}

/// What holds for a run of turns, and where it stands.
pub(super) struct Lane {
    /// A turn that has executed its commands after this has more to do.
    pub(super) due_at: Nanos,
    /// End of the current window: a turn that has flushed after this is of the next one.
    pub(super) tick_at: Nanos,
    /// Bytes that the AOF takes.
    pub(super) room: u64,
    /// Bytes that replicas take, at least, and when that is so.
    pub(super) repl_room: u64,
    pub(super) begun_at: Nanos,
    pub(super) feeds: bool,
    pub(super) turn: Nanos,
    pub(super) read: Nanos,
    pub(super) write: Nanos,
    /// Commands of a client write.
    pub(super) commands: u32,
    /// Keys with a time to live that it may name, and whether the tables have room for them.
    pub(super) volatile_keys: u64,
    pub(super) has_room: bool,
    /// Clients read replies later, in batches.
    pub(super) reads_later: bool,
    /// Share of the protected pages that a client write whose commands are alike leaves so, if there are some.
    pub(super) leaves: Option<f64>,
    /// The work of such a client write.
    pub(super) each: Work,
    /// The work of the others of the present turn.
    pub(super) other: Work,
    /// Replicas, and the time of a write to one of what such a write feeds them.
    pub(super) replicas: (u64, Nanos),
}

impl Lane {
    /// A client write, as far as all of them are alike.
    #[inline(always)]
    pub(super) fn unit(&self, alike: Option<&Alike>) -> Unit {
        let unit = Unit { commands: self.commands, ..Unit::default() };
        alike.map_or(unit, |alike| self.as_alike(unit, alike))
    }

    /// All commands of `unit` were alike.
    #[inline(always)]
    fn as_alike(&self, unit: Unit, alike: &Alike) -> Unit {
        let answered = alike.answered(self.commands);
        Unit { reads: answered.reads, writes: answered.writes, reply_bytes: self.each.reply_bytes, ..unit }
    }

    /// Whether several client writes can be executed here: all on connections of their own, and no table grows.
    #[inline(always)]
    pub(super) fn takes<const KIND: u8>(&self, units: &[Unit], server: &Server) -> bool {
        let before = |at: usize| units[..at].iter().any(|unit| unit.connection == units[at].connection);
        let keys = units.len() as u64 * self.volatile_keys;
        !(1..units.len()).any(before) && (KIND == ALIKE || keys == 0 || server.tables_have_room(keys))
    }

    /// Executes the commands of a turn; `took` is told the main-thread time of each unit, without faults.
    #[inline(always)]
    pub(super) fn execute<const KIND: u8>(
        &mut self,
        units: &mut [Unit],
        server: &mut Server,
        plan: &GroupPlan,
        mut took: impl FnMut(Nanos),
    ) -> Turned {
        let (mut alike, mut touched) = (units.len() as u64, 0);
        for unit in units {
            let (first, commands) = (unit.first, self.commands);
            let renewed = if KIND == RENEWING { server.renew_first(plan, first, commands) } else { 0 };
            if KIND == ALIKE || KIND == RENEWING && renewed == commands {
                if let Some(left) = self.leaves {
                    touched += server.cow.leave(0, left);
                }
                if let (RENEWING, Some(alike)) = (KIND, plan.alike()) {
                    *unit = self.as_alike(*unit, alike);
                }
                took(self.each.cpu);
                continue;
            }
            alike -= 1;
            let work = &mut self.other;
            let (replied, cpu) = (work.reply_bytes, work.cpu);
            let answered = match plan.alike() {
                Some(alike) if KIND == RENEWING => {
                    server.execute_mixed(plan, alike, first, (commands, renewed), work)
                }
                _ => server.execute_each(plan, first, commands, work),
            };
            (unit.reads, unit.writes) = (answered.reads, answered.writes);
            unit.reply_bytes = work.reply_bytes - replied;
            took(work.cpu - cpu);
        }
        let (each, other) = (&self.each, &self.other);
        let sum = |each: u64, other: u64| each * alike + if KIND == ALIKE { 0 } else { other };
        Turned {
            alike,
            touched,
            cpu: sum(each.cpu, other.cpu),
            cow: touched + if KIND == ALIKE { 0 } else { other.cow },
            changed: sum(each.changed, other.changed),
            aof_bytes: sum(each.aof_bytes, other.aof_bytes),
            repl_bytes: sum(each.repl_bytes, other.repl_bytes),
        }
    }

    /// So many client writes that were alike have been executed.
    pub(super) fn note_slow(&self, alike: u64, server: &mut Server) {
        let commands = u64::from(self.commands).max(1);
        server.note_slow((self.each.cpu - self.each.append) / commands, alike * commands);
    }

    /// All work of the present turn, which is not in the sums yet.
    pub(super) fn work_of(&self, turn: &Turned) -> Work {
        let mut work = self.each.times(turn.alike);
        work.add(&self.other);
        Work { cow: turn.cow, ..work }
    }

    /// What a turn did beside client writes that were alike is in the sums now.
    #[inline(always)]
    pub(super) fn settle(&mut self, work: &mut Work, server: &Server) {
        work.add(&self.other);
        self.other = Work::default();
        self.has_room = self.volatile_keys == 0 || server.tables_have_room(self.volatile_keys);
    }
}

/// A turn that the general code goes on with.
pub(super) enum Unfinished {
    /// Client writes have been taken.
    Gathered,
    /// Their commands have been executed.
    Executed(Turned),
}
