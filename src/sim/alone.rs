//! The common turns at low load: one client write each or a few, and nothing else due.
//!
//! The phases of `turn.rs` for clients with one write each, with the clock and the sums in local variables, run after run
//! until something else is due (a timer, a gap of the host, a sync, the end of a window): several times faster than the
//! general code, which then takes over. A probe turns this path off, so that comparing a probed run with a bare one
//! compares the two.

use super::lane::{Lane, Sums, Unfinished};
use super::lane_blame::LaneBlame;
use super::run::Simulation;
use super::turn::{MAX_WRITE, Probe};
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::client::replies::{self, Reply};
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

/// Client writes of one turn at most; with more it matters less what a turn costs.
pub(super) const FEW: usize = 8;
/// Commands that are all alike.
pub(super) const ALIKE: u8 = 0;
/// Commands that are alike as long as they meet keys far from their deadline.
pub(super) const RENEWING: u8 = 1;
/// Commands that are looked at one by one.
const EACH: u8 = 2;

impl<P: Probe> Simulation<P> {
    /// Whether turns of few client writes can be run here now.
    #[inline(always)]
    fn may_run_alone(&self) -> bool {
        let server = &self.server;
        !self.probe.is_on()
            && self.groups.len() == 1
            && self.member.as_ref().is_none_or(|member| member.is_quiet())
            && !self.waiting.any
            && !server.contention.is_on()
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
        if self.blame.is_some() {
            return self.run_blamed();
        }
        match self.plans[0].alike() {
            Some(_) if self.server.all_alike => self.run_turns::<ALIKE, false>(),
            Some(_) if self.server.may_renew(&self.plans[0]) => self.run_turns::<RENEWING, false>(),
            _ => self.run_turns::<EACH, false>(),
        }
    }

    /// The same with blame.
    #[inline(never)]
    fn run_blamed(&mut self) -> Option<bool> {
        if self.blame.as_ref().is_some_and(|blame| blame.watches()) {
            return None;
        }
        match self.plans[0].alike() {
            Some(_) if self.server.all_alike => self.run_turns::<ALIKE, true>(),
            Some(_) if self.server.may_renew(&self.plans[0]) => self.run_turns::<RENEWING, true>(),
            _ => self.run_turns::<EACH, true>(),
        }
    }

