//! The common turns at low load: one client write each or a few, and nothing else due.
//!
//! The phases of `turn.rs` for clients with one write each, with the clock and the sums in local variables, run after run
//! until something else is due (a timer, a gap of the host, a sync, the end of a window): several times faster than the
//! general code, which then takes over. A probe turns this path off, so that comparing a probed run with a bare one
//! compares the two.

use super::lane::{Few, Lane, PassedOn, Sums, Unfinished};
use super::run::Simulation;
use super::turn::{MAX_WRITE, Probe};
use crate::cause::Cause;
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

/// Client writes of one turn at most; with more it matters less what a turn costs.
const FEW: usize = 8;
/// Commands that are all alike.
const ALIKE: u8 = 0;
/// Commands that are alike as long as they meet keys far from their deadline.
const RENEWING: u8 = 1;
/// Commands that are looked at one by one.
const EACH: u8 = 2;

impl<P: Probe> Simulation<P> {
    /// Whether turns of few client writes can be run here now.
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

    /// Runs turns of one client write each, or a few, for as long as nothing else is due. None when the next turn is one
    /// for the general code; otherwise whether the run goes on.
    #[inline(always)]
    pub(super) fn run_alone(&mut self) -> Option<bool> {
        if !self.may_run_alone() {
            return None;
        }
        match self.plans[0].alike() {
            Some(_) if self.server.all_alike => self.run_turns::<ALIKE>(),
            Some(_) if self.server.may_renew(&self.plans[0]) => self.run_turns::<RENEWING>(),
            _ => self.run_turns::<EACH>(),
        }
    }

