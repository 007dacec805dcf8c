//! INFO text with the sections and field names of the simulated version.
//!
//! A field is printed when the version has it and the run knows its value; nothing is made up. Counters are those of
//! the measured time. Field lists by version: redis-cli INFO of each release.

use crate::cause::Cause;
use crate::observe::result::{InfoValue, RunResult};
use crate::redis::version::Flavour;
use crate::report::About;
use crate::units::{MICROSECOND, SECOND};

/// A field: its name, the Redis version it came with, the one it went with, and whether it needs the AOF.
struct Field {
    name: &'static str,
    from: (u8, u8),
    until: Option<(u8, u8)>,
    only_with_aof: bool,
}

const fn field(name: &'static str, major: u8, minor: u8) -> Field {
    Field { name, from: (major, minor), until: None, only_with_aof: false }
}

const fn aof(name: &'static str, major: u8, minor: u8) -> Field {
    Field { name, from: (major, minor), until: None, only_with_aof: true }
}

/// Sections and their fields in the order of INFO.
const SECTIONS: &[(&str, &[Field])] = &[
    ("Server", SERVER),
    ("Clients", CLIENTS),
    ("Memory", MEMORY),
    ("Persistence", PERSISTENCE),
    ("Stats", STATS),
    ("Replication", REPLICATION),
    ("CPU", CPU),
    ("Cluster", CLUSTER),
    ("Debug", DEBUG),
];

const SERVER: &[Field] = &[field("uptime_in_seconds", 2, 8), field("hz", 2, 8), field("configured_hz", 5, 0)];

const CLIENTS: &[Field] =
    &[field("connected_clients", 2, 8), field("maxclients", 6, 2), field("blocked_clients", 2, 8)];

const MEMORY: &[Field] = &[
    field("used_memory", 2, 8),
    field("used_memory_rss", 2, 8),
    field("used_memory_peak", 2, 8),
    field("used_memory_overhead", 4, 0),
    field("used_memory_startup", 4, 0),
    field("used_memory_dataset", 4, 0),
    field("total_system_memory", 3, 2),
    field("maxmemory", 3, 2),
    field("maxmemory_policy", 3, 2),
    field("mem_fragmentation_ratio", 2, 8),
    field("mem_aof_buffer", 5, 0),
];

const PERSISTENCE: &[Field] = &[
    field("loading", 2, 8),
    field("async_loading", 7, 0),
    field("current_cow_peak", 7, 0),
    field("current_cow_size", 6, 2),
    field("current_cow_size_age", 6, 2),
    field("current_fork_perc", 6, 2),
    field("current_save_keys_processed", 6, 2),
    field("current_save_keys_total", 6, 2),
    field("rdb_changes_since_last_save", 2, 8),
    field("rdb_bgsave_in_progress", 2, 8),
    field("rdb_last_save_time", 2, 8),
    field("rdb_last_bgsave_status", 2, 8),
    field("rdb_last_bgsave_time_sec", 2, 8),
    field("rdb_current_bgsave_time_sec", 2, 8),
    field("rdb_saves", 7, 0),
    field("rdb_last_cow_size", 4, 0),
    field("rdb_last_load_keys_expired", 7, 0),
    field("rdb_last_load_keys_loaded", 7, 0),
    field("aof_enabled", 2, 8),
    field("aof_rewrite_in_progress", 2, 8),
    field("aof_rewrite_scheduled", 2, 8),
    field("aof_last_rewrite_time_sec", 2, 8),
    field("aof_current_rewrite_time_sec", 2, 8),
    field("aof_last_bgrewrite_status", 2, 8),
    field("aof_rewrites", 7, 0),
    field("aof_rewrites_consecutive_failures", 7, 0),
    field("aof_last_write_status", 2, 8),
    field("aof_last_cow_size", 4, 0),
    aof("aof_current_size", 2, 8),
    aof("aof_base_size", 2, 8),
    aof("aof_pending_rewrite", 2, 8),
    aof("aof_buffer_length", 2, 8),
    Field { name: "aof_rewrite_buffer_length", from: (2, 8), until: Some((7, 0)), only_with_aof: true },
    aof("aof_pending_bio_fsync", 2, 8),
    aof("aof_delayed_fsync", 2, 8),
];

