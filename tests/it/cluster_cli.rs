//! redis-cli's share of a move's time, and what clients see of the move's end.

use writepath::cluster::simulate;
use writepath::observe::cluster::ClusterResult;
use writepath::scenario::Scenario;
use writepath::sim::RunOptions;
use writepath::units::{MICROSECOND, Nanos, SECOND};

use crate::world::on_a_free_machine;

const SCENARIO: &str = r#"
[redis]
version = "7.0"
save = ""
[dataset]
keys = 20000
key-size = "20B"
value-size = "100B"
[cluster]
primaries = 3
client = "slot-by-slot"
client-processes = 1
[[workload]]
loop = "open"
rate = "1000/s"
connections = 16
operation = "SET"
"#;

fn scenario(more: &str, one_way: Nanos) -> Scenario {
    let mut scenario = on_a_free_machine(&format!("{SCENARIO}{more}"), |_| {});
    let machine = scenario.machine.clone();
    let cluster = scenario.cluster.as_mut().expect("it has one");
    cluster.link_delay = one_way;
    cluster.nodes.iter_mut().for_each(|node| node.machine = machine.clone());
    scenario
}

fn cluster(scenario: &Scenario) -> ClusterResult {
    let result = simulate(scenario, &RunOptions::default(), &mut |_| true).expect("the scenario runs");
    result.cluster.expect("it has one")
}

/// With servers that take no time a move lasts what redis-cli and the ways take: at each command both ways, the reply
/// read and the next command sent, and both ways between the nodes at each MIGRATE.
#[test]
fn a_move_lasts_what_redis_cli_and_the_ways_take() {
    const ONE_WAY: Nanos = 40 * MICROSECOND;
    let reshard = "[[event]]\nat = \"1s\"\ndo = \"reshard\"\nfrom = \"node-1\"\nto = \"node-2\"\nslots = 50\n\
                   [run]\nduration = \"2s\"\nwarmup = \"0s\"\nwindows = [\"1s\"]\n";
    for (read, send, per_command, wakes) in [(0, 0, 0, 0), (4500, 6200, 170, 0), (4500, 6200, 170, 9000)] {
        let mut scenario = scenario(reshard, ONE_WAY);
        let client = &mut scenario.machine.client;
        (client.per_reply, client.per_send, client.per_command) = (read, send, per_command);
        client.wakeup = vec![(MICROSECOND, wakes), (SECOND, wakes)];
        let result = cluster(&scenario);
        let [moved] = &result.migrations[..] else { panic!("one move") };
        assert_eq!((moved.running, moved.slots, moved.failed.as_deref()), (false, 50, None));
        assert!(moved.batches > 0);
        let bytes = moved.bytes as f64 / scenario.cluster.as_ref().expect("one").link_bandwidth;
        let ways = 2 * ONE_WAY * (moved.round_trips + moved.batches);
        let expected = ways + moved.round_trips * (wakes + read + send + per_command);
        // Bytes take their time by the bandwidth of the link, rounded for each MIGRATE.
        let transfer = (bytes * SECOND as f64) as Nanos;
        let off = (expected + transfer).abs_diff(moved.duration);
        assert!(off <= moved.batches, "{} against {} + {transfer}", moved.duration, expected);
    }
}

/// A client that learns from MOVED asks the old node as often as it had commands under way when the slot was closed,
/// which is the slot of every key here.
#[test]
fn the_old_node_is_asked_only_until_the_first_moved_is_read() {
    let all_in_one = "[[event]]\nat = \"1s\"\ndo = \"move-slots\"\nslots = \"13907\"\nto = \"node-1\"\n\
                      [run]\nduration = \"4s\"\nwarmup = \"0s\"\nwindows = [\"1s\"]\n";
    for seed in 1..=10 {
        let mut scenario = scenario(all_in_one, 5 * MICROSECOND);
        scenario.run.seed = seed;
        let spec = scenario.cluster.as_mut().expect("it has one");
        spec.tags = Some(1);
        let result = cluster(&scenario);
        assert_eq!(result.migrations[0].keys, 20_000, "{seed}");
        assert!(!result.migrations[0].running, "{seed}");
        // A thousand a second: two within one turnaround of some tens of microseconds are rare, three are not seen.
        assert!((1..=2).contains(&result.moved), "{} MOVED with seed {seed}", result.moved);
    }
}
