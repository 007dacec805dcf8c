//! WAIT and WAITAOF: clients that are blocked until enough replicas have acknowledged their write.
//!
//! Redis: `waitCommand`, `waitaofCommand` and `processClientsWaitingReplicas` in replication.c, the time-out table in
//! timeout.c. A client of such a group sends the command in the same write as its commands, and the reply to it
//! completes them. The offset waited for is that after the turn, whose GETACK stands behind all of it. Time-outs are
//! looked at once a turn and wake nobody, so that in an idle server they come up to 1000 / hz ms late, as there.

use super::blaming::Sent;
use super::run::Simulation;
use super::turn::{Probe, Replied};
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::observe::blame::Part;
use crate::redis::resp::{bulk, digits};
use crate::scenario::Workload;
use crate::scenario::replicas::WaitSpec;
use crate::units::{MILLISECOND, NEVER, Nanos};

/// `:1` \[bytes\].
const WAIT_REPLY: u64 = 4;

/// Clients that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Some group waits: the one question of everybody else.
    pub(super) any: bool,
    /// What each group waits for.
    specs: Vec<Option<WaitSpec>>,
    parked: Vec<Parked>,
    /// Of a turn: those whose wait is over.
    released: Vec<Parked>,
    /// By connection: it is blocked.
    blocked: Vec<bool>,
    /// What blocked connections sent meanwhile.
    held: Vec<Unit>,
    /// Writes of this turn that are not acknowledged to anybody yet.
    unacknowledged: u64,
    /// `fsynced_reploff` in write commands, as published after the last flush.
    fsynced: u64,
    /// The next turn follows at once.
    pub(super) no_sleep: bool,
}

/// A client write whose reply waits.
#[derive(Clone, Copy, Debug)]
struct Parked {
    unit: Unit,
    offset: u64,
    changes: u64,
    deadline: Nanos,
    polled_at: Nanos,
    executed_at: Nanos,
    service: Nanos,
}

impl Waiting {
    /// Nobody waits yet.
    pub(super) fn new(workloads: &[Workload], connections: usize) -> Self {
        let specs: Vec<Option<WaitSpec>> = workloads.iter().map(|workload| workload.wait).collect();
        let any = specs.iter().any(Option::is_some);
        Waiting { any, specs, blocked: vec![false; if any { connections } else { 0 }], ..Waiting::default() }
    }

    /// Executed and not answered, then sent and not executed.
    pub(super) fn in_flight(&self) -> (impl Iterator<Item = &Unit>, &[Unit]) {
        (self.parked.iter().map(|parked| &parked.unit), &self.held)
    }
}

impl<P: Probe> Simulation<P> {
    /// What blocked connections send is not read before their wait is over.
    pub(super) fn hold_blocked(&mut self) {
        let waiting = &mut self.waiting;
        let held = &mut waiting.held;
        let before = held.len();
        let blocked = &waiting.blocked;
        self.units.retain(|unit| {
            let blocked = blocked[unit.connection as usize];
            if blocked {
                held.push(*unit);
            }
            !blocked
        });
        if self.blame.is_some() && self.waiting.held.len() > before {
            let held = self.waiting.held[before..].to_vec();
            self.blame_held(&held, Part::WaitReplicas);
        }
    }

    /// The WAITs behind the commands of this turn: executed, and their clients blocked.
    pub(super) fn execute_waits(&mut self, polled_at: Nanos) {
        let each = self.server.prices.cpu.ping;
        let waits = |(place, unit): &(usize, &Unit)| {
            self.waiting.specs[unit.group as usize].is_some() && self.was_executed(*place)
        };
        let cost = self.units.iter().enumerate().filter(waits).count() as u64 * each;
        self.server.main.charge(Cause::Command, cost);
        self.server.wait_for_core(cost);
        let (now, changes) = (self.server.main.now, self.server.changes);
        let mut place = 0;
        for index in 0..self.units.len() {
            let unit = self.units[index];
            let service = if self.probe.is_on() { self.services[index] } else { 0 };
            // Behind a redirect WAIT is not sent: the client goes to another node with it.
            let executed = self.was_executed(index);
            let Some(spec) = self.waiting.specs[unit.group as usize].filter(|_| executed) else {
                if let Some(fate) = self.fates.get(index).copied() {
                    self.fates[place] = fate;
                }
                (self.units[place], place) = (unit, place + 1);
                if self.probe.is_on() {
                    self.services[place - 1] = service;
                }
                if let Some(blame) = &mut self.blame {
                    blame.cpu[place - 1] = blame.cpu[index];
                }
                continue;
            };
            if self.blame.is_some() {
                self.blame_parked(index, &unit, each);
            }
            self.server.counters.net_input_bytes += request_bytes(&spec);
            self.server.counters.net_output_bytes += WAIT_REPLY;
            let offset = self.server.replication.offset;
            if self.server.replication.acknowledged_by(offset, spec.aof) < spec.replicas {
                self.server.replication.request_acks();
            }
            self.server.replication.waits.waited += 1;
            self.waiting.blocked[unit.connection as usize] = true;
            self.waiting.unacknowledged += unit.writes as u64;
            let deadline = if spec.timeout == 0 { NEVER } else { now.saturating_add(spec.timeout) };
            self.waiting.parked.push(Parked {
                unit,
                offset,
                changes,
                deadline,
                polled_at,
                executed_at: now,
                service,
            });
        }
        self.units.truncate(place);
        self.fates.truncate(place);
        self.services.truncate(place);
    }

