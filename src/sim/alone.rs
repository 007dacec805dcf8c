//! The common turns at low load: one client write each, and nothing else due.
//!
//! The phases of `turn.rs` for one client, with the clock and the sums in local variables, run after run until
//! something else is due (a timer, a gap of the host, a sync, the end of a window, a second client): several times
//! faster than the general code, which then takes over. A probe turns this path off, so that comparing a probed
//! run with a bare one compares the two.

use super::run::Simulation;
use super::turn::{MAX_WRITE, Probe};
use crate::cause::Cause;
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

/// What the turns added up to.
#[derive(Default)]
struct Sums {
    turns: u64,
    idle: Nanos,
    wake: Nanos,
    contention: Nanos,
    aof_write: Nanos,
    aof_writes: u64,
    reply: Nanos,
    work: Work,
    /// Writes to replicas: their time, turns that had some, when the first and the last were done.
    replicas: Nanos,
    sent: u64,
    sent_first: Nanos,
    sent_last: Nanos,
    /// When the first turn that changed something was flushed, and the first that wrote.
    changed_at: Nanos,
    wrote_at: Nanos,
}

impl<P: Probe> Simulation<P> {
    /// Whether turns of one client write can be run here now.
    #[inline(always)]
    fn may_run_alone(&self) -> bool {
        let server = &self.server;
        !P::ON
            && self.groups.len() == 1
            && self.member.as_ref().is_none_or(|member| member.is_quiet())
            && !self.waiting.any
            && self.backlog.is_empty()
            && !server.gated
            && (server.keyspace.is_complete() || server.expires.is_on())
            && !server.expire_cycle.wants_fast
            && !server.keyspace.dict.is_rehashing()
            && !self.plans[0].deletes()
            && !server.keeps_rewrite_buffer()
            && (!server.config.appendonly || server.aof.is_quiet())
    }

    /// Runs turns of one client write each for as long as nothing else is due. False when the run is over.
    #[inline(always)]
    pub(super) fn run_alone(&mut self) -> bool {
        if !self.may_run_alone() {
            return true;
        }
        match self.server.all_alike && self.plans[0].alike().is_some() {
            true => self.run_turns::<true>(),
            false => self.run_turns::<false>(),
        }
    }

