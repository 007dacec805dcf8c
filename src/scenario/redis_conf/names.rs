//! Directives that are known but not settings of the model: every name of Redis 2.8 to 8.x and Valkey 9, config.c.

use super::value::memory;

/// A directive that would change the write path if it is not at rest.
struct NotModelled {
    name: &'static str,
    /// Values at which it changes nothing: defaults of the versions, and off.
    at_rest: &'static [&'static str],
    reason: &'static str,
}

const fn entry(name: &'static str, at_rest: &'static [&'static str], reason: &'static str) -> NotModelled {
    NotModelled { name, at_rest, reason }
}

const ENCODING: &str = "collections keep one price whatever their encoding";
const PINNING: &str = "threads and children are not pinned to cores";
const IO_TUNING: &str = "io threads are not modelled";

const NOT_MODELLED: &[NotModelled] = &[
    entry("activedefrag", &["no"], "active defragmentation is not modelled"),
    entry("aof-rewrite-cpulist", &[""], PINNING),
    entry("bgsave-cpulist", &[""], PINNING),
    entry("bio-cpulist", &[""], PINNING),
    entry("cluster-enabled", &["no"], "slots, redirects and the cluster bus are not modelled"),
    entry("events-per-io-thread", &["2"], IO_TUNING),
    entry("hash-max-listpack-entries", &["512", "128"], ENCODING),
    entry("hash-max-listpack-value", &["64"], ENCODING),
    entry("io-threads-always-active", &["no"], IO_TUNING),
    entry("key-load-delay", &["0"], "debugging delays are not modelled"),
    entry("list-compress-depth", &["0"], ENCODING),
    entry("list-max-listpack-size", &["-2"], ENCODING),
    entry("loadmodule", &[], "modules are not modelled"),
    entry("lookahead", &["16"], IO_TUNING),
    entry("maxmemory-clients", &["0"], "client eviction is not modelled"),
    entry(
        "notify-keyspace-events",
        &[""],
        "keyspace notifications are not modelled; each would add to a write's cost",
    ),
    entry("prefetch-batch-max-size", &["16"], IO_TUNING),
    entry("rdb-key-save-delay", &["0"], "debugging delays are not modelled"),
    entry("rdbchecksum", &["yes"], "the child's price includes the checksum"),
    entry("replicaof", &["no one"], "a replica's own write path is not modelled"),
    entry("server-cpulist", &[""], PINNING),
    entry("set-max-intset-entries", &["512"], ENCODING),
    entry("set-max-listpack-entries", &["128"], ENCODING),
    entry("set-max-listpack-value", &["64"], ENCODING),
    entry("tls-port", &["0"], "TLS is not modelled; it adds CPU time to every read and write"),
    entry("zset-max-listpack-entries", &["128"], ENCODING),
    entry("zset-max-listpack-value", &["64"], ENCODING),
];

/// Other names of directives: (alias, name used here).
const ALIASES: &[(&str, &str)] = &[
    ("aof_rewrite_cpulist", "aof-rewrite-cpulist"),
    ("bgsave_cpulist", "bgsave-cpulist"),
    ("bio_cpulist", "bio-cpulist"),
    ("commandlog-execution-slower-than", "slowlog-log-slower-than"),
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("hash-max-zipmap-entries", "hash-max-listpack-entries"),
    ("hash-max-zipmap-value", "hash-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("min-slaves-max-lag", "min-replicas-max-lag"),
    ("min-slaves-to-write", "min-replicas-to-write"),
    ("repl-ping-slave-period", "repl-ping-replica-period"),
    ("server_cpulist", "server-cpulist"),
    ("slaveof", "replicaof"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
];

/// Names, paths, logging, security, limits far from the write path, and settings of parts that are not running.
const IRRELEVANT: &str = "
    acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min active-defrag-cycle-us
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
    active-defrag-threshold-upper always-show-logo aof-disable-auto-gc aof-load-corrupt-tail-max-size
    aof-load-truncated appenddirname appendfilename availability-zone bind bind-source-addr busy-reply-threshold
    client-default-resp client-query-buffer-limit close-on-replica-write cluster-allow-pubsubshard-when-down
    cluster-allow-reads-when-down cluster-allow-replica-migration cluster-announce-bus-port
    cluster-announce-client-ipv4 cluster-announce-client-ipv6 cluster-announce-client-port
    cluster-announce-client-tls-port cluster-announce-hostname cluster-announce-human-nodename cluster-announce-ip
    cluster-announce-port cluster-announce-tls-port cluster-blacklist-ttl cluster-compatibility-sample-ratio
    cluster-config-file cluster-config-save-behavior cluster-databases cluster-link-sendbuf-limit
    cluster-manual-failover-timeout cluster-migration-barrier cluster-node-timeout cluster-ping-interval cluster-port
    cluster-preferred-endpoint-type cluster-replica-no-failover cluster-replica-validity-factor
    cluster-require-full-coverage cluster-slave-no-failover cluster-slave-validity-factor
    cluster-slot-migration-handoff-max-lag-bytes cluster-slot-migration-log-max-len
    cluster-slot-migration-sync-buffer-drain-timeout cluster-slot-migration-write-pause-timeout
    cluster-slot-stats-enabled commandlog-large-reply-max-len commandlog-large-request-max-len
    commandlog-reply-larger-than commandlog-request-larger-than commandlog-slow-execution-max-len crash-log-enabled
    crash-memcheck-enabled daemonize databases dbfilename debug-assert-enabled debug-context dir
    enable-debug-assert enable-debug-command enable-module-command
    enable-protected-configs extended-redis-compatibility glueoutputbuf hash-seed hide-user-data-from-log
    hll-sparse-max-bytes ignore-warnings import-mode jemalloc-bg-thread key-memory-histograms latency-tracking
    latency-tracking-info-percentiles lazyfree-lazy-user-flush lfu-decay-time lfu-log-factor list-max-ziplist-entries
    list-max-ziplist-value loading-process-events-interval-bytes locale-collate log-format log-timestamp-format
    logfile loglevel lua-enable-insecure-api lua-time-limit masterauth masteruser max-new-connections-per-cycle
    max-new-tls-connections-per-cycle min-io-threads-avoid-copy-reply min-io-threads-value-prefetch-off
    min-string-size-avoid-copy-reply
    min-string-size-avoid-copy-reply-threaded mptcp oom-score-adj oom-score-adj-values pidfile port primaryauth
    primaryuser proc-title-template propagation-error-behavior protected-mode proto-max-bulk-len
    rdb-del-sync-files rdb-version-check rdma-bind rdma-completion-vector rdma-port rdma-rx-size rename-command
    repl-diskless-load
    repl-diskless-sync-period repl-mptcp
    replica-announce-ip
    replica-announce-port replica-announced replica-ignore-disk-write-errors
    replica-ignore-maxmemory replica-lazy-flush replica-priority replica-read-only replica-serve-stale-data
    req-res-logfile requirepass sanitize-dump-payload set-proc-title shutdown-on-sigint shutdown-on-sigterm
    shutdown-timeout slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority
    slave-read-only slave-serve-stale-data slot-migration-max-failover-repl-bytes slowlog-max-len socket-mark-id
    supervised syslog-enabled syslog-facility syslog-ident tcp-backlog tcp-keepalive timeout tls-auth-clients
    tls-auth-clients-user tls-auto-reload-interval tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers
    tls-ciphersuites tls-client-cert-file tls-client-key-file tls-client-key-file-pass tls-cluster
    tls-dh-params-file tls-key-file tls-key-file-pass tls-prefer-server-ciphers tls-protocols tls-replication
    tls-session-cache-size tls-session-cache-timeout tls-session-caching tracking-table-max-keys unixsocket
    unixsocketgroup unixsocketperm use-exit-on-panic user vm-enabled vset-force-single-threaded-execution
    watchdog-period
";

/// First parts of the settings of the modules that Redis 8 and Valkey bundles bring along.
const MODULE_PREFIXES: &[&str] = &["search-", "ts-", "bf-", "cf-", "json."];

/// The name used here for a directive.
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|alias| alias.0 == name).map_or(name, |alias| alias.1)
}

/// Whether a known directive does not matter for the write path.
pub fn is_irrelevant(name: &str) -> bool {
    // A module names its settings `module.setting`.
    name.contains('.')
        || MODULE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || IRRELEVANT.split_ascii_whitespace().any(|known| known == name)
}

/// For a directive that would change the write path: the reason if `value` is not at rest, none if it is.
pub fn not_modelled(name: &str, value: &str) -> Option<Option<&'static str>> {
    let same = |rest: &str| {
        rest.eq_ignore_ascii_case(value) || memory(rest).is_ok_and(|bytes| memory(value) == Ok(bytes))
    };
    let known = NOT_MODELLED.iter().find(|known| known.name == name)?;
    Some((!known.at_rest.iter().any(|rest| same(rest))).then_some(known.reason))
}

/// Every known name that is not a setting of the model, for suggestions and tests.
pub fn known() -> impl Iterator<Item = &'static str> {
    let aliases = ALIASES.iter().map(|alias| alias.0);
    NOT_MODELLED.iter().map(|known| known.name).chain(aliases).chain(IRRELEVANT.split_ascii_whitespace())
}
