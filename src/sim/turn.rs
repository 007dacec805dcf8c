//! One turn of the event loop, in the order of ae.c and `beforeSleep`.

use super::blaming::Sent;
use super::patterns::run_step;
pub use super::probe::{Probe, Replied, Turned};
use super::run::Simulation;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::redis::aof::Flushed;
use crate::redis::expire_cycle::CycleKind;
use crate::redis::work::Work;
use crate::units::{NEVER, Nanos};

impl<P: Probe> Simulation<P> {
    /// One turn; false when the run is over.
    #[inline]
    pub(super) fn turn(&mut self) -> bool {
        if let Some(goes_on) = self.run_alone() {
            return goes_on;
        }
        if self.limit != NEVER && self.next_turn_at() >= self.limit {
            return true;
        }
        let Some(polled_at) = self.sleep_and_poll() else { return false };
        if self.member.as_ref().is_some_and(|member| member.is_parked()) {
            return true;
        }
        let goes_on = self.turn_of_many(polled_at);
        self.show_turn(false);
        goes_on
    }

    /// Shows a probe that watches turns what has happened.
    #[inline(always)]
    pub(super) fn show_turn(&mut self, is_last: bool) {
        if self.probe.wants_turns() {
            self.show(is_last);
        }
    }

    #[cold]
    fn show(&mut self, is_last: bool) {
        let Some(mut journal) = self.server.main.blocks.journal.take() else { return };
        let seen = Turned { server: &self.server, answered: self.answered, journal: &journal };
        match is_last {
            true => self.probe.ended(&seen),
            false => self.probe.turned(&seen),
        }
        journal.clear();
        self.server.main.blocks.journal = Some(journal);
    }

    /// What the poll returned: any number of client writes, none among them.
    #[inline(never)]
    fn turn_of_many(&mut self, polled_at: Nanos) -> bool {
        self.gather(polled_at);
        self.blame_poll(polled_at);
        if self.member.as_ref().is_some_and(|member| member.holds_writes) {
            self.hold_writes();
        }
        self.turn_of_units(polled_at)
    }

    /// What was gathered is read, executed and answered.
    #[inline(always)]
    pub(super) fn turn_of_units(&mut self, polled_at: Nanos) -> bool {
        if self.waiting.any {
            self.hold_blocked();
        }
        let work = self.read_and_execute();
        if self.waiting.any {
            self.execute_waits(polled_at);
        }
        self.finish_turn(polled_at, self.server.main.now, &work)
    }

    /// What follows the commands of a turn: timers, flush, replies.
    #[inline(never)]
    pub(super) fn finish_turn(&mut self, polled_at: Nanos, executed_at: Nanos, work: &Work) -> bool {
        // Timers after the batch, at most once a turn: they hold back its replies.
        let mut flushed = Flushed::Fine;
        if self.server.main.now >= self.server.cron_at {
            self.note_client_load();
            flushed = self.server.cron();
            self.update_special();
        }
        if self.server.main.now >= self.noise.next_at() {
            self.host_gaps(0);
        }
        self.before_flush();
        if self.server.config.appendonly && flushed == Flushed::Fine && !self.server.flush_quietly() {
            flushed = self.server.flush(false);
        }
        if self.server.main.now >= self.recorder.next_tick_at() {
            self.tick();
        }
        if flushed == Flushed::Exit {
            return self.exit();
        }
        let flushed_at = self.server.main.now;
        self.blame_flushed();
        if self.waiting.any {
            self.publish_fsynced();
            self.answer_released();
        }
        self.reply(polled_at, executed_at);
        if self.member.as_ref().is_some_and(|member| member.has_more()) {
            self.reply_to_calls();
        }
        if self.server.replication.pending {
            self.write_to_replicas();
        }
        if self.patterned {
            self.count_operations();
        }
        self.account(flushed_at, work, 1);
        true
    }

    /// beforeSleep ahead of the flush: the fast expire cycle, and clients whose WAIT is over, who come first from 7.2
    /// on.
    #[inline(always)]
    fn before_flush(&mut self) {
        if self.member.as_ref().is_some_and(|member| member.has_more()) {
            self.save_nodes_conf();
        }
        let waits_first = self.waiting.any && self.server.config.version.has(7, 2);
        if waits_first {
            self.release_waiting();
        }
        if self.server.wants_fast_expire_cycle() {
            self.server.active_expire_cycle(CycleKind::Fast);
        }
        if self.waiting.any && !waits_first {
            self.release_waiting();
        }
    }

    /// When the next turn begins, as far as is known now; [`NEVER`] while the thread waits for another node.
    pub(crate) fn next_turn_at(&self) -> Nanos {
        if self.member.as_ref().is_some_and(|member| member.is_parked()) {
            return NEVER;
        }
        let busy = !self.backlog.is_empty() || self.waiting.no_sleep;
        let readable = if busy { 0 } else { self.next_readable_at() };
        let wakes_at = self.server.cron_at.min(self.server.replication.wakes_at);
        readable.min(wakes_at).min(self.control_at).max(self.server.main.now)
    }

