//! Whatever meets while slots move, every key is on one node and every request ends once.
//!
//! Method: random small clusters, far too short and too full of faults to be realistic. Every run counts its own books
//! as it goes (`cluster/ledger.rs`: every place of every class is on one node or on its way, open slots one by one) and
//! at its end (requests, times, deadlines); here the totals are compared with what the commands allow.
//!
//! PROPTEST_CASES is the number of schedules; else 2,000 in release, 300 otherwise.

use std::path::Path;

use proptest::prelude::*;
use writepath::client::key_names::KeyNames;
use writepath::cluster::simulate;
use writepath::observe::result::RunResult;
use writepath::rng::{StreamId, Streams, Uniform};
use writepath::scenario::problem::Problems;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::RunOptions;

/// A schedule as a scenario, and what must come of it.
struct Schedule {
    text: String,
    keys: u64,
    prefilled: bool,
    /// Some command creates or deletes keys.
    changes: bool,
    volatile: bool,
    /// Number of moves: two redis-cli on one slot lose keys on real servers too (dirty slots are deleted).
    moves: u64,
    /// The only move: its target and the number of slots.
    only: Option<(usize, u32)>,
}

fn schedule(seed: u64) -> Schedule {
    let mut draw = Streams::new(seed, 11).open(StreamId::Mix, 0);
    let mut of = |n: u64| draw.below(n) as usize;
    let keys = [3, 40, 500, 5000][of(4)] as u64;
    let tags = [None, Some(1), Some(3)][of(3)].filter(|&tags| tags <= keys);
    let names = KeyNames::new(24, keys, tags);
    let (nodes, empty) = (1 + of(4), of(2));
    let total = nodes + empty;
    let version = ["6.2", "7.0", "7.2", "valkey-8.0"][of(4)];
    let client = ["redis-py", "go-redis", "jedis", "lettuce", "no-ask", "ask-as-moved", "no-map"][of(7)];
    let popularity = ["uniform", "zipf", "sequential"][of(3)];
    let popularity = match popularity {
        "zipf" => "{ dist = \"zipf\", s = 0.99 }".to_owned(),
        other => format!("{{ dist = \"{other}\" }}"),
    };
    let prefilled = of(3) > 0;
    let mixes = [
        "SET = 1",
        "GET = 1",
        "SET = 0.25, GET = 0.75",
        "SET = 0.5, DEL = 0.25, GET = 0.25",
        "\"SET PX 60\" = 0.5, GET = 0.5",
        "\"SET PX 30\" = 0.5, DEL = 0.25, INCR = 0.25",
    ];
    let mix = of(6);
    let ttl = prefilled && of(3) == 0;
    let mut text = format!(
        "[redis]\nversion = \"{version}\"\nappendonly = {}\nsave = \"\"\nhz = {}\n[dataset]\nkeys = {keys}\nprefilled = {prefilled}\nkey-size = \"24B\"\n",
        of(2) == 0,
        [10, 100, 500][of(3)],
    );
    if ttl {
        text += &format!("ttl = \"{}ms\"\nttl-share = {}\n", [20, 150][of(2)], ["0.4", "1"][of(2)]);
    }
    text += &format!(
        "[cluster]\nprimaries = {nodes}\nempty-primaries = {empty}\nclient = \"{client}\"\nclient-processes = {}\n",
        1 + of(4),
    );
    if let Some(tags) = tags {
        text += &format!("hash-tags = {tags}\n");
    }
    for group in 0..1 + of(2) {
        let source = match of(4) {
            0 => "loop = \"closed\"\nthink = \"1ms\"".to_owned(),
            _ => format!("loop = \"open\"\nrate = \"{}/s\"", [500, 4000][of(2)]),
        };
        text += &format!(
            "[[workload]]\nname = \"g{group}\"\n{source}\nconnections = {}\npipeline = {}\nmix = {{ {} }}\nkeys = {popularity}\n",
            1 + of(20),
            [1, 1, 10][of(3)],
            mixes[mix],
        );
    }
    let moves = of(4);
    let mut only = None;
    for place in 0..moves {
        let (at, pipeline, to) = (of(100), [1, 2, 10, 100][of(4)], of(total as u64));
        let timeout = [1, 5, 60_000][of(3)];
        let options = format!("pipeline = {pipeline}\ntimeout = \"{timeout}ms\"\nreplace = {}", of(2) == 0);
        let mut slots: Vec<u16> = (0..1 + of(6)).map(|_| names.slot_of(of(keys) as u64)).collect();
        slots.sort_unstable();
        slots.dedup();
        let list: Vec<String> = slots.iter().map(|slot| format!("\"{slot}\"")).collect();
        let what = match of(4) {
            0 if total > 1 => {
                format!("do = \"reshard\"\nfrom = \"all\"\nto = \"node-{}\"\nslots = {}", to + 1, 1 + of(30))
            }
            1 if place > 0 => "do = \"cluster-fix\"".to_owned(),
            2 if keys == 3 && empty > 0 => {
                "do = \"rebalance\"\nuse-empty-primaries = true\nthreshold = 90".to_owned()
            }
            _ => {
                if moves == 1 {
                    only = Some((to, slots.len() as u32));
                }
                format!("do = \"move-slots\"\nslots = [{}]\nto = \"node-{}\"", list.join(", "), to + 1)
            }
        };
        text += &format!("[[event]]\nat = \"{at}ms\"\n{what}\n{options}\n");
    }
    for _ in 0..of(3) {
        let (at, node) = (of(120), 1 + of(total as u64));
        let what = match of(3) {
            0 => "do = \"crash\"\nrestart = \"30ms\"".to_owned(),
            _ => format!("do = \"freeze\"\nfor = \"{}ms\"", [3, 20, 90][of(3)]),
        };
        text += &format!("[[event]]\nat = \"{at}ms\"\n{what}\nnode = \"node-{node}\"\n");
    }
    text += &format!(
        "[machine]\nmodel = \"two-core-vm\"\n[run]\nduration = \"{}ms\"\nwarmup = \"{}\"\nseed = {seed}\nwindows = []\nallow-overload = true\n",
        [150, 300][of(2)],
        ["0s", "50ms"][of(2)],
    );
    let changes = mix >= 3 || !prefilled;
    Schedule { text, keys, prefilled, changes, volatile: ttl || mix >= 4, moves: moves as u64, only }
}

