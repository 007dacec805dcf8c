//! What a run leaves behind about a cluster: its nodes, redirects, migrations and failovers.

use super::histogram::Histogram;
use crate::units::Nanos;

/// The cluster over the measured time. Redirects and errors are counted as replies of nodes; `failed` counts requests.
#[derive(Clone, Debug, Default)]
pub struct ClusterResult {
    /// Each primary, in the order of the scenario.
    pub nodes: Vec<NodeResult>,
    /// -MOVED replies.
    pub moved: u64,
    /// -ASK replies.
    pub ask: u64,
    /// -TRYAGAIN replies.
    pub tryagain: u64,
    /// -CLUSTERDOWN replies, those of slots without an owner too.
    pub clusterdown: u64,
    /// -CROSSSLOT replies.
    pub crossslot: u64,
    /// Requests that two nodes sent back and forth until the client gave up.
    pub redirect_loops: u64,
    /// Requests that ended with an error at the caller.
    pub failed: ClusterFailures,
    /// Times a client process asked a node for the whole map of slots.
    pub map_refreshes: u64,
    /// What moved slots, in order of its start.
    pub migrations: Vec<MigrationResult>,
    /// Sojourn of the requests that their first node answered.
    pub direct: Histogram,
    /// Sojourn of the others, retries included.
    pub redirected: Histogram,
    /// Sojourn of requests that met an -ASK.
    pub after_ask: Histogram,
    /// Sojourn of requests that met a -MOVED and no -ASK.
    pub after_moved: Histogram,
    /// Sojourn of requests that met a -TRYAGAIN.
    pub after_tryagain: Histogram,
    /// Sojourn of requests that arrived before the first migration began; all of them without one.
    pub before: Histogram,
    /// Sojourn of requests that arrived while one ran.
    pub during: Histogram,
    /// Sojourn of requests that arrived after one, while none ran.
    pub after: Histogram,
    /// Of the requests that arrived while a migration ran, those on a slot that was open at the time.
    pub on_open_slots: u64,
    /// Requests that were sent while a migration ran, those that failed too.
    pub during_requests: u64,
    /// Most slots open at once.
    pub open_slots_max: u32,
    /// Primaries that were failed over, in order.
    pub failovers: Vec<NodeFailover>,
    /// Time in which some node took the cluster for down \[ns\].
    pub down: Nanos,
    /// CLUSTER INFO at the end, as the first node sees it.
    pub view: ClusterView,
}

/// Requests that ended with an error at the caller, by what the client gave up on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterFailures {
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

impl ClusterFailures {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.redirect_limit + self.ask + self.tryagain + self.clusterdown + self.crossslot
    }
}

/// One primary over the measured time.
#[derive(Clone, Debug, Default)]
pub struct NodeResult {
    /// Its name.
    pub name: String,
    /// Slots it owned at the start.
    pub slots_at_start: u32,
    /// Slots it owned at the end.
    pub slots_at_end: u32,
    /// Keys at the end.
    pub keys: u64,
    /// Commands of clients it executed or answered with an error.
    pub requests: u64,
    /// Share of the time its main thread was busy, 0 to 1.
    pub busy_share: f64,
    /// `used_memory` at the end \[bytes\].
    pub used_memory: u64,
    /// Longest block of its main thread \[ns\].
    pub longest_block: Nanos,
    /// On whose account; empty without a block.
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
    /// Longest fork \[ns\].
    pub fork_max: Nanos,
    /// Times nodes.conf was written.
    pub config_writes: u64,
    /// fsyncs of it and of its directory.
    pub config_fsyncs: u64,
    /// Times a replica took over from it.
    pub failovers: u64,
}

