//! The clients of a cluster: when requests come, which node they go to, and what becomes of redirects.
//!
//! Times and keys of requests are those of the same groups in front of a single server: the n-th request depends on
//! the seed alone. Each client process has a slot map; a request goes where its process believes the slot to be. A
//! redirect comes back here, and the client's library decides what is sent next (`client/redirects.rs`).
//!
//! The commands of a pipeline are sent to their nodes at once, as one write a node. Where the library follows
//! redirects within a pipeline later or not at all, its commands are treated as if they were sent alone.

use crate::client::closed::ClosedLoop;
use crate::client::group::Unit;
use crate::client::key_names::KeyNames;
use crate::client::keys::KeySampler;
use crate::client::libraries::{Asking, Profile, Source as MapSource};
use crate::client::open::OpenLoop;
use crate::client::redirect::{Attempt, Failure, Redirect, Refresh, Then, To, When};
use crate::client::routed::Sent;
use crate::client::slab::Slab;
use crate::client::slot_maps::{Begin, SlotMaps};
use crate::observe::cluster::ClusterFailures;
use crate::observe::histogram::Histogram;
use crate::redis::node_query::Verdict;
use crate::redis::slot_view::NONE;
use crate::rng::{Numbered, Stream, StreamId, Streams, Uniform};
use crate::scenario::cluster::{ClientProfile, ClusterSpec};
use crate::scenario::{Scenario, Source};
use crate::sim::member::{ASKED, ASKING, Asker, Call, TICKET};
use crate::sim::run::Simulation;
use crate::units::{NEVER, Nanos};

/// Keys that are drawn to see how a load is spread.
const SAMPLE: u64 = 20_000;

/// One node.
pub(super) type Node = Simulation<()>;

/// Requests of one group.
struct Group {
    origin: Origin,
    pipeline: u32,
    connections: u32,
    /// Number of the next command.
    next: u64,
    keys: Numbered,
    sampler: KeySampler,
    /// From the intended time of a write to its bytes at a node; and that of a write by a client that is awake.
    way_in: Nanos,
    way_again: Nanos,
    per_reply: Nanos,
}

enum Origin {
    Open(Box<OpenLoop>),
    Closed(ClosedLoop),
}

/// A request that was redirected.
struct Flight {
    group: u16,
    connection: u32,
    process: u32,
    number: u64,
    slot: u16,
    arrived_at: Nanos,
    attempt: Attempt,
    /// Kind of its first redirect.
    first: Kind,
    /// ASKING went ahead alone: the command follows.
    asking_first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Moved,
    Ask,
    Other,
}

/// A map on its way to a process.
struct Fetch {
    process: u32,
    background: bool,
    /// Requests that wait for it, with what happens to them then.
    waits: Option<(u32, Then)>,
}

/// All clients of the cluster.
pub(super) struct Router {
    groups: Vec<Group>,
    names: KeyNames,
    pub(super) maps: SlotMaps,
    profile: &'static Profile,
    flights: Slab<Flight>,
    flying: u64,
    fetches: Slab<Fetch>,
    draws: Stream,
    /// Everything that can be read before this has been sent.
    pub(super) sent_until: Nanos,
    measured_from: Nanos,
    measured: u64,
    pub(super) failed: ClusterFailures,
    pub(super) lost: u64,
    pub(super) after: [Histogram; 3],
    pub(super) redirected: Histogram,
    /// Errors of requests that arrived in the measured time.
    pub(super) failures: u64,
    pub(super) redirect_loops: u64,
    /// When a map last changed.
    pub(super) changed_at: Nanos,
}

