//! The `cluster` key of the JSON object.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::cluster::{ClusterResult, MigrationResult, NodeFailover, NodeResult};
use crate::observe::result::RunResult;
use crate::report::quantiles::Quantiles;
use crate::report::{per_s, seconds};
use crate::units::Nanos;

/// The cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterOutput {
    /// Primaries.
    pub nodes: usize,
    /// -MOVED replies.
    pub moved: u64,
    /// -ASK replies.
    pub ask: u64,
    /// -TRYAGAIN replies.
    pub tryagain: u64,
    /// -CLUSTERDOWN replies.
    pub clusterdown: u64,
    /// -CROSSSLOT replies.
    pub crossslot: u64,
    /// Redirects and errors a second, by kind.
    pub per_s: KindsOutput,
    /// Redirects and errors over the requests, by kind.
    pub share: KindsOutput,
    /// Requests that nodes sent back and forth until the client gave up.
    pub redirect_loops: u64,
    /// Requests that ended with an error at the caller.
    pub failed: FailedOutput,
    /// Times a client process asked for the whole map of slots.
    pub map_refreshes: u64,
    /// What moved slots.
    pub migrations: Vec<MigrationOutput>,
    /// Sojourn of requests that their first node answered, in ns.
    pub direct_sojourn_ns: Quantiles,
    /// Sojourn of the others, in ns.
    pub redirected_sojourn_ns: Quantiles,
    /// Sojourn of requests that met a -MOVED and no -ASK, in ns.
    pub moved_sojourn_ns: Quantiles,
    /// Sojourn of requests that met an -ASK, in ns.
    pub ask_sojourn_ns: Quantiles,
    /// Sojourn of requests that met a -TRYAGAIN, in ns.
    pub tryagain_sojourn_ns: Quantiles,
    /// Sojourn of requests before the first migration, in ns.
    pub before_sojourn_ns: Quantiles,
    /// Sojourn of requests that arrived while slots moved, in ns.
    pub during_sojourn_ns: Quantiles,
    /// Sojourn of requests after a migration, in ns.
    pub after_sojourn_ns: Quantiles,
    /// P99 while slots moved over P99 before.
    pub p99_during_over_before: Option<f64>,
    /// Of the requests while slots moved, the share on a slot open at the time.
    pub open_slot_share: Option<f64>,
    /// Most slots open at once.
    pub open_slots_max: u32,
    /// Time in which some node took the cluster for down, in s.
    pub down_s: f64,
    /// `ok` or `fail` at the end.
    pub state: &'static str,
    /// Each primary.
    pub node_list: Vec<NodeOutput>,
    /// Primaries that were failed over.
    pub failovers: Vec<NodeFailoverOutput>,
}

/// A figure by kind of redirect or error.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KindsOutput {
    /// -MOVED.
    pub moved: f64,
    /// -ASK.
    pub ask: f64,
    /// -TRYAGAIN.
    pub tryagain: f64,
    /// -CLUSTERDOWN.
    pub clusterdown: f64,
    /// -CROSSSLOT.
    pub crossslot: f64,
}

/// Requests that ended with an error at the caller.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedOutput {
    /// More redirects than the client follows.
    pub redirect_limit: u64,
    /// An -ASK that the client does not know.
    pub ask: u64,
    /// -TRYAGAIN.
    pub tryagain: u64,
    /// -CLUSTERDOWN.
    pub clusterdown: u64,
    /// -CROSSSLOT.
    pub crossslot: u64,
}