/// None if the schedule moves a slot to where it is, or more slots than there are, which is refused.
fn ran(text: &str) -> Option<RunResult> {
    let scenario = match resolve(text, "test.toml", Path::new(""), &Overrides::default()) {
        Ok(scenario) => scenario,
        Err(Problems(problems)) => {
            let moves = ["a migration to itself", "but the sources own"];
            let refused = problems.iter().all(|problem| moves.iter().any(|text| problem.read.contains(text)));
            assert!(refused, "{text}\n{}", Problems(problems));
            return None;
        }
    };
    Some(simulate(&scenario, &RunOptions::default(), &mut |_| true).expect("it runs"))
}

fn config() -> ProptestConfig {
    let default = if cfg!(debug_assertions) { 300 } else { 2000 };
    let asked: Option<u32> = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(default), failure_persistence: None, ..ProptestConfig::default() }
}

/// The only key of a slot is with a third node when its owner hands the slot over.
#[test]
fn a_slot_whose_keys_are_all_elsewhere_changes_hands() {
    let schedule = schedule(902_548_883_246_279_551);
    assert_eq!(schedule.moves, 2, "two moves at once");
    ran(&schedule.text).expect("a run");
}

/// A node that has not been told to migrate a slot is told that the slot is another's.
#[test]
fn a_slot_that_was_never_opened_is_given_away() {
    let schedule = schedule(14_042_034_004_977_593_326);
    assert_eq!(schedule.moves, 3, "two moves at once, and a fix");
    ran(&schedule.text).expect("a run");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_key_is_on_one_node_whatever_meets(seed in any::<u64>()) {
        let schedule = schedule(seed);
        let Some(result) = ran(&schedule.text) else { return Ok(()) };
        let cluster = result.cluster.as_ref().expect("a cluster");
        let keys: u64 = cluster.nodes.iter().map(|node| node.keys).sum();
        let context = &schedule.text;
        prop_assert!(keys <= schedule.keys, "{keys} keys\n{context}");
        if schedule.prefilled && !schedule.changes && !schedule.volatile && schedule.moves < 2 {
            prop_assert_eq!(keys, schedule.keys, "{}", context);
        }
        let slots: u32 = cluster.nodes.iter().map(|node| node.slots_at_end).sum();
        prop_assert!(slots <= 16_384, "{slots} slots\n{context}");
        if let (Some((to, moved)), [run]) = (schedule.only, &cluster.migrations[..])
            && run.failed.is_none() && !run.running
        {
            let node = &cluster.nodes[to];
            prop_assert!(node.slots_at_end >= node.slots_at_start, "{context}");
            prop_assert!(node.slots_at_end <= node.slots_at_start + moved, "{context}");
            prop_assert_eq!(run.open_slots_left, 0, "{}", context);
            prop_assert_eq!(slots, 16_384, "{}", context);
        }
        // The same again gives the same.
        let again = ran(&schedule.text).expect("as before");
        let print = |result: &RunResult| format!("{:?} {:?} {:?}", result.cluster, result.counters, result.busy);
        prop_assert_eq!(print(&result), print(&again), "{}", context);
    }
}
