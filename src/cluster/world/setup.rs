//! A cluster as a scenario begins with it.

use super::super::failover::{Failover, silence_from};
use super::super::hosts::Hosts;
use super::super::ledger::Ledger;
use super::super::router::{Node, Router};
use super::{SENT_AHEAD, Task, World};
use crate::client::key_names::KeyNames;
use crate::client::slot_counts::SlotCounts;
use crate::dist::Sampler;
use crate::redis::keyspace::{KeyMemory, Keyspace};
use crate::redis::node_query::Asked;
use crate::redis::slot_view::{ClusterView, NONE, first_epochs};
use crate::rng::{StreamId, Streams};
use crate::scenario::cluster::{ClusterSpec, NodeChoice};
use crate::scenario::{Arrivals, Scenario, Source, Workload};
use crate::sim::NodeProbe;
use crate::sim::member::Seat;
use crate::sim::offered_load;
use crate::sim::run::{RunOptions, SimError, Simulation};
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<'a> World<'a> {
    pub(crate) fn new(
        scenario: &'a Scenario,
        spec: &'a ClusterSpec,
        options: &RunOptions,
        probe_of: &mut dyn FnMut(usize) -> NodeProbe,
    ) -> Self {
        let streams = Streams::new(scenario.run.seed, options.replication);
        let owners: Vec<u16> = spec.owners().iter().map(|owner| owner.unwrap_or(NONE)).collect();
        let names = KeyNames::new(scenario.dataset.key_size, scenario.dataset.keys, spec.tags);
        let counts = Arc::new(SlotCounts::new(&names));
        let machines = Arc::new(spec.nodes.iter().map(|node| node.machine.clone()).collect::<Vec<_>>());
        let scenarios: Vec<Scenario> =
            (0..spec.nodes.len()).map(|index| of_node(scenario, spec, index)).collect();
        let positions = positions(scenario, spec, &owners, &counts);
        let slots_of_nodes: Vec<u32> = spec.nodes.iter().map(|node| node.slot_count() as u32).collect();
        let epochs = first_epochs(&slots_of_nodes);
        let mut nodes: Vec<Node> = scenarios
            .iter()
            .zip(positions)
            .enumerate()
            .map(|(index, (node, keys))| {
                let view = ClusterView::new(
                    node.redis.version,
                    index as u16,
                    &owners,
                    &epochs,
                    spec.full_coverage,
                    spec.node_timeout,
                );
                let seat = Seat {
                    index: index as u16,
                    keys,
                    view,
                    counts: Arc::clone(&counts),
                    asked: Asked {
                        version: node.redis.version,
                        is_replica: false,
                        reads_when_down: spec.reads_when_down,
                    },
                    machines: Arc::clone(&machines),
                    link_delay: spec.link_delay,
                    link_speed: spec.link_bandwidth / SECOND as f64,
                    key_size: scenario.dataset.key_size,
                    values: Sampler::new(&scenario.dataset.value_size),
                    stream: streams.open(StreamId::Migration, index as u64),
                    silence_from: silence_from(spec.node_timeout),
                };
                Simulation::new(node, options, probe_of(index), Some(seat))
            })
            .collect();
        let router = Router::new(scenario, spec, &owners, &mut nodes, &streams);
        let total = nodes[0].recorder.clone();
        nodes.iter_mut().for_each(|node| node.recorder.pass_on());
        let rate: f64 = scenario.workloads.iter().map(peak_rate).sum();
        let stride = (SENT_AHEAD / rate.max(1.0) * SECOND as f64) as Nanos;
        let lookahead = router.lookahead().min(spec.link_delay).max(1);
        let mut world = World {
            scenario,
            spec,
            waits: vec![0; nodes.len()],
            targets: vec![0; nodes.len()],
            nodes,
            router,
            movers: Vec::new(),
            total,
            rows: Vec::new(),
            timeline: options.timeline,
            scenarios,
            tasks: BTreeMap::new(),
            next_task: 0,
            moving: 0,
            unsettled: false,
            looking: false,
            lookahead,
            stride: stride.clamp(MILLISECOND, 100 * MILLISECOND),
            horizon: scenario.run.duration,
            at_begin: None,
            at_end: None,
            sent_at: [None; 2],
            open_slots_max: 0,
            ledger: Ledger::default(),
            counts,
            failover: Failover::new(spec.nodes.len(), streams.open(StreamId::ClusterBus, 0)),
            hosts: Hosts::new(spec.nodes.iter().map(|node| node.host).collect()),
        };
        world.ledger = Ledger::new(&world.nodes);
        for (index, planned) in spec.moves.iter().enumerate() {
            world.at(planned.at, Task::Begin(index));
        }
        // A client without a map asks the wrong node from the start.
        if owners.contains(&NONE) || world.router.maps.stale(&owners) > 0 {
            world.unsettle();
        }
        world.note_down(0);
        let hosts_at = world.hosts.first_at();
        if hosts_at != NEVER {
            world.at(hosts_at, Task::Hosts);
        }
        world
    }

    /// Why there is no point in running: a node's open loops ask for more than it can do.
    pub(crate) fn overload(&mut self) -> Option<SimError> {
        if self.scenario.run.allow_overload {
            return None;
        }
        let truth = self.truth();
        let shares = self.router.shares(&truth, self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let mut own = self.scenarios[index].clone();
            for (workload, shares) in own.workloads.iter_mut().zip(&shares) {
                if let Source::Open { schedule, .. } = &mut workload.source {
                    schedule.iter_mut().for_each(|piece| piece.1 *= shares[index]);
                }
            }
            let load = offered_load(&own, &node.plans);
            if let Some(load) = load.filter(|load| load.offered >= 1.0) {
                let capacity = load.capacity_per_s / shares.iter().map(|group| group[index]).sum::<f64>()
                    * shares.len() as f64;
                return Some(SimError::Overload { offered: load.offered, capacity_per_s: capacity });
            }
        }
        None
    }
}