/// One event that moved slots.
#[derive(Clone, Debug, Default)]
pub struct MigrationResult {
    /// `legacy` or `atomic`.
    pub kind: &'static str,
    /// `reshard`, `move-slots`, `rebalance` or `cluster-fix`.
    pub action: &'static str,
    /// Slots that changed their owner.
    pub slots: u32,
    /// Keys that moved.
    pub keys: u64,
    /// MIGRATEs with at least one key; 0 of an atomic one.
    pub batches: u64,
    /// Commands that were sent and answered one after the other by whoever drives the migration.
    pub round_trips: u64,
    /// Bytes that carried the keys from node to node.
    pub bytes: u64,
    /// When it began \[ns\].
    pub start: Nanos,
    /// Until its end, or that of the run \[ns\].
    pub duration: Nanos,
    /// It had not ended with the run.
    pub running: bool,
    /// Time during which a source held all writes back \[ns\]; 0 of a legacy one.
    pub paused_ns: Nanos,
    /// Longest block of a main thread it brought about \[ns\].
    pub longest_block: Nanos,
    /// What that was: `migrate`, `fork`, `write-pause` …
    pub longest_block_cause: &'static str,
    /// The node it was on; empty without one.
    pub longest_block_node: String,
    /// Why it failed.
    pub failed: Option<String>,
    /// Slots it left migrating or importing.
    pub open_slots_left: u32,
}

/// One primary that was failed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFailover {
    /// Its name.
    pub node: String,
    /// When it fell silent \[ns\].
    pub at: Nanos,
    /// Until the others took it for failed \[ns\].
    pub detected_after: Nanos,
    /// Until its replica served its slots \[ns\].
    pub unavailable: Nanos,
    /// Acknowledged writes the replica had not applied.
    pub lost: u64,
}

/// Fields of CLUSTER INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// `cluster_state` is ok.
    pub ok: bool,
    /// `cluster_slots_assigned`.
    pub slots_assigned: u32,
    /// `cluster_slots_pfail`.
    pub slots_pfail: u32,
    /// `cluster_slots_fail`.
    pub slots_fail: u32,
    /// `cluster_known_nodes`, replicas included.
    pub known_nodes: u32,
    /// `cluster_size`: primaries with slots.
    pub size: u32,
    /// `cluster_current_epoch`.
    pub current_epoch: u64,
    /// `cluster_my_epoch`.
    pub my_epoch: u64,
}

impl ClusterResult {
    /// P99 while slots moved over P99 before; none without requests in both.
    pub fn p99_ratio(&self) -> Option<f64> {
        let p99 = |histogram: &Histogram| (histogram.count() > 0).then(|| histogram.quantile(0.99));
        let (before, during) = (p99(&self.before)?, p99(&self.during)?);
        (before > 0).then(|| during as f64 / before as f64)
    }

    /// Share of the requests during migrations that were on an open slot; none without such requests.
    pub fn open_slot_share(&self) -> Option<f64> {
        let during = self.during_requests.max(self.during.count());
        (during > 0).then(|| self.on_open_slots as f64 / during as f64)
    }

    /// The longest block that a migration brought about.
    pub fn longest_block(&self) -> Option<&MigrationResult> {
        let blocked = self.migrations.iter().filter(|migration| migration.longest_block > 0);
        blocked.max_by_key(|migration| migration.longest_block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_need_requests_on_both_sides() {
        let mut result = ClusterResult::default();
        assert_eq!((result.p99_ratio(), result.open_slot_share()), (None, None));
        result.before.record_n(100, 1000);
        assert_eq!(result.p99_ratio(), None);
        result.during.record_n(250, 1000);
        result.on_open_slots = 3;
        assert_eq!((result.p99_ratio(), result.open_slot_share()), (Some(2.5), Some(0.003)));
    }

    #[test]
    fn the_longest_block_is_of_any_migration() {
        let block = |longest_block| MigrationResult { longest_block, ..MigrationResult::default() };
        let result =
            ClusterResult { migrations: vec![block(0), block(7), block(3)], ..ClusterResult::default() };
        assert_eq!(result.longest_block().map(|migration| migration.longest_block), Some(7));
        assert!(ClusterResult::default().longest_block().is_none());
    }
}
