use std::path::Path;

use super::super::files::Files;
use super::*;
use crate::redis::config::{AppendFsync, MaxmemoryPolicy, SavePoint};
use crate::redis::version::Version;
use crate::units::{GIB, MIB};

fn defaults(version: &str) -> RedisConfig {
    RedisConfig::defaults(version.parse().expect("a version"))
}

fn with(version: &str, text: &str) -> RedisConfig {
    let mut config = defaults(version);
    let directives = parse(text, Path::new("r.conf")).expect("directives");
    let problems = apply_all(&mut config, &directives).4;
    assert!(problems.0.is_empty(), "{problems}");
    config
}

fn points(config: &RedisConfig) -> Vec<(u64, u64)> {
    config.save.iter().map(|point: &SavePoint| (point.seconds, point.changes)).collect()
}

#[test]
fn save_lines_accumulate_after_the_first_and_an_empty_one_clears() {
    let standard = vec![(3600, 1), (300, 100), (60, 10000)];
    assert_eq!(points(&with("7.2", "hz 10")), standard);
    assert_eq!(points(&with("7.2", "save 3600 1 300 100 60 10000")), standard);
    assert_eq!(points(&with("7.2", "save 900 1\nsave 60 5")), vec![(900, 1), (60, 5)]);
    assert_eq!(points(&with("7.2", "save 900 1\nsave \"\"")), vec![]);
    assert_eq!(points(&with("7.2", "save \"\"\nsave 900 1")), vec![(900, 1)]);
    assert_eq!(points(&with("6.0", "hz 10")), vec![]);
    assert_eq!(points(&with("6.0", "save 900 1")), vec![(900, 1)]);
}

fn defaults_to_number(name: &str) -> bool {
    !matches!(name, "repl-diskless-sync" | "repl-rdb-channel" | "repl-disable-tcp-nodelay")
}

#[test]
fn every_modelled_setting_is_taken_over() {
    let other = |name: &str| match name {
        "appendfsync" => "always",
        "auto-aof-rewrite-min-size"
        | "maxmemory"
        | "stream-node-max-bytes"
        | "replica-full-sync-buffer-limit" => "1gb",
        "maxmemory-policy" => "allkeys-lfu",
        "save" => "1 1",
        "client-output-buffer-limit" => "replica 1gb 0 0",
        "repl-backlog-size" => "2mb",
        name if name.starts_with("repl-") && defaults_to_number(name) => "42",
        name if name.starts_with("min-replicas") => "3",
        "active-expire-effort" => "7",
        "io-threads" | "hz" | "maxclients" | "maxmemory-samples" | "maxmemory-eviction-tenacity" => "42",
        "auto-aof-rewrite-percentage"
        | "latency-monitor-threshold"
        | "slowlog-log-slower-than"
        | "stream-node-max-entries" => "77",
        _ => "",
    };
    // One version or another has each of them.
    let version = |name: &str| match name {
        "dual-channel-replication-enabled" | "replica-full-sync-buffer-limit" => "valkey-8.0",
        "repl-rdb-channel" => "8.0",
        _ => "7.2",
    };
    for name in modelled() {
        let before = defaults(version(name));
        let tries = if other(name).is_empty() { vec!["yes", "no"] } else { vec![other(name)] };
        let mut changed = 0;
        for value in tries {
            let mut config = before.clone();
            assert_eq!(apply(&mut config, name, value), Applied::Used, "{name} {value}");
            changed += u32::from(config != before);
        }
        assert_eq!(changed, 1, "{name}");
        assert!(matches!(apply(&mut before.clone(), name, "perhaps"), Applied::Wrong(_)), "{name}");
    }
}

#[test]
fn values_have_the_servers_units_and_ranges() {
    let mut config = defaults("7.2");
    assert_eq!(apply(&mut config, "MaxMemory", "2GB"), Applied::Used);
    assert_eq!(config.maxmemory, 2 * GIB);
    for (name, value) in
        [("hz", "0"), ("hz", "501"), ("io-threads", "129"), ("maxmemory", "64MiB"), ("appendonly", "1")]
    {
        assert!(matches!(apply(&mut config, name, value), Applied::Wrong(_)), "{name} {value}");
    }
    assert!(matches!(
        apply(&mut config, "appendfsync", "everysecond"),
        Applied::Wrong(expected) if expected == "expected one of: always, everysec, no"
    ));
    assert!(matches!(apply(&mut defaults("3.2"), "maxmemory-policy", "allkeys-lfu"), Applied::Wrong(_)));
}