/// The scenario as node number `index` sees it.
fn of_node(scenario: &Scenario, spec: &ClusterSpec, index: usize) -> Scenario {
    let node = &spec.nodes[index];
    let concerns = |choice: Option<NodeChoice>| match choice {
        Some(NodeChoice::One(one)) => one == index,
        Some(NodeChoice::All) | None => true,
    };
    let mut own = scenario.clone();
    own.redis = node.redis.clone();
    own.machine = node.machine.clone();
    own.events.retain(|event| concerns(event.node));
    own
}

/// Keys that can exist on each node, by class.
fn positions(scenario: &Scenario, spec: &ClusterSpec, owners: &[u16], counts: &SlotCounts) -> Vec<Vec<u64>> {
    let popularities: Vec<_> = scenario.workloads.iter().map(|group| group.keys).collect();
    let memory = KeyMemory { per_key: 0.0, empty: 0 };
    let keys = scenario.dataset.keys;
    let (whole, _) = Keyspace::new(scenario.redis.version, keys, false, &popularities, memory);
    let mut positions = vec![Vec::with_capacity(whole.classes()); spec.nodes.len()];
    for class in 0..whole.classes() {
        let mut held = vec![0; spec.nodes.len()];
        let by_slot = counts.by_slot(whole.ranks_of(class));
        for (owner, keys) in owners.iter().zip(by_slot).filter(|(owner, _)| **owner != NONE) {
            held[*owner as usize] += keys;
        }
        positions.iter_mut().zip(held).for_each(|(node, held)| node.push(held));
    }
    positions
}

/// Largest command rate of a group; that of a closed loop is not known.
fn peak_rate(workload: &Workload) -> f64 {
    match &workload.source {
        Source::Open { schedule, arrivals } => {
            let burst = if let Arrivals::Bursts { size } = arrivals { f64::from(*size) } else { 1.0 };
            schedule.iter().map(|piece| piece.1).fold(0.0, f64::max).max(burst)
        }
        Source::Closed { .. } => 0.0,
    }
}
