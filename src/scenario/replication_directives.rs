//! Directives of replication: names, versions and values of [`ReplicationConfig`].

use super::directives::{DirectiveValue, bytes};
use super::redis_conf::Applied;
use super::redis_conf::value::{integer, memory, yes_no};
use crate::redis::config::RedisConfig;
use crate::redis::replication_config::{OutputLimit, ReplicationConfig};
use crate::redis::version::Version;

/// Every field, as redis.conf has it.
pub fn fields(config: &ReplicationConfig) -> Vec<(&'static str, DirectiveValue)> {
    use DirectiveValue::{Bool, Number, Text};
    let count = |n: u64| Number(i64::try_from(n).unwrap_or(i64::MAX));
    let OutputLimit { hard, soft, soft_seconds } = config.output_limit;
    vec![
        ("repl-backlog-size", bytes(config.repl_backlog_size)),
        ("repl-backlog-ttl", count(config.repl_backlog_ttl)),
        ("repl-timeout", count(config.repl_timeout)),
        ("repl-ping-replica-period", count(config.repl_ping_replica_period)),
        ("repl-diskless-sync", Bool(config.repl_diskless_sync)),
        ("repl-diskless-sync-delay", count(config.repl_diskless_sync_delay)),
        ("repl-diskless-sync-max-replicas", count(config.repl_diskless_sync_max_replicas.into())),
        (
            "client-output-buffer-limit",
            Text(format!("replica {} {} {soft_seconds}", bytes(hard).plain(), bytes(soft).plain())),
        ),
        ("min-replicas-to-write", count(config.min_replicas_to_write.into())),
        ("min-replicas-max-lag", count(config.min_replicas_max_lag)),
        ("dual-channel-replication-enabled", Bool(config.dual_channel_replication_enabled)),
        ("repl-rdb-channel", Bool(config.repl_rdb_channel)),
        ("replica-full-sync-buffer-limit", bytes(config.replica_full_sync_buffer_limit)),
        ("repl-disable-tcp-nodelay", Bool(config.repl_disable_tcp_nodelay)),
    ]
}

/// Whether `version` has the directive; the reason if not.
fn lacks(name: &str, version: Version) -> Option<&'static str> {
    let has = match name {
        "repl-diskless-sync-max-replicas" => version.has(7, 0),
        "dual-channel-replication-enabled" => version.valkey_at_least(8, 0),
        "repl-rdb-channel" => version.redis_at_least(8, 0),
        "replica-full-sync-buffer-limit" => version.valkey_at_least(8, 0) || version.redis_at_least(8, 0),
        _ => true,
    };
    (!has).then_some("this version does not have the directive")
}

/// Names of these directives.
pub fn names() -> impl Iterator<Item = &'static str> {
    let config = ReplicationConfig::defaults(Version::redis(7, 2));
    fields(&config).into_iter().map(|field| field.0)
}

/// Takes one directive over, if it is one of these; `name` is the canonical one.
pub fn apply(config: &mut RedisConfig, name: &str, value: &str) -> Option<Applied> {
    if !names().any(|known| known == name) {
        return None;
    }
    if let Some(reason) = lacks(name, config.version) {
        return Some(Applied::NotModelled(reason));
    }
    if name == "client-output-buffer-limit" {
        return Some(output_limits(&mut config.replication.output_limit, value));
    }
    Some(match set(&mut config.replication, name, value) {
        Ok(()) => Applied::Used,
        Err(expected) => Applied::Wrong(expected),
    })
}

fn set(config: &mut ReplicationConfig, name: &str, value: &str) -> Result<(), String> {
    let switch = |place: &mut bool| yes_no(value).map(|on| *place = on);
    let size = |place: &mut u64| memory(value).map(|bytes| *place = bytes);
    let count =
        |place: &mut u64, low| integer(value, low, i32::MAX.into()).map(|n| *place = n.unsigned_abs());
    let small = |place: &mut u32| integer(value, 0, i32::MAX.into()).map(|n| *place = n as u32);
    match name {
        "repl-backlog-size" => memory(value).and_then(|bytes| match bytes {
            0 => Err("expected at least 1 byte; servers use 16kb or more".to_owned()),
            bytes => {
                config.repl_backlog_size = bytes;
                Ok(())
            }
        }),
        "repl-backlog-ttl" => count(&mut config.repl_backlog_ttl, 0),
        "repl-timeout" => count(&mut config.repl_timeout, 1),
        "repl-ping-replica-period" => count(&mut config.repl_ping_replica_period, 1),
        "repl-diskless-sync" => switch(&mut config.repl_diskless_sync),
        "repl-diskless-sync-delay" => count(&mut config.repl_diskless_sync_delay, 0),
        "repl-diskless-sync-max-replicas" => small(&mut config.repl_diskless_sync_max_replicas),
        "min-replicas-to-write" => small(&mut config.min_replicas_to_write),
        "min-replicas-max-lag" => count(&mut config.min_replicas_max_lag, 0),
        "dual-channel-replication-enabled" => switch(&mut config.dual_channel_replication_enabled),
        "repl-rdb-channel" => switch(&mut config.repl_rdb_channel),
        "replica-full-sync-buffer-limit" => size(&mut config.replica_full_sync_buffer_limit),
        _ => switch(&mut config.repl_disable_tcp_nodelay),
    }
}

/// `client-output-buffer-limit`: groups of class, hard, soft and seconds. Only replicas are ever disconnected here.
fn output_limits(limit: &mut OutputLimit, value: &str) -> Applied {
    let expected =
        || Applied::Wrong("expected class hard soft seconds, as in replica 256mb 64mb 60".to_owned());
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return expected();
    }
    let (mut changed, mut used, mut others) = (*limit, false, false);
    for group in words.chunks(4) {
        let (Ok(hard), Ok(soft), Ok(soft_seconds)) =
            (memory(group[1]), memory(group[2]), integer(group[3], 0, i32::MAX.into()))
        else {
            return expected();
        };
        let own = OutputLimit { hard, soft, soft_seconds: soft_seconds.unsigned_abs() };
        match group[0].to_ascii_lowercase().as_str() {
            "replica" | "slave" => (changed, used) = (own, true),
            "normal" => others |= own != OutputLimit { hard: 0, soft: 0, soft_seconds: 0 },
            "pubsub" => others |= own != OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
            _ => return expected(),
        }
    }
    *limit = changed;
    match (others, used) {
        (true, _) => Applied::NotModelled("only replicas are disconnected for a full output buffer"),
        (false, true) => Applied::Used,
        (false, false) => Applied::Irrelevant,
    }
}