    /// The same, for commands of which all or nearly all are alike, or none.
    #[inline(always)]
    fn run_turns<const KIND: u8>(&mut self) -> Option<bool> {
        let mut lane = self.lane()?;
        let unfinished = loop {
            let (server, group, plan) = (&mut self.server, &mut self.groups[0], &self.plans[0]);
            let sums = &mut lane.sums;
            let woken_at = lane.now.max(group.next_readable_at());
            let sum = |each: u64, others: u64| each * sums.alike + if KIND == ALIKE { 0 } else { others };
            if woken_at >= lane.due_at || sum(lane.each.aof_bytes, sums.work.aof_bytes) >= lane.room {
                break None;
            }
            if lane.feeds {
                let fed = sum(lane.each.repl_bytes, sums.work.repl_bytes) - lane.passed_on.repl_bytes;
                if !lane.replicas_take(fed + 1, server) {
                    break None;
                }
            }
            let sums = &mut lane.sums;
            if KIND != ALIKE && !lane.has_room {
                break None;
            }
            let slept = woken_at - lane.now;
            let wake = self.wakeup.at(slept);
            let polled_at = woken_at + wake;
            // A write to replicas that may not be the only one of its time is a part of the stream by itself.
            let apart = lane.feeds && group.second_readable_at() <= polled_at;
            let mut unit = group.take();
            sums.idle += slept;
            sums.wake += wake;
            if group.next_readable_at() <= polled_at || apart {
                self.units.clear();
                self.units.push(unit);
                match self.turn_of_few::<KIND>(&mut lane, polled_at) {
                    Few::Done => continue,
                    Few::Last => break Some(Unfinished::Nothing),
                    Few::Unfinished(unfinished) => break Some(unfinished),
                }
            }
            if KIND != ALIKE && lane.volatile_keys > 0 {
                server.expires.look_at_clock(polled_at);
            }
            let commands = lane.commands;
            let renewed = if KIND == RENEWING { server.renew_first(plan, unit.first, commands) } else { 0 };
            let is_alike = KIND == ALIKE || KIND == RENEWING && renewed == commands;
            let mut other;
            let (work, cow, answered) = if let (true, Some(alike)) = (is_alike, plan.alike()) {
                (&lane.each, server.touch_alike(alike, commands), alike.answered(commands))
            } else {
                other = Work::default();
                let answered = match plan.alike() {
                    Some(alike) if KIND == RENEWING => {
                        server.execute_mixed(plan, alike, unit.first, (commands, renewed), &mut other)
                    }
                    _ => server.execute_each(plan, unit.first, commands, &mut other),
                };
                lane.has_room = lane.volatile_keys == 0 || server.tables_have_room(lane.volatile_keys);
                (&other, other.cow, answered)
            };
            (unit.reads, unit.writes, unit.reply_bytes) = (answered.reads, answered.writes, work.reply_bytes);
            let busy = lane.turn + lane.read + work.cpu + cow;
            let stretched = lane.stretch.of(busy);
            let executed_at = polled_at + busy + stretched;
            let cost = if work.aof_bytes > 0 { server.disk.write_cost(work.aof_bytes) } else { 0 };
            let flushed_at = executed_at + cost;
            // A window that ends during the flush ends before the reply.
            if executed_at >= lane.due_at || flushed_at >= lane.tick_at {
                lane.now = polled_at;
                self.units.clear();
                self.units.push(unit);
                break Some(Unfinished::Executed(Work { cow, ..*work }, false));
            }
            let mut written_at = flushed_at;
            if lane.feeds && work.repl_bytes > 0 {
                let (number, cost) = match is_alike {
                    true => lane.replicas,
                    false => server.replication.writes_of(work.repl_bytes, &server.prices),
                };
                let stretched = number * lane.stretch.of(cost);
                written_at += number * cost + stretched;
                sums.replicas += number * cost;
                sums.contention += stretched;
                sums.sent += 1;
                sums.sent_first = sums.sent_first.min(written_at);
                sums.sent_last = written_at;
            }
            let wakes = group.wake_cost(unit.connection, written_at);
            let reply = lane.write * (1 + work.reply_bytes / MAX_WRITE) + wakes;
            let reply_stretched = lane.stretch.of(reply);
            lane.now = written_at + reply + reply_stretched;
            let out_at = lane.now + self.transmission.of(work.reply_bytes);
            let read_at = group.receive(unit.connection, commands, out_at);
            self.recorder.answered(0, &unit, read_at);
            sums.contention += stretched + reply_stretched;
            sums.reply += reply;
            sums.add(work, cow, is_alike.into(), 1, cost, (executed_at, flushed_at));
        };
        self.leave(&mut lane);
        match unfinished? {
            Unfinished::Nothing => Some(true),
            Unfinished::Gathered(polled_at) => Some(self.turn_of_units(polled_at)),
            Unfinished::Executed(work, several) => {
                self.fates.clear();
                self.spend(&work);
                self.charge_turn(self.units.len() as u64, &work);
                let goes_on = self.finish_turn(lane.now, self.server.main.now, &work);
                if several || !goes_on { Some(goes_on) } else { None }
            }
        }
    }

    /// What holds for a run of turns that begins now; none when the first turn is not one of them.
    #[inline(always)]
    fn lane(&mut self) -> Option<Lane> {
        let (server, group, plan) = (&mut self.server, &self.groups[0], &self.plans[0]);
        let appends = server.config.appendonly;
        let quiet_until =
            if appends && server.aof.clock_each_turn { server.aof.quiet_until() } else { NEVER };
        let feeds = server.replication.feeds;
        let repl_room = match feeds {
            true => server.replication.room_at_least(server.main.now, &server.config).unwrap_or(0),
            false => u64::MAX,
        };
        let commands = group.pipeline();
        if commands > self.read_cap[0] {
            return None;
        }
        let volatile_keys =
            if server.expires.is_on() { commands as u64 * plan.keys_per_command() } else { 0 };
        let mut each = plan.alike().map_or(Work::default(), |alike| alike.work(commands, appends));
        if let (true, Some(alike)) = (feeds, plan.alike()) {
            alike.feed(commands, &server.replication.feed, &mut each);
        }
        let mut lane = Lane {
            due_at: self.due_at.min(quiet_until).min(self.horizon).min(self.limit),
            tick_at: self.recorder.next_tick_at(),
            room: if appends { server.disk.room() } else { u64::MAX },
            feeds,
            repl_room,
            room_at: feeds.then_some(server.main.now),
            turn: server.prices.cpu.turn,
            read: server.prices.cpu.read,
            write: server.prices.cpu.write,
            stretch: server.stretch,
            commands,
            volatile_keys,
            has_room: volatile_keys == 0 || server.tables_have_room(volatile_keys),
            each,
            replicas: server.replication.writes_of(each.repl_bytes, &server.prices),
            passed_on: PassedOn::default(),
            now: server.main.now,
            sums: Sums { changed_at: NEVER, wrote_at: NEVER, sent_first: NEVER, ..Sums::default() },
        };
        lane.replicas_take(1, server).then_some(lane)
    }

