//! Redirects in a whole cluster against closed forms: latencies to the nanosecond on an idle system, numbers of redirects
//! while slots move, round trips of a migration.

use writepath::client::key_names::KeyNames;
use writepath::client::libraries::{Asking, Kind, Profile};
use writepath::cluster::simulate;
use writepath::dist::Dist;
use writepath::observe::cluster::ClusterResult;
use writepath::observe::result::RunResult;
use writepath::scenario::cluster::{
    ClientProfile, ClusterSpec, ConfigSave, MoveAction, MoveKind, MoveOptions, NodeSpec, TimedMove, dealt,
};
use writepath::scenario::{KeyPopularity, Scenario, Source};
use writepath::sim::RunOptions;
use writepath::stats::cluster;
use writepath::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

use crate::support;

/// Clients to nodes, one way.
const ONE_WAY: Nanos = 50 * MICROSECOND;
/// A client's time for a send, and for a reply to one command.
const SEND: Nanos = 600;
const REPLY: Nanos = 900;
const COMMAND: Nanos = 35;

/// `nodes` primaries whose machines have round prices, clients of `client`, and SETs from `source`.
fn world(client: ClientProfile, processes: u32, nodes: usize, source: Source, duration: Nanos) -> Scenario {
    let mut scenario = support::scenario(source, 64, Dist::Fixed(0.0), duration);
    let machine = &mut scenario.machine;
    machine.network.one_way = ONE_WAY;
    (machine.client.per_send, machine.client.per_reply, machine.client.per_command) = (SEND, REPLY, COMMAND);
    machine.cpu.wakeup = vec![(0, 5_000)];
    (machine.cpu.turn, machine.cpu.read, machine.cpu.write) = (1_000, 2_000, 4_000);
    (machine.cpu.set, machine.cpu.ping) = (3_000, 500);
    (machine.cluster.redirect, machine.cluster.slot_lookup) = (700, 40);
    (machine.cluster.slots_walk, machine.cluster.slots_per_range) = (11_000, 170);
    let machine = machine.clone();
    let slots = dealt(nodes).into_iter().enumerate();
    let nodes = slots.map(|(index, slots)| NodeSpec {
        name: format!("node-{}", index + 1),
        slots: vec![slots],
        redis: scenario.redis.clone(),
        machine: machine.clone(),
        host: index as u32,
    });
    scenario.cluster = Some(Box::new(ClusterSpec {
        nodes: nodes.collect(),
        client,
        processes,
        tags: None,
        link_delay: ONE_WAY,
        link_bandwidth: 1e12,
        node_timeout: 60 * SECOND,
        full_coverage: true,
        reads_when_down: false,
        handoff_max_lag: 0,
        write_pause_timeout: SECOND,
        config_save: ConfigSave::Sync,
        validity_factor: 10,
        no_failover: false,
        moves: Vec::new(),
    }));
    scenario
}

fn spec(scenario: &mut Scenario) -> &mut ClusterSpec {
    scenario.cluster.as_mut().expect("a cluster")
}

fn uniform(from: Nanos, rate: f64) -> Source {
    let arrivals = writepath::scenario::Arrivals::Uniform;
    let schedule = if from > 0 { vec![(0, 0.0), (from, rate)] } else { vec![(0, rate)] };
    Source::Open { schedule, arrivals }
}

/// Slots that go to node `to` at `at`.
fn moves(scenario: &mut Scenario, at: Nanos, slots: impl IntoIterator<Item = u16>, to: usize, pipeline: u32) {
    let options =
        MoveOptions { kind: MoveKind::Legacy, pipeline, timeout: 60 * SECOND, pause: 0, replace: false };
    let slots = slots.into_iter().map(|slot| slot..=slot).collect();
    spec(scenario).moves.push(TimedMove { at, action: MoveAction::Slots { slots, to }, options });
}

fn run(scenario: &Scenario) -> (RunResult, ClusterResult) {
    let result = simulate(scenario, &RunOptions::default(), &mut |_| true).expect("it runs");
    let cluster = result.cluster.clone().expect("of a cluster");
    (result, cluster)
}

/// Main-thread times of what a node may be asked for, from waking up to the reply.
const EACH: Nanos = 5_000 + 1_000 + 2_000 + 4_000;
const SET: Nanos = EACH + 3_000 + 40;
const REDIRECT: Nanos = EACH + 700;
const ACKNOWLEDGE: Nanos = EACH + 500;

