//! `nodes.csv`, `migrations.csv` and `cluster_info.txt`.

use super::csv::{own_columns, table};
use super::seconds;
use crate::observe::cluster::{ClusterResult, MigrationResult, NodeResult};
use crate::observe::result::RunResult;

/// Columns of `nodes.csv` and what they hold.
pub const NODES_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("node", "its name"),
    ("slots_at_start", "slots it owned at the start"),
    ("slots_at_end", "slots it owned at the end"),
    ("keys", "keys at the end"),
    ("requests", "commands of clients it executed or answered with an error"),
    ("busy_share", "share of the time its main thread was busy"),
    ("used_bytes", "used_memory at the end"),
    ("longest_block_ns", "longest block of its main thread"),
    ("longest_block_cause", "on whose account"),
    ("moved", "-MOVED replies"),
    ("ask", "-ASK replies"),
    ("tryagain", "-TRYAGAIN replies"),
    ("clusterdown", "-CLUSTERDOWN replies"),
    ("crossslot", "-CROSSSLOT replies"),
    ("forks", "forks"),
    ("fork_ns_max", "longest fork"),
    ("config_writes", "times nodes.conf was written"),
    ("config_fsyncs", "fsyncs for it"),
    ("failovers", "times a replica took over from it"),
];

/// Columns of `migrations.csv` and what they hold.
pub const MIGRATIONS_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("action", "reshard, move-slots, rebalance or cluster-fix"),
    ("kind", "legacy or atomic"),
    ("start_s", "when it began"),
    ("duration_s", "how long it took, or until the end of the run"),
    ("state", "done, failed, or running at the end"),
    ("slots", "slots that changed their owner"),
    ("keys", "keys that moved"),
    ("batches", "MIGRATEs with at least one key"),
    ("round_trips", "commands sent and answered one after the other"),
    ("bytes", "bytes that carried the keys"),
    ("paused_ns", "time during which a source held all writes back"),
    ("longest_block_ns", "longest block of a main thread it brought about"),
    ("longest_block_cause", "what that was"),
    ("longest_block_node", "the node it was on"),
    ("open_slots_left", "slots left migrating or importing"),
    ("detail", "why it failed"),
];

/// `nodes.csv`: a row per primary.
pub fn nodes(result: &RunResult, cluster: &ClusterResult) -> Vec<u8> {
    table(header(NODES_COLUMNS), cluster.nodes.iter().map(|node| node_row(result, node)))
}

/// `migrations.csv`: a row per event that moved slots.
pub fn migrations(result: &RunResult, cluster: &ClusterResult) -> Vec<u8> {
    table(header(MIGRATIONS_COLUMNS), cluster.migrations.iter().map(|row| migration_row(result, row)))
}

fn header(columns: &[(&str, &str)]) -> Vec<String> {
    columns.iter().map(|column| column.0.to_owned()).collect()
}

fn node_row(result: &RunResult, node: &NodeResult) -> Vec<String> {
    let mut row = own_columns(result);
    row.push(node.name.clone());
    row.extend([node.slots_at_start, node.slots_at_end].map(|slots| slots.to_string()));
    row.extend([node.keys, node.requests].map(|count| count.to_string()));
    row.extend([node.busy_share.to_string(), node.used_memory.to_string(), node.longest_block.to_string()]);
    row.push(node.longest_block_cause.to_owned());
    let counts = [
        node.moved,
        node.ask,
        node.tryagain,
        node.clusterdown,
        node.crossslot,
        node.forks,
        node.fork_max,
        node.config_writes,
        node.config_fsyncs,
        node.failovers,
    ];
    row.extend(counts.map(|count| count.to_string()));
    row
}

/// How a migration ended.
pub(super) fn state(migration: &MigrationResult) -> &'static str {
    match (&migration.failed, migration.running) {
        (Some(_), _) => "failed",
        (None, true) => "running",
        (None, false) => "done",
    }
}

fn migration_row(result: &RunResult, migration: &MigrationResult) -> Vec<String> {
    let mut row = own_columns(result);
    row.extend([migration.action, migration.kind].map(str::to_owned));
    row.extend([migration.start, migration.duration].map(|span| seconds(span).to_string()));
    row.push(state(migration).to_owned());
    row.push(migration.slots.to_string());
    let counts = [
        migration.keys,
        migration.batches,
        migration.round_trips,
        migration.bytes,
        migration.paused_ns,
        migration.longest_block,
    ];
    row.extend(counts.map(|count| count.to_string()));
    row.extend([migration.longest_block_cause.to_owned(), migration.longest_block_node.clone()]);
    row.push(migration.open_slots_left.to_string());
    row.push(migration.failed.clone().unwrap_or_default());
    row
}

/// `cluster_info.txt`: CLUSTER INFO at the end of the run (`genClusterInfoString`, cluster.c).
///
/// The cluster bus is not simulated: the `cluster_stats_messages_…` fields are left out, which a comment says.
pub fn cluster_info(cluster: &ClusterResult) -> String {
    let view = &cluster.view;
    let ok = view.slots_assigned.saturating_sub(view.slots_pfail + view.slots_fail);
    let fields = [
        ("cluster_state", if view.ok { "ok" } else { "fail" }.to_owned()),
        ("cluster_slots_assigned", view.slots_assigned.to_string()),
        ("cluster_slots_ok", ok.to_string()),
        ("cluster_slots_pfail", view.slots_pfail.to_string()),
        ("cluster_slots_fail", view.slots_fail.to_string()),
        ("cluster_known_nodes", view.known_nodes.to_string()),
        ("cluster_size", view.size.to_string()),
        ("cluster_current_epoch", view.current_epoch.to_string()),
        ("cluster_my_epoch", view.my_epoch.to_string()),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
    format!("{}# cluster_stats_messages_… are left out: the cluster bus is not simulated\r\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_row_has_every_column() {
        let result = fixture::cluster();
        let cluster = result.cluster.as_ref().expect("a cluster");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (nodes, migrations) = (text(nodes(&result, cluster)), text(migrations(&result, cluster)));
        assert_eq!(
            nodes.lines().nth(1),
            Some(
                "article,1,node-1,5461,4095,1000000,2000000,0.25,1073741824,7000000,migrate,100,20,0,0,0,1,9000000,300,300,0"
            )
        );
        assert_eq!(
            migrations.lines().nth(1),
            Some(
                "article,1,rebalance,legacy,3600,120,done,4096,1000000,102400,212992,150000000,0,7000000,migrate,\
                 node-1,0,"
            )
        );
        assert!(
            migrations.lines().nth(2).unwrap().ends_with(",failed,0,0,0,3,0,0,0,,,1,IOERR error or timeout")
        );
    }

    #[test]
    fn cluster_info_has_the_servers_fields() {
        let result = fixture::cluster();
        let text = cluster_info(result.cluster.as_ref().expect("a cluster"));
        let first: Vec<&str> = text.split("\r\n").take(4).collect();
        assert_eq!(
            first,
            [
                "cluster_state:ok",
                "cluster_slots_assigned:16384",
                "cluster_slots_ok:16384",
                "cluster_slots_pfail:0"
            ]
        );
        assert!(text.contains("cluster_size:4\r\n") && text.contains("not simulated"));
    }
}
