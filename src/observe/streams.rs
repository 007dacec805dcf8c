//! State of the streams at the end of a run.

/// Streams, their entries and nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamUse {
    /// Streams.
    pub streams: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries marked deleted whose nodes are still there.
    pub marked: u64,
    /// Listpack nodes.
    pub nodes: u64,
    /// Entries a node takes.
    pub node_capacity: u64,
    /// Memory of the streams \[bytes\].
    pub bytes: u64,
    /// Size of the streams in an RDB, uncompressed \[bytes\].
    pub rdb_bytes: u64,
    /// Entries added since the start of the run, warm-up included.
    pub added: u64,
    /// Entries that MAXLEN, XTRIM and XDEL removed.
    pub removed: u64,
    /// Of the removed, entries that the consumer group had not read.
    pub missed: u64,
    /// Entries delivered to consumers.
    pub delivered: u64,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Entries delivered and not acknowledged.
    pub pending: u64,
}