/// Latency of round trips that take the servers so long.
fn latency(servers: &[Nanos]) -> Nanos {
    let n = servers.len() as Nanos;
    cluster::idle_latency(ONE_WAY, servers) + n * SEND + (n - 1) * (REPLY + COMMAND)
}

/// What servers do for a command after `kind`.
fn after(client: ClientProfile, kind: Kind, map: Nanos) -> Vec<Nanos> {
    let profile = Profile::of(client);
    match kind {
        Kind::Direct => vec![SET],
        Kind::Moved if profile.round_trips(kind, false) == Some(3) => vec![map, SET],
        Kind::Moved => vec![SET],
        Kind::Ask if profile.asking == Some(Asking::First) => vec![ACKNOWLEDGE, SET],
        Kind::Ask => vec![SET + 500],
    }
}

const LIBRARIES: [ClientProfile; 4] =
    [ClientProfile::RedisPy, ClientProfile::GoRedis, ClientProfile::Jedis, ClientProfile::Lettuce];

/// The only key lies in this slot.
fn only_slot() -> u16 {
    KeyNames::new(16, 1, None).slot_of(0)
}

fn with_one_key(mut scenario: Scenario) -> (Scenario, usize) {
    scenario.dataset.keys = 1;
    scenario.workloads[0].keys = KeyPopularity::Single;
    let owner = spec(&mut scenario).nodes.iter().position(|node| node.slots[0].contains(&only_slot()));
    (scenario, owner.expect("it has one"))
}

/// Every sojourn in `histogram` is `expected`.
#[track_caller]
fn all_are(histogram: &writepath::observe::histogram::Histogram, expected: Nanos, n: u64) {
    assert_eq!((histogram.count(), histogram.max()), (n, expected));
    assert_eq!(histogram.sum(), u128::from(n) * u128::from(expected));
}

#[test]
fn a_moved_costs_what_its_round_trips_cost() {
    for client in LIBRARIES {
        let processes = 4;
        let (mut scenario, owner) = with_one_key(world(client, processes, 20, uniform(0, 97.0), 5 * SECOND));
        // Between two requests, and over before the next.
        moves(&mut scenario, SECOND + 2 * MILLISECOND, [only_slot()], (owner + 3) % 20, 10);
        let (result, cluster) = run(&scenario);
        // 22 ranges: the slot is one of its own, between two of its old owner's.
        let map = EACH + 11_000 + 22 * 170;
        let mut servers = vec![REDIRECT];
        servers.extend(after(client, Kind::Moved, map));
        let learns = client != ClientProfile::Lettuce;
        let met = if learns { u64::from(processes) } else { cluster.moved };
        assert_eq!((cluster.moved, cluster.ask), (met, 0), "{client:?}");
        assert!(met > 300 || learns);
        all_are(&cluster.after_moved, latency(&servers), met);
        all_are(&cluster.direct, latency(&[SET]), result.completed - met);
        let fetched = match client {
            ClientProfile::Jedis | ClientProfile::GoRedis => processes,
            _ => 0,
        };
        assert_eq!(cluster.map_refreshes, u64::from(fetched), "{client:?}");
    }
}

/// The key has left the slot, which is still open, from 2.8 s on until beyond 3.5 s: the ways between nodes are long.
fn open_slot(client: ClientProfile, processes: u32, at: Nanos) -> (Scenario, usize) {
    let source = uniform(at + 1900 * MILLISECOND, 97.0);
    let (mut scenario, owner) = with_one_key(world(client, processes, 20, source, at + 2500 * MILLISECOND));
    spec(&mut scenario).link_delay = 200 * MILLISECOND;
    moves(&mut scenario, at, [only_slot()], (owner + 7) % 20, 10);
    (scenario, owner)
}

#[test]
fn an_ask_costs_what_its_round_trips_cost() {
    for client in LIBRARIES {
        let (scenario, _) = open_slot(client, 4, SECOND);
        let (result, cluster) = run(&scenario);
        let mut servers = vec![REDIRECT];
        servers.extend(after(client, Kind::Ask, 0));
        assert!(result.completed > 50, "{client:?}: {}", result.completed);
        assert_eq!((cluster.ask, cluster.moved), (result.completed, 0), "{client:?}");
        all_are(&cluster.after_ask, latency(&servers), result.completed);
    }
}
