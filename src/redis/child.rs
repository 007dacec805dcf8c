//! fork(2) and the child: what the call costs the parent, how long the child works, when its end is noticed.
//!
//! Redis: `redisFork` and `checkChildrenDone` in server.c, `rdbSaveRio` in rdb.c, `rewriteAppendOnlyFile` in
//! aof.c. A child serialises in one thread; it shares cores with the parent and local clients, and the disk.

use super::config::RedisConfig;
use super::disk::Disk;
use super::version::{RewriteStyle, Version};
use crate::cost_model::{ChildSpeed, CostModel, Fork};
use crate::units::{GIB, KIB, MIB, NEVER, Nanos, SECOND};

/// Values up to this length are not compressed (rdb.c, `rdbSaveRawString`).
const COMPRESSED_FROM: u64 = 21;
/// Incremental fsync of a child: chunk up to 6.2 (`REDIS_AUTOSYNC_BYTES`), fdatasync, the child waits.
pub(super) const SYNC_CHUNK: u64 = 32 * MIB;

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// Writes an RDB file.
    Bgsave,
    /// Rewrites the AOF.
    AofRewrite,
    /// Writes the keys of slots to another node.
    SlotSnapshot,
}

impl ChildKind {
    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            ChildKind::Bgsave => "bgsave",
            ChildKind::AofRewrite => "aof-rewrite",
            ChildKind::SlotSnapshot => "slot-snapshot",
        }
    }
}

/// A living child.
#[derive(Clone, Debug)]
pub struct Child {
    /// What it does.
    pub kind: ChildKind,
    /// What started it.
    pub trigger: String,
    /// Start of fork(2).
    pub start: Nanos,
    /// Length of fork(2).
    pub fork: Nanos,
    /// When it stops taking the rewrite buffer (3.0 to 6.2); [`NEVER`] otherwise, and once it has.
    pub stops_streaming_at: Nanos,
    /// Next wait for the disk during which it reads nothing (3.0 to 6.2); [`NEVER`] otherwise.
    pub next_chunk_at: Nanos,
    /// Length of such a wait and time between two.
    pub chunk: (Nanos, Nanos),
    /// When it exits; the parent notices at the next serverCron.
    pub exits_at: Nanos,
    /// Size of its file \[bytes\].
    pub file_bytes: u64,
    /// Bytes appended to the AOF before the fork.
    pub appended_at_fork: u64,
    /// Commands that had changed the keyspace before the fork.
    pub changes_at_fork: u64,
    /// `dirty` before the fork.
    pub dirty_at_fork: u64,
    /// Bytes appended to the AOF when it stopped streaming.
    pub appended_at_stop: u64,
    /// It will fail, for this reason.
    pub fails: Option<&'static str>,
    /// It writes its snapshot to replicas, not to a file.
    pub to_replicas: bool,
}

/// Main-thread time of one fork(2).
///
/// Linear in the page tables of the resident memory; huge pages have 512 times fewer entries.
pub fn fork_span(prices: &Fork, rss: u64, huge_pages: bool) -> Nanos {
    let per_gib = if huge_pages { prices.per_gib_huge } else { prices.per_gib };
    prices.base + (rss as f64 / GIB as f64 * per_gib).round() as Nanos
}

/// Whether fork(2) succeeds: without overcommit the kernel wants as much free memory as the parent holds.
pub fn fork_succeeds(machine: &CostModel, rss: u64) -> bool {
    machine.machine.overcommit || rss <= machine.machine.memory.saturating_sub(rss)
}

/// What a child has to serialise.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Keys.
    pub keys: u64,
    /// Mean length of a value \[bytes\].
    pub value: f64,
    /// Mean bytes of a key in the file, uncompressed.
    pub bytes_per_key: f64,
    /// RDB format (else AOF commands).
    pub rdb: bool,
    /// Streams beside those keys.
    pub streams: StreamPart,
}

/// What a child has to serialise of streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamPart {
    /// Nodes in RDB format, entries in AOF commands: each costs what a key does.
    pub nodes: u64,
    /// Their bytes in the file, uncompressed.
    pub bytes: u64,
}

impl Snapshot {
    /// Whether LZF works on the values.
    fn compresses(&self, config: &RedisConfig) -> bool {
        self.rdb && config.rdbcompression && self.value >= COMPRESSED_FROM as f64
    }

    /// Size of the file \[bytes\].
    pub fn file_bytes(&self, speed: &ChildSpeed, config: &RedisConfig) -> u64 {
        let saved = if self.compresses(config) { self.value * (1.0 - speed.compressed_ratio) } else { 0.0 };
        let streams = if self.rdb && config.rdbcompression { speed.compressed_ratio } else { 1.0 };
        (self.keys as f64 * (self.bytes_per_key - saved).max(1.0)).round() as u64
            + (self.streams.bytes as f64 * streams).round() as u64
    }

