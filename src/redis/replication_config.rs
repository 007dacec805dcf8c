//! Settings of replication, as config.c of each version has them.

use super::version::Version;
use crate::units::{MIB, SECOND};

/// `client-output-buffer-limit replica HARD SOFT SECONDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// A replica with more than this in its output buffer is dropped at once \[bytes\]; 0 for none.
    pub hard: u64,
    /// One with more than this … \[bytes\]; 0 for none.
    pub soft: u64,
    /// … for more than so many whole seconds is dropped as well.
    pub soft_seconds: u64,
}

/// Settings of a primary that concern its replicas. Field names are redis.conf's with `-` written `_`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicationConfig {
    /// Size of the backlog \[bytes\], ≥ 16 KiB.
    pub repl_backlog_size: u64,
    /// The backlog is freed after so many seconds without replicas; 0 never.
    pub repl_backlog_ttl: u64,
    /// A link without a sign of life for longer is cut \[s\], ≥ 1.
    pub repl_timeout: u64,
    /// A PING goes to replicas every so many seconds, ≥ 1.
    pub repl_ping_replica_period: u64,
    /// Snapshots go to replicas' sockets instead of a file.
    pub repl_diskless_sync: bool,
    /// A diskless snapshot waits this long for more replicas \[s\].
    pub repl_diskless_sync_delay: u64,
    /// … or until so many wait (7.0 on); 0 for no such number.
    pub repl_diskless_sync_max_replicas: u32,
    /// Limit of a replica's output buffer.
    pub output_limit: OutputLimit,
    /// Writes are refused with fewer good replicas; 0 never.
    pub min_replicas_to_write: u32,
    /// A replica is good when its last acknowledgement is at most this old \[s\]; 0 switches the rule off.
    pub min_replicas_max_lag: u64,
    /// The snapshot has a connection of its own (Valkey 8.0 on).
    pub dual_channel_replication_enabled: bool,
    /// The same in Redis 8.0 on.
    ///
    /// On while it was developed (redis #13732); the default of released versions could not be checked and is
    /// taken to be no.
    pub repl_rdb_channel: bool,
    /// What a replica buffers of the live stream during a sync with two connections \[bytes\]; 0: its output limit.
    pub replica_full_sync_buffer_limit: u64,
    /// Nagle's algorithm on replicas' sockets: small packets wait for up to 40 ms.
    pub repl_disable_tcp_nodelay: bool,
}

/// Smallest backlog (`CONFIG_REPL_BACKLOG_MIN_SIZE`).
pub const BACKLOG_MIN: u64 = 16 * 1024;

impl ReplicationConfig {
    /// What a server of `version` does when its configuration file says nothing.
    pub fn defaults(version: Version) -> Self {
        ReplicationConfig {
            repl_backlog_size: if version.valkey_at_least(8, 0) { 10 * MIB } else { MIB },
            repl_backlog_ttl: 3600,
            repl_timeout: 60,
            repl_ping_replica_period: 10,
            repl_diskless_sync: version.has(7, 0),
            repl_diskless_sync_delay: 5,
            repl_diskless_sync_max_replicas: 0,
            output_limit: OutputLimit { hard: 256 * MIB, soft: 64 * MIB, soft_seconds: 60 },
            min_replicas_to_write: 0,
            min_replicas_max_lag: 10,
            dual_channel_replication_enabled: false,
            repl_rdb_channel: false,
            replica_full_sync_buffer_limit: 0,
            repl_disable_tcp_nodelay: false,
        }
    }

    /// Whether a snapshot goes over a connection of its own, from the child to the replica.
    ///
    /// Both designs are diskless ones (`replicationSetupSlaveForFullResync`, `syncWithMaster` of the versions).
    pub fn has_rdb_channel(&self) -> bool {
        self.repl_diskless_sync && (self.dual_channel_replication_enabled || self.repl_rdb_channel)
    }

    /// The hard limit in force: from 7.0 on at least the backlog, whose blocks replicas share
    /// (`checkClientOutputBufferLimits`).
    pub fn hard_limit(&self, version: Version) -> u64 {
        match self.output_limit.hard {
            0 => u64::MAX,
            hard if version.has(7, 0) => hard.max(self.repl_backlog_size),
            hard => hard,
        }
    }

    /// The soft limit in force; not raised in any version.
    pub fn soft_limit(&self) -> u64 {
        if self.output_limit.soft == 0 { u64::MAX } else { self.output_limit.soft }
    }

    /// `repl-timeout` in nanoseconds.
    pub fn timeout(&self) -> u64 {
        self.repl_timeout * SECOND
    }
}