/// One event that moved slots.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MigrationOutput {
    /// `legacy` or `atomic`.
    pub kind: &'static str,
    /// `reshard`, `move-slots`, `rebalance` or `cluster-fix`.
    pub action: &'static str,
    /// Slots that changed their owner.
    pub slots: u32,
    /// Keys that moved.
    pub keys: u64,
    /// MIGRATEs with at least one key.
    pub batches: u64,
    /// Commands sent and answered one after the other.
    pub round_trips: u64,
    /// Bytes that carried the keys.
    pub bytes: u64,
    /// When it began, in s.
    pub start_s: f64,
    /// How long it took, in s.
    pub duration_s: f64,
    /// It had not ended with the run.
    pub running: bool,
    /// Time during which a source held all writes back, in ns; 0 of a legacy one.
    pub paused_ns: Nanos,
    /// Longest block of a main thread it brought about, in ns.
    pub longest_block_ns: Nanos,
    /// What that was.
    pub longest_block_cause: &'static str,
    /// The node it was on.
    pub longest_block_node: String,
    /// Why it failed.
    pub failed: Option<String>,
    /// Slots it left open.
    pub open_slots_left: u32,
}

/// One primary.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NodeOutput {
    /// Its name.
    pub name: String,
    /// Slots at the start.
    pub slots_at_start: u32,
    /// Slots at the end.
    pub slots_at_end: u32,
    /// Keys at the end.
    pub keys: u64,
    /// Commands of clients.
    pub requests: u64,
    /// Share of the time its main thread was busy.
    pub busy_share: f64,
    /// used_memory at the end, in bytes.
    pub used_bytes: u64,
    /// Longest block of its main thread, in ns.
    pub longest_block_ns: Nanos,
    /// On whose account.
    pub longest_block_cause: &'static str,
    /// -MOVED replies.
    pub moved: u64,
    /// -ASK replies.
    pub ask: u64,
    /// -TRYAGAIN replies.
    pub tryagain: u64,
    /// -CLUSTERDOWN replies.
    pub clusterdown: u64,
    /// -CROSSSLOT replies.
    pub crossslot: u64,
    /// Forks.
    pub forks: u64,
    /// Longest fork, in ns.
    pub fork_ns_max: Nanos,
    /// Times nodes.conf was written.
    pub config_writes: u64,
    /// fsyncs for it.
    pub config_fsyncs: u64,
    /// Times a replica took over.
    pub failovers: u64,
}

/// One primary that was failed over.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct NodeFailoverOutput {
    /// Its name.
    pub node: String,
    /// When it fell silent, in s.
    pub at_s: f64,
    /// Until the others took it for failed, in s.
    pub detected_after_s: f64,
    /// Until its replica served, in ns.
    pub unavailable_ns: Nanos,
    /// Acknowledged writes lost.
    pub acknowledged_writes_lost: u64,
}

impl ClusterOutput {
    /// The key of a run's cluster.
    pub fn of(cluster: &ClusterResult, result: &RunResult) -> Self {
        let requests = result.requests.max(1) as f64;
        let failed = &cluster.failed;
        ClusterOutput {
            nodes: cluster.nodes.len(),
            moved: cluster.moved,
            ask: cluster.ask,
            tryagain: cluster.tryagain,
            clusterdown: cluster.clusterdown,
            crossslot: cluster.crossslot,
            per_s: kinds(cluster, |count| per_s(count, result)),
            share: kinds(cluster, |count| count as f64 / requests),
            redirect_loops: cluster.redirect_loops,
            failed: FailedOutput {
                redirect_limit: failed.redirect_limit,
                ask: failed.ask,
                tryagain: failed.tryagain,
                clusterdown: failed.clusterdown,
                crossslot: failed.crossslot,
            },
            map_refreshes: cluster.map_refreshes,
            migrations: cluster.migrations.iter().map(MigrationOutput::from).collect(),
            direct_sojourn_ns: Quantiles::of(&cluster.direct),
            redirected_sojourn_ns: Quantiles::of(&cluster.redirected),
            moved_sojourn_ns: Quantiles::of(&cluster.after_moved),
            ask_sojourn_ns: Quantiles::of(&cluster.after_ask),
            tryagain_sojourn_ns: Quantiles::of(&cluster.after_tryagain),
            before_sojourn_ns: Quantiles::of(&cluster.before),
            during_sojourn_ns: Quantiles::of(&cluster.during),
            after_sojourn_ns: Quantiles::of(&cluster.after),
            p99_during_over_before: cluster.p99_ratio(),
            open_slot_share: cluster.open_slot_share(),
            open_slots_max: cluster.open_slots_max,
            down_s: seconds(cluster.down),
            state: if cluster.view.ok { "ok" } else { "fail" },
            node_list: cluster.nodes.iter().map(NodeOutput::from).collect(),
            failovers: cluster.failovers.iter().map(NodeFailoverOutput::from).collect(),
        }
    }
}

