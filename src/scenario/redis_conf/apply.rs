//! What a directive means for the model.

use super::names;
use super::value::{integer, memory, one_of, save_points, yes_no};
use crate::redis::config::{AppendFsync, MaxmemoryPolicy, RedisConfig};
use crate::redis::version::{IoThreadDesign, Version};
use crate::scenario::replication_directives;

/// What became of one directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is a setting of the model and was taken over.
    Used,
    /// It would change the write path but is not modelled: the reason, a clause.
    NotModelled(&'static str),
    /// It does not matter for the write path, or it is at rest.
    Irrelevant,
    /// No version has a directive of that name.
    Unknown,
    /// A setting of the model with a wrong value: what is expected.
    Wrong(String),
}

/// One setting of the model.
struct Modelled {
    name: &'static str,
    /// First Redis version that has it.
    since: (u8, u8),
    /// CONFIG SET may change it while the server runs.
    changeable: bool,
}

const fn setting(name: &'static str, since: (u8, u8), changeable: bool) -> Modelled {
    Modelled { name, since, changeable }
}

const MODELLED: &[Modelled] = &[
    setting("active-expire-effort", (6, 0), true),
    setting("activerehashing", (2, 8), true),
    setting("aof-rewrite-incremental-fsync", (2, 8), true),
    setting("aof-timestamp-enabled", (7, 0), true),
    setting("aof-use-rdb-preamble", (4, 0), true),
    setting("appendfsync", (2, 8), true),
    setting("appendonly", (2, 8), true),
    setting("auto-aof-rewrite-min-size", (2, 8), true),
    setting("auto-aof-rewrite-percentage", (2, 8), true),
    setting("disable-thp", (6, 2), false),
    setting("dynamic-hz", (5, 0), true),
    setting("hz", (2, 8), true),
    setting("io-threads", (6, 0), false),
    setting("io-threads-do-reads", (6, 0), false),
    setting("latency-monitor-threshold", (2, 8), true),
    setting("lazyfree-lazy-eviction", (4, 0), true),
    setting("lazyfree-lazy-expire", (4, 0), true),
    setting("lazyfree-lazy-server-del", (4, 0), true),
    setting("lazyfree-lazy-user-del", (6, 0), true),
    setting("maxclients", (2, 8), true),
    setting("maxmemory", (2, 8), true),
    setting("maxmemory-eviction-tenacity", (6, 2), true),
    setting("maxmemory-policy", (2, 8), true),
    setting("maxmemory-samples", (2, 8), true),
    setting("no-appendfsync-on-rewrite", (2, 8), true),
    setting("rdb-save-incremental-fsync", (5, 0), true),
    setting("rdbcompression", (2, 8), true),
    setting("save", (2, 8), true),
    setting("slowlog-log-slower-than", (2, 8), true),
    setting("stream-node-max-bytes", (5, 0), false),
    setting("stream-node-max-entries", (5, 0), false),
    setting("stop-writes-on-bgsave-error", (2, 8), true),
];

/// Whether CONFIG SET can change the modelled setting `name` while the server runs.
pub fn changeable(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = names::canonical(&name);
    replication_directives::names().any(|known| known == name)
        || MODELLED.iter().any(|setting| setting.name == name && setting.changeable)
}

/// Names of the settings of the model.
pub fn modelled() -> impl Iterator<Item = &'static str> {
    MODELLED.iter().map(|setting| setting.name).chain(replication_directives::names())
}

/// Takes one directive over into `config`, which must already carry its version.
///
/// `save` adds its points to those there are, and an empty one clears them; CONFIG SET and a file's first `save`
/// replace them, which is the caller's affair ([`super::apply_all`] for files).
pub fn apply(config: &mut RedisConfig, name: &str, value: &str) -> Applied {
    let name = name.to_ascii_lowercase();
    let name = names::canonical(&name);
    let version = config.version;
    if let Some(applied) = replication_directives::apply(config, name, value) {
        return applied;
    }
    let Some(setting) = MODELLED.iter().find(|setting| setting.name == name) else {
        return match names::not_modelled(name, value) {
            Some(Some(reason)) => Applied::NotModelled(reason),
            Some(None) => Applied::Irrelevant,
            None if names::is_irrelevant(name) => Applied::Irrelevant,
            None => Applied::Unknown,
        };
    };
    if !version.has(setting.since.0, setting.since.1) {
        return Applied::NotModelled("this version does not have the directive");
    }
    if name == "maxmemory-policy"
        && matches!(value.to_ascii_lowercase().as_str(), "allkeys-lrm" | "volatile-lrm")
    {
        return Applied::NotModelled(
            "eviction by last modification is not modelled; the policy before stays",
        );
    }
    if name == "io-threads-do-reads" {
        match version.io_thread_design() {
            IoThreadDesign::Offload => {
                return Applied::NotModelled("from Valkey 8.0 on io threads always read");
            }
            IoThreadDesign::OwnedClients => {
                return Applied::NotModelled(
                    "from Redis 8.0 on an io thread does all work of its clients' sockets",
                );
            }
            IoThreadDesign::None | IoThreadDesign::Spinning => {}
        }
    }
    match set(config, name, value) {
        Ok(()) => Applied::Used,
        Err(expected) => Applied::Wrong(expected),
    }
}