const STATS: &[Field] = &[
    field("total_connections_received", 2, 8),
    field("total_commands_processed", 2, 8),
    field("instantaneous_ops_per_sec", 2, 8),
    field("total_net_input_bytes", 3, 0),
    field("total_net_output_bytes", 3, 0),
    field("instantaneous_input_kbps", 3, 0),
    field("instantaneous_output_kbps", 3, 0),
    field("rejected_connections", 2, 8),
    field("sync_full", 2, 8),
    field("sync_partial_ok", 2, 8),
    field("sync_partial_err", 2, 8),
    field("expired_keys", 2, 8),
    field("expired_stale_perc", 5, 0),
    field("expired_time_cap_reached_count", 5, 0),
    field("expire_cycle_cpu_milliseconds", 6, 0),
    field("evicted_keys", 2, 8),
    field("total_eviction_exceeded_time", 7, 0),
    field("current_eviction_exceeded_time", 7, 0),
    field("keyspace_hits", 2, 8),
    field("keyspace_misses", 2, 8),
    field("latest_fork_usec", 2, 8),
    field("total_forks", 6, 2),
    field("total_error_replies", 6, 2),
    field("total_reads_processed", 6, 0),
    field("total_writes_processed", 6, 0),
    field("io_threaded_reads_processed", 6, 0),
    field("io_threaded_writes_processed", 6, 0),
    field("eventloop_cycles", 7, 2),
    field("eventloop_duration_sum", 7, 2),
    field("eventloop_duration_cmd_sum", 7, 2),
    field("instantaneous_eventloop_cycles_per_sec", 7, 2),
    field("instantaneous_eventloop_duration_usec", 7, 2),
];

const REPLICATION: &[Field] = &[
    field("role", 2, 8),
    field("connected_slaves", 2, 8),
    field("min_slaves_good_slaves", 2, 8),
    field("slave0", 2, 8),
    field("slave1", 2, 8),
    field("slave2", 2, 8),
    field("slave3", 2, 8),
    field("slave4", 2, 8),
    field("slave5", 2, 8),
    field("slave6", 2, 8),
    field("slave7", 2, 8),
    field("slave8", 2, 8),
    field("slave9", 2, 8),
    field("master_replid", 4, 0),
    field("master_replid2", 4, 0),
    field("master_repl_offset", 2, 8),
    field("second_repl_offset", 4, 0),
    field("repl_backlog_active", 2, 8),
    field("repl_backlog_size", 2, 8),
    field("repl_backlog_first_byte_offset", 2, 8),
    field("repl_backlog_histlen", 2, 8),
];

const CPU: &[Field] = &[field("used_cpu_sys", 2, 8), field("used_cpu_user", 2, 8)];

/// Printed of a cluster's nodes only.
const CLUSTER: &[Field] = &[field("cluster_enabled", 3, 0)];

/// INFO debug, printed on request by a real server.
const DEBUG: &[Field] = &[
    field("eventloop_duration_aof_sum", 7, 2),
    field("eventloop_duration_cron_sum", 7, 2),
    field("eventloop_duration_max", 7, 2),
    field("eventloop_cmd_per_cycle_max", 7, 2),
];

/// `info.txt`: INFO at the end of the run.
pub fn text(result: &RunResult, about: &About) -> String {
    let mut sections: Vec<(&str, Vec<String>)> = Vec::new();
    for &(section, fields) in SECTIONS {
        let mut lines = if section == "Server" { version_lines(result) } else { Vec::new() };
        lines.extend(fields.iter().filter(|field| has(result, about, field)).filter_map(|field| {
            value(result, about, field.name).map(|value| format!("{}:{value}", field.name))
        }));
        sections.push((section, lines));
    }
    let named = |prefix: &str| {
        let own = result.info.iter().filter(|(name, _)| name.starts_with(prefix));
        own.map(|(name, value)| format!("{name}:{}", print(value))).collect::<Vec<_>>()
    };
    sections.push(("Commandstats", named("cmdstat_")));
    if result.version.has(7, 0) {
        sections.push(("Latencystats", named("latency_percentiles_usec_")));
    }
    sections.push(("Keyspace", named("db")));
    let printed = sections.iter().filter(|(_, lines)| !lines.is_empty());
    let blocks: Vec<String> =
        printed.map(|(section, lines)| format!("# {section}\r\n{}\r\n", lines.join("\r\n"))).collect();
    blocks.join("\r\n")
}

/// What a server says of its own version. Every Valkey answers 7.2.4 to old clients.
fn version_lines(result: &RunResult) -> Vec<String> {
    let numbers = format!("{}.{}", result.version.major, result.version.minor);
    match result.version.flavour {
        Flavour::Redis => vec![format!("redis_version:{numbers}")],
        Flavour::Valkey => vec![
            "redis_version:7.2.4".to_owned(),
            "server_name:valkey".to_owned(),
            format!("valkey_version:{numbers}"),
        ],
    }
}

fn has(result: &RunResult, about: &About, field: &Field) -> bool {
    let from = result.version.has(field.from.0, field.from.1);
    let gone = field.until.is_some_and(|until| result.version.has(until.0, until.1));
    from && !gone && (about.appendonly || !field.only_with_aof)
}

/// The run's own value of a field, or what its counters give.
fn value(result: &RunResult, about: &About, name: &str) -> Option<String> {
    let own = result.info.iter().find(|(own, _)| own == name);
    own.map(|(_, value)| print(value)).or_else(|| derived(result, about, name).map(|value| value.to_string()))
}

