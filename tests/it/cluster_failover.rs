//! Nodes of a cluster that fall silent: how long until a replica serves in their place, what is lost, and what clients
//! are told meanwhile. And nodes that share a machine.

use writepath::cluster::simulate;
use writepath::observe::cluster::{ClusterResult, NodeFailover};
use writepath::observe::result::RunResult;
use writepath::sim::RunOptions;
use writepath::units::{MILLISECOND, Nanos, SECOND};

use super::world::read;

const TIMEOUT: Nanos = 2 * SECOND;
/// A turn of clusterCron, of the bus and of the replica that waits for its election.
const CRON: Nanos = 100 * MILLISECOND;
/// Replicas that are in step wait half a second to a second.
const ELECTION: (Nanos, Nanos) = (500 * MILLISECOND, SECOND + CRON);

/// Three nodes with a node time-out of two seconds; `more` are further lines.
fn text(redis: &str, replica: &str, more: &str) -> String {
    format!(
        "[redis]\nversion = \"7.0\"\nsave = \"\"\ncluster-node-timeout = 2000\n{redis}\n\
         [dataset]\nkeys = \"10k\"\nvalue-size = \"100B\"\n\
         [cluster]\nprimaries = 3\nclient = \"go-redis\"\n\
         [[workload]]\nloop = \"open\"\nrate = \"1000/s\"\nconnections = 20\noperation = \"SET\"\n{replica}\n\
         [machine]\nmodel = \"cloud-vm\"\n[run]\nduration = \"20s\"\n{more}\n"
    )
}

const REPLICA: &str = "[[replica]]\nname = \"r\"\n";

fn event(what: &str) -> String {
    format!("[[event]]\nat = \"5s\"\nnode = \"node-2\"\n{what}\n")
}

fn run(text: &str) -> RunResult {
    simulate(&read(text), &RunOptions::default(), &mut |_| true).expect("it runs")
}

fn cluster(result: &RunResult) -> &ClusterResult {
    result.cluster.as_ref().expect("a cluster")
}

/// The only failover, after its times have been compared with their bounds.
fn only_failover(result: &RunResult) -> &NodeFailover {
    let [failover] = &cluster(result).failovers[..] else {
        panic!("one failover: {:?}", cluster(result).failovers)
    };
    assert_eq!(failover.node, "node-2");
    assert!(failover.detected_after > TIMEOUT, "{failover:?}");
    assert!(failover.detected_after <= 2 * TIMEOUT + 5 * CRON, "{failover:?}");
    let election = failover.unavailable - failover.detected_after;
    // Beside the wait there are two ways and the votes' fsync.
    assert!(election >= ELECTION.0 && election <= ELECTION.1 + CRON, "{failover:?}");
    failover
}

#[test]
fn a_frozen_primary_is_replaced_within_the_bounds_of_detection_and_election() {
    for seed in 1..4 {
        let event = event("do = \"freeze\"\nfor = \"12s\"");
        let result = run(&text("", REPLICA, &format!("seed = {seed}\n{event}")));
        let failover = only_failover(&result);
        assert!(failover.at.abs_diff(5 * SECOND) < 5 * MILLISECOND, "{failover:?}");
        assert_eq!(failover.lost, 0);
        let cluster = cluster(&result);
        assert!(cluster.view.ok && cluster.clusterdown > 0, "{:?}", cluster.view);
        // Down from FAIL to the take-over, give or take a message.
        let election = failover.unavailable - failover.detected_after;
        assert!(cluster.down.abs_diff(election) < 5 * MILLISECOND, "{} {election}", cluster.down);
        assert_eq!(cluster.nodes.iter().map(|node| node.failovers).collect::<Vec<_>>(), [0, 1, 0]);
        // Who waited for the frozen node lost the connection when it was replaced, and is served then or given up.
        let worst = result.scopes[0].sojourn.max();
        assert!(worst < failover.unavailable + 2 * SECOND, "{worst} {failover:?}");
    }
}

#[test]
fn a_freeze_below_the_time_out_replaces_nobody() {
    let result = run(&text("", REPLICA, &event("do = \"freeze\"\nfor = \"1900ms\"")));
    assert_eq!(cluster(&result).failovers, []);
    assert_eq!((cluster(&result).clusterdown, cluster(&result).down), (0, 0));
}

#[test]
fn a_dead_process_is_replaced_and_refuses_at_once() {
    let result = run(&text("", REPLICA, &event("do = \"crash\"\nkind = \"process\"\nrestart = \"12s\"")));
    only_failover(&result);
    // go-redis gives up after three retries of half a second at most.
    assert!(result.errors.connection_lost > 100, "{:?}", result.errors);
    assert!(result.scopes[0].sojourn.max() < 2 * SECOND, "{}", result.scopes[0].sojourn.max());
}

#[test]
fn what_the_replica_lacks_is_lost() {
    // The writes of the last 300 ms are on their way when the machine dies.
    let replica = "[[replica]]\nname = \"r\"\ndelay = \"300ms\"\n";
    let result = run(&text("", replica, &event("do = \"crash\"\nkind = \"machine\"\nrestart = \"12s\"")));
    let failover = only_failover(&result);
    let expected = 1000.0 / 3.0 * 0.3;
    let lost = failover.lost as f64;
    assert!((lost - expected).abs() < 5.0 * expected.sqrt(), "{lost} {expected}");
    let row = &result.replication.as_ref().expect("replicas").replicas[1];
    assert_eq!(row.acknowledged_writes_lost, failover.lost);
}