impl Router {
    pub(super) fn new(
        scenario: &Scenario,
        spec: &ClusterSpec,
        owners: &[u16],
        nodes: &mut [Node],
        streams: &Streams,
    ) -> Self {
        let groups = scenario.workloads.iter().enumerate().map(|(index, workload)| {
            let arrivals = streams.open(StreamId::Arrivals, index as u64);
            let client = &nodes[0].groups[index];
            let (way_in, way_again, per_reply) = (client.way_in(), client.way_again(), client.per_reply());
            let origin = match &workload.source {
                Source::Open { schedule, arrivals: spread } => Origin::Open(Box::new(OpenLoop::new(
                    schedule,
                    *spread,
                    workload.pipeline,
                    workload.connections,
                    arrivals,
                    streams.open(StreamId::Connections, index as u64),
                ))),
                Source::Closed { think } => {
                    let client = &scenario.machine.client;
                    let one =
                        client.per_reply + client.per_send + client.per_command * workload.pipeline as u64;
                    let threads = client.threads.clamp(1, workload.connections) as u64;
                    let spread = one * workload.connections as u64 / threads + think.mean() as Nanos;
                    let closed = ClosedLoop::new(
                        workload.connections,
                        1,
                        think.clone(),
                        client.per_send,
                        spread,
                        false,
                        arrivals,
                    );
                    Origin::Closed(closed.unqueued())
                }
            };
            Group {
                origin,
                pipeline: workload.pipeline,
                connections: workload.connections,
                next: 0,
                keys: Numbered::new(streams, StreamId::Keys, index as u64),
                sampler: KeySampler::new(workload.keys, scenario.dataset.keys),
                way_in,
                way_again,
                per_reply,
            }
        });
        let groups: Vec<Group> = groups.collect();
        for (index, group) in groups.iter().enumerate() {
            let tells = matches!(group.origin, Origin::Closed(_));
            nodes.iter_mut().for_each(|node| {
                node.groups[index].with_routed(|routed| routed.tells = tells);
            });
        }
        let maps = match spec.client {
            ClientProfile::NoMap => SlotMaps::one_node(spec.processes, nodes.len() as u16),
            _ => SlotMaps::new(spec.processes, owners),
        };
        Router {
            groups,
            names: KeyNames::new(scenario.dataset.key_size, scenario.dataset.keys, spec.tags),
            maps,
            profile: Profile::of(spec.client),
            flights: Slab::default(),
            flying: 0,
            fetches: Slab::default(),
            draws: streams.open(StreamId::Redirects, 0),
            sent_until: 0,
            measured_from: scenario.run.warmup,
            measured: 0,
            failed: ClusterFailures::default(),
            lost: 0,
            after: [Histogram::new(), Histogram::new(), Histogram::new()],
            redirected: Histogram::new(),
            failures: 0,
            redirect_loops: 0,
            changed_at: 0,
        }
    }

    /// Share of each group's requests that goes to each owner, from a sample of their keys.
    pub(super) fn shares(&self, owners: &[u16], nodes: usize) -> Vec<Vec<f64>> {
        let groups = self.groups.iter().map(|group| {
            let mut shares = vec![0.0; nodes];
            for number in 0..SAMPLE {
                let rank = group.sampler.draw(number, &mut group.keys.of(number));
                let owner = owners[self.names.slot_of(rank) as usize];
                shares[known(owner, 0, nodes)] += 1.0 / SAMPLE as f64;
            }
            shares
        });
        groups.collect()
    }

    /// What a client does next may depend on what it is told now.
    pub(super) fn is_closed(&self) -> bool {
        self.groups.iter().any(|group| matches!(group.origin, Origin::Closed(_)))
    }

    /// Redirected requests that have not ended, and maps on their way.
    pub(super) fn is_busy(&self) -> bool {
        self.flying > 0
    }

    /// The least time from a turn's begin to the arrival of what follows from it at another node.
    pub(super) fn lookahead(&self) -> Nanos {
        self.groups.iter().map(|group| group.way_again.min(group.way_in)).min().unwrap_or(0)
    }

    /// Requests of the measured time.
    pub(super) fn measured(&self) -> u64 {
        self.measured
    }

    /// Commands sent so far, those sent again not counted.
    pub(super) fn requests(&self) -> u64 {
        self.groups.iter().map(|group| group.next).sum()
    }