    /// Sleeps until something is readable or a timer is due; the poll's time. None at the end of the run.
    #[inline]
    fn sleep_and_poll(&mut self) -> Option<Nanos> {
        if self.patterned {
            self.timers_before_sleep();
        }
        let busy = !self.backlog.is_empty() || self.waiting.no_sleep;
        let readable = if busy { 0 } else { self.next_readable_at() };
        let timer_at = self.server.cron_at.min(self.server.replication.wakes_at);
        let wake_at = readable.min(timer_at).min(self.control_at);
        let main = &mut self.server.main;
        if wake_at.max(main.now) >= self.horizon {
            main.sleep(self.horizon);
            return None;
        }
        let slept = main.sleep(wake_at);
        if slept > 0 {
            let woken_at = main.now;
            if let Some(rouse) = self.rouse.as_ref().filter(|_| wake_at < timer_at) {
                main.rouse(rouse.at(slept));
            }
            main.charge(Cause::WakeUp, self.wakeup.at(slept));
            if woken_at >= self.special_at {
                self.special(slept);
            }
        } else if main.now >= self.special_at {
            self.special(0);
        }
        Some(self.server.main.now)
    }

    #[inline(always)]
    fn next_readable_at(&self) -> Nanos {
        match &self.groups[..] {
            [only] => only.next_readable_at(),
            groups => groups.iter().map(|group| group.next_readable_at()).min().unwrap_or(NEVER),
        }
    }

    /// What the poll returns: all that is readable, in the order it became so.
    fn gather(&mut self, polled_at: Nanos) {
        self.units.clear();
        if !self.backlog.is_empty() {
            std::mem::swap(&mut self.units, &mut self.backlog);
        }
        if self.patterned {
            self.gather_steps(polled_at);
            return;
        }
        if let [only] = &mut self.groups[..] {
            while only.next_readable_at() <= polled_at {
                self.units.push(only.take());
            }
            return;
        }
        let old = self.units.len();
        for group in &mut self.groups {
            while group.next_readable_at() <= polled_at {
                self.units.push(group.take());
            }
        }
        self.units[old..].sort_by_key(|unit| (unit.readable_at, unit.group));
    }

    /// Per ready client one read and all complete commands of it, back to back.
    #[inline]
    fn read_and_execute(&mut self) -> Work {
        let mut work = Work::default();
        let mut clients = self.units.len() as u64;
        let alone = matches!(self.units[..], [ref only] if only.commands == 1);
        if !alone && !self.one_each() {
            clients = self.arrange();
            self.blame_left();
        }
        self.services.clear();
        let several = self.groups.len() > 1;
        let mut reads = 0;
        if self.server.expires.is_on() {
            self.server.expires.look_at_clock(self.server.main.now);
        }
        self.fates.clear();
        let watched = self.member.as_ref().is_some_and(|member| !member.is_quiet());
        for place in 0..self.units.len() {
            let replied = work.reply_bytes;
            let before = work.cpu + work.cow + work.rehash;
            let cpu = work.cpu;
            let sums = if several { (work.eviction, work.aof_bytes) } else { (0, 0) };
            if watched {
                let fate = self.execute_watched(place, &mut work);
                self.fates.push(fate);
            } else {
                let unit = &mut self.units[place];
                let plan = &self.plans[unit.group as usize];
                let answered = match &plan.pattern {
                    None => self.server.execute(plan, unit.first, unit.commands, &mut work),
                    Some(steps) => {
                        reads += 1;
                        let group = &mut self.groups[unit.group as usize];
                        run_step(&mut self.server, group, steps, unit, reads, &mut work)
                    }
                };
                (unit.reads, unit.writes) = (answered.reads, answered.writes);
            }
            let unit = &mut self.units[place];
            unit.reply_bytes = work.reply_bytes - replied;
            if several {
                let faults = self.server.cow.expected_faults();
                let spent = &mut self.spent[unit.group as usize];
                spent.commands += unit.commands as u64;
                spent.cpu += work.cpu + work.cow + work.rehash + work.eviction - before - sums.0;
                spent.aof_bytes += work.aof_bytes - sums.1;
                spent.cow_faults += faults - std::mem::replace(&mut self.faults_spent, faults);
            }
            if self.probe.is_on() {
                self.services.push(work.cpu + work.cow + work.rehash - before);
            }
            if let Some(blame) = &mut self.blame {
                blame.cpu.push(work.cpu - cpu);
            }
        }
        if !several {
            self.spend(&work);
        }
        self.charge_turn(clients, &work);
        work
    }

    /// What commands of the only group took.
    #[inline(always)]
    pub(super) fn spend(&mut self, work: &Work) {
        let faults = self.server.cow.expected_faults();
        let spent = &mut self.spent[0];
        spent.commands += work.commands;
        spent.cpu += work.cpu + work.cow + work.rehash + work.eviction;
        spent.aof_bytes += work.aof_bytes;
        spent.cow_faults += faults - std::mem::replace(&mut self.faults_spent, faults);
    }

