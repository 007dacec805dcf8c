//! The clients of a cluster: when requests come, which node they go to, and what becomes of redirects.
//!
//! Times and keys of requests are those of the same groups in front of a single server: the n-th request depends on
//! the seed alone. Each client process has a slot map; a request goes where its process believes the slot to be. A
//! redirect comes back here, and the client's library decides what is sent next (`client/redirects.rs`).
//!
//! The commands of a pipeline are sent to their nodes at once, as one write a node. What is redirected is followed in
//! `router/flights.rs`, maps are fetched in `router/fetches.rs`, and `router/pipelines.rs` knows which libraries wait for
//! all nodes before they follow a redirect within a pipeline; `router/send.rs` sends what comes new.

mod fetches;
mod flights;
mod pipelines;
mod send;

use std::collections::BTreeMap;

use fetches::Fetch;
pub(super) use flights::ClientTask;
use flights::Flight;
use pipelines::{Split, Write};
use send::Meant;

use crate::client::closed::ClosedLoop;
use crate::client::key_names::KeyNames;
use crate::client::keys::KeySampler;
use crate::client::libraries::Profile;
use crate::client::open::OpenLoop;
use crate::client::slab::Slab;
use crate::client::slot_maps::SlotMaps;
use crate::math::Factor;
use crate::observe::cluster::ClusterFailures;
use crate::observe::histogram::Histogram;
use crate::redis::slot_view::NONE;
use crate::rng::{Numbered, Stream, StreamId, Streams};
use crate::scenario::cluster::{ClientProfile, ClusterSpec};
use crate::scenario::{Scenario, Source};
use crate::sim::NodeProbe;
use crate::sim::run::Simulation;
use crate::units::{KIB, NEVER, Nanos};

/// Keys that are drawn to see how a load is spread.
const SAMPLE: u64 = 20_000;

/// One node.
pub(super) type Node = Simulation<NodeProbe>;

/// Requests of one group.
struct Group {
    origin: Origin,
    pipeline: u32,
    connections: u32,
    /// Number of the next command.
    next: u64,
    keys: Numbered,
    sampler: KeySampler,
    /// From the intended time of a write to its bytes at a node.
    way_in: Nanos,
    /// A client's time to read the reply to one command \[ns\].
    per_reply: Nanos,
    /// Mean length of a command \[bytes\].
    request_bytes: u64,
}

enum Origin {
    Open(Box<OpenLoop>),
    Closed(ClosedLoop),
}

impl Origin {
    #[inline(always)]
    fn next_at(&self) -> Nanos {
        match self {
            Origin::Open(open) => open.next_at(),
            Origin::Closed(closed) => closed.next_at(),
        }
    }
}

/// All clients of the cluster.
pub(super) struct Router {
    groups: Vec<Group>,
    names: KeyNames,
    pub(super) maps: SlotMaps,
    profile: &'static Profile,
    /// From the time of a send by a client that is awake to its first byte at a node; and what each byte adds.
    way: Nanos,
    transmission: Factor,
    flights: Slab<Flight>,
    /// Redirected requests and fetches of maps that have not ended.
    flying: u64,
    fetches: Slab<Fetch>,
    draws: Stream,
    /// Pipelines of which some commands are answered, where the library waits for all: by group and number.
    writes: BTreeMap<Split, Write>,
    /// Nodes tell of all commands of pipelines that are meant from then on.
    told_from: Nanos,
    /// What clients do later, for the world.
    pub(super) todo: Vec<(Nanos, ClientTask)>,
    /// Everything that can be read before this has been sent.
    pub(super) sent_until: Nanos,
    /// What is being sent.
    meant: Meant,
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
            let (way_in, per_reply) = (client.way_in(), client.per_reply());
            let request_bytes = nodes[0].plans[index].mean_request_bytes().round() as u64;
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
                per_reply,
                request_bytes,
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
        let machine = &spec.nodes[0].machine;
        Router {
            groups,
            way: machine.client.per_send + machine.network.one_way,
            transmission: Factor::new(machine.network.per_kib / KIB as f64),
            names: KeyNames::new(scenario.dataset.key_size, scenario.dataset.keys, spec.tags),
            maps,
            profile: Profile::of(spec.client),
            flights: Slab::default(),
            flying: 0,
            fetches: Slab::default(),
            draws: streams.open(StreamId::Redirects, 0),
            writes: BTreeMap::new(),
            told_from: 0,
            todo: Vec::new(),
            sent_until: 0,
            meant: Meant::default(),
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
        self.groups.iter().map(|group| group.way_in).min().unwrap_or(0).min(self.way)
    }

    /// From a send of so many bytes by a client that is awake to its last byte at a node.
    fn way(&self, bytes: u64) -> Nanos {
        self.way + self.transmission.of(bytes)
    }

    /// Requests of the measured time.
    pub(super) fn measured(&self) -> u64 {
        self.measured
    }

    /// Commands sent so far, those sent again not counted.
    pub(super) fn requests(&self) -> u64 {
        self.groups.iter().map(|group| group.next).sum()
    }

    /// When a node can read what is sent next.
    pub(super) fn next_readable_at(&self) -> Nanos {
        let next = self.groups.iter().map(|group| group.origin.next_at().saturating_add(group.way_in));
        next.min().unwrap_or(NEVER)
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
}

/// A process that knows no owner of a slot asks some node.
fn known(owner: u16, slot: u16, nodes: usize) -> usize {
    if owner == NONE || owner as usize >= nodes { slot as usize % nodes } else { owner as usize }
}