    /// Sends everything that nodes can read before `until`.
    pub(super) fn send_until(&mut self, until: Nanos, nodes: &mut [Node]) {
        if until > self.sent_until {
            self.send_meant(nodes, until, NEVER);
            self.sent_until = until;
        }
    }

    /// Sends what clients mean to send before `end`, the end of the run, although no node reads it any more.
    pub(super) fn send_rest(&mut self, end: Nanos, nodes: &mut [Node]) {
        self.send_meant(nodes, NEVER, end);
    }

    /// Sends what can be read before `until` and is meant to be sent before `end`.
    fn send_meant(&mut self, nodes: &mut [Node], until: Nanos, end: Nanos) {
        let (maps, names) = (&self.maps, &self.names);
        for (index, group) in self.groups.iter_mut().enumerate() {
            loop {
                let arrived_at = match &group.origin {
                    Origin::Open(open) => open.next_at(),
                    Origin::Closed(closed) => closed.next_at(),
                };
                let readable_at = arrived_at.saturating_add(group.way_in);
                if readable_at >= until || arrived_at >= end {
                    break;
                }
                let connection = match &mut group.origin {
                    Origin::Open(open) => open.take(),
                    Origin::Closed(closed) => closed.take(group.pipeline, &mut []),
                };
                let process = connection % maps.processes();
                for number in group.next..group.next + group.pipeline as u64 {
                    let rank = group.sampler.draw(number, &mut group.keys.of(number));
                    let slot = names.slot_of(rank);
                    let owner = known(maps.owner(process, slot), slot, nodes.len());
                    let sent = Sent { arrived_at, readable_at, number, connection, ticket: 0, slot };
                    nodes[owner].groups[index].with_routed(|routed| routed.push(sent));
                }
                group.next += group.pipeline as u64;
                if arrived_at >= self.measured_from {
                    self.measured += group.pipeline as u64;
                }
            }
        }
        for node in nodes.iter_mut() {
            node.groups.iter_mut().for_each(|group| {
                group.with_routed(|routed| routed.complete(until));
            });
        }
    }