    /// CPU time of the child \[ns\].
    fn cpu(&self, speed: &ChildSpeed, config: &RedisConfig) -> f64 {
        let (per_key, per_kib) = match (self.rdb, self.compresses(config)) {
            (true, true) => (speed.rdb_per_key, speed.rdb_per_kib_compressed),
            (true, false) => (speed.rdb_per_key, speed.rdb_per_kib),
            (false, _) => (speed.aof_per_key, speed.aof_per_kib),
        };
        let of_streams = match (self.rdb, config.rdbcompression) {
            (true, true) => speed.rdb_per_kib_compressed,
            _ => per_kib,
        };
        self.keys as f64 * (per_key as f64 + self.value / KIB as f64 * per_kib)
            + self.streams.nodes as f64 * per_key as f64
            + self.streams.bytes as f64 / KIB as f64 * of_streams
    }
}

/// How a child's work is paced.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time from fork to the snapshot part being on the disk \[ns\].
    pub span: Nanos,
    /// CPU time of the child \[ns\].
    pub cpu: Nanos,
    /// Mean rate at which it writes \[bytes/s\].
    pub rate: f64,
    /// Waits for the disk of up to 6.2, one a chunk \[ns\]; 0 later.
    pub chunk_wait: Nanos,
}

/// Pace of a child that writes `snapshot` with its CPU time stretched by `stretch` ≥ 1 (too few cores).
///
/// Up to 6.2 it waits for an fdatasync every 32 MiB, so CPU and disk time add up; from 7.0 it only starts the
/// write-back of a 4 MiB chunk and waits for the one before, so the slower of the two counts. Without
/// incremental sync everything is flushed at the end.
pub fn pace(
    snapshot: &Snapshot,
    speed: &ChildSpeed,
    config: &RedisConfig,
    incremental: bool,
    disk: &Disk,
    stretch: f64,
) -> Pace {
    let bytes = snapshot.file_bytes(speed, config) as f64;
    let cpu = snapshot.cpu(speed, config) * stretch;
    let io = bytes / disk.bandwidth_for_child() * SECOND as f64;
    let overlapped = incremental && config.version.has(7, 0);
    let span = if overlapped { cpu.max(io) } else { cpu + io };
    let last_sync = disk.prices().fdatasync.mean();
    let chunk_wait = if incremental && !overlapped {
        (SYNC_CHUNK as f64).min(bytes) / disk.bandwidth_for_child() * SECOND as f64
    } else {
        0.0
    };
    let span = (span + last_sync).round().max(1.0);
    Pace {
        span: span as Nanos,
        cpu: cpu as Nanos,
        rate: bytes / span * SECOND as f64,
        chunk_wait: chunk_wait as Nanos,
    }
}

impl Child {
    /// A child of `kind` forked at `start`; its times are filled in by whoever starts it.
    pub fn new(kind: ChildKind, trigger: String, start: Nanos) -> Self {
        Child {
            kind,
            trigger,
            start,
            fork: 0,
            stops_streaming_at: NEVER,
            exits_at: NEVER,
            file_bytes: 0,
            appended_at_fork: 0,
            changes_at_fork: 0,
            next_chunk_at: NEVER,
            chunk: (0, 0),
            dirty_at_fork: 0,
            appended_at_stop: 0,
            fails: None,
            to_replicas: false,
        }
    }

    /// Whether the parent keeps a rewrite buffer for it.
    pub fn takes_buffer(&self, version: Version) -> bool {
        self.kind == ChildKind::AofRewrite && version.rewrite_style() != RewriteStyle::MultiPart
    }

    /// Bytes of the rewrite buffer in the parent when `appended` bytes have ever been appended to the AOF.
    pub fn buffered(&self, appended: u64, version: Version) -> u64 {
        match version.rewrite_style() {
            _ if self.kind != ChildKind::AofRewrite => 0,
            RewriteStyle::BufferAtEnd => appended - self.appended_at_fork,
            RewriteStyle::Streamed if self.appended_at_stop > 0 => appended - self.appended_at_stop,
            RewriteStyle::Streamed | RewriteStyle::MultiPart => 0,
        }
    }
}

/// Whether a child of this kind and version syncs its file while it writes.
pub fn syncs_incrementally(kind: ChildKind, config: &RedisConfig) -> bool {
    match kind {
        ChildKind::Bgsave => config.rdb_save_incremental_fsync && config.version.has(5, 0),
        ChildKind::AofRewrite => config.aof_rewrite_incremental_fsync,
        ChildKind::SlotSnapshot => false,
    }
}

/// Whether the rewritten AOF begins in RDB format.
pub fn preamble(version: Version, config: &RedisConfig) -> bool {
    config.aof_use_rdb_preamble && version.has(4, 0)
}