    /// Takes the time of a pass with `clients` reads and of the commands in them.
    #[inline(always)]
    pub(super) fn charge_turn(&mut self, clients: u64, work: &Work) {
        let prices = &self.server.prices.cpu;
        let (turn, read) = (prices.turn, prices.read * clients);
        self.server.main.charge(Cause::EventLoop, turn);
        self.server.main.charge(Cause::Read, read);
        self.server.executed(work);
        self.server.wait_for_core(turn + read + work.cpu + work.cow + work.rehash);
    }

    /// Whether no connection has more than one unit and none exceeds one read.
    #[inline]
    fn one_each(&mut self) -> bool {
        self.turns += 1;
        let mut alone = true;
        for unit in &self.units {
            let seen = &mut self.last_turn[unit.connection as usize];
            alone &= *seen != self.turns && unit.commands <= self.read_cap[unit.group as usize];
            *seen = self.turns;
        }
        alone
    }

    /// Brings the units of a connection together, connections in order of their first unit, and leaves what one
    /// read does not take for the next turn. Returns the number of connections.
    #[cold]
    fn arrange(&mut self) -> u64 {
        self.turns += 1;
        let mut connections = 0;
        self.order.clear();
        for unit in self.units.drain(..) {
            let (connection, group) = (unit.connection as usize, unit.group as usize);
            if self.last_turn[connection] != self.turns {
                self.last_turn[connection] = self.turns;
                self.place[connection] = connections;
                self.room[connections as usize] = self.read_cap[group];
                connections += 1;
            }
            let place = self.place[connection];
            let room = &mut self.room[place as usize];
            let mut taken = unit.commands.min(*room);
            if taken < unit.commands && self.plans[group].pattern.is_some() {
                // A step is taken whole, or waits with all that comes after it.
                (taken, *room) = (0, 0);
            }
            *room -= taken;
            if taken < unit.commands {
                let (first, commands) = (unit.first + taken as u64, unit.commands - taken);
                self.backlog.push(Unit { first, commands, ..unit });
            }
            if taken > 0 {
                self.order.push((place, Unit { commands: taken, ..unit }));
            }
        }
        self.order.sort_by_key(|placed| placed.0);
        self.units.extend(self.order.iter().map(|placed| placed.1));
        connections as u64
    }

    /// Replies in reverse order of execution (`clients_pending_write` is filled at its head), one write a client.
    #[inline]
    fn reply(&mut self, polled_at: Nanos, executed_at: Nanos) {
        let flushed_at = self.server.main.now;
        let write = self.server.prices.cpu.write;
        let (in_cluster, patterned) = (self.member.is_some(), self.patterned);
        let mut end = self.units.len();
        while end > 0 {
            let connection = self.units[end - 1].connection;
            let (mut first, mut commands, mut bytes) = (end, 0, 0);
            while first > 0 && self.units[first - 1].connection == connection {
                first -= 1;
                commands += self.units[first].commands;
                bytes += self.units[first].reply_bytes;
            }
            if first == 0 && self.server.replication.pending {
                // The first command propagated put the replicas into the list, before the reply to it.
                self.write_to_replicas();
            }
            let units = &self.units[first..end];
            let group = units[0].group as usize;
            let wakes = self.groups[group].wake_cost(connection, self.server.main.now);
            let cost = write * (1 + bytes / MAX_WRITE) + wakes;
            self.server.main.charge(Cause::Reply, cost);
            self.server.wait_for_core(cost);
            let sent_at = self.server.main.now;
            let out_at = sent_at + self.transmission.of(bytes);
            let received = self.groups[group].receive(connection, commands, out_at);
            let read_at = received.read_at;
            for place in first..end {
                if in_cluster && !self.tell(place, read_at) {
                    self.groups[group].with_routed(|routed| routed.unfinished());
                    continue;
                }
                self.blame_answered(place, &Sent { cost, at: sent_at, received });
                let unit = &self.units[place];
                self.recorder.answered(group, unit, read_at);
                if patterned {
                    self.groups[group].step_answered(connection, unit.first as u32, read_at);
                }
                if self.probe.is_on() {
                    self.probe.replied(&Replied {
                        group: unit.group,
                        connection,
                        commands: unit.commands,
                        arrived_at: unit.arrived_at,
                        readable_at: unit.readable_at,
                        polled_at,
                        executed_at,
                        flushed_at,
                        sent_at,
                        read_at,
                        service: self.services[place],
                    });
                }
            }
            end = first;
        }
    }

    /// The replies of `turns` turns are out, the first after its flush at `flushed_at`: the books.
    #[inline(always)]
    pub(super) fn account(&mut self, flushed_at: Nanos, work: &Work, turns: u64) {
        self.answered += work.commands;
        self.errors.oom += work.oom;
        self.errors.misconf += work.misconf;
        self.errors.noreplicas += work.noreplicas;
        let told = if self.waiting.any {
            work.changed.saturating_sub(self.take_unacknowledged())
        } else {
            work.changed
        };
        if told > 0 {
            self.server.loss.acknowledge(flushed_at, told);
        }
        self.server.counters.eventloop_cycles += turns;
    }
}

/// Bytes of replies a client gets in one write (`NET_MAX_WRITES_PER_EVENT`); what is beyond it costs another
/// write, in the same turn here.
pub(super) const MAX_WRITE: u64 = 64 * 1024;
