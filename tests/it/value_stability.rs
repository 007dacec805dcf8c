//! Pinned results of two tiny scenarios under three seeds.
//!
//! A change here is value-breaking: the same seed gives other numbers than before. Log it as such in CHANGELOG.md, then
//! pin the new numbers: `UPDATE_RECORDED=1 cargo test --test it value_stability`, and read the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use writepath::cause::Cause;
use writepath::dist::Dist;
use writepath::redis::config::{AppendFsync, SavePoint};
use writepath::scenario::{KeyPopularity, Scenario, Source};
use writepath::units::SECOND;

use super::support::{poisson, record, scenario, with_aof};

/// An open loop with the AOF, snapshots, pages to copy, keys by popularity and a wake-up.
fn open() -> Scenario {
    let service = Dist::Lognormal { mean: 5000.0, scv: 1.5 };
    let mut scenario = with_aof(scenario(poisson(20_000.0), 50, service, 5 * SECOND), AppendFsync::Everysec);
    scenario.workloads[0].keys = KeyPopularity::Zipf { s: 0.99 };
    scenario.redis.save = vec![SavePoint { seconds: 1, changes: 1000 }];
    let machine = &mut scenario.machine;
    machine.cpu.wakeup = vec![(20_000, 5000), (1_000_000, 30_000)];
    (machine.cpu.turn, machine.cpu.read, machine.cpu.write, machine.cpu.cron) = (1500, 1800, 2200, 90_000);
    machine.disk.write = 3000;
    machine.disk.fdatasync = Dist::Lognormal { mean: 2e6, scv: 1.0 };
    (machine.fork.base, machine.child.rdb_per_key) = (3_000_000, 300_000);
    (machine.cow.fault, machine.cow.pages_per_set) = (1500, 1.5);
    scenario
}

/// A pipelined closed loop under `always` on a network with jitter.
fn closed() -> Scenario {
    let source = Source::Closed { think: Dist::Exponential { mean: 100_000.0 } };
    let mut scenario = with_aof(scenario(source, 20, Dist::Fixed(2000.0), SECOND), AppendFsync::Always);
    scenario.workloads[0].pipeline = 4;
    let machine = &mut scenario.machine;
    (machine.cpu.turn, machine.cpu.read, machine.cpu.write) = (1500, 1800, 2200);
    machine.network.one_way = 25_000;
    machine.network.jitter = Dist::Exponential { mean: 10_000.0 };
    (machine.client.threads, machine.client.per_reply) = (2, 3000);
    machine.disk.fdatasync = Dist::Lognormal { mean: 1e6, scv: 0.5 };
    scenario
}

/// A few numbers that depend on all that happened.
fn numbers(mut scenario: Scenario, seed: u64) -> Value {
    scenario.run.seed = seed;
    let (replied, result) = record(&scenario);
    let last = replied.last().expect("replies");
    json!({
        "completed": result.completed,
        "sojourn_ns_sum": result.scopes[0].sojourn.sum() as u64,
        "sojourn_ns_max": result.scopes[0].sojourn.max(),
        "last_read_at_ns": last.read_at,
        "busy_ns": result.busy_total,
        "command_ns": result.busy[Cause::Command as usize],
        "cow_ns": result.busy[Cause::Cow as usize],
        "aof_fsync_always_ns": result.busy[Cause::AofFsyncAlways as usize],
        "aof_fsyncs": result.counters.aof_fsyncs,
        "eventloop_cycles": result.counters.eventloop_cycles,
        "forks": result.counters.forks,
    })
}

#[test]
fn the_same_seeds_give_the_numbers_they_always_gave() {
    let mut now = BTreeMap::new();
    for seed in [1, 2, 12_345_678_901_234_567_890] {
        now.insert(format!("open-{seed}"), numbers(open(), seed));
        now.insert(format!("closed-{seed}"), numbers(closed(), seed));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pinned.json");
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        let text = serde_json::to_string_pretty(&now).expect("serialisable") + "\n";
        fs::write(&path, text).expect("writable");
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
    let pinned: BTreeMap<String, Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(pinned.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (name, numbers) in &now {
        assert_eq!(numbers, &pinned[name], "{name}: value-breaking, see the head of this file");
    }
}