#[test]
fn what_is_not_modelled_is_told_from_what_does_not_matter() {
    let mut config = defaults("7.2");
    let mut applied = |name: &str, value: &str| apply(&mut config, name, value);
    for (name, value) in [
        ("replicaof", "10.0.0.1 6379"),
        ("slaveof", "10.0.0.1 6379"),
        ("cluster-enabled", "yes"),
        ("activedefrag", "yes"),
        ("maxmemory-clients", "5%"),
        ("hash-max-ziplist-entries", "1024"),
        ("client-output-buffer-limit", "normal 1mb 0 0"),
    ] {
        assert!(matches!(applied(name, value), Applied::NotModelled(_)), "{name}");
    }
    for (name, value) in [
        ("cluster-enabled", "no"),
        ("notify-keyspace-events", ""),
        ("client-output-buffer-limit", "pubsub 32mb 8mb 60"),
        ("appenddirname", "dir"),
        ("tls-cert-file", "a.crt"),
        ("search-threads", "4"),
    ] {
        assert_eq!(applied(name, value), Applied::Irrelevant, "{name}");
    }
    for (name, value) in [
        ("client-output-buffer-limit", "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60"),
        ("min-slaves-max-lag", "5"),
        ("repl-ping-slave-period", "3"),
    ] {
        assert_eq!(applied(name, value), Applied::Used, "{name}");
    }
    assert!(matches!(applied("client-output-buffer-limit", "replica 1mb"), Applied::Wrong(_)));
    assert!(matches!(applied("repl-rdb-channel", "yes"), Applied::NotModelled(_)));
    assert_eq!(applied("appendonlyy", "yes"), Applied::Unknown);
    assert_eq!(suggestion("appendonlyy"), Some("appendonly"));
    assert!(matches!(apply(&mut defaults("6.2"), "aof-timestamp-enabled", "yes"), Applied::NotModelled(_)));
}

#[test]
fn names_are_listed_once() {
    let mut all: Vec<&str> = modelled().chain(names::known()).collect();
    all.sort_unstable();
    let repeated: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    for name in all {
        assert_ne!(
            apply(&mut RedisConfig::defaults(Version::redis(7, 2)), name, "?"),
            Applied::Unknown,
            "{name}"
        );
    }
}

#[test]
fn only_settings_the_server_can_change_are_changeable() {
    assert!(
        changeable("appendfsync") && changeable("SAVE") && changeable("commandlog-execution-slower-than")
    );
    assert!(
        !changeable("io-threads") && !changeable("disable-thp") && !changeable("dir") && !changeable("x")
    );
}

#[test]
fn the_sample_file_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample.conf");
    let directives = read(&path, &Files::default()).expect("directives");
    let mut config = defaults("7.2");
    let (used, not_modelled, irrelevant, unknown, problems) = apply_all(&mut config, &directives);
    assert!(problems.0.is_empty(), "{problems}");
    assert_eq!(used.len() + not_modelled.len() + irrelevant.len() + unknown.len(), directives.len());
    assert!(
        config.appendonly && config.appendfsync == AppendFsync::Everysec && config.no_appendfsync_on_rewrite
    );
    assert_eq!(config.auto_aof_rewrite_min_size, 256 * MIB);
    assert_eq!(config.maxmemory_policy, MaxmemoryPolicy::AllkeysLru);
    assert_eq!(points(&config), vec![(900, 1), (300, 10)]);
    assert_eq!(unknown.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["made-up-directive"]);
    assert_eq!(not_modelled.iter().map(|d| d.0.name.as_str()).collect::<Vec<_>>(), ["activedefrag"]);
    // The included file comes last and wins.
    assert_eq!(config.hz, 50);
}
