//! Requests that were redirected: what their library does next, until they end.

use std::sync::Arc;

use super::super::router::{Node, Router};
use super::fetches::{Fetch, Waits};
use super::pipelines::Split;
use super::{Origin, known};
use crate::client::group::Unit;
use crate::client::libraries::{Asking, Pipelining};
use crate::client::redirect::{Attempt, Failure, Redirect, Then, To, When};
use crate::client::routed::Sent;
use crate::redis::node_query::Verdict;
use crate::sim::member::{ASKED, ASKING, TICKET};
use crate::units::Nanos;

/// `*1`, `$6`, `ASKING` \[bytes\].
const ASKING_BYTES: u64 = 16;

/// A request that was redirected.
pub(super) struct Flight {
    pub(super) group: u16,
    connection: u32,
    pub(super) process: u32,
    pub(super) number: u64,
    pub(super) slot: u16,
    pub(super) arrived_at: Nanos,
    pub(super) attempt: Attempt,
    met: Met,
}

/// Replies a request has met.
#[derive(Clone, Copy, Default)]
struct Met {
    moved: bool,
    ask: bool,
    try_again: bool,
}

/// What clients do at a time.
#[derive(Debug)]
pub(crate) enum ClientTask {
    /// The reply of a node to a redirected request has been read, and is no result.
    Reply(u32, u16, Redirect),
    /// A redirected request goes on, as its library has decided.
    Go(u32, Then),
    /// A map is asked for.
    Fetch(Fetch),
    /// A map has been read: the fetch, and the owners as the asked node saw them.
    Map(u32, Arc<Vec<u16>>),
    /// A process may fetch again.
    Rested(u32),
    /// All nodes have answered a pipeline, and some of its commands wait for that.
    PassOver(Split),
}

impl Router {
    /// What clients do at `now`.
    pub(in crate::cluster) fn act(&mut self, now: Nanos, task: ClientTask, nodes: &mut [Node]) {
        match task {
            ClientTask::Reply(place, sender, reply) => self.follow(sender, place, reply, now, nodes),
            ClientTask::Go(place, then) => self.then(place, then, now, nodes),
            ClientTask::Fetch(fetch) => self.begin_fetch(fetch, now, nodes),
            ClientTask::Map(fetch, owners) => self.map_arrives(fetch, &owners, now, nodes),
            ClientTask::Rested(process) => self.rested(process, now, nodes),
            ClientTask::PassOver(split) => self.pass_over(split, now, nodes),
        }
    }

    /// Node `sender` did not execute a command; a client begins to read so at `read_at`.
    pub(in crate::cluster) fn redirected(
        &mut self,
        sender: u16,
        unit: &Unit,
        verdict: Verdict,
        read_at: Nanos,
    ) {
        let place = self.flight_of(sender, unit);
        let now = read_at + self.groups[unit.group as usize].per_reply;
        let reply = match verdict {
            Verdict::Moved { slot, node } => Redirect::Moved { slot, node },
            Verdict::Ask { slot, node } => Redirect::Ask { slot, node },
            Verdict::TryAgain => Redirect::TryAgain,
            Verdict::CrossSlot => {
                let measured = self.is_measured(place);
                self.failed.crossslot += measured;
                self.failures += measured;
                return self.finish(place, now);
            }
            _ => Redirect::ClusterDown,
        };
        self.todo.push((now, ClientTask::Reply(place, sender, reply)));
    }

    /// The connection to node `sender` broke under a command; the client knows at `at`.
    pub(in crate::cluster) fn lost(&mut self, sender: u16, unit: &Unit, at: Nanos) {
        let place = self.flight_of(sender, unit);
        self.todo.push((at, ClientTask::Reply(place, sender, Redirect::Lost)));
    }

    fn flight_of(&mut self, sender: u16, unit: &Unit) -> u32 {
        if unit.ticket & TICKET > 0 {
            return (unit.ticket & TICKET) - 1;
        }
        let before: u32 = self.groups[..unit.group as usize].iter().map(|group| group.connections).sum();
        let connection = unit.connection - before;
        let process = self.maps.process_of(connection);
        let mut attempt = Attempt::new(sender, unit.arrived_at);
        if self.groups[unit.group as usize].pipeline > 1 {
            let leads = self.profile.pipelining == Pipelining::Passes && self.leads(unit, process, sender);
            attempt = attempt.in_pipeline(leads);
        }
        let flight = Flight {
            group: unit.group,
            connection,
            process,
            number: unit.first,
            slot: unit.slot,
            arrived_at: unit.arrived_at,
            attempt,
            met: Met::default(),
        };
        self.flying += 1;
        self.flights.insert(flight).place
    }

    /// The command is the first of its node's part of the pipeline, as the process sees the slots.
    fn leads(&self, unit: &Unit, process: u32, sender: u16) -> bool {
        let group = &self.groups[unit.group as usize];
        let begin = unit.first - unit.first % u64::from(group.pipeline);
        (begin..unit.first).all(|number| {
            let slot = self.names.slot_of(group.sampler.draw(number, &mut group.keys.of(number)));
            self.maps.owner(process, slot) != sender
        })
    }

