//! A server's settings as directives: every field of [`RedisConfig`] under its redis.conf name.
//!
//! The way back, from name and value to field, is `redis_conf::apply`; a test holds the two together.
//! Only the handling of `save` differs between a file, where lines add up, and everything else.

use super::redis_conf::{Applied, apply};
use super::replication_directives;
use super::tree::quote;
use crate::redis::config::{AppendFsync, MaxmemoryPolicy, RedisConfig};
use crate::units::{GIB, KIB, MIB};

/// Value of a directive.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectiveValue {
    /// yes or no.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// Anything else.
    Text(String),
}

impl DirectiveValue {
    /// As a scenario file writes it.
    pub fn toml(&self) -> String {
        match self {
            DirectiveValue::Bool(value) => value.to_string(),
            DirectiveValue::Number(number) => number.to_string(),
            DirectiveValue::Text(text) => quote(text),
        }
    }

    /// As redis.conf and CONFIG GET write it.
    pub fn plain(&self) -> String {
        match self {
            DirectiveValue::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
            DirectiveValue::Number(number) => number.to_string(),
            DirectiveValue::Text(text) => text.clone(),
        }
    }
}

/// Sets one directive as CONFIG SET does: `save` replaces all points, and takes several pairs in every version.
pub fn set(config: &mut RedisConfig, name: &str, value: &str) -> Applied {
    if !name.eq_ignore_ascii_case("save") {
        return apply(config, name, value);
    }
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    set_save(config, words.chunks(2).map(|pair| pair.join(" ")))
}

/// Replaces all save points by those of the lines of a redis.conf.
pub fn set_save(config: &mut RedisConfig, lines: impl Iterator<Item = String>) -> Applied {
    let mut changed = RedisConfig { save: Vec::new(), ..config.clone() };
    for line in lines {
        match apply(&mut changed, "save", &line) {
            Applied::Used => {}
            other => return other,
        }
    }
    *config = changed;
    Applied::Used
}

/// Every setting but the version that `config.version` has, in the order of the fields.
pub fn of(config: &RedisConfig) -> Vec<(&'static str, DirectiveValue)> {
    let mut scratch = config.clone();
    let mut fields = fields(config);
    fields.retain(|(name, value)| set(&mut scratch, name, &value.plain()) == Applied::Used);
    fields
}

/// Every field but the version, whether the version has it or not.
pub fn fields(config: &RedisConfig) -> Vec<(&'static str, DirectiveValue)> {
    use DirectiveValue::*;
    let save: Vec<String> = config.save.iter().map(|p| format!("{} {}", p.seconds, p.changes)).collect();
    let count = |n: u64| Number(i64::try_from(n).unwrap_or(i64::MAX));
    vec![
        ("appendonly", Bool(config.appendonly)),
        ("appendfsync", Text(append_fsync(config.appendfsync).to_owned())),
        ("no-appendfsync-on-rewrite", Bool(config.no_appendfsync_on_rewrite)),
        ("auto-aof-rewrite-percentage", count(config.auto_aof_rewrite_percentage)),
        ("auto-aof-rewrite-min-size", bytes(config.auto_aof_rewrite_min_size)),
        ("aof-use-rdb-preamble", Bool(config.aof_use_rdb_preamble)),
        ("aof-timestamp-enabled", Bool(config.aof_timestamp_enabled)),
        ("aof-rewrite-incremental-fsync", Bool(config.aof_rewrite_incremental_fsync)),
        ("rdb-save-incremental-fsync", Bool(config.rdb_save_incremental_fsync)),
        ("save", Text(save.join(" "))),
        ("stop-writes-on-bgsave-error", Bool(config.stop_writes_on_bgsave_error)),
        ("rdbcompression", Bool(config.rdbcompression)),
        ("hz", count(config.hz.into())),
        ("dynamic-hz", Bool(config.dynamic_hz)),
        ("io-threads", count(config.io_threads.into())),
        ("io-threads-do-reads", Bool(config.io_threads_do_reads)),
        ("maxmemory", bytes(config.maxmemory)),
        ("maxmemory-policy", Text(policy(config.maxmemory_policy).to_owned())),
        ("maxmemory-samples", count(config.maxmemory_samples.into())),
        ("maxmemory-eviction-tenacity", count(config.maxmemory_eviction_tenacity.into())),
        ("lazyfree-lazy-eviction", Bool(config.lazyfree_lazy_eviction)),
        ("active-expire-effort", count(config.active_expire_effort.into())),
        ("lazyfree-lazy-expire", Bool(config.lazyfree_lazy_expire)),
        ("lazyfree-lazy-server-del", Bool(config.lazyfree_lazy_server_del)),
        ("lazyfree-lazy-user-del", Bool(config.lazyfree_lazy_user_del)),
        ("disable-thp", Bool(config.disable_thp)),
        ("activerehashing", Bool(config.activerehashing)),
        ("stream-node-max-bytes", bytes(config.stream_node_max_bytes)),
        ("stream-node-max-entries", count(config.stream_node_max_entries)),
        ("maxclients", count(config.maxclients.into())),
        ("slowlog-log-slower-than", Number(config.slowlog_log_slower_than)),
        ("latency-monitor-threshold", count(config.latency_monitor_threshold)),
    ]
    .into_iter()
    .chain(replication_directives::fields(&config.replication))
    .collect()
}

