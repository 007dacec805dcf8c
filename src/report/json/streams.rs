//! The `streams` object of the JSON output.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::streams::StreamUse;

/// Streams at the end of the run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StreamOutput {
    /// Streams.
    pub streams: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries marked deleted whose nodes are still there.
    pub marked_entries: u64,
    /// Listpack nodes.
    pub nodes: u64,
    /// Entries a node takes.
    pub node_capacity: u64,
    /// Memory of the streams, in bytes.
    pub bytes: u64,
    /// The same an entry; none without entries.
    pub bytes_per_entry: Option<f64>,
    /// Size of the streams in an RDB, in bytes.
    pub rdb_bytes: u64,
    /// Entries added, warm-up included.
    pub added: u64,
    /// Entries removed by MAXLEN, XTRIM and XDEL.
    pub removed: u64,
    /// Of the removed, entries the consumer group had not read.
    pub missed: u64,
    /// Entries delivered to consumers.
    pub delivered: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Entries delivered and not acknowledged.
    pub pending: u64,
}

impl From<&StreamUse> for StreamOutput {
    fn from(used: &StreamUse) -> Self {
        StreamOutput {
            streams: used.streams,
            entries: used.entries,
            marked_entries: used.marked,
            nodes: used.nodes,
            node_capacity: used.node_capacity,
            bytes: used.bytes,
            bytes_per_entry: (used.entries > 0).then(|| used.bytes as f64 / used.entries as f64),
            rdb_bytes: used.rdb_bytes,
            added: used.added,
            removed: used.removed,
            missed: used.missed,
            delivered: used.delivered,
            acknowledged: used.acknowledged,
            pending: used.pending,
        }
    }
}