fn print(value: &InfoValue) -> String {
    match value {
        InfoValue::Int(int) => int.to_string(),
        InfoValue::Ratio(ratio) => format!("{ratio:.2}"),
        InfoValue::Text(text) => text.clone(),
    }
}

fn derived(result: &RunResult, about: &About, name: &str) -> Option<u64> {
    let counters = &result.counters;
    let busy =
        |causes: &[Cause]| causes.iter().map(|&cause| result.busy[cause as usize]).sum::<u64>() / MICROSECOND;
    let aof_causes =
        [Cause::AofWrite, Cause::AofWritePendingFsync, Cause::AofWriteThrottled, Cause::AofFsyncAlways];
    Some(match name {
        "uptime_in_seconds" => result.duration / SECOND,
        "connected_clients" => about.connections,
        "used_memory" => result.memory.used_bytes,
        "aof_enabled" => u64::from(about.appendonly),
        "rdb_saves" => counters.rdb_saves,
        "aof_rewrites" => counters.aof_rewrites,
        "aof_delayed_fsync" => counters.aof_delayed_fsync,
        "total_commands_processed" => result.completed,
        "total_net_input_bytes" => counters.net_input_bytes,
        "total_net_output_bytes" => counters.net_output_bytes,
        "sync_full" => counters.sync_full,
        "cluster_enabled" => result.cluster.as_ref().map(|_| 1)?,
        "expired_keys" => counters.expired_keys,
        "evicted_keys" => counters.evicted_keys,
        "keyspace_hits" => counters.keyspace_hits,
        "keyspace_misses" => counters.keyspace_misses,
        "latest_fork_usec" => result.children.last()?.fork / MICROSECOND,
        "total_forks" => counters.forks,
        "total_error_replies" => result.errors.oom + result.errors.misconf + result.errors.noreplicas,
        "eventloop_cycles" => counters.eventloop_cycles,
        "eventloop_duration_sum" => result.busy_total / MICROSECOND,
        "eventloop_duration_cmd_sum" => busy(&[Cause::Command]),
        "eventloop_duration_aof_sum" => busy(&aof_causes),
        "eventloop_cmd_per_cycle_max" => counters.eventloop_cmd_per_cycle_max,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::{KNOWN, Version};
    use crate::report::fixture;
    use std::collections::BTreeMap;

    /// Reads `field:value` lines as any INFO client does; duplicates and other lines are refused.
    fn parse(text: &str) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        for line in text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            let (name, value) = line.split_once(':').expect("field:value");
            assert!(
                !value.is_empty() && fields.insert(name.to_owned(), value.to_owned()).is_none(),
                "{line}"
            );
        }
        fields
    }

    #[test]
    fn every_version_prints_lines_that_parse() {
        for &version in KNOWN {
            let mut result = fixture::forks();
            result.version = version;
            result.info.push(("db0".to_owned(), InfoValue::Text("keys=10,expires=0,avg_ttl=0".to_owned())));
            let fields = parse(&text(&result, &fixture::about()));
            assert_eq!(fields["latest_fork_usec"], "225000", "{version}");
            assert_eq!(fields["mem_fragmentation_ratio"], "1.04");
            assert_eq!(fields["db0"], "keys=10,expires=0,avg_ttl=0");
            assert_eq!(fields.contains_key("eventloop_cycles"), version.has(7, 2), "{version}");
            assert_eq!(fields.contains_key("aof_rewrites"), version.has(7, 0), "{version}");
            assert_eq!(fields.contains_key("total_forks"), version.has(6, 2), "{version}");
        }
    }

    #[test]
    fn the_rewrite_buffer_is_shown_before_7_0_and_only_with_aof() {
        let mut result = fixture::forks();
        result.info.push(("aof_rewrite_buffer_length".to_owned(), InfoValue::Int(4096)));
        assert!(!text(&result, &fixture::about()).contains("aof_rewrite_buffer_length"));
        result.version = Version::redis(6, 2);
        assert!(text(&result, &fixture::about()).contains("aof_rewrite_buffer_length:4096\r\n"));
        let without = About { appendonly: false, ..fixture::about() };
        let fields = parse(&text(&result, &without));
        assert!(
            !fields.contains_key("aof_rewrite_buffer_length") && !fields.contains_key("aof_current_size")
        );
        assert_eq!(fields["aof_enabled"], "0");
    }

    #[test]
    fn valkey_names_itself() {
        let mut result = fixture::forks();
        result.version = Version::valkey(8, 1);
        let fields = parse(&text(&result, &fixture::about()));
        assert_eq!((fields["redis_version"].as_str(), fields["valkey_version"].as_str()), ("7.2.4", "8.1"));
    }
}
