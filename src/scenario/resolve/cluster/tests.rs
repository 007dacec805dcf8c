use std::path::Path;

use super::super::super::Action;
use super::super::super::Scenario;
use super::super::super::cluster::{ConfigSave, MoveAction, MoveKind, NodeChoice};
use super::super::super::show::resolved_toml;
use super::super::{Overrides, resolve};
use super::*;

/// Every key of the cluster's tables and of the events that move slots.
pub const CLUSTER: &str = r#"
[redis]
version = "valkey-9.1"
cluster-node-timeout = 5000
cluster-replica-no-failover = true
cluster-config-save-behavior = "best-effort"
slot-migration-max-failover-repl-bytes = -1
cluster-migration-barrier = 2

[[workload]]
rate = "100/s"
mix = { SET = 0.5, "MGET 10" = 0.5 }

[cluster]
client = "go-redis"
client-processes = 2
hash-tags = "1k"
link-delay = "50us"
link-bandwidth = "1GiB/s"

[[node]]
host = 7
slots = "0-5460"

[[node]]
name = "other"
host = 7
slots = ["5461-10922", 10923]
redis = { appendonly = true, hz = 20 }

[[node]]
model = "two-core-vm"
slots = "10924-16383"

[[node]]
slots = ""

[[event]]
at = "1m"
do = "CONFIG SET appendfsync always"
node = "all"

[[event]]
at = "2m"
do = "freeze"
for = "20s"
node = "other"

[[event]]
at = "5m"
do = "move-slots"
slots = ["10924-10933", 16000]
to = "node-4"
pipeline = 100
timeout = "5s"
pause = "100ms"
replace = true

[[event]]
at = "4m"
do = "reshard"
from = ["node-1", "other"]
to = "node-4"
slots = 500
method = "atomic"

[[event]]
at = "6m"
do = "rebalance"
weights = { node-4 = 0, other = 2.5 }
use-empty-primaries = true
threshold = 5

[[event]]
at = "7m"
do = "cluster-fix"
"#;

/// A cluster that says as little as it can.
pub const SMALL_CLUSTER: &str =
    "[cluster]\nprimaries = 3\nempty-primaries = 1\nhosts = 2\n[[workload]]\nrate = \"100/s\"\n";