    /// The library's next step after a reply that is no result.
    fn follow(&mut self, sender: u16, place: u32, reply: Redirect, now: Nanos, nodes: &mut [Node]) {
        let Some(flight) = self.flights.at(place) else { return };
        flight.met.moved |= matches!(reply, Redirect::Moved { .. });
        flight.met.ask |= matches!(reply, Redirect::Ask { .. });
        flight.met.try_again |= reply == Redirect::TryAgain;
        let process = flight.process;
        let memory = self.maps.memory(process);
        let step = self.profile.next(&mut flight.attempt, memory, reply, now, &mut self.draws);
        if let Some((slot, node)) = step.learn {
            self.maps.learn(process, slot, node);
            self.changed_at = now;
        }
        match step.refresh {
            Some(refresh) if refresh.background => {
                self.wish(process, refresh.source, sender, now, nodes);
                self.then(place, step.then, now, nodes);
            }
            Some(refresh) => {
                let at = match step.then {
                    Then::Send { when: When::At(at), .. } | Then::Fail { at, .. } => at,
                    Then::Send { .. } => now,
                };
                let waits = Waits::Command(place, step.then);
                self.fetch(process, refresh.source, sender, waits, (at, now), nodes);
            }
            None => self.then(place, step.then, now, nodes),
        }
    }

    /// A redirected request is sent again, waits or ends, not before `now`.
    pub(super) fn then(&mut self, place: u32, then: Then, now: Nanos, nodes: &mut [Node]) {
        match then {
            Then::Send { when: When::At(at), .. } | Then::Fail { at, .. } if at > now => {
                self.todo.push((at, ClientTask::Go(place, then)));
            }
            Then::Send { to, asking, when: When::At(_) } => self.go(place, to, asking, now, nodes),
            Then::Send { to, asking, .. } => self.hold(place, to, asking, now),
            Then::Fail { failure, .. } => self.fail(place, failure, now),
        }
    }

    fn go(&mut self, place: u32, to: To, asking: Asking, now: Nanos, nodes: &mut [Node]) {
        let Some(flight) = self.flights.at(place) else { return };
        if self.profile.out_of_time(&flight.attempt, now) {
            return self.fail(place, Failure::Deadline, now);
        }
        let node = match to {
            To::Node(node) => node as usize,
            To::Mapped => known(self.maps.owner(flight.process, flight.slot), flight.slot, nodes.len()),
        };
        flight.attempt.sent_to(node as u16);
        let (flags, ahead) = match asking {
            Asking::No => (0, 0),
            Asking::Together => (ASKING | ASKED, ASKING_BYTES),
            Asking::First => return self.send(place, ASKING, ASKING_BYTES, now, nodes),
        };
        let bytes = ahead + self.groups[flight.group as usize].request_bytes;
        self.send(place, flags, bytes, now, nodes);
    }

    fn send(&mut self, place: u32, flags: u32, bytes: u64, at: Nanos, nodes: &mut [Node]) {
        let way = self.way(bytes);
        let Some(flight) = self.flights.at(place) else { return };
        let node = &mut nodes[flight.attempt.node as usize];
        let sent = Sent {
            arrived_at: flight.arrived_at,
            readable_at: at + way,
            number: flight.number,
            connection: flight.connection,
            ticket: (place + 1) | flags,
            slot: flight.slot,
        };
        node.seat().ticketed += 1;
        node.groups[flight.group as usize].with_routed(|routed| routed.push(sent));
    }

    /// ASKING was acknowledged: the command follows.
    pub(in crate::cluster) fn asking_done(&mut self, unit: &Unit, read_at: Nanos, nodes: &mut [Node]) {
        let group = &self.groups[unit.group as usize];
        let (at, bytes) = (read_at + group.per_reply, group.request_bytes);
        self.send((unit.ticket & TICKET) - 1, ASKED, bytes, at, nodes);
    }

    /// A request that was redirected has its reply.
    pub(in crate::cluster) fn settled(&mut self, unit: &Unit, read_at: Nanos) {
        let Some((_, flight)) = self.flights.remove((unit.ticket & TICKET) - 1) else { return };
        self.flying -= 1;
        self.ended(&flight, read_at + self.groups[flight.group as usize].per_reply);
        if flight.arrived_at >= self.measured_from {
            let sojourn = read_at - flight.arrived_at;
            self.redirected.record(sojourn);
            let Met { moved, ask, try_again } = flight.met;
            for (histogram, met) in self.after.iter_mut().zip([moved && !ask, ask, try_again]) {
                if met {
                    histogram.record(sojourn);
                }
            }
        }
    }

    fn is_measured(&self, place: u32) -> u64 {
        let arrived_at = self.flights.peek(place).map_or(0, |flight| flight.arrived_at);
        (arrived_at >= self.measured_from) as u64
    }

    fn fail(&mut self, place: u32, failure: Failure, at: Nanos) {
        let measured = self.is_measured(place);
        let failed = &mut self.failed;
        let count = match failure {
            Failure::RedirectLimit | Failure::Deadline | Failure::NotFollowed => &mut failed.redirect_limit,
            Failure::AskUnknown => &mut failed.ask,
            Failure::TryAgain => &mut failed.tryagain,
            Failure::ClusterDown => &mut failed.clusterdown,
            Failure::ConnectionLost => &mut self.lost,
        };
        *count += measured;
        self.failures += if failure == Failure::ConnectionLost { 0 } else { measured };
        self.redirect_loops += if failure == Failure::RedirectLimit { measured } else { 0 };
        self.finish(place, at);
    }

    /// The caller has an error at `at`.
    fn finish(&mut self, place: u32, at: Nanos) {
        let Some((_, flight)) = self.flights.remove(place) else { return };
        self.flying -= 1;
        self.ended(&flight, at);
        if let Origin::Closed(closed) = &mut self.groups[flight.group as usize].origin {
            closed.replied(flight.connection, 1, at, &[]);
        }
    }

    /// Requests of the measured time that are on their way again.
    pub(in crate::cluster) fn in_flight(&self) -> (u64, u64) {
        let flights = self.flights.iter();
        flights.fold((0, 0), |(all, counted), flight| {
            (all + 1, counted + (flight.arrived_at >= self.measured_from) as u64)
        })
    }
}