#[test]
fn without_a_replica_the_cluster_is_down_until_failure_is_taken_back() {
    let result = run(&text("", "", &event("do = \"freeze\"\nfor = \"8s\"")));
    let cluster = cluster(&result);
    assert_eq!(cluster.failovers, []);
    assert!(cluster.view.ok && cluster.clusterdown > 0 && cluster.failed.clusterdown > 0);
    // FAIL comes after one to two time-outs; it goes when the node is back and two time-outs have passed.
    assert!(cluster.down > 8 * SECOND - 2 * TIMEOUT - 5 * CRON, "{}", cluster.down);
    assert!(cluster.down < 8 * SECOND - TIMEOUT + 2 * TIMEOUT, "{}", cluster.down);
    // Without full coverage the others go on serving.
    let partly = "cluster-require-full-coverage = \"no\"";
    let result = run(&text(partly, "", &event("do = \"freeze\"\nfor = \"8s\"")));
    assert_eq!(result.cluster.as_ref().map(|cluster| (cluster.clusterdown, cluster.down)), Some((0, 0)));
}

#[test]
fn replicas_that_may_not_take_over_do_not() {
    let no = "cluster-replica-no-failover = \"yes\"";
    let result = run(&text(no, REPLICA, &event("do = \"freeze\"\nfor = \"8s\"")));
    assert_eq!(cluster(&result).failovers, []);
    assert!(cluster(&result).clusterdown > 0);
}

#[test]
fn two_primaries_are_no_majority_for_one() {
    let two =
        text("", REPLICA, &event("do = \"freeze\"\nfor = \"8s\"")).replace("primaries = 3", "primaries = 2");
    let result = run(&two);
    assert_eq!(cluster(&result).failovers, []);
    // The one that is left is a minority.
    assert!(cluster(&result).down > 0 && cluster(&result).clusterdown > 0);
}

/// A MIGRATE whose transfer takes longer than the time-out: the source is silent, and is replaced.
#[test]
fn a_migrate_of_huge_values_costs_the_source_its_place() {
    let event = "[[event]]\nat = \"5s\"\ndo = \"reshard\"\nfrom = \"node-2\"\nto = \"node-1\"\nslots = 3\n";
    let text = text("", REPLICA, event)
        .replace("keys = \"10k\"\nvalue-size = \"100B\"", "keys = \"100\"\nvalue-size = \"40MB\"")
        .replace("client = \"go-redis\"", "client = \"go-redis\"\nhash-tags = 3\nlink-bandwidth = \"50MB/s\"")
        .replace("operation = \"SET\"", "operation = \"GET\"\nvalue-size = \"100B\"")
        .replace("rate = \"1000/s\"", "rate = \"10/s\"");
    // Slot 5649, of tag 2, is among the first 400 of the second node: 33 keys of 40 MB.
    let text = text.replace("slots = 3\n", "slots = 400\n");
    let result = run(&text);
    let [failover] = &cluster(&result).failovers[..] else {
        panic!("{:?} {:?}", cluster(&result).failovers, cluster(&result).migrations)
    };
    assert_eq!(failover.node, "node-2");
    let migration = &cluster(&result).migrations[0];
    assert!(migration.failed.is_some() && migration.open_slots_left > 0, "{migration:?}");
    let keys: u64 = cluster(&result).nodes.iter().map(|node| node.keys).sum();
    assert_eq!(keys, 100);
}

#[test]
fn a_replica_of_every_node_is_fed_by_its_own_primary() {
    let result = run(&text("", REPLICA, ""));
    let replication = result.replication.as_ref().expect("replicas");
    let names: Vec<&str> = replication.replicas.iter().map(|replica| replica.name.as_str()).collect();
    assert_eq!(names, ["node-1/r", "node-2/r", "node-3/r"]);
    for (replica, node) in replication.replicas.iter().zip(&cluster(&result).nodes) {
        assert!(replica.sent_bytes > 100 * node.requests, "{} {}", replica.sent_bytes, node.requests);
        assert_eq!((replica.state, replica.sync_full), ("online", 0));
    }
    assert_eq!(cluster(&result).view.known_nodes, 6);
}

/// Two nodes that want all of one core get half each; with a core each they are as fast as on two machines.
#[test]
fn saturated_nodes_share_the_cores_of_their_machine() {
    let rate = |cores: u32, hosts: u32| {
        let text = format!(
            "[redis]\nversion = \"7.0\"\nsave = \"\"\n[dataset]\nkeys = \"10k\"\nvalue-size = \"10KB\"\n[cluster]\nprimaries = 2\nhosts = {hosts}\n\
             [[workload]]\nloop = \"open\"\nrate = \"400k/s\"\nconnections = 20\noperation = \"SET\"\n\
             [machine]\nmodel = \"cloud-vm\"\nmachine.cores = {cores}\n\
             [run]\nduration = \"1500ms\"\nallow-overload = true\n"
        );
        run(&text).completed as f64
    };
    let (apart, one_core, core_each) = (rate(1, 2), rate(1, 1), rate(2, 1));
    // They learn of one another after the first tenth of a second; serverCron and the host's gaps do not stretch.
    let expected = (0.1 + 1.4 / 2.0) / 1.5;
    assert!((one_core / apart - expected).abs() < 0.01, "{one_core} {apart}");
    assert_eq!(core_each, apart);
}