    /// A turn of more than one client write, the first of which has been taken: those of `turn.rs` for clients with
    /// one write each.
    #[inline(always)]
    fn turn_of_few<const KIND: u8>(&mut self, lane: &mut Lane, polled_at: Nanos) -> Few {
        let (server, group, plan) = (&mut self.server, &mut self.groups[0], &self.plans[0]);
        let units = &mut self.units;
        while group.next_readable_at() <= polled_at {
            units.push(group.take());
        }
        let several = |at: usize| units[..at].iter().any(|unit| unit.connection == units[at].connection);
        let clients = units.len() as u64;
        let keys = clients * lane.volatile_keys;
        let has_room = keys == 0 || KIND == ALIKE || server.tables_have_room(keys);
        if units.len() > FEW || !has_room || (1..units.len()).any(several) {
            lane.now = polled_at;
            return Few::Unfinished(Unfinished::Gathered(polled_at));
        }
        if KIND != ALIKE && lane.volatile_keys > 0 {
            server.expires.look_at_clock(polled_at);
        }
        let (mut work, mut alike_units) = (Work::default(), 0);
        for unit in &mut *units {
            let (first, commands) = (unit.first, lane.commands);
            let renewed = if KIND == RENEWING { server.renew_first(plan, first, commands) } else { 0 };
            let is_alike = KIND == ALIKE || KIND == RENEWING && renewed == commands;
            let answered = if let (true, Some(alike)) = (is_alike, plan.alike()) {
                work.cow += server.touch_alike(alike, commands);
                unit.reply_bytes = lane.each.reply_bytes;
                alike_units += 1;
                alike.answered(commands)
            } else {
                let replied = work.reply_bytes;
                let answered = match plan.alike() {
                    Some(alike) if KIND == RENEWING => {
                        server.execute_mixed(plan, alike, first, (commands, renewed), &mut work)
                    }
                    _ => server.execute_each(plan, first, commands, &mut work),
                };
                unit.reply_bytes = work.reply_bytes - replied;
                answered
            };
            (unit.reads, unit.writes) = (answered.reads, answered.writes);
        }
        if KIND != EACH {
            work.add(&lane.each.times(alike_units));
        }
        if KIND != ALIKE && alike_units < clients {
            lane.has_room = lane.volatile_keys == 0 || server.tables_have_room(lane.volatile_keys);
        }
        let sums = &lane.sums;
        let in_sockets = if lane.feeds { lane.fed().repl_bytes - lane.passed_on.repl_bytes } else { 0 };
        let busy = lane.turn + lane.read * clients + work.cpu + work.cow;
        let stretched = lane.stretch.of(busy);
        let executed_at = polled_at + busy + stretched;
        let cost = if work.aof_bytes > 0 { server.disk.write_cost(work.aof_bytes) } else { 0 };
        let flushed_at = executed_at + cost;
        let written = lane.each.aof_bytes * sums.alike + sums.work.aof_bytes + work.aof_bytes;
        if executed_at >= lane.due_at || flushed_at >= lane.tick_at || written > lane.room {
            lane.now = polled_at;
            return Few::Unfinished(Unfinished::Executed(work, true));
        }
        if lane.feeds {
            let fits = work.repl_bytes == 0 || lane.replicas_take(in_sockets + work.repl_bytes, server);
            lane.pass_on(server);
            if !fits {
                lane.now = polled_at;
                return Few::Unfinished(Unfinished::Executed(work, true));
            }
            if work.repl_bytes > 0 {
                server.main.now = executed_at;
                let changes = server.changes + lane.passed_on.changed + work.changed;
                server.feed_replicas(work.repl_bytes, work.repl_work, changes);
            }
        }
        let sums = &mut lane.sums;
        lane.now = flushed_at;
        for (place, unit) in units.iter().enumerate().rev() {
            if place == 0 && server.replication.pending {
                // As in `turn.rs`: ahead of the reply to the first command.
                server.main.now = lane.now;
                server.write_in_step();
                lane.now = server.main.now;
            }
            let wakes = group.wake_cost(unit.connection, lane.now);
            let reply = lane.write * (1 + unit.reply_bytes / MAX_WRITE) + wakes;
            let reply_stretched = lane.stretch.of(reply);
            lane.now += reply + reply_stretched;
            let out_at = lane.now + self.transmission.of(unit.reply_bytes);
            let read_at = group.receive(unit.connection, unit.commands, out_at);
            self.recorder.answered(0, unit, read_at);
            sums.contention += reply_stretched;
            sums.reply += reply;
        }
        sums.contention += stretched;
        let all_alike = alike_units == clients;
        let alike_units = if all_alike { clients } else { 0 };
        sums.largest = sums.largest.max(clients * lane.commands as u64);
        sums.add(&work, work.cow, alike_units, clients, cost, (executed_at, flushed_at));
        if lane.feeds {
            lane.passed_on = lane.fed();
            lane.repl_room = server.replication.room_at_least(lane.now, &server.config).unwrap_or(0);
            lane.room_at = Some(lane.now);
            if !lane.replicas_take(1, server) || server.replication.wakes_at < self.special_at {
                return Few::Last;
            }
        }
        Few::Done
    }