/// Sets a modelled setting, or says what is expected.
fn set(config: &mut RedisConfig, name: &str, value: &str) -> Result<(), String> {
    let version = config.version;
    let switch = |place: &mut bool| yes_no(value).map(|on| *place = on);
    let bytes = |place: &mut u64| memory(value).map(|bytes| *place = bytes);
    let small = |place: &mut u32, low, high| {
        integer(value, low, high).map(|n| *place = n.clamp(0, u32::MAX.into()) as u32)
    };
    match name {
        "active-expire-effort" => small(&mut config.active_expire_effort, 1, 10),
        "activerehashing" => switch(&mut config.activerehashing),
        "aof-rewrite-incremental-fsync" => switch(&mut config.aof_rewrite_incremental_fsync),
        "aof-timestamp-enabled" => switch(&mut config.aof_timestamp_enabled),
        "aof-use-rdb-preamble" => switch(&mut config.aof_use_rdb_preamble),
        "appendfsync" => one_of(value, APPENDFSYNC).map(|policy| config.appendfsync = policy),
        "appendonly" => switch(&mut config.appendonly),
        "auto-aof-rewrite-min-size" => bytes(&mut config.auto_aof_rewrite_min_size),
        "auto-aof-rewrite-percentage" => {
            integer(value, 0, i32::MAX.into()).map(|n| config.auto_aof_rewrite_percentage = n.unsigned_abs())
        }
        "disable-thp" => switch(&mut config.disable_thp),
        "dynamic-hz" => switch(&mut config.dynamic_hz),
        "hz" => small(&mut config.hz, 1, 500),
        "io-threads" => small(&mut config.io_threads, 1, 128),
        "io-threads-do-reads" => switch(&mut config.io_threads_do_reads),
        "latency-monitor-threshold" => {
            integer(value, 0, i64::MAX).map(|n| config.latency_monitor_threshold = n.unsigned_abs())
        }
        "lazyfree-lazy-eviction" => switch(&mut config.lazyfree_lazy_eviction),
        "lazyfree-lazy-expire" => switch(&mut config.lazyfree_lazy_expire),
        "lazyfree-lazy-server-del" => switch(&mut config.lazyfree_lazy_server_del),
        "lazyfree-lazy-user-del" => switch(&mut config.lazyfree_lazy_user_del),
        "maxclients" => small(&mut config.maxclients, 1, u32::MAX.into()),
        "maxmemory" => bytes(&mut config.maxmemory),
        "maxmemory-eviction-tenacity" => small(&mut config.maxmemory_eviction_tenacity, 0, 100),
        "maxmemory-policy" => one_of(value, policies(version)).map(|policy| config.maxmemory_policy = policy),
        "maxmemory-samples" => {
            small(&mut config.maxmemory_samples, 1, if version.has(7, 4) { 64 } else { i32::MAX.into() })
        }
        "no-appendfsync-on-rewrite" => switch(&mut config.no_appendfsync_on_rewrite),
        "rdb-save-incremental-fsync" => switch(&mut config.rdb_save_incremental_fsync),
        "rdbcompression" => switch(&mut config.rdbcompression),
        "save" => save_points(value, version.has(7, 0)).map(|points| match points.is_empty() {
            true => config.save.clear(),
            false => config.save.extend(points),
        }),
        "slowlog-log-slower-than" => integer(value, -1, i64::MAX).map(|n| config.slowlog_log_slower_than = n),
        "stream-node-max-bytes" => bytes(&mut config.stream_node_max_bytes),
        "stream-node-max-entries" => {
            integer(value, 0, i64::MAX).map(|n| config.stream_node_max_entries = n.unsigned_abs())
        }
        "stop-writes-on-bgsave-error" => switch(&mut config.stop_writes_on_bgsave_error),
        _ => Err("expected a setting of the model".to_string()),
    }
}

const APPENDFSYNC: &[(&str, AppendFsync)] =
    &[("always", AppendFsync::Always), ("everysec", AppendFsync::Everysec), ("no", AppendFsync::No)];

const POLICIES: &[(&str, MaxmemoryPolicy)] = &[
    ("noeviction", MaxmemoryPolicy::Noeviction),
    ("allkeys-lru", MaxmemoryPolicy::AllkeysLru),
    ("allkeys-random", MaxmemoryPolicy::AllkeysRandom),
    ("volatile-lru", MaxmemoryPolicy::VolatileLru),
    ("volatile-random", MaxmemoryPolicy::VolatileRandom),
    ("volatile-ttl", MaxmemoryPolicy::VolatileTtl),
    ("allkeys-lfu", MaxmemoryPolicy::AllkeysLfu),
    ("volatile-lfu", MaxmemoryPolicy::VolatileLfu),
];

/// Policies of a version: those by frequency came with 4.0.
fn policies(version: Version) -> &'static [(&'static str, MaxmemoryPolicy)] {
    if version.has(4, 0) { POLICIES } else { &POLICIES[..6] }
}
