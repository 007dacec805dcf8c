//! Settings of the simulated server, under redis.conf's own names.

use super::replication_config::ReplicationConfig;
use super::version::Version;
use crate::units::MIB;

/// `appendfsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// fdatasync in every turn that wrote, before its replies.
    Always,
    /// fdatasync once a second in a background thread.
    Everysec,
    /// Left to the kernel.
    No,
}

/// One pair of `save`: a snapshot when `changes` keyspace changes are older than `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds that must have passed since the last successful save (strictly more).
    pub seconds: u64,
    /// Changes that must have happened.
    pub changes: u64,
}

/// `maxmemory-policy`, as far as one server without expiry distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxmemoryPolicy {
    /// Writes that need memory get an OOM error.
    Noeviction,
    /// Sampled least recently used key of all.
    AllkeysLru,
    /// Sampled least frequently used key of all.
    AllkeysLfu,
    /// A random key of all.
    AllkeysRandom,
    /// Sampled least recently used among keys with a TTL.
    VolatileLru,
    /// Sampled least frequently used among keys with a TTL.
    VolatileLfu,
    /// A random key among those with a TTL.
    VolatileRandom,
    /// Sampled nearest deadline.
    VolatileTtl,
}

impl MaxmemoryPolicy {
    /// Whether only keys with a TTL may be evicted.
    pub fn is_volatile(self) -> bool {
        use MaxmemoryPolicy::*;
        matches!(self, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl)
    }
}

/// Settings of one server. Field names are redis.conf's with `-` written `_`; units are redis.conf's
/// unless the field says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisConfig {
    /// Version of the server; decides defaults and mechanisms.
    pub version: Version,
    /// AOF on.
    pub appendonly: bool,
    /// When the AOF is fsynced.
    pub appendfsync: AppendFsync,
    /// Skip AOF fsyncs while any child lives.
    pub no_appendfsync_on_rewrite: bool,
    /// Growth over the base size that starts a rewrite \[%\]; 0 never.
    pub auto_aof_rewrite_percentage: u64,
    /// Size below which growth starts no rewrite \[bytes\].
    pub auto_aof_rewrite_min_size: u64,
    /// The rewritten base is in RDB format (4.0 on).
    pub aof_use_rdb_preamble: bool,
    /// `#TS:` annotations in the AOF (7.0 on).
    pub aof_timestamp_enabled: bool,
    /// Incremental fsync of the rewrite child's file.
    pub aof_rewrite_incremental_fsync: bool,
    /// Incremental fsync of the snapshot child's file.
    pub rdb_save_incremental_fsync: bool,
    /// Save points; empty for none.
    pub save: Vec<SavePoint>,
    /// Refuse writes after a failed BGSAVE.
    pub stop_writes_on_bgsave_error: bool,
    /// LZF-compress strings in RDB files.
    pub rdbcompression: bool,
    /// serverCron frequency \[1/s\], 1 to 500.
    pub hz: u32,
    /// Double hz with many clients.
    pub dynamic_hz: bool,
    /// Threads that do socket work, the main thread among them; 1 is off.
    pub io_threads: u32,
    /// Io threads also read and parse (6.0 to 7.4; Valkey 8.0 always).
    pub io_threads_do_reads: bool,
    /// Memory limit \[bytes\]; 0 for none.
    pub maxmemory: u64,
    /// What happens at the limit.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// Keys sampled for an eviction.
    pub maxmemory_samples: u32,
    /// Effort of one eviction cycle, 0 to 100.
    pub maxmemory_eviction_tenacity: u32,
    /// Evicted values are freed in the background.
    pub lazyfree_lazy_eviction: bool,
    /// Effort of the active expire cycle, 1 to 10 (6.0 on).
    pub active_expire_effort: u32,
    /// Expired values are freed in the background.
    pub lazyfree_lazy_expire: bool,
    /// Implicitly deleted values (overwritten, renamed over) are freed in the background.
    pub lazyfree_lazy_server_del: bool,
    /// DEL behaves like UNLINK.
    pub lazyfree_lazy_user_del: bool,
    /// The server turns transparent huge pages off for itself (6.2 on).
    pub disable_thp: bool,
    /// Rehash 1 ms in each serverCron.
    pub activerehashing: bool,
    /// Bytes at which a stream's node is full; 0 no limit (5.0 on).
    pub stream_node_max_bytes: u64,
    /// Entries at which a stream's node is full; 0 no limit (5.0 on).
    pub stream_node_max_entries: u64,
    /// Largest number of clients.
    pub maxclients: u32,
    /// Slow commands of at least this many microseconds go to the SLOWLOG; negative is off.
    pub slowlog_log_slower_than: i64,
    /// Latency events of at least this many milliseconds are kept; 0 is off.
    pub latency_monitor_threshold: u64,
    /// What concerns replicas.
    pub replication: ReplicationConfig,
}

impl RedisConfig {
    /// What a server of `version` does when its configuration file says nothing
    /// (config.c and initServerConfig of each version).
    pub fn defaults(version: Version) -> Self {
        let point = |seconds, changes| SavePoint { seconds, changes };
        let valkey8 = version.valkey_at_least(8, 0);
        RedisConfig {
            version,
            appendonly: false,
            appendfsync: AppendFsync::Everysec,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size: 64 * MIB,
            aof_use_rdb_preamble: version.has(5, 0),
            aof_timestamp_enabled: false,
            aof_rewrite_incremental_fsync: true,
            rdb_save_incremental_fsync: version.has(5, 0),
            save: if version.has(6, 2) {
                vec![point(3600, 1), point(300, 100), point(60, 10000)]
            } else {
                vec![point(900, 1), point(300, 10), point(60, 10000)]
            },
            stop_writes_on_bgsave_error: true,
            rdbcompression: true,
            hz: 10,
            dynamic_hz: version.has(5, 0),
            io_threads: 1,
            io_threads_do_reads: valkey8,
            maxmemory: 0,
            maxmemory_policy: if version.has(3, 0) {
                MaxmemoryPolicy::Noeviction
            } else {
                MaxmemoryPolicy::VolatileLru
            },
            maxmemory_samples: if version.has(3, 0) { 5 } else { 3 },
            maxmemory_eviction_tenacity: 10,
            lazyfree_lazy_eviction: valkey8,
            active_expire_effort: 1,
            lazyfree_lazy_expire: valkey8,
            lazyfree_lazy_server_del: valkey8,
            lazyfree_lazy_user_del: valkey8,
            disable_thp: version.has(6, 2),
            activerehashing: true,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            maxclients: 10_000,
            slowlog_log_slower_than: 10_000,
            latency_monitor_threshold: 0,
            replication: ReplicationConfig::defaults(version),
        }
    }
}