fn read(text: &str) -> Scenario {
    resolve(text, "x.toml", Path::new(""), &Overrides::default())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn spec(text: &str) -> ClusterSpec {
    *read(text).cluster.expect("a cluster")
}

fn problems(text: &str) -> String {
    resolve(text, "x.toml", Path::new(""), &Overrides::default()).expect_err("broken").to_string()
}

#[test]
fn a_counted_cluster_is_dealt_out_and_has_the_servers_defaults() {
    let scenario = read(SMALL_CLUSTER);
    let cluster = scenario.cluster.as_ref().expect("a cluster");
    let slots: Vec<String> = cluster.nodes.iter().map(|node| slots_text(&node.slots)).collect();
    assert_eq!(slots, ["0-5460", "5461-10922", "10923-16383", ""]);
    assert_eq!(cluster.nodes.iter().map(|node| node.host).collect::<Vec<_>>(), [0, 1, 0, 1]);
    assert_eq!(cluster.nodes[3].name, "node-4");
    assert_eq!((cluster.client, cluster.processes, cluster.tags), (ClientProfile::RedisPy, 4, None));
    assert_eq!(
        (cluster.node_timeout, cluster.full_coverage, cluster.reads_when_down),
        (15 * SECOND, true, false)
    );
    assert_eq!((cluster.handoff_max_lag, cluster.write_pause_timeout), (1 << 20, 10 * SECOND));
    assert_eq!(cluster.link_delay, scenario.machine.network.one_way);
    assert!((cluster.link_bandwidth - 1.28e9).abs() < 1.0);
    assert_eq!(cluster.nodes[0].redis, scenario.redis);
    assert!(scenario.settings.iter().any(|setting| setting.key == "redis.cluster-node-timeout"));
}

#[test]
fn every_part_of_a_cluster_is_read() {
    let cluster = spec(CLUSTER);
    assert_eq!(cluster.nodes.iter().map(|node| node.slot_count()).collect::<Vec<_>>(), [5461, 5463, 5460, 0]);
    assert_eq!(cluster.nodes.iter().map(|node| node.host).collect::<Vec<_>>(), [0, 0, 1, 2]);
    assert_eq!(cluster.nodes[2].machine.name, "two-core-vm");
    assert!(cluster.nodes[1].redis.appendonly && !cluster.nodes[0].redis.appendonly);
    assert_eq!((cluster.nodes[1].redis.hz, cluster.tags, cluster.processes), (20, Some(1000), 2));
    assert_eq!((cluster.node_timeout, cluster.no_failover), (5 * SECOND, true));
    assert_eq!((cluster.config_save, cluster.handoff_max_lag), (ConfigSave::BestEffort, u64::MAX));
    assert_eq!((cluster.write_pause_timeout, cluster.validity_factor), (5 * SECOND, 10));
    let kinds: Vec<(u64, MoveKind)> = cluster.moves.iter().map(|m| (m.at / SECOND, m.options.kind)).collect();
    assert_eq!(
        kinds,
        [(240, MoveKind::Atomic), (300, MoveKind::Legacy), (360, MoveKind::Legacy), (420, MoveKind::Legacy)]
    );
    assert_eq!(cluster.moves[0].action, MoveAction::Reshard { from: vec![0, 1], to: 3, slots: 500 });
    let MoveAction::Slots { slots, to } = &cluster.moves[1].action else { panic!("no slots") };
    assert_eq!((slots_text(slots).as_str(), *to), ("10924-10933 16000", 3));
    let options = cluster.moves[1].options;
    assert_eq!((options.pipeline, options.timeout, options.replace), (100, 5 * SECOND, true));
    assert_eq!(options.pause, 100 * MILLISECOND);
    assert_eq!(
        cluster.moves[2].action,
        MoveAction::Rebalance { weights: vec![1.0, 2.5, 1.0, 0.0], use_empty: true, threshold: 5.0 }
    );
}

#[test]
fn events_name_their_node_and_settings_stay_each_nodes_own() {
    let scenario = read(CLUSTER);
    // CONFIG SET of all four nodes, and the freeze.
    assert_eq!(scenario.events.len(), 5);
    let hz: Vec<u32> = scenario
        .events
        .iter()
        .filter_map(|event| match &event.action {
            Action::ConfigSet { config, .. } => Some(config.hz),
            _ => None,
        })
        .collect();
    assert_eq!(hz, [10, 20, 10, 10]);
    assert_eq!(scenario.events[4].node, Some(NodeChoice::One(1)));
    assert!(
        problems(&format!("{SMALL_CLUSTER}[[event]]\nat = \"1s\"\ndo = \"BGSAVE\"\n")).contains("node-1")
    );
}

#[test]
fn a_resolved_cluster_prints_as_a_file_that_resolves_to_it() {
    for text in [CLUSTER, SMALL_CLUSTER] {
        let scenario = read(text);
        let again = read(&resolved_toml(&scenario));
        assert_eq!(scenario.cluster, again.cluster);
        assert_eq!(scenario.events, again.events);
        let settings = |text: &str| text.lines().filter(|line| !line.starts_with("# note")).count();
        assert_eq!(settings(&resolved_toml(&scenario)), settings(&resolved_toml(&again)));
    }
}

#[test]
fn nodes_share_out_the_slots_unless_one_names_some() {
    let nodes = "[cluster]\n[[node]]\n[[node]]\nslots = \"\"\n[[node]]\n[[workload]]\nrate = \"1/s\"\n";
    let counts: Vec<usize> = spec(nodes).nodes.iter().map(|node| node.slot_count()).collect();
    assert_eq!(counts, [8192, 0, 8192]);
    let scenario = read(&nodes.replace("slots = \"\"", "slots = \"0-99\""));
    let counts: Vec<usize> = scenario
        .cluster
        .iter()
        .flat_map(|cluster| cluster.nodes.iter().map(|node| node.slot_count()))
        .collect();
    assert_eq!(counts, [0, 100, 0]);
    assert!(
        scenario.notes.iter().any(|note| note.contains("16284 of 16384 slots have no owner (100-16383)"))
    );
}

#[test]
fn a_move_is_checked_against_what_earlier_moves_leave() {
    let reshard = |at: u32, from: &str, to: &str, slots: u32| {
        format!(
            "[[event]]\nat = \"{at}s\"\ndo = \"reshard\"\nfrom = \"{from}\"\nto = \"{to}\"\nslots = {slots}\n"
        )
    };
    let with = |moves: &[String]| format!("{SMALL_CLUSTER}{}", moves.concat());
    // The fourth node is empty until the first move has given it slots: 101 + 99 + 99, as redis-cli rounds.
    let first = reshard(10, "all", "node-4", 300);
    read(&with(&[reshard(20, "node-4", "node-1", 299), first.clone()]));
    assert!(problems(&with(&[reshard(20, "node-4", "node-1", 300), first])).contains("the sources own 299"));
    assert!(problems(&with(&[reshard(20, "node-4", "node-1", 1)])).contains("node-4 owns no slot"));
    assert!(problems(&with(&[reshard(20, "node-1", "node-1", 1)])).contains("a migration to itself"));
}

#[test]
fn the_flags_reach_clusters_and_nodes() {
    let set = ["cluster.client=jedis", "node.other.redis.hz=50", "node.node-1.slots=0-5460"];
    let overrides = Overrides { set: set.map(str::to_owned).to_vec(), ..Overrides::default() };
    let scenario = resolve(CLUSTER, "x.toml", Path::new(""), &overrides).expect("it resolves");
    let cluster = scenario.cluster.expect("a cluster");
    assert_eq!((cluster.client, cluster.nodes[1].redis.hz), (ClientProfile::Jedis, 50));
}

#[test]
fn the_clients_a_scenario_may_name_are_all_the_profiles() {
    let Some(Kind::Choice(words)) = super::super::super::keys::CLUSTER.key("client").map(|key| key.kind)
    else {
        panic!("no words")
    };
    assert!(words.iter().copied().eq(ClientProfile::ALL.iter().map(|(name, _)| *name)));
    for (name, profile) in ClientProfile::ALL {
        let text = SMALL_CLUSTER.replace("[cluster]", &format!("[cluster]\nclient = {name:?}"));
        assert_eq!((spec(&text).client, profile.name()), (profile, name));
    }
}

#[test]
fn whatever_a_value_is_the_answer_is_a_scenario_or_its_problems() {
    let values =
        ["0", "-1", "65536", "1e30", "\"\"", "\"all\"", "\"é-9\"", "[]", "[[]]", "{}", "{ a = 1 }", "true"];
    for text in [CLUSTER, SMALL_CLUSTER] {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let mut other = lines.clone();
            other.remove(index);
            let _ = resolve(&other.join("\n"), "x.toml", Path::new(""), &Overrides::default());
            let Some((key, _)) = line.split_once(" = ") else { continue };
            for value in values {
                let line = format!("{key} = {value}");
                let mut other = lines.clone();
                other[index] = &line;
                let _ = resolve(&other.join("\n"), "x.toml", Path::new(""), &Overrides::default());
            }
        }
    }
    // More primaries than slots.
    let many = format!("[cluster]\n{}[[workload]]\nrate = \"1/s\"\n", "[[node]]\n".repeat(17_000));
    assert!(problems(&many).contains("node: 17000 primaries"));
    assert!(
        problems(&SMALL_CLUSTER.replace("primaries = 3", "primaries = 1000"))
            .contains("1001 primaries in all")
    );
}

#[test]
fn one_server_in_cluster_mode_is_noted_and_cluster_mode_off_beside_a_cluster_refused() {
    let scenario = read("[redis]\ncluster-enabled = true\n[[workload]]\nrate = \"1/s\"\n");
    assert!(scenario.cluster.is_none());
    assert!(scenario.notes.iter().any(|note| note.contains("cluster-enabled yes without [cluster]")));
    let off = format!("[redis]\ncluster-enabled = false\n{SMALL_CLUSTER}");
    assert!(problems(&off).contains("cluster-enabled: no, but the scenario has [cluster]"));
}
