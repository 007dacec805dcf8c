//! What a cluster cannot have beside it: groups, settings and states that belong to one server.

use super::super::cluster::ClusterSpec;
use super::super::keys::{NODE, START, WORKLOAD};
use super::super::reader::{Reader, Section};
use super::super::replicas::ReplicaSpec;
use super::super::tree::{Node, Table, Value};
use super::super::{KeyPopularity, StartState, Workload};
use super::replica;
use super::servers::addresses_all;

/// Checks groups, the state at the start and each node's settings.
pub fn check(
    tree: &Table,
    cluster: &ClusterSpec,
    groups: &[Workload],
    start: &StartState,
    replicas: &[ReplicaSpec],
    reader: &mut Reader,
) {
    for (section, group) in Section::repeated(&WORKLOAD, tree).iter().zip(groups) {
        check_group(section, group, cluster.tags.is_some(), reader);
    }
    check_start(tree, start, reader);
    check_logs(tree, cluster, groups, reader);
    let own = replicas.iter().filter(|replica| replica.of.is_none()).count();
    for (section, node) in Section::repeated(&NODE, tree).iter().zip(&cluster.nodes) {
        let Some(Node { value: Value::Table(typed), .. }) = section.table.get("redis") else { continue };
        let place_of = |key: &str| typed.get(key).map_or_else(|| section.place.clone(), |n| n.place.clone());
        replica::check_settings(&place_of, &node.redis, own, reader);
    }
}

/// A state that is not the one at rest is some server's: which node's is not said.
fn check_start(tree: &Table, start: &StartState, reader: &mut Reader) {
    let section = Section::single(&START, tree);
    for (key, set) in [
        ("changes-since-save", start.changes_since_save > 0),
        ("last-save-age", start.last_save_age > 0),
        ("aof-base-size", start.aof_base_size.is_some()),
        ("aof-current-size", start.aof_current_size.is_some()),
        ("used-memory", start.used_memory.is_some()),
        ("used-memory-rss", start.used_memory_rss.is_some()),
    ] {
        if set {
            let read = format!("start.{key}: the state of one server, and the scenario has [cluster]");
            reader.problem(&section.place_of(key), read, "take it out: nodes begin with their keys");
        }
    }
}

/// A group that waits for its node's AOF needs one on every node.
fn check_logs(tree: &Table, cluster: &ClusterSpec, groups: &[Workload], reader: &mut Reader) {
    let waits = groups.iter().any(|group| group.wait.is_some_and(|wait| wait.local));
    let listed = Section::repeated(&NODE, tree);
    let without = listed
        .iter()
        .zip(&cluster.nodes)
        .find(|(section, node)| section.has("redis") && !node.redis.appendonly);
    if let (true, Some((section, node))) = (waits, without) {
        let read = format!("node.redis: {} has no AOF, and a group waits for it (local = 1)", node.name);
        reader.problem(&section.place_of("redis"), read, "set appendonly = true, or local = 0");
    }
}

fn check_group(section: &Section<'_>, group: &Workload, tagged: bool, reader: &mut Reader) {
    if group.pattern.is_some() {
        let read = "workload.pattern: operations of several steps are not simulated in a cluster";
        reader.problem(&section.place_of("pattern"), read, "take pattern out, or [cluster]");
    }
    if let KeyPopularity::Split { servers: 2.., .. } = group.keys {
        let read = "workload.keys: servers beside [cluster]: its nodes are the servers";
        reader.problem(
            &section.place_of("keys"),
            read,
            "take servers out: sub-keys go to nodes by their slots",
        );
    }
    if group.wait.is_some() && group.pipeline > 1 {
        let read = "workload.pipeline: a pipeline that ends with WAIT is not simulated in a cluster";
        let remedy = "set pipeline = 1: WAIT goes to one node, and a pipeline to several";
        reader.problem(&section.place_of("pipeline"), read, remedy);
    }
    let place = section.place_of(if section.has("mix") { "mix" } else { "operation" });
    for (command, _) in &group.mix {
        if command.kind.is_stream() {
            let read = format!("{command}: streams are not simulated in a cluster");
            reader.problem(&place, read, "take the command out, or [cluster]");
        }
        if addresses_all(command) && !tagged {
            let read = format!("{command}: its keys lie in several slots: every one would get CROSSSLOT");
            let remedy =
                "add hash-tags = 1000 to [cluster]: keys of one command then share a tag; or one key each";
            reader.problem(&place, read, remedy);
        }
    }
}