    /// The run of turns is over.
    #[inline(always)]
    fn leave(&mut self, lane: &mut Lane) {
        if lane.feeds {
            lane.pass_on(&mut self.server);
        }
        let sums = &mut lane.sums;
        sums.work.add(&lane.each.times(sums.alike));
        if sums.turns > 0 {
            sums.largest = sums.largest.max(lane.commands as u64);
        }
        self.settle_alone(lane.now, &lane.sums);
        if self.server.replication.wakes_at < self.special_at {
            self.update_special();
        }
    }

    /// Brings the books up to where the local variables stood.
    #[inline(always)]
    fn settle_alone(&mut self, now: Nanos, sums: &Sums) {
        let server = &mut self.server;
        let (work, turns) = (&sums.work, sums.turns);
        let prices = &server.prices.cpu;
        let mut take = |cause: Cause, span: Nanos| server.main.busy[cause as usize] += span;
        take(Cause::WakeUp, sums.wake);
        take(Cause::EventLoop, turns * prices.turn);
        take(Cause::Read, sums.reads * prices.read);
        take(Cause::Command, work.cpu);
        take(Cause::Cow, work.cow);
        take(Cause::CoreContention, sums.contention);
        take(Cause::AofWrite, sums.aof_write);
        take(Cause::Reply, sums.reply);
        take(Cause::ReplicaWrite, sums.replicas);
        server.main.idle += sums.idle;
        server.main.now = now;
        server.note_executed(work, sums.largest);
        if sums.aof_writes > 0 {
            server.note_quiet_writes(sums.wrote_at, sums.aof_writes, work.aof_bytes);
        }
        self.account(sums.changed_at, work, turns);
        self.spend(&sums.work);
    }
}