    /// `processClientsWaitingReplicas`, before the flush of a turn.
    pub(super) fn release_waiting(&mut self) {
        let now = self.server.main.now;
        let waiting = &mut self.waiting;
        let replication = &mut self.server.replication;
        let fsynced = waiting.fsynced;
        let (specs, released) = (&waiting.specs, &mut waiting.released);
        waiting.parked.retain(|parked| {
            let Some(spec) = specs[parked.unit.group as usize] else { return true };
            let replicas =
                spec.replicas == 0 || replication.acknowledged_by(parked.offset, spec.aof) >= spec.replicas;
            let done = replicas && (!spec.local || fsynced >= parked.changes);
            let late = !done && parked.deadline <= now;
            replication.waits.acknowledged += u64::from(done);
            replication.waits.timed_out += u64::from(late);
            if done || late {
                released.push(*parked);
            }
            !(done || late)
        });
        if self.blame.is_some() {
            self.blame_waited();
        }
    }

    /// `fsynced_reploff` after the flush; from 7.4 on its progress keeps the loop awake for those who wait.
    pub(super) fn publish_fsynced(&mut self) {
        let now = self.server.main.now;
        self.server.aof.settle(now, &self.server.disk, &mut self.server.loss);
        let fsynced = self.server.loss.synced();
        let progress = fsynced > self.waiting.fsynced;
        self.waiting.fsynced = fsynced;
        self.waiting.no_sleep =
            progress && self.server.config.version.has(7, 4) && !self.waiting.parked.is_empty();
    }

    /// Replies to those whose wait is over, the last released first: they were put at the head of the list last.
    pub(super) fn answer_released(&mut self) {
        let flushed_at = self.server.main.now;
        while let Some(parked) = self.waiting.released.pop() {
            let unit = parked.unit;
            let group = unit.group as usize;
            let wakes = self.groups[group].wake_cost(unit.connection, self.server.main.now);
            let cost = self.server.prices.cpu.write + wakes;
            self.server.main.charge(Cause::Reply, cost);
            self.server.wait_for_core(cost);
            let sent_at = self.server.main.now;
            let out_at = sent_at + self.transmission.of(unit.reply_bytes + WAIT_REPLY);
            let received = self.groups[group].receive(unit.connection, unit.commands, out_at);
            let read_at = received.read_at;
            self.recorder.answered(group, &unit, read_at);
            if self.blame.is_some() {
                self.blame_wait_over(&unit, &Sent { cost, at: sent_at, received });
            }
            self.tell_executed(unit, read_at);
            self.server.loss.acknowledge(flushed_at, unit.writes as u64);
            self.unblock(unit.connection);
            if self.probe.is_on() {
                self.probe.replied(&Replied {
                    group: unit.group,
                    connection: unit.connection,
                    commands: unit.commands,
                    arrived_at: unit.arrived_at,
                    readable_at: unit.readable_at,
                    polled_at: parked.polled_at,
                    executed_at: parked.executed_at,
                    flushed_at,
                    sent_at,
                    read_at,
                    service: parked.service,
                });
            }
        }
    }

    /// What a connection sent while it was blocked is read in the next turn.
    fn unblock(&mut self, connection: u32) {
        self.waiting.blocked[connection as usize] = false;
        if self.blame.is_some() {
            let of_it = self.waiting.held.iter().filter(|unit| unit.connection == connection);
            let released: Vec<Unit> = of_it.copied().collect();
            self.blame_released(&released);
        }
        let backlog = &mut self.backlog;
        self.waiting.held.retain(|unit| {
            let waits = unit.connection != connection;
            if !waits {
                backlog.push(*unit);
            }
            waits
        });
    }

    /// Writes of this turn that nobody has been told of.
    pub(super) fn take_unacknowledged(&mut self) -> u64 {
        std::mem::take(&mut self.waiting.unacknowledged)
    }

    /// The connections of all who wait are gone: (executed, sent and not executed).
    pub(super) fn lose_waiting(&mut self) -> (Vec<Unit>, Vec<Unit>) {
        self.blame_lost();
        let waiting = &mut self.waiting;
        let executed: Vec<Unit> =
            waiting.parked.drain(..).chain(waiting.released.drain(..)).map(|parked| parked.unit).collect();
        waiting.blocked.fill(false);
        let writes = executed.iter().map(|unit| unit.writes as u64).sum();
        self.server.loss.acknowledge(self.server.main.now, writes);
        (executed, std::mem::take(&mut waiting.held))
    }
}

/// Bytes of `WAIT n ms` or `WAITAOF l n ms`.
fn request_bytes(spec: &WaitSpec) -> u64 {
    let number = |n: u64| bulk(digits(n));
    let local = if spec.aof { number(u64::from(spec.local)) } else { 0 };
    let name = if spec.aof { "WAITAOF" } else { "WAIT" };
    4 + bulk(name.len() as u64) + local + number(spec.replicas.into()) + number(spec.timeout / MILLISECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    #[test]
    fn requests_are_counted_to_the_byte() {
        let wait = WaitSpec { local: false, replicas: 1, timeout: SECOND, aof: false };
        assert_eq!(request_bytes(&wait), "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n".len() as u64);
        let aof = WaitSpec { local: true, replicas: 10, timeout: 0, aof: true };
        assert_eq!(
            request_bytes(&aof),
            "*4\r\n$7\r\nWAITAOF\r\n$1\r\n1\r\n$2\r\n10\r\n$1\r\n0\r\n".len() as u64
        );
    }
}
