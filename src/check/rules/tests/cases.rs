//! Faults that INFO and redis.conf show.

use super::{NONE, Pairs};
use crate::check::finding::Severity::{self, Note, Serious, Warning};

/// A rule, the fields and directives at fault, how bad it then is, and fields and directives of the same kind that are none.
pub(super) type Case = (&'static str, (Pairs, Pairs), Severity, (Pairs, Pairs));

pub(super) const CASES: &[Case] = &[
    (
        "persistence-none",
        (&[("aof_enabled", "0")], &[("appendonly", "no")]),
        Warning,
        (&[("aof_enabled", "0")], &[("appendonly", "no"), ("save", "60 1")]),
    ),
    (
        "persistence-none",
        (&[("aof_enabled", "0"), ("connected_slaves", "1")], &[("appendonly", "no")]),
        Serious,
        (NONE, NONE),
    ),
    ("aof-write-failing", (&[("aof_last_write_status", "err")], NONE), Serious, (NONE, NONE)),
    (
        "snapshot-failing",
        (&[("rdb_last_bgsave_status", "err")], &[("save", "60 1")]),
        Serious,
        (&[("rdb_last_bgsave_status", "err")], NONE),
    ),
    ("rewrite-failing", (&[("aof_last_bgrewrite_status", "err")], NONE), Serious, (NONE, NONE)),
    ("rewrite-failing", (&[("aof_rewrites_consecutive_failures", "2")], NONE), Serious, (NONE, NONE)),
    ("loading", (&[("loading", "1")], NONE), Serious, (NONE, NONE)),
    ("config-differs", (&[("aof_enabled", "0")], NONE), Warning, (NONE, NONE)),
    ("config-differs", (&[("configured_hz", "20")], NONE), Note, (&[("configured_hz", "10")], NONE)),
    ("fsync-slow", (&[("aof_delayed_fsync", "24")], NONE), Serious, (NONE, NONE)),
    (
        "fsync-slow",
        (&[("aof_delayed_fsync", "23")], NONE),
        Warning,
        (&[("aof_delayed_fsync", "23"), ("aof_enabled", "0")], NONE),
    ),
    (
        "fsync-skipped",
        (NONE, &[("no-appendfsync-on-rewrite", "yes")]),
        Warning,
        (NONE, &[("no-appendfsync-on-rewrite", "yes"), ("appendfsync", "no")]),
    ),
    (
        "fsync-skipped",
        (NONE, &[("no-appendfsync-on-rewrite", "yes"), ("appendfsync", "always")]),
        Serious,
        (NONE, NONE),
    ),
    ("fsync-never", (NONE, &[("appendfsync", "no")]), Warning, (NONE, NONE)),
    ("fsync-always", (NONE, &[("appendfsync", "always")]), Note, (NONE, NONE)),
    (
        "reply-before-aof",
        (&[("redis_version", "8.2.0")], &[("io-threads", "4")]),
        Note,
        (NONE, &[("io-threads", "4")]),
    ),
    (
        "rewrite-stall",
        (&[("latest_fork_usec", "50000")], NONE),
        Warning,
        (&[("latest_fork_usec", "9900")], NONE),
    ),
    (
        "rewrite-stall",
        (&[("latest_fork_usec", "12000")], NONE),
        Note,
        (&[("latest_fork_usec", "12000")], &[("auto-aof-rewrite-percentage", "0")]),
    ),
    (
        "rewrite-buffer",
        (&[("redis_version", "6.2.5"), ("aof_last_rewrite_time_sec", "60")], NONE),
        Note,
        (&[("redis_version", "6.2.5")], NONE),
    ),
    (
        "rewrite-buffer",
        (&[("redis_version", "2.8.4"), ("aof_last_rewrite_time_sec", "60")], NONE),
        Warning,
        (&[("aof_last_rewrite_time_sec", "60")], NONE),
    ),
    (
        "rewrite-missing",
        (&[("aof_current_size", "2853123104"), ("aof_base_size", "142657843")], NONE),
        Warning,
        (&[("aof_current_size", "280000000"), ("aof_base_size", "142657843")], NONE),
    ),
    ("rewrite-never", (NONE, &[("auto-aof-rewrite-percentage", "0")]), Warning, (NONE, NONE)),
    (
        "aof-pending-rewrite-misread",
        (&[("aof_pending_rewrite", "1"), ("aof_rewrite_scheduled", "1")], NONE),
        Note,
        (NONE, NONE),
    ),
    ("aof-pending-rewrite-misread", (&[("aof_rewrite_in_progress", "1")], NONE), Note, (NONE, NONE)),
    (
        "aof-pending-rewrite-misread",
        (&[("aof_enabled", "0"), ("aof_pending_rewrite", "")], NONE),
        Note,
        (NONE, NONE),
    ),
    (
        "snapshots-beside-aof",
        (&[("latest_fork_usec", "12000")], &[("save", "60 10000")]),
        Warning,
        (NONE, &[("save", "60 10000")]),
    ),
    (
        "snapshot-stall",
        (&[("latest_fork_usec", "60000"), ("aof_enabled", "0")], &[("save", "60 10000")]),
        Warning,
        (&[("latest_fork_usec", "60000")], &[("save", "60 10000")]),
    ),
    (
        "snapshot-old",
        (&[("rdb_changes_since_last_save", "100000"), ("aof_enabled", "0")], &[("save", "60 10000")]),
        Warning,
        (&[("rdb_changes_since_last_save", "99999"), ("aof_enabled", "0")], &[("save", "60 10000")]),
    ),
    (
        "fork-slow",
        (&[("latest_fork_usec", "1460000"), ("used_memory_rss", "6500000000")], NONE),
        Serious,
        (&[("latest_fork_usec", "80000"), ("used_memory_rss", "6500000000")], NONE),
    ),
    (
        "fork-slow",
        (&[("latest_fork_usec", "382000"), ("used_memory_rss", "966000000")], NONE),
        Warning,
        (NONE, NONE),
    ),
    (
        "huge-pages",
        (NONE, &[("disable-thp", "no")]),
        Warning,
        (&[("redis_version", "6.0.1")], &[("disable-thp", "no")]),
    ),
    (
        "memory-headroom",
        (&[("used_memory_rss", "14000000000")], NONE),
        Serious,
        (&[("used_memory_rss", "9500000000")], NONE),
    ),
    ("memory-headroom", (&[("used_memory_rss", "9700000000")], NONE), Warning, (NONE, NONE)),
    (
        "swapped",
        (&[("used_memory", "100000000")], NONE),
        Serious,
        (&[("used_memory", "64000000"), ("used_memory_rss", "60000000")], NONE),
    ),
    (
        "memory-limit",
        (
            &[
                ("used_memory", "990000000"),
                ("used_memory_rss", "1000000000"),
                ("maxmemory_policy", "noeviction"),
            ],
            NONE,
        ),
        Serious,
        (&[("used_memory", "990000000"), ("used_memory_rss", "1000000000")], NONE),
    ),
    (
        "memory-limit",
        (
            &[
                ("used_memory", "920000000"),
                ("used_memory_rss", "1000000000"),
                ("maxmemory_policy", "volatile-lru"),
                ("db0", "keys=5,expires=0,avg_ttl=0"),
            ],
            NONE,
        ),
        Warning,
        (
            &[
                ("used_memory", "880000000"),
                ("used_memory_rss", "1000000000"),
                ("maxmemory_policy", "noeviction"),
            ],
            NONE,
        ),
    ),
    ("evictions", (&[("evicted_keys", "86400")], NONE), Warning, (NONE, NONE)),
    ("evictions", (&[("evicted_keys", "86000")], NONE), Note, (NONE, NONE)),
    (
        "table-growth-at-limit",
        (
            &[
                ("used_memory", "950000000"),
                ("used_memory_rss", "980000000"),
                ("db0", "keys=4000000,expires=5,avg_ttl=0"),
            ],
            NONE,
        ),
        Warning,
        (
            &[
                ("used_memory", "950000000"),
                ("used_memory_rss", "980000000"),
                ("db0", "keys=3000000,expires=5,avg_ttl=0"),
            ],
            NONE,
        ),
    ),
    (
        "memory-unlimited",
        (&[("used_memory", "9000000000"), ("used_memory_rss", "9100000000"), ("maxmemory", "0")], NONE),
        Note,
        (&[("maxmemory", "0")], NONE),
    ),
    (
        "costly-commands",
        (&[("cmdstat_keys", "calls=3,usec=18000,usec_per_call=6000.00")], NONE),
        Warning,
        (&[("cmdstat_psync", "calls=3,usec=18000,usec_per_call=6000.00")], NONE),
    ),
    (
        "slowlog-off",
        (NONE, &[("slowlog-log-slower-than", "-1")]),
        Warning,
        (NONE, &[("slowlog-log-slower-than", "20000")]),
    ),
    ("latency-monitor-off", (NONE, &[("latency-monitor-threshold", "0")]), Note, (NONE, NONE)),
    (
        "ask-redirects",
        (&[("cluster_enabled", "1"), ("errorstat_ASK", "count=100000")], NONE),
        Warning,
        (&[("errorstat_ASK", "count=100000")], NONE),
    ),
    (
        "ask-redirects",
        (&[("cluster_enabled", "1"), ("cmdstat_asking", "calls=5,usec=5,usec_per_call=1.00")], NONE),
        Note,
        (&[("cluster_enabled", "1")], NONE),
    ),
    (
        "moved-redirects",
        (&[("cluster_enabled", "1"), ("errorstat_MOVED", "count=900000")], NONE),
        Warning,
        (&[("cluster_enabled", "1"), ("errorstat_MOVED", "count=800000")], NONE),
    ),
    (
        "migrate-blocks",
        (&[("cmdstat_migrate", "calls=9,usec=180000,usec_per_call=20000.00")], NONE),
        Warning,
        (&[("cmdstat_migrate", "calls=9,usec=9000,usec_per_call=1000.00")], NONE),
    ),
    (
        "migration-barrier-misread",
        (NONE, &[("cluster-migration-barrier", "5")]),
        Note,
        (NONE, &[("cluster-migration-barrier", "1")]),
    ),
    ("expiry-over-time", (&[("expired_time_cap_reached_count", "40000")], NONE), Serious, (NONE, NONE)),
    (
        "expiry-over-time",
        (&[("expired_time_cap_reached_count", "10")], NONE),
        Warning,
        (&[("expired_time_cap_reached_count", "9")], NONE),
    ),
    (
        "expiry-slices",
        (NONE, &[("active-expire-effort", "10")]),
        Warning,
        (NONE, &[("active-expire-effort", "10"), ("hz", "100")]),
    ),
    (
        "replica-link-down",
        (&[("role", "slave"), ("master_link_status", "down")], NONE),
        Serious,
        (&[("role", "slave"), ("master_link_status", "up"), ("master_last_io_seconds_ago", "1")], NONE),
    ),
    (
        "replica-link-down",
        (&[("role", "slave"), ("master_link_status", "up"), ("master_last_io_seconds_ago", "11")], NONE),
        Serious,
        (NONE, NONE),
    ),
    ("lag-misread", (&[("role", "slave"), ("slave_repl_offset", "999999999")], NONE), Note, (NONE, NONE)),
    (
        "backlog-short",
        (
            &[
                ("connected_slaves", "1"),
                ("repl_backlog_size", "1048576"),
                ("instantaneous_ops_per_sec", "5000"),
            ],
            NONE,
        ),
        Warning,
        (&[("connected_slaves", "1")], NONE),
    ),
    (
        "resync-loop",
        (
            &[
                ("connected_slaves", "1"),
                ("used_memory", "30000000000"),
                ("used_memory_rss", "31000000000"),
                ("instantaneous_ops_per_sec", "100000"),
                ("total_system_memory", "900000000000"),
                ("used_memory_dataset", "40000000"),
            ],
            NONE,
        ),
        Serious,
        (&[("connected_slaves", "1")], NONE),
    ),
    (
        "full-syncs",
        (&[("connected_slaves", "1"), ("sync_full", "9")], NONE),
        Warning,
        (&[("connected_slaves", "1"), ("sync_full", "2")], NONE),
    ),
    (
        "isolated-primary",
        (&[("connected_slaves", "1")], &[("min-replicas-to-write", "0")]),
        Note,
        (&[("connected_slaves", "1")], NONE),
    ),
    (
        "writes-refused",
        (&[("errorstat_OOM", "count=12")], NONE),
        Serious,
        (&[("errorstat_ERR", "count=12")], NONE),
    ),
    (
        "thread-busy",
        (&[("used_cpu_user_main_thread", "80000.0")], NONE),
        Serious,
        (&[("used_cpu_user_main_thread", "40000.0")], NONE),
    ),
    (
        "thread-busy",
        (
            &[
                ("instantaneous_eventloop_cycles_per_sec", "2000"),
                ("instantaneous_eventloop_duration_usec", "300"),
            ],
            NONE,
        ),
        Warning,
        (NONE, NONE),
    ),
    ("connections-refused", (&[("rejected_connections", "3")], NONE), Warning, (NONE, NONE)),
    (
        "connections-refused",
        (&[("connected_clients", "9100")], NONE),
        Serious,
        (&[("connected_clients", "8900")], NONE),
    ),
    (
        "connection-churn",
        (&[("total_connections_received", "8640000")], NONE),
        Warning,
        (&[("total_connections_received", "86400")], NONE),
    ),
    ("active-defrag", (NONE, &[("activedefrag", "yes")]), Note, (NONE, &[("activedefrag", "no")])),
];