    /// Replies that complete closed-loop requests at node `node`.
    pub(super) fn collect(&mut self, node: &mut Node) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let Origin::Closed(closed) = &mut group.origin else { continue };
            node.groups[index].with_routed(|routed| {
                for (connection, commands, at) in routed.replies.drain(..).filter(|reply| reply.1 > 0) {
                    closed.replied(connection, commands, at, &[]);
                }
            });
        }
    }

    /// Node `sender` did not execute a command; the client reads so at `read_at`.
    pub(super) fn redirected(
        &mut self,
        sender: u16,
        unit: &Unit,
        verdict: Verdict,
        read_at: Nanos,
        nodes: &mut [Node],
    ) {
        let reply = match verdict {
            Verdict::Moved { slot, node } => Redirect::Moved { slot, node },
            Verdict::Ask { slot, node } => Redirect::Ask { slot, node },
            Verdict::TryAgain => Redirect::TryAgain,
            _ => Redirect::ClusterDown,
        };
        let place = self.flight_of(sender, unit, reply);
        let group = unit.group as usize;
        let now = read_at + self.groups[group].per_reply;
        if verdict == Verdict::CrossSlot {
            self.failed.crossslot += 1;
            return self.end(place, now);
        }
        self.follow(sender, place, reply, now, nodes);
    }

    /// The connection to node `sender` broke under a command; the client knows at `at`.
    pub(super) fn lost(&mut self, sender: u16, unit: &Unit, at: Nanos, nodes: &mut [Node]) {
        let place = self.flight_of(sender, unit, Redirect::Lost);
        self.follow(sender, place, Redirect::Lost, at, nodes);
    }

    fn flight_of(&mut self, sender: u16, unit: &Unit, reply: Redirect) -> u32 {
        if unit.ticket & TICKET > 0 {
            return (unit.ticket & TICKET) - 1;
        }
        let first = match reply {
            Redirect::Moved { .. } => Kind::Moved,
            Redirect::Ask { .. } => Kind::Ask,
            _ => Kind::Other,
        };
        let before: u32 = self.groups[..unit.group as usize].iter().map(|group| group.connections).sum();
        let connection = unit.connection - before;
        let flight = Flight {
            group: unit.group,
            connection,
            process: connection % self.maps.processes(),
            number: unit.first,
            slot: unit.slot,
            arrived_at: unit.arrived_at,
            attempt: Attempt::new(sender, unit.arrived_at),
            first,
            asking_first: false,
        };
        self.flying += 1;
        self.flights.insert(flight).place
    }

    /// The library's next step after a reply that is no result.
    fn follow(&mut self, sender: u16, place: u32, reply: Redirect, now: Nanos, nodes: &mut [Node]) {
        let Some(flight) = self.flights.at(place) else { return };
        let process = flight.process;
        let memory = self.maps.memory(process);
        let step = self.profile.next(&mut flight.attempt, memory, reply, now, &mut self.draws);
        if let Some((slot, node)) = step.learn {
            self.maps.learn(process, slot, node);
            self.changed_at = now;
        }
        match step.refresh {
            Some(Refresh { source, background: true }) => {
                if self.maps.begin_refresh(process, now) == Begin::Now {
                    self.fetch(Fetch { process, background: true, waits: None }, source, sender, now, nodes);
                }
                self.then(place, step.then, now, nodes);
            }
            Some(Refresh { source, background: false }) => {
                let at = match step.then {
                    Then::Send { when: When::At(at), .. } | Then::Fail { at, .. } => at.max(now),
                    Then::Send { .. } => now,
                };
                let fetch = Fetch { process, background: false, waits: Some((place, step.then)) };
                self.fetch(fetch, source, sender, at, nodes);
            }
            None => self.then(place, step.then, now, nodes),
        }
    }

    fn fetch(&mut self, fetch: Fetch, source: MapSource, sender: u16, at: Nanos, nodes: &mut [Node]) {
        let node = match source {
            MapSource::Sender => sender as usize,
            MapSource::First => 0,
            MapSource::Any => self.draws.below(nodes.len() as u64) as usize,
        };
        self.flying += 1;
        let ticket = self.fetches.insert(fetch);
        nodes[node].call(at + self.groups[0].way_again, Asker::Client(ticket.place), Call::Map);
    }

    /// A map has arrived at `at`: `owners` as the asked node sees them. Returns when its process may ask again.
    pub(super) fn map_arrives(
        &mut self,
        fetch: u32,
        owners: &[u16],
        at: Nanos,
        nodes: &mut [Node],
    ) -> Option<(u32, Nanos)> {
        let (_, fetch) = self.fetches.remove(fetch)?;
        self.flying -= 1;
        self.changed_at = at;
        let rests = match fetch.background {
            true => self.maps.end_refresh(fetch.process, Some(owners), at, self.profile.cooldown),
            false => {
                self.maps.refresh(fetch.process, owners, at);
                None
            }
        };
        if let Some((place, then)) = fetch.waits {
            self.then(place, then, at, nodes);
        }
        rests.map(|until| (fetch.process, until))
    }

    /// The pause of a process between two fetches is over.
    pub(super) fn rested(&mut self, process: u32, at: Nanos, nodes: &mut [Node]) {
        if self.maps.rested(process, at) {
            let fetch = Fetch { process, background: true, waits: None };
            self.fetch(fetch, MapSource::Any, 0, at, nodes);
        }
    }

    /// A redirected request is sent again or ends, not before `now`.
    fn then(&mut self, place: u32, then: Then, now: Nanos, nodes: &mut [Node]) {
        let Some(flight) = self.flights.at(place) else { return };
        match then {
            Then::Send { to, asking, when } => {
                let at = if let When::At(at) = when { at.max(now) } else { now };
                if self.profile.out_of_time(&flight.attempt, at) {
                    return self.fail(place, Failure::Deadline, at);
                }
                let node = match to {
                    To::Node(node) => node as usize,
                    To::Mapped => {
                        known(self.maps.owner(flight.process, flight.slot), flight.slot, nodes.len())
                    }
                };
                flight.attempt.sent_to(node as u16);
                flight.asking_first = asking == Asking::First;
                let flags = match asking {
                    Asking::No => 0,
                    Asking::Together => ASKING | ASKED,
                    Asking::First => ASKING,
                };
                self.send(place, flags, at, nodes);
            }
            Then::Fail { failure, at } => self.fail(place, failure, at.max(now)),
        }
    }

    fn send(&mut self, place: u32, flags: u32, at: Nanos, nodes: &mut [Node]) {
        let Some(flight) = self.flights.at(place) else { return };
        let node = &mut nodes[flight.attempt.node as usize];
        let sent = Sent {
            arrived_at: flight.arrived_at,
            readable_at: at + self.groups[flight.group as usize].way_again,
            number: flight.number,
            connection: flight.connection,
            ticket: (place + 1) | flags,
            slot: flight.slot,
        };
        node.seat().ticketed += 1;
        node.groups[flight.group as usize].with_routed(|routed| routed.push(sent));
    }

    /// ASKING was acknowledged: the command follows.
    pub(super) fn asking_done(&mut self, unit: &Unit, read_at: Nanos, nodes: &mut [Node]) {
        let place = (unit.ticket & TICKET) - 1;
        let at = read_at + self.groups[unit.group as usize].per_reply;
        self.send(place, ASKED, at, nodes);
    }

    /// A request that was redirected has its reply.
    pub(super) fn settled(&mut self, unit: &Unit, read_at: Nanos) {
        let Some((_, flight)) = self.flights.remove((unit.ticket & TICKET) - 1) else { return };
        self.flying -= 1;
        if flight.arrived_at >= self.measured_from {
            let sojourn = read_at - flight.arrived_at;
            self.after[flight.first as usize].record(sojourn);
            self.redirected.record(sojourn);
        }
    }

    fn fail(&mut self, place: u32, failure: Failure, at: Nanos) {
        match failure {
            Failure::RedirectLimit => {
                self.failed.redirect_limit += 1;
                self.redirect_loops += 1;
            }
            Failure::Deadline => self.failed.redirect_limit += 1,
            Failure::AskUnknown | Failure::NotFollowed => self.failed.ask += 1,
            Failure::TryAgain => self.failed.tryagain += 1,
            Failure::ClusterDown => self.failed.clusterdown += 1,
            Failure::ConnectionLost => {
                let measured = self.flights.at(place).map_or(0, |flight| flight.arrived_at);
                self.lost += (measured >= self.measured_from) as u64;
                return self.finish(place, at);
            }
        }
        self.end(place, at);
    }

    /// The caller has the error of a redirect at `at`.
    fn end(&mut self, place: u32, at: Nanos) {
        let arrived_at = self.flights.at(place).map_or(0, |flight| flight.arrived_at);
        self.failures += (arrived_at >= self.measured_from) as u64;
        self.finish(place, at);
    }

    /// The caller has an error at `at`.
    fn finish(&mut self, place: u32, at: Nanos) {
        let Some((_, flight)) = self.flights.remove(place) else { return };
        self.flying -= 1;
        if let Origin::Closed(closed) = &mut self.groups[flight.group as usize].origin {
            closed.replied(flight.connection, 1, at, &[]);
        }
    }

    /// Requests of the measured time that are on their way again.
    pub(super) fn in_flight(&self) -> (u64, u64) {
        let flights = self.flights.iter();
        flights.fold((0, 0), |(all, counted), flight| {
            (all + 1, counted + (flight.arrived_at >= self.measured_from) as u64)
        })
    }
}

/// A process that knows no owner of a slot asks some node.
fn known(owner: u16, slot: u16, nodes: usize) -> usize {
    if owner == NONE || owner as usize >= nodes { slot as usize % nodes } else { owner as usize }
}