fn kinds(cluster: &ClusterResult, figure: impl Fn(u64) -> f64) -> KindsOutput {
    KindsOutput {
        moved: figure(cluster.moved),
        ask: figure(cluster.ask),
        tryagain: figure(cluster.tryagain),
        clusterdown: figure(cluster.clusterdown),
        crossslot: figure(cluster.crossslot),
    }
}

impl From<&MigrationResult> for MigrationOutput {
    fn from(migration: &MigrationResult) -> Self {
        MigrationOutput {
            kind: migration.kind,
            action: migration.action,
            slots: migration.slots,
            keys: migration.keys,
            batches: migration.batches,
            round_trips: migration.round_trips,
            bytes: migration.bytes,
            start_s: seconds(migration.start),
            duration_s: seconds(migration.duration),
            running: migration.running,
            paused_ns: migration.paused_ns,
            longest_block_ns: migration.longest_block,
            longest_block_cause: migration.longest_block_cause,
            longest_block_node: migration.longest_block_node.clone(),
            failed: migration.failed.clone(),
            open_slots_left: migration.open_slots_left,
        }
    }
}

impl From<&NodeResult> for NodeOutput {
    fn from(node: &NodeResult) -> Self {
        NodeOutput {
            name: node.name.clone(),
            slots_at_start: node.slots_at_start,
            slots_at_end: node.slots_at_end,
            keys: node.keys,
            requests: node.requests,
            busy_share: node.busy_share,
            used_bytes: node.used_memory,
            longest_block_ns: node.longest_block,
            longest_block_cause: node.longest_block_cause,
            moved: node.moved,
            ask: node.ask,
            tryagain: node.tryagain,
            clusterdown: node.clusterdown,
            crossslot: node.crossslot,
            forks: node.forks,
            fork_ns_max: node.fork_max,
            config_writes: node.config_writes,
            config_fsyncs: node.config_fsyncs,
            failovers: node.failovers,
        }
    }
}

impl From<&NodeFailover> for NodeFailoverOutput {
    fn from(failover: &NodeFailover) -> Self {
        NodeFailoverOutput {
            node: failover.node.clone(),
            at_s: seconds(failover.at),
            detected_after_s: seconds(failover.detected_after),
            unavailable_ns: failover.unavailable,
            acknowledged_writes_lost: failover.lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_output;
    use crate::report::fixture;

    #[test]
    fn the_promised_keys_of_a_cluster_are_printed() {
        let printed = serde_json::to_value(run_output(&fixture::cluster(), &fixture::about())).unwrap();
        let cluster = &printed["cluster"];
        for key in ["nodes", "moved", "ask", "tryagain", "clusterdown", "redirect_loops"] {
            assert!(cluster[key].is_u64(), "{key}");
        }
        for key in [
            "kind",
            "slots",
            "keys",
            "batches",
            "round_trips",
            "bytes",
            "start_s",
            "duration_s",
            "longest_block_ns",
        ] {
            assert!(!cluster["migrations"][0][key].is_null(), "{key}");
        }
        assert!(
            cluster["direct_sojourn_ns"]["p99"].is_u64() && cluster["redirected_sojourn_ns"]["p99"].is_u64()
        );
        assert_eq!((&cluster["nodes"], &cluster["node_list"][2]["name"]), (&4.into(), &"node-3".into()));
        assert_eq!(printed["errors"]["ASK"], 0);
        // A run of one server has no such key.
        let printed = serde_json::to_value(run_output(&fixture::forks(), &fixture::about())).unwrap();
        assert!(printed.get("cluster").is_none());
    }
}
