//! What clients see of a move's end.

use writepath::cluster::simulate;
use writepath::observe::cluster::ClusterResult;
use writepath::scenario::Scenario;
use writepath::sim::RunOptions;
use writepath::units::{MICROSECOND, Nanos};

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