    /// The same, for commands of which all or nearly all are alike, or none.
    #[inline(always)]
    fn run_turns<const KIND: u8, const BLAME: bool>(&mut self) -> Option<bool> {
        let mut lane = self.lane()?;
        let mut units = [lane.unit(self.plans[0].alike()); FEW];
        let (mut sums, mut now) = (Sums::new(&lane), lane.begun_at);
        let mut blamed = if BLAME { LaneBlame::new(&self.groups[0]) } else { LaneBlame::default() };
        let Simulation {
            server, groups, plans, recorder, wakeup, rouse, replies, transmission, blame, ..
        } = self;
        let (group, plan) = (&mut groups[0], &plans[0]);
        let unfinished = loop {
            let woken_at = now.max(group.next_readable_at());
            if woken_at >= lane.due_at || KIND != ALIKE && !lane.has_room {
                break None;
            }
            let slept = woken_at - now;
            let roused = rouse.as_ref().map_or(0, |rouse| rouse.at(slept));
            let polled_at = woken_at + roused + wakeup.at(slept);
            let mut count = 0;
            while count < FEW {
                group.take_into(&mut units[count]);
                count += 1;
                if group.next_readable_at() > polled_at {
                    break;
                }
            }
            now = polled_at;
            sums.idle += slept + roused;
            sums.wake += polled_at - woken_at - roused;
            let few = &mut units[..count];
            if BLAME {
                blamed.slept = slept;
                blamed.woken_at = woken_at;
            }
            if count > 1 && (group.next_readable_at() <= polled_at || !lane.takes::<KIND>(few, server)) {
                break Some((count, Unfinished::Gathered));
            }
            if KIND != ALIKE && lane.volatile_keys > 0 {
                server.expires.look_at_clock(polled_at);
            }
            if BLAME {
                blamed.executed = 0;
            }
            let turn = lane.execute::<KIND>(few, server, plan, |cpu| {
                if BLAME {
                    blamed.took(cpu);
                }
            });
            let busy = lane.turn + lane.read * count as u64 + turn.cpu + turn.cow;
            let executed_at = polled_at + busy;
            let cost = if turn.aof_bytes > 0 { server.disk.write_cost(turn.aof_bytes) } else { 0 };
            let flushed_at = executed_at + cost;
            // A window that ends during the flush ends before the reply.
            let ends = executed_at >= lane.due_at || flushed_at >= lane.tick_at;
            if ends || !sums.take(&turn, &lane, server) {
                break Some((count, Unfinished::Executed(turn)));
            }
            if BLAME {
                let books = (&mut server.main.log, &mut *blame);
                blamed.begin_turn(books, polled_at, few[0].readable_at, &sums);
                blamed.executed(&turn, busy - turn.cow, cost);
            }
            sums.add(&turn, count as u64, cost, (executed_at, flushed_at));
            if KIND != ALIKE && turn.alike < count as u64 {
                lane.settle(&mut sums.work, server);
            }
            now = flushed_at;
            for (place, unit) in few.iter().enumerate().rev() {
                if place == 0 && lane.feeds {
                    now = sums.write_to_replicas(now, turn.repl_bytes, &lane, server);
                }
                let wakes = if lane.reads_later { 0 } else { group.wake_cost(unit.connection, now) };
                let reply = lane.write * (1 + unit.reply_bytes / MAX_WRITE) + wakes;
                now += reply;
                sums.reply += reply;
                let at = now + transmission.of(unit.reply_bytes);
                let &Unit { arrived_at, connection, reads, writes, .. } = unit;
                if BLAME {
                    blamed.answered(
                        &mut *blame,
                        &server.main.log,
                        (place, unit),
                        (now, reply, at),
                        (&lane, &sums),
                    );
                }
                if lane.reads_later {
                    replies.push(Reply { arrived_at, at, connection, reads, writes });
                } else {
                    let received = group.receive(connection, lane.commands, at);
                    recorder.answered(0, unit, received.read_at);
                    if BLAME {
                        blamed.read(&mut *blame, unit, at, received);
                    }
                }
            }
            if BLAME {
                blamed.end_turn(now);
            }
            if replies.len() >= replies::BATCH {
                match blame {
                    Some(blame) if BLAME => blame.read_all(group, replies, lane.commands),
                    _ => group.read_all(replies, lane.commands, |_, _, _| ()),
                }
                recorder.answered_all(0, replies);
                replies.clear();
            }
        };
        self.leave::<BLAME>(now, &lane, &mut sums);
        if BLAME {
            blamed.leave(&mut self.server.main.log, unfinished.is_some(), now);
        }
        let (count, unfinished) = unfinished?;
        self.units.clear();
        self.units.extend_from_slice(&units[..count]);
        match unfinished {
            Unfinished::Gathered => {
                while self.groups[0].next_readable_at() <= now {
                    let unit = self.groups[0].take();
                    self.units.push(unit);
                }
                if BLAME {
                    self.blame_poll(now);
                }
                Some(self.turn_of_units(now))
            }
            Unfinished::Executed(turn) => {
                let work = lane.work_of(&turn);
                lane.note_slow(turn.alike, &mut self.server);
                if BLAME {
                    self.blame_poll(now);
                    self.blame_executed(blamed.cpu());
                }
                self.fates.clear();
                self.spend(&work);
                self.charge_turn(count as u64, &work);
                Some(self.finish_turn(now, self.server.main.now, &work))
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
        let lane = Lane {
            due_at: self.due_at.min(quiet_until).min(self.horizon).min(self.limit),
            tick_at: self.recorder.next_tick_at(),
            room: if appends { server.disk.room() } else { u64::MAX },
            feeds,
            repl_room,
            begun_at: server.main.now,
            turn: server.prices.cpu.turn,
            read: server.prices.cpu.read,
            write: server.prices.cpu.write,
            commands,
            volatile_keys,
            has_room: volatile_keys == 0 || server.tables_have_room(volatile_keys),
            reads_later: group.reads_later(),
            leaves: plan
                .alike()
                .and_then(|alike| server.pages_of(alike, commands))
                .map(|pages| server.cow.left_by(0, pages)),
            each,
            other: Work::default(),
            replicas: server.replication.writes_of(each.repl_bytes, &server.prices),
        };
        (lane.room > 0 && lane.repl_room > 0).then_some(lane)
    }

    /// The run of turns is over.
    #[inline(always)]
    fn leave<const BLAME: bool>(&mut self, now: Nanos, lane: &Lane, sums: &mut Sums) {
        if !self.replies.is_empty() {
            match &mut self.blame {
                Some(blame) if BLAME => {
                    blame.read_all(&mut self.groups[0], &mut self.replies, lane.commands);
                }
                _ => self.groups[0].read_all(&mut self.replies, lane.commands, |_, _, _| ()),
            }
            self.recorder.answered_all(0, &self.replies);
            self.replies.clear();
        }
        if lane.feeds {
            sums.pass_on(lane, &mut self.server);
        }
        sums.work.add(&lane.each.times(sums.alike));
        lane.note_slow(sums.alike, &mut self.server);
        sums.largest *= lane.commands as u64;
        self.settle_alone(now, sums);
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
