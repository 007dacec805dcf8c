//! One turn of the event loop, in the order of ae.c and `beforeSleep`.

use super::run::Simulation;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::redis::aof::Flushed;
use crate::redis::execute::{Answered, Work};
use crate::units::{NEVER, Nanos};

/// What a probe may watch. `()` watches nothing and costs nothing.
pub trait Probe {
    /// Whether anything is watched.
    const ON: bool = true;
    /// Commands of one client write were answered.
    fn replied(&mut self, _seen: &Replied) {}
}

impl Probe for () {
    const ON: bool = false;
}

/// The life of the commands of one client write that a turn answered. Times do not fall in the order of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replied {
    /// Group and connection.
    pub group: u16,
    /// Connection, over all groups.
    pub connection: u32,
    /// Commands answered.
    pub commands: u32,
    /// Intended arrival.
    pub arrived_at: Nanos,
    /// Bytes readable at the server.
    pub readable_at: Nanos,
    /// The poll that saw them returned.
    pub polled_at: Nanos,
    /// The turn's commands have been executed.
    pub executed_at: Nanos,
    /// The AOF flush of the turn is over.
    pub flushed_at: Nanos,
    /// Reply handed to the socket.
    pub sent_at: Nanos,
    /// Reply read by the client.
    pub read_at: Nanos,
}

/// A client served in a turn: a range of units and what became of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    first: u32,
    end: u32,
    reply_bytes: u64,
}

/// A unit as far as this turn answers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    unit: Unit,
    answered: Answered,
}

impl Part {
    /// The unit, with the commands that the turn took.
    pub(super) fn unit(&self) -> Unit {
        self.unit
    }
}

