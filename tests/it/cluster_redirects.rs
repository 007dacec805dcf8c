//! Redirects in a whole cluster against closed forms: latencies to the nanosecond on an idle system, numbers of redirects
//! while slots move, round trips of a migration.

use writepath::cause::Cause;
use writepath::client::key_names::KeyNames;
use writepath::client::libraries::{Asking, Kind, Profile};
use writepath::cluster::legacy_move::round_trips_per_slot;
use writepath::cluster::simulate;
use writepath::dist::Dist;
use writepath::observe::cluster::ClusterResult;
use writepath::observe::result::RunResult;
use writepath::scenario::cluster::{
    ClientProfile, ClusterSpec, ConfigSave, MoveAction, MoveKind, MoveOptions, NodeSpec, TimedMove, dealt,
};
use writepath::scenario::{Arrivals, KeyPopularity, Scenario, Source};
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
    let arrivals = Arrivals::Uniform;
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

/// Some libraries fetch a map from any node in the background: of a hundred it is none that a command is on its way to.
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
        let (mut scenario, owner) = with_one_key(world(client, processes, 100, uniform(0, 97.0), 5 * SECOND));
        // Between two requests, and over before the next.
        moves(&mut scenario, SECOND + 2 * MILLISECOND, [only_slot()], (owner + 3) % 100, 10);
        let (result, cluster) = run(&scenario);
        // The slot is a range of its own, between two of its old owner's.
        let map = EACH + 11_000 + 102 * 170;
        let mut servers = vec![REDIRECT];
        servers.extend(after(client, Kind::Moved, map));
        let learns = client != ClientProfile::Lettuce;
        let met = if learns { u64::from(processes) } else { cluster.moved };
        assert_eq!((cluster.moved, cluster.ask), (met, 0), "{client:?}");
        assert!(met > 300 || learns);
        all_are(&cluster.after_moved, latency(&servers), met);
        let direct = u128::from(result.completed - met) * u128::from(latency(&[SET]));
        assert_eq!(cluster.direct.sum(), direct, "{client:?}");
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
    let (mut scenario, owner) = with_one_key(world(client, processes, 100, source, at + 2500 * MILLISECOND));
    spec(&mut scenario).link_delay = 200 * MILLISECOND;
    moves(&mut scenario, at, [only_slot()], (owner + 7) % 100, 10);
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

#[test]
fn both_redirects_add_up() {
    for client in LIBRARIES {
        // The slot went to a second node while nobody asked, and is on its way to a third.
        let (mut scenario, owner) = open_slot(client, 4, 8 * SECOND);
        let (second, third) = ((owner + 3) % 100, (owner + 7) % 100);
        // Setting the owner on a hundred nodes takes more than 40 s.
        let begin = 60 * SECOND;
        let spec = spec(&mut scenario);
        spec.moves[0].at = 0;
        spec.moves[0].action = MoveAction::Slots { slots: vec![only_slot()..=only_slot()], to: second };
        let mut again = spec.moves[0].clone();
        again.at = begin;
        again.action = MoveAction::Slots { slots: vec![only_slot()..=only_slot()], to: third };
        spec.moves.push(again);
        scenario.workloads[0].source = uniform(begin + 1900 * MILLISECOND, 97.0);
        scenario.run.duration = begin + 2500 * MILLISECOND;
        let (result, cluster) = run(&scenario);
        let learns = client != ClientProfile::Lettuce;
        let both = if learns { 4 } else { result.completed };
        assert_eq!((cluster.moved, cluster.ask), (both, result.completed), "{client:?}");
        let map = EACH + 11_000 + 102 * 170;
        let mut ask = vec![REDIRECT];
        ask.extend(after(client, Kind::Ask, 0));
        let moved = after(client, Kind::Moved, map);
        let mut all = vec![REDIRECT];
        all.extend(&moved[..moved.len() - 1]);
        all.extend(&ask);
        assert_eq!(cluster.after_ask.max(), latency(&all), "{client:?}");
        let direct = u128::from(result.completed - both) * u128::from(latency(&ask));
        assert_eq!(cluster.after_ask.sum(), direct + u128::from(both) * u128::from(latency(&all)));
    }
}

#[test]
fn loops_end_at_the_limit_and_unknown_asks_at_once() {
    let (scenario, _) = open_slot(ClientProfile::AskAsMoved, 4, SECOND);
    let (result, cluster) = run(&scenario);
    let requests = cluster.failed.redirect_limit;
    assert!(requests > 50 && (result.requests, result.completed) == (requests, 0));
    // ASK, MOVED, ASK …: six sends, and the last reply leaves the map as it was.
    assert_eq!((cluster.ask, cluster.moved), (3 * requests, 3 * requests));
    assert_eq!((cluster.redirect_loops, cluster.failed.total()), (requests, requests));

    let (scenario, _) = open_slot(ClientProfile::NoAsk, 4, SECOND);
    let (result, cluster) = run(&scenario);
    assert_eq!((cluster.ask, cluster.failed.ask, cluster.moved), (result.requests, result.requests, 0));
    assert_eq!((result.completed, cluster.failed.total()), (0, result.requests));
}