/// A size in redis.conf's units, where it is a whole number of them.
pub(super) fn bytes(bytes: u64) -> DirectiveValue {
    for (unit, size) in [("gb", GIB), ("mb", MIB), ("kb", KIB)] {
        if bytes > 0 && bytes.is_multiple_of(size) {
            return DirectiveValue::Text(format!("{}{unit}", bytes / size));
        }
    }
    DirectiveValue::Number(i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn append_fsync(value: AppendFsync) -> &'static str {
    match value {
        AppendFsync::Always => "always",
        AppendFsync::Everysec => "everysec",
        AppendFsync::No => "no",
    }
}

fn policy(value: MaxmemoryPolicy) -> &'static str {
    match value {
        MaxmemoryPolicy::Noeviction => "noeviction",
        MaxmemoryPolicy::AllkeysLru => "allkeys-lru",
        MaxmemoryPolicy::AllkeysLfu => "allkeys-lfu",
        MaxmemoryPolicy::AllkeysRandom => "allkeys-random",
        MaxmemoryPolicy::VolatileLru => "volatile-lru",
        MaxmemoryPolicy::VolatileLfu => "volatile-lfu",
        MaxmemoryPolicy::VolatileRandom => "volatile-random",
        MaxmemoryPolicy::VolatileTtl => "volatile-ttl",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::{KNOWN, Version};

    #[test]
    fn directives_give_the_settings_back() {
        for &version in KNOWN {
            let mut config = RedisConfig::defaults(version);
            config.appendonly = true;
            config.auto_aof_rewrite_min_size = 1025;
            config.maxmemory = 3 * GIB;
            config.slowlog_log_slower_than = -1;
            let mut back = RedisConfig::defaults(version);
            for (name, value) in of(&config) {
                assert_eq!(set(&mut back, name, &value.plain()), Applied::Used, "{version} {name}");
            }
            assert_eq!(back, config);
        }
    }

    #[test]
    fn an_old_version_is_not_shown_later_settings() {
        let names =
            |version| of(&RedisConfig::defaults(version)).into_iter().map(|d| d.0).collect::<Vec<_>>();
        assert!(!names(Version::redis(3, 2)).contains(&"aof-use-rdb-preamble"));
        assert!(names(Version::redis(7, 2)).contains(&"aof-use-rdb-preamble"));
        assert!(names(Version::redis(6, 2)).contains(&"save"));
    }

    #[test]
    fn save_replaces_what_there_was_or_leaves_it_when_wrong() {
        let mut config = RedisConfig::defaults(Version::redis(6, 2));
        assert!(matches!(set(&mut config, "save", "60 1 x 2"), Applied::Wrong(_)));
        assert_eq!(config.save.len(), 3);
        assert_eq!(set(&mut config, "save", "60 1 30 2"), Applied::Used);
        assert_eq!(config.save.len(), 2);
        assert_eq!(set(&mut config, "save", ""), Applied::Used);
        assert!(config.save.is_empty());
    }
}
