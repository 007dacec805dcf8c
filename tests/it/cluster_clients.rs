//! Clients of a cluster against the closed forms of `stats/cluster.rs`: how many redirects they meet while slots move,
//! and what one costs on an idle system. The client mechanisms alone, with a cluster of a few lines.

use writepath::client::libraries::{Asking, Kind, Profile};
use writepath::client::redirect::{Attempt, Redirect, Then, To, When};
use writepath::client::slot_maps::SlotMaps;
use writepath::rng::{Stream, StreamId, Streams, Uniform};
use writepath::scenario::cluster::{ClientProfile, SLOTS};
use writepath::stats::cluster;
use writepath::units::{MICROSECOND, Nanos, SECOND};

fn draws(owner: u64) -> Stream {
    Streams::new(7, 0).open(StreamId::Arrivals, owner)
}

/// Slots 0 to `slots` − 1 go from node 0 to node 1, one every `gap` \[s\], the first at once; the run ends `gap` after
/// the last. Each process sends `load` commands a second to each of them. The number of MOVEDs.
fn moved(client: ClientProfile, processes: u32, load: f64, slots: u64, gap: f64) -> f64 {
    let profile = Profile::of(client);
    let mut maps = SlotMaps::new(processes, &[0; SLOTS]);
    let mut count = 0;
    for process in 0..processes {
        let mut draws = draws(process.into());
        let mut truth = vec![0; SLOTS];
        let mut now = 0.0;
        loop {
            now += draws.exponential() / (load * slots as f64);
            if now >= gap * slots as f64 {
                break;
            }
            truth[..=(now / gap) as usize].fill(1);
            let slot = draws.below(slots) as u16;
            if maps.owner(process, slot) == truth[slot as usize] {
                continue;
            }
            count += 1;
            let mut attempt = Attempt::new(0, 0);
            let reply = Redirect::Moved { slot, node: 1 };
            let step = profile.next(&mut attempt, maps.memory(process), reply, 0, &mut draws);
            if let Some((slot, node)) = step.learn {
                maps.learn(process, slot, node);
            }
            if step.refresh.is_some() {
                maps.refresh(process, &truth, 0);
            }
        }
    }
    f64::from(count)
}

#[test]
fn each_process_meets_the_moveds_that_its_way_of_learning_leaves_it() {
    let (processes, slots, gap) = (200, 60, 0.5);
    let rests = || (1..=slots).map(|n| gap * n as f64);
    for load in [0.02, 0.2, 3.0] {
        let maps = f64::from(processes);
        let one_slot = cluster::moved_expected(maps, load, rests());
        let never = cluster::moved_expected_unlearned(maps, load, rests());
        let whole_map = cluster::moved_expected_fetching(maps, load, slots as u32, gap, gap);
        assert!(whole_map < one_slot && one_slot < never);
        let cases = [
            (ClientProfile::NoAsk, one_slot),
            (ClientProfile::Lettuce, never),
            (ClientProfile::Jedis, whole_map),
            (ClientProfile::GoRedis, whole_map),
        ];
        for (client, expected) in cases {
            let count = moved(client, processes, load, slots, gap);
            // Sums of independent trials, or of processes whose MOVEDs repel one another: no wider than Poisson.
            assert!(
                (count - expected).abs() < 4.0 * expected.sqrt(),
                "{client:?} {load}: {count}, {expected}"
            );
        }
        // Every fifth MOVED of redis-py tells of all slots, so it lies between the two.
        let mixed = moved(ClientProfile::RedisPy, processes, load, slots, gap);
        let room = 4.0 * one_slot.sqrt();
        assert!(mixed > whole_map - room && mixed < one_slot + room, "{mixed}");
    }
}

#[test]
fn half_of_the_commands_to_an_open_slot_meet_ask() {
    // The keys of a slot leave ten at a time, in equal steps; a command that comes during a step sees its beginning.
    let (keys, batch, open, load, slots) = (160u64, 10u64, 2.0, 500.0, 40u64);
    let steps = keys.div_ceil(batch);
    let mut draws = draws(99);
    let (mut asks, mut now) = (0, 0.0);
    loop {
        now += draws.exponential() / load;
        if now >= open * slots as f64 {
            break;
        }
        let step = (now % open / open * steps as f64) as u64;
        asks += (draws.below(keys) < step * batch) as u64;
    }
    let commands = slots as f64 * open * load;
    let (least, most) = cluster::share_gone(keys, batch);
    let expected = commands * least;
    assert!((asks as f64 - expected).abs() < 4.0 * expected.sqrt(), "{asks}, {expected}");
    let half = cluster::ask_expected(slots as f64, open, load, 0.0);
    assert!(commands * least < half && half < commands * most);
}

/// Latency of a command that meets one redirect on an idle system, link and servers taking constant times; `fetches`:
/// its process has had so many MOVEDs that it is due to fetch the map.
fn latency(client: ClientProfile, kind: Kind, fetches: bool, one_way: Nanos, server: Nanos) -> Option<Nanos> {
    let profile = Profile::of(client);
    let (mut maps, mut draws) = (SlotMaps::new(1, &[0; SLOTS]), draws(0));
    maps.memory(0).moved = if fetches { 4 } else { 0 };
    let round_trip = 2 * one_way + server;
    let mut attempt = Attempt::new(0, 0);
    let mut now = round_trip;
    // Node 0 has sent the slot to node 1 (MOVED), or is doing so (ASK): node 1 serves whoever is asked to, or asks.
    let mut served = kind == Kind::Direct;
    while !served {
        let reply = match (kind, attempt.node) {
            (Kind::Moved, _) => Redirect::Moved { slot: 9, node: 1 },
            (_, 0) => Redirect::Ask { slot: 9, node: 1 },
            _ => Redirect::Moved { slot: 9, node: 0 },
        };
        let step = profile.next(&mut attempt, maps.memory(0), reply, now, &mut draws);
        if let Some((slot, node)) = step.learn {
            maps.learn(0, slot, node);
        }
        let Then::Send { to, asking, when: When::At(at) } = step.then else { return None };
        now = at;
        if let Some(refresh) = step.refresh.filter(|_| kind == Kind::Moved) {
            maps.refresh(0, &[1; SLOTS], now);
            now += if refresh.background { 0 } else { round_trip };
        }
        let node = if let To::Node(node) = to { node } else { maps.owner(0, 9) };
        attempt.sent_to(node);
        now += if asking == Asking::First { 2 * round_trip } else { round_trip };
        served = node == 1 && (kind == Kind::Moved || asking != Asking::No);
    }
    Some(now)
}

#[test]
fn redirects_cost_two_or_three_round_trips_to_the_nanosecond() {
    let (one_way, server) = (100 * MICROSECOND + 1, 7_003);
    for client in [
        ClientProfile::RedisPy,
        ClientProfile::GoRedis,
        ClientProfile::Jedis,
        ClientProfile::Lettuce,
        ClientProfile::NoAsk,
        ClientProfile::AskAsMoved,
        ClientProfile::NoMap,
        ClientProfile::SlotBySlot,
    ] {
        for kind in [Kind::Direct, Kind::Moved, Kind::Ask] {
            for fetches in [false, true] {
                let round_trips = Profile::of(client).round_trips(kind, fetches);
                let expected = round_trips.map(|n| cluster::idle_latency(one_way, &vec![server; n as usize]));
                let found = latency(client, kind, fetches, one_way, server);
                assert_eq!(found, expected, "{client:?} {kind:?} {fetches}");
                assert!(found.is_none_or(|found| found < SECOND));
            }
        }
    }
}
