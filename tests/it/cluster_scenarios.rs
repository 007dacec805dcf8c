//! The built-in scenarios of clusters, each with the fact it shows.

use std::path::Path;

use writepath::cluster::simulate;
use writepath::observe::cluster::ClusterResult;
use writepath::observe::result::RunResult;
use writepath::scenario::builtin;
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::sim::RunOptions;
use writepath::units::{MILLISECOND, Nanos};

/// Runs a built-in scenario with settings laid over it.
fn run_built_in(name: &str, set: &[&str]) -> RunResult {
    let set = set.iter().map(|text| (*text).to_owned()).collect();
    run(name, builtin::get(name).expect("built in"), set)
}

fn run(name: &str, text: &str, set: Vec<String>) -> RunResult {
    let overrides = Overrides { set, ..Overrides::default() };
    let scenario =
        resolve(text, name, Path::new(""), &overrides).unwrap_or_else(|problems| panic!("{problems}"));
    simulate(&scenario, &RunOptions::default(), &mut |_| true).expect("it runs")
}

fn cluster(result: &RunResult) -> &ClusterResult {
    result.cluster.as_ref().expect("a cluster")
}

/// Sojourn of a group's requests at a quantile.
fn sojourn(result: &RunResult, group: &str, q: f64) -> Nanos {
    let found = result.scopes.iter().find(|scope| scope.name == group);
    found.expect("a group").sojourn.quantile(q)
}

#[test]
fn rebalancing_moves_a_quarter_of_the_slots_and_p99_rises_for_another_reason_than_ask() {
    for (name, ends) in
        [("rebalance-3-to-4", [4096, 4096, 4096, 4096]), ("rebalance-4-to-3", [5462, 5461, 5461, 0])]
    {
        let result = run_built_in(name, &[]);
        let cluster = cluster(&result);
        let [migration] = &cluster.migrations[..] else { panic!("one migration") };
        assert_eq!((migration.slots, migration.failed.as_deref(), migration.running), (4096, None, false));
        assert_eq!(cluster.nodes.iter().map(|node| node.slots_at_end).collect::<Vec<_>>(), ends);
        assert_eq!(cluster.nodes.iter().map(|node| node.keys).sum::<u64>(), 1_000_000);
        // At most one slot of 16,384 is open.
        let share = cluster.open_slot_share().expect("requests during the migration");
        assert!(cluster.open_slots_max == 1 && share < 1.5 / 16_384.0, "{share}");
        assert!(cluster.ask < 40, "{}", cluster.ask);
        // One MOVED a map and slot at most.
        assert!(cluster.moved <= 8 * 4096, "{}", cluster.moved);
        assert!(cluster.p99_ratio().is_some_and(|ratio| ratio > 4.0), "{:?}", cluster.p99_ratio());
        assert_eq!(migration.longest_block_cause, "cluster-config-fsync");
        assert!(cluster.after.quantile(0.99) < 2 * cluster.before.quantile(0.99));
    }
}

#[test]
fn big_keys_hold_everybody_on_their_node() {
    let result = run_built_in("reshard-big-keys", &[]);
    let migration = &cluster(&result).migrations[0];
    assert_eq!((migration.slots, migration.longest_block_cause), (300, "migrate"));
    assert_eq!(migration.longest_block_node, "node-1");
    assert!(migration.longest_block > 50 * MILLISECOND, "{}", migration.longest_block);
    assert!(cluster(&result).p99_ratio().is_some_and(|ratio| ratio > 50.0));
    // Only the source is held by MIGRATE, and few of its keys' slots move.
    assert!(cluster(&result).open_slot_share().is_some_and(|share| share < 0.001));
    // One key at a time shortens the blocks, but not the waits for the target's disk.
    let one = run_built_in("reshard-big-keys", &["event.1.pipeline=1"]);
    assert!(cluster(&one).during.quantile(0.9) <= cluster(&result).during.quantile(0.9));
    assert!(cluster(&one).migrations[0].longest_block > 50 * MILLISECOND);
}

#[test]
fn fork_time_and_the_highest_quantiles_fall_with_the_number_of_shards() {
    let fork = |result: &RunResult| {
        let forks: Vec<Nanos> = cluster(result).nodes.iter().map(|node| node.fork_max).collect();
        assert!(forks.iter().all(|&fork| fork > 0), "{forks:?}");
        forks.into_iter().max().unwrap_or(0) as f64
    };
    let shards = ["1", "4", "16"]
        .map(|number| run_built_in("shards-1-to-16", &[&format!("cluster.primaries={number}")]));
    let forks = shards.each_ref().map(fork);
    for (one, number) in [(forks[1], 4.0), (forks[2], 16.0)] {
        let ratio = forks[0] / one / number;
        assert!((0.85..1.1).contains(&ratio), "{forks:?}");
    }
    let high = shards.each_ref().map(|result| result.scopes[0].sojourn.quantile(0.9999));
    assert!(high[0] > 3 * high[1] && high[1] > 3 * high[2], "{high:?}");
    // P99 is that of the commands.
    let p99 = shards.each_ref().map(|result| result.scopes[0].sojourn.quantile(0.99) as f64);
    assert!(p99[0] / p99[2] < 1.5, "{p99:?}");
}

#[test]
fn readers_on_an_instance_of_their_own_do_not_see_the_writers_fork() {
    let name = "split-writes-and-reads";
    let text = builtin::get(name).expect("built in");
    let apart = run(name, text, Vec::new());
    let one_machine = run(name, text, vec!["cluster.hosts=1".to_owned()]);
    let together = text.replace("\"10000-16383\"", "\"0-16383\"").replace("\"0-9999\"", "\"\"");
    let together = run(name, &together, Vec::new());
    let fork = cluster(&apart).nodes[0].fork_max;
    let readers = |result: &RunResult| sojourn(result, "readers", 0.9999);
    assert!(fork > 20 * MILLISECOND && readers(&apart) < fork / 4, "{fork} {}", readers(&apart));
    assert!(readers(&one_machine) < fork / 4, "{}", readers(&one_machine));
    // On one instance they wait for the fork of both halves.
    assert!(readers(&together) > fork, "{}", readers(&together));
    assert!(cluster(&together).nodes[0].fork_max > fork * 3 / 2);
}