impl<P: Probe> Simulation<'_, P> {
    /// One turn; false when the run is over.
    #[inline]
    pub(super) fn turn(&mut self) -> bool {
        let Some(polled_at) = self.sleep_and_poll() else { return false };
        self.gather(polled_at);
        let work = self.read_and_execute();
        let executed_at = self.server.main.now;
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
        if self.server.config.appendonly && flushed == Flushed::Fine {
            if self.server.aof.clock_each_turn {
                self.server.aof.refresh_clock(self.server.main.now);
            }
            flushed = self.server.flush(false);
        }
        if self.server.main.now >= self.recorder.next_tick_at() {
            self.tick();
        }
        if flushed == Flushed::Exit {
            return self.exit();
        }
        self.reply(polled_at, executed_at, &work);
        true
    }

    /// Sleeps until something is readable or a timer is due; the poll's time. None at the end of the run.
    #[inline]
    fn sleep_and_poll(&mut self) -> Option<Nanos> {
        let readable = if self.backlog.is_empty() { self.next_readable_at() } else { 0 };
        let wake_at = readable.min(self.server.cron_at);
        let main = &mut self.server.main;
        if wake_at.max(main.now) >= self.horizon {
            main.sleep(self.horizon);
            return None;
        }
        let slept = main.sleep(wake_at);
        if slept > 0 {
            let woken_at = main.now;
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
    #[inline]
    fn gather(&mut self, polled_at: Nanos) {
        self.units.clear();
        self.units.append(&mut self.backlog);
        let old = self.units.len();
        for group in &mut self.groups {
            while group.next_readable_at() <= polled_at {
                self.units.push(group.take());
            }
        }
        if self.groups.len() > 1 {
            self.units[old..].sort_by_key(|unit| (unit.readable_at, unit.group));
        }
    }

    /// Per ready client one read and all complete commands of it, back to back.
    #[inline]
    fn read_and_execute(&mut self) -> Work {
        let mut work = Work::default();
        self.parts.clear();
        self.served.clear();
        self.turns += 1;
        if self.units.len() > 1 && !self.one_each() {
            self.arrange();
        }
        let mut next = 0;
        while next < self.units.len() {
            next = self.serve(next, &mut work);
        }
        let clients = self.served.len() as u64;
        let prices = &self.server.prices.cpu;
        let (turn, read) = (prices.turn, prices.read * clients);
        let extra = (turn + read + work.cpu + work.cow + work.rehash) as f64 * self.server.stretch;
        self.server.main.charge(Cause::EventLoop, turn);
        self.server.main.charge(Cause::Read, read);
        self.server.main.charge(Cause::CoreContention, extra as Nanos);
        if work.commands > 0 {
            self.server.executed(&work);
        }
        work
    }

    /// Whether no connection has more than one unit and none exceeds one read.
    #[inline]
    fn one_each(&mut self) -> bool {
        let mut alone = true;
        for unit in &self.units {
            let seen = &mut self.last_turn[unit.connection as usize];
            alone &= *seen != self.turns && unit.commands <= self.read_cap[unit.group as usize];
            *seen = self.turns;
        }
        alone
    }

    /// Brings the units of a connection together, connections in order of their first unit.
    #[cold]
    fn arrange(&mut self) {
        self.turns += 1;
        let mut places = 0;
        self.order.clear();
        for unit in &self.units {
            let connection = unit.connection as usize;
            if self.last_turn[connection] != self.turns {
                self.last_turn[connection] = self.turns;
                self.place[connection] = places;
                places += 1;
            }
            self.order.push((self.place[connection], *unit));
        }
        self.order.sort_by_key(|placed| placed.0);
        self.units.clear();
        self.units.extend(self.order.iter().map(|placed| placed.1));
    }

    /// Serves the connection whose units begin at `first`; returns where the next one's begin. What one read
    /// does not take stays for the next turn.
    #[inline]
    fn serve(&mut self, first: usize, work: &mut Work) -> usize {
        let connection = self.units[first].connection;
        let group = self.units[first].group as usize;
        let mut room = self.read_cap[group];
        let start = self.parts.len() as u32;
        let replies_before = work.reply_bytes;
        let mut next = first;
        while next < self.units.len() && self.units[next].connection == connection {
            let mut unit = self.units[next];
            let commands = unit.commands.min(room);
            room -= commands;
            if commands < unit.commands {
                let mut rest = unit;
                rest.first += commands as u64;
                rest.commands -= commands;
                self.backlog.push(rest);
            }
            if commands > 0 {
                unit.commands = commands;
                let answered = self.server.execute(&self.plans[group], &unit, commands, work);
                self.parts.push(Part { unit, answered });
            }
            next += 1;
        }
        let reply_bytes = work.reply_bytes - replies_before;
        self.served.push(Served { first: start, end: self.parts.len() as u32, reply_bytes });
        next
    }

    /// Replies in reverse order of execution (`clients_pending_write` is filled at its head), one write a client.
    #[inline]
    fn reply(&mut self, polled_at: Nanos, executed_at: Nanos, work: &Work) {
        let flushed_at = self.server.main.now;
        let write = self.server.prices.cpu.write;
        for index in (0..self.served.len()).rev() {
            let served = self.served[index];
            let more_writes = served.reply_bytes / MAX_WRITE;
            let base = write * (1 + more_writes);
            let stretched = (base as f64 * self.server.stretch) as Nanos;
            self.server.main.charge(Cause::Reply, base);
            self.server.main.charge(Cause::CoreContention, stretched);
            let sent_at = self.server.main.now;
            let parts = &self.parts[served.first as usize..served.end as usize];
            let commands = parts.iter().map(|part| part.unit.commands).sum();
            let unit = &parts[0].unit;
            let group = unit.group as usize;
            let transmission = (served.reply_bytes as f64 * self.transmission_per_byte) as Nanos;
            let read_at = self.groups[group].receive(unit.connection, commands, sent_at + transmission);
            for part in parts {
                self.recorder.answered(
                    group,
                    part.unit.connection as usize,
                    part.unit.arrived_at,
                    read_at,
                    part.answered.reads as u64,
                    part.answered.writes as u64,
                );
                if P::ON {
                    self.probe.replied(&Replied {
                        group: part.unit.group,
                        connection: part.unit.connection,
                        commands: part.unit.commands,
                        arrived_at: part.unit.arrived_at,
                        readable_at: part.unit.readable_at,
                        polled_at,
                        executed_at,
                        flushed_at,
                        sent_at,
                        read_at,
                    });
                }
            }
        }
        self.answered += work.commands;
        self.errors.oom += work.oom;
        self.errors.misconf += work.misconf;
        if work.changed > 0 {
            self.server.loss.acknowledge(flushed_at, work.changed);
        }
        self.server.counters.eventloop_cycles += 1;
    }
}

/// Bytes of replies a client gets in one write (`NET_MAX_WRITES_PER_EVENT`); what is beyond it costs another
/// write, in the same turn here.
const MAX_WRITE: u64 = 64 * 1024;