#[test]
fn without_a_map_everything_is_redirected_for_ever() {
    let (scenario, owner) = with_one_key(world(ClientProfile::NoMap, 1, 5, uniform(0, 97.0), 4 * SECOND));
    assert!(owner > 0, "the process sends everything to the first node");
    let (result, cluster) = run(&scenario);
    assert_eq!((cluster.moved, cluster.direct.count()), (result.completed, 0));
    all_are(&cluster.after_moved, latency(&[REDIRECT, SET]), result.completed);
}

/// SETs of keys with `tags` hash tags at `rate`, and the slots of the tags that a node has.
fn tagged(client: ClientProfile, rate: f64, tags: u64, keys: u64, duration: Nanos) -> (Scenario, Vec<u16>) {
    let source = Source::Open { schedule: vec![(0, rate)], arrivals: Arrivals::Poisson };
    let mut scenario = world(client, 4, 3, source, duration);
    scenario.dataset.keys = keys;
    let names = KeyNames::new(16, keys, Some(tags));
    let of_first = spec(&mut scenario).nodes[0].slots[0].clone();
    let mut slots: Vec<u16> = (0..keys).map(|rank| names.slot_of(rank)).collect();
    slots.sort_unstable();
    let (all, mut own) = (slots.len(), slots);
    own.dedup();
    assert!(all as u64 == keys && own.len() as u64 == tags, "each tag has a slot of its own");
    own.retain(|slot| of_first.contains(slot));
    spec(&mut scenario).tags = Some(tags);
    (scenario, own)
}

#[test]
fn a_map_meets_one_moved_for_each_slot_that_moved() {
    let (mut scenario, slots) = tagged(ClientProfile::NoAsk, 4_000.0, 60, 60, 12 * SECOND);
    // One key a slot: nobody meets an open slot for long.
    spec(&mut scenario).link_delay = 100;
    moves(&mut scenario, SECOND, slots.iter().copied(), 1, 10);
    let (_, cluster) = run(&scenario);
    // 16 commands a second to each slot from each of 4 processes: all are used, and never two at a time.
    assert_eq!(cluster.moved, 4 * slots.len() as u64);
    assert_eq!(cluster.failed.total(), cluster.failed.ask);
}

#[test]
fn asks_are_as_many_as_the_time_in_which_keys_had_left() {
    let (mut scenario, slots) = tagged(ClientProfile::Lettuce, 20_000.0, 40, 4_000, 30 * SECOND);
    spec(&mut scenario).link_delay = 500 * MICROSECOND;
    moves(&mut scenario, SECOND, slots.iter().copied(), 1, 1);
    let (_, cluster) = run(&scenario);
    let migration = &cluster.migrations[0];
    let n = slots.len() as f64;
    assert!(!migration.running && migration.keys == 100 * slots.len() as u64);
    let open = migration.duration as f64 / SECOND as f64 / n;
    let expected = cluster::ask_expected(n, open, 20_000.0 / 40.0, 0.0);
    // What is opened and closed around the hundred keys of a slot is 3 % of its time.
    let tolerance = 4.0 * expected.sqrt() + 0.03 * expected;
    assert!((cluster.ask as f64 - expected).abs() < tolerance, "{} against {expected}", cluster.ask);
}

#[test]
fn no_more_than_one_slot_of_16384_is_on_its_way() {
    let source = Source::Open { schedule: vec![(0, 50_000.0)], arrivals: Arrivals::Poisson };
    let mut scenario = world(ClientProfile::RedisPy, 4, 3, source, 20 * SECOND);
    scenario.dataset.keys = 1_638_400;
    spec(&mut scenario).link_delay = MILLISECOND;
    moves(&mut scenario, 0, 0..500, 1, 10);
    let (_, cluster) = run(&scenario);
    assert!(cluster.migrations[0].running && cluster.open_slots_max == 1);
    let most = cluster.during.count() as f64 * cluster::migrating_share(1);
    assert!(cluster.on_open_slots as f64 <= most + 4.0 * most.sqrt(), "{} of {most}", cluster.on_open_slots);
    assert!(cluster.on_open_slots > 0);
}

#[test]
fn a_migration_takes_the_round_trips_of_its_program() {
    for pipeline in [1, 10, 100] {
        let (mut scenario, slots) = tagged(ClientProfile::RedisPy, 100.0, 30, 1_050, 20 * SECOND);
        moves(&mut scenario, SECOND, slots.iter().copied(), 2, pipeline);
        let (_, cluster) = run(&scenario);
        let expected = slots.len() as u64 * round_trips_per_slot(35, pipeline, 3);
        assert_eq!((cluster.migrations[0].round_trips, cluster.migrations[0].running), (expected, false));
    }
}

#[test]
fn a_storm_of_map_requests_takes_the_main_threads_time() {
    let processes = 50;
    let (mut scenario, owner) =
        with_one_key(world(ClientProfile::Jedis, processes, 3, uniform(0, 2_000.0), 4 * SECOND));
    moves(&mut scenario, SECOND + 100 * MICROSECOND, [only_slot()], (owner + 1) % 3, 10);
    let (result, cluster) = run(&scenario);
    // Each process fetches at its first MOVED; the others of it that come meanwhile do without.
    assert_eq!(cluster.map_refreshes, u64::from(processes));
    assert!(cluster.moved >= cluster.map_refreshes);
    let maps = u64::from(processes) * (11_000 + 5 * 170);
    assert_eq!(result.busy[Cause::ClusterCommand as usize], maps);
}