    /// The same, for commands that are all alike or not.
    #[inline(always)]
    fn run_turns<const ALIKE: bool>(&mut self) -> bool {
        let (server, group, plan) = (&mut self.server, &mut self.groups[0], &self.plans[0]);
        let appends = server.config.appendonly;
        let quiet_until =
            if appends && server.aof.clock_each_turn { server.aof.quiet_until() } else { NEVER };
        let due_at = self.due_at.min(quiet_until).min(self.horizon).min(self.limit);
        let room = if appends { server.disk.room() } else { u64::MAX };
        let feeds = server.replication.feeds;
        let repl_room = match feeds {
            true => server.replication.room(server.main.now, &server.config).unwrap_or(0),
            false => u64::MAX,
        };
        if repl_room == 0 {
            return true;
        }
        let turn_and_read = server.prices.cpu.turn + server.prices.cpu.read;
        let write = server.prices.cpu.write;
        let stretch = server.stretch;
        let commands = group.pipeline();
        if commands > self.read_cap[0] {
            return true;
        }
        let volatile_keys =
            if server.expires.is_on() { commands as u64 * plan.keys_per_command() } else { 0 };
        let alike = plan.alike();
        let mut each = alike.map_or(Work::default(), |alike| alike.work(commands, appends));
        if let (true, Some(alike)) = (feeds, alike) {
            alike.feed(commands, &server.replication.feed, &mut each);
        }
        let (each, replicas) = (each, server.replication.writes_of(each.repl_bytes, &server.prices));
        let mut now = server.main.now;
        let mut sums = Sums { changed_at: NEVER, wrote_at: NEVER, sent_first: NEVER, ..Sums::default() };
        let unfinished = loop {
            let readable_at = group.next_readable_at();
            let woken_at = now.max(readable_at);
            let written = if ALIKE { each.aof_bytes * sums.turns } else { sums.work.aof_bytes };
            if woken_at >= due_at || written >= room {
                break None;
            }
            if feeds && if ALIKE { each.repl_bytes * sums.turns } else { sums.work.repl_bytes } >= repl_room {
                break None;
            }
            let slept = woken_at - now;
            let wake = self.wakeup.at(slept);
            let polled_at = woken_at + wake;
            if group.second_readable_at() <= polled_at {
                break None;
            }
            if !ALIKE && volatile_keys > 0 && !server.tables_have_room(volatile_keys) {
                break None;
            }
            let mut unit = group.take();
            let (work, answered) = if let (true, Some(alike)) = (ALIKE, alike) {
                (Work { cow: server.touch_alike(alike, commands), ..each }, alike.answered(commands))
            } else {
                let mut work = Work::default();
                if volatile_keys > 0 {
                    server.expires.look_at_clock(polled_at);
                }
                let answered = server.execute_each(plan, unit.first, commands, &mut work);
                (work, answered)
            };
            (unit.reads, unit.writes, unit.reply_bytes) = (answered.reads, answered.writes, work.reply_bytes);
            sums.idle += slept;
            sums.wake += wake;
            let busy = turn_and_read + work.cpu + work.cow;
            let stretched = stretch.of(busy);
            let executed_at = polled_at + busy + stretched;
            if executed_at >= due_at {
                now = polled_at;
                break Some((unit, work));
            }
            let cost = if work.aof_bytes > 0 { server.disk.write_cost(work.aof_bytes) } else { 0 };
            let flushed_at = executed_at + cost;
            let mut written_at = flushed_at;
            if feeds && work.repl_bytes > 0 {
                let (number, cost) = match ALIKE {
                    true => replicas,
                    false => server.replication.writes_of(work.repl_bytes, &server.prices),
                };
                let stretched = number * stretch.of(cost);
                written_at += number * cost + stretched;
                sums.replicas += number * cost;
                sums.contention += stretched;
                sums.sent += 1;
                sums.sent_first = sums.sent_first.min(written_at);
                sums.sent_last = written_at;
            }
            let wakes = group.wake_cost(unit.connection, written_at);
            let reply = write * (1 + work.reply_bytes / MAX_WRITE) + wakes;
            let reply_stretched = stretch.of(reply);
            now = written_at + reply + reply_stretched;
            let out_at = now + self.transmission.of(work.reply_bytes);
            let read_at = group.receive(unit.connection, commands, out_at);
            self.recorder.answered(0, &unit, read_at);
            sums.contention += stretched + reply_stretched;
            sums.reply += reply;
            sums.aof_write += cost;
            if work.aof_bytes > 0 {
                sums.aof_writes += 1;
                sums.wrote_at = sums.wrote_at.min(executed_at);
            }
            if work.changed > 0 {
                sums.changed_at = sums.changed_at.min(flushed_at);
            }
            sums.turns += 1;
            if ALIKE {
                sums.work.cow += work.cow;
            } else {
                sums.work.add(&work);
            }
        };
        if ALIKE {
            sums.work = Work { cow: sums.work.cow, ..each.times(sums.turns) };
        }
        self.settle_alone(now, commands as u64, &sums);
        let Some((unit, work)) = unfinished else { return true };
        self.spend(&work);
        self.units.clear();
        self.units.push(unit);
        self.fates.clear();
        self.charge_turn(1, &work);
        self.finish_turn(now, self.server.main.now, &work)
    }

    /// Brings the books up to where the local variables stood.
    #[inline(always)]
    fn settle_alone(&mut self, now: Nanos, commands: u64, sums: &Sums) {
        let server = &mut self.server;
        let (work, turns) = (&sums.work, sums.turns);
        let prices = &server.prices.cpu;
        let mut take = |cause: Cause, span: Nanos| server.main.busy[cause as usize] += span;
        take(Cause::WakeUp, sums.wake);
        take(Cause::EventLoop, turns * prices.turn);
        take(Cause::Read, turns * prices.read);
        take(Cause::Command, work.cpu);
        take(Cause::Cow, work.cow);
        take(Cause::CoreContention, sums.contention);
        take(Cause::AofWrite, sums.aof_write);
        take(Cause::Reply, sums.reply);
        take(Cause::ReplicaWrite, sums.replicas);
        server.main.idle += sums.idle;
        server.main.now = now;
        server.note_executed(work, if turns > 0 { commands } else { 0 });
        if sums.aof_writes > 0 {
            server.note_quiet_writes(sums.wrote_at, sums.aof_writes, work.aof_bytes);
        }
        if sums.sent > 0 {
            server.replicated_in_bulk(sums.sent_first, sums.sent_last, sums.sent, work);
        }
        self.account(sums.changed_at, work, turns);
        self.spend(&sums.work);
    }
}
