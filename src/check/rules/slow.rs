//! Slow commands, and what SLOWLOG and its like do not show. The article's second check.

use std::collections::BTreeMap;

use super::{Rule, count, field, ms, times};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::check::input::info::part;
use crate::check::input::slowlog::SlowEntry;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "slow-commands",
        Severity::Serious,
        "SLOWLOG",
        "a command took 10 ms or more; serious from 100 ms",
        commands,
    ),
    Rule::new(
        "big-key-deletes",
        Severity::Warning,
        "SLOWLOG, lazyfree-lazy-user-del",
        "DEL, RENAME, UNLINK or their like took 10 ms or more: a big value was freed by the main thread",
        deletes,
    ),
    Rule::new(
        "costly-commands",
        Severity::Warning,
        "cmdstat_*",
        "a command takes 5 ms or more on average",
        costly,
    ),
    Rule::new(
        "latency-events",
        Severity::Serious,
        "LATENCY LATEST",
        "the latency monitor saw 10 ms or more; a warning from 50 ms, serious from 250 ms",
        events,
    ),
    Rule::new(
        "slowlog-blind",
        Severity::Note,
        "SLOWLOG, latest_fork_usec, aof_delayed_fsync, latency_percentiles_usec_*",
        "the server stalled in ways that SLOWLOG and latencystats cannot show",
        blind,
    ),
    Rule::new(
        "slowlog-off",
        Severity::Warning,
        "slowlog-log-slower-than",
        "no command is logged, or only those over 100 ms",
        off,
    ),
    Rule::new(
        "latency-monitor-off",
        Severity::Note,
        "latency-monitor-threshold",
        "forks, fsyncs and expiry slices leave no trace",
        monitor_off,
    ),
];

/// Commands that free values, as they stand in the log.
const FREES: &[&str] = &["DEL", "UNLINK", "RENAME", "GETDEL", "EXPIRE", "FLUSHDB", "FLUSHALL"];
/// Commands that take long by design and seldom stand for clients' work.
const BY_DESIGN: &[&str] = &[
    "debug",
    "psync",
    "sync",
    "bgrewriteaof",
    "bgsave",
    "save",
    "flushall",
    "flushdb",
    "shutdown",
    "module",
];

/// Numbers and longest of the entries of 10 ms or more, by command, the longest first.
fn grouped(log: &[SlowEntry], wanted: impl Fn(&str) -> bool) -> Vec<(&str, u64, u64)> {
    let mut by_command = BTreeMap::<&str, (u64, u64)>::new();
    for entry in log.iter().filter(|entry| entry.usec >= 10_000 && wanted(&entry.command)) {
        let (number, longest) = by_command.entry(&entry.command).or_default();
        *number += 1;
        *longest = (*longest).max(entry.usec);
    }
    let mut rows: Vec<_> =
        by_command.into_iter().map(|(name, (number, longest))| (name, number, longest)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.2));
    rows
}

fn shown(rows: &[(&str, u64, u64)]) -> Vec<(String, String)> {
    let show = |(name, number, longest): &(&str, u64, u64)| {
        field(
            &format!("SLOWLOG {name}"),
            format!("{}, longest {}", times(*number as f64), ms(*longest as f64 / 1000.0)),
        )
    };
    rows.iter().take(8).map(show).collect()
}

fn commands(facts: &Facts) -> Option<Finding> {
    let log = facts.input(&facts.slowlog, "SLOWLOG")?;
    let rows = grouped(log, |_| true);
    let longest = rows.first()?.2 as f64 / 1000.0;
    let total: u64 = rows.iter().map(|row| row.1).sum();
    let by_design = |name: &str| BY_DESIGN.iter().any(|own| name.to_ascii_lowercase().starts_with(own));
    let severity = match rows.iter().filter(|row| !by_design(row.0)).map(|row| row.2).max() {
        Some(longest) if longest >= 100_000 => Severity::Serious,
        Some(_) => Severity::Warning,
        None => Severity::Note,
    };
    let migrate = match rows.iter().any(|row| row.0 == "MIGRATE") {
        true => " MIGRATE blocks this server and its target for the whole transfer.",
        false => "",
    };
    Some(Finding::new(
        severity,
        shown(&rows),
        format!(
            "{} commands held the only thread for 10 ms or more, {} at most: everybody waited as long.{migrate}",
            count(total as f64),
            ms(longest)
        ),
        "bound them: SCAN for KEYS, ranges instead of whole collections, shorter scripts, fewer keys a MIGRATE",
    ))
}

fn deletes(facts: &Facts) -> Option<Finding> {
    let log = facts.input(&facts.slowlog, "SLOWLOG")?;
    let rows = grouped(log, |name| FREES.contains(&name));
    rows.first()?;
    let lazy =
        facts.settings.is_known("lazyfree-lazy-user-del") && facts.settings.config.lazyfree_lazy_user_del;
    let mut evidence = shown(&rows);
    evidence.extend(facts.show(&[
        "lazyfree-lazy-user-del",
        "lazyfree-lazy-server-del",
        "lazyfree-lazy-expire",
    ]));
    let remedy = match lazy {
        true => "smaller values: a string is freed by the main thread whatever the settings",
        false => {
            "lazyfree-lazy-user-del yes (or UNLINK), -server-del, -expire: collections of over 64 elements are then \
                  freed by another thread; strings never are"
        }
    };
    let severity = Severity::Warning;
    let what =
        "Big values are freed by the main thread: some 0.2 us an element, 200 ms for a million.".to_owned();
    Some(Finding::new(severity, evidence, what, remedy))
}

fn costly(facts: &Facts) -> Option<Finding> {
    let info = facts.input(&facts.info, "INFO")?;
    let mut any = false;
    let mut rows: Vec<(String, f64, f64)> = Vec::new();
    for (name, value) in info.with_prefix("cmdstat_") {
        any = true;
        let (Some(calls), Some(mean)) = (part(value, "calls"), part(value, "usec_per_call")) else {
            continue;
        };
        if mean >= 5000.0 && !BY_DESIGN.iter().any(|own| name.starts_with(own)) {
            rows.push((name.to_owned(), calls, mean));
        }
    }
    facts.input(&any.then_some(()), "INFO's cmdstat_* (INFO commandstats)")?;
    rows.sort_by(|a, b| b.2.total_cmp(&a.2));
    rows.first()?;
    let evidence = rows.iter().take(8).map(|(name, calls, mean)| {
        field(&format!("cmdstat_{name}"), format!("calls={}, usec_per_call={mean:.0}", *calls as u64))
    });
    Some(Finding::new(
        Severity::Warning,
        evidence.collect(),
        "These commands hold the only thread for that long each time they are called.".to_owned(),
        "bound what they touch, or call them on a replica",
    ))
}

/// What an event of the latency monitor stands for.
fn meaning(event: &str) -> &'static str {
    match event {
        "fork" => "fork(2) of a rewrite, snapshot or sync",
        "aof-write-pending-fsync" => "the AOF's write(2) waited for a running fsync",
        "aof-write-active-child" => "the AOF's write(2) while a child used the disk",
        "aof-write-alone" => {
            "the AOF's write(2) with nobody else there: the disk itself, or dirty pages throttled"
        }
        "aof-write" => "the AOF's write(2), of any kind",
        "aof-fsync-always" => "fdatasync in the main thread (appendfsync always)",
        "aof-rewrite-diff-write" => "the rest of the rewrite buffer, written at the end of a rewrite",
        "aof-rewrite-done-fsync" => "fdatasync of the rewritten file (always, before 7.0)",
        "aof-rename" => "rename(2) at the end of a rewrite",
        "aof-fstat" => "fstat(2) at the end of a rewrite",
        "expire-cycle" => "slices of the active expire cycle",
        "expire-del" => "an expired key was freed",
        "eviction-cycle" => "evictions under maxmemory",
        "eviction-del" => "an evicted key was freed",
        "fast-command" => "a command that should be fast: page faults (COW, swap) or a lost core",
        "command" => "a slow command: see SLOWLOG",
        "active-defrag-cycle" => "active defragmentation",
        "rdb-unlink-temp-file" => "removal of a temporary file",
        _ if event.starts_with("cluster-config") => "nodes.conf was written or synced",
        _ => "see LATENCY DOCTOR",
    }
}

fn events(facts: &Facts) -> Option<Finding> {
    let events = facts.input(&facts.latency, "LATENCY LATEST")?;
    let mut long: Vec<_> = events.iter().filter(|event| event.max_ms >= 10).collect();
    long.sort_by_key(|event| std::cmp::Reverse(event.max_ms));
    let worst = long.first()?;
    let severity = match worst.max_ms {
        250.. => Severity::Serious,
        50.. => Severity::Warning,
        _ => Severity::Note,
    };
    let evidence = long.iter().take(8).map(|event| {
        let times = format!("max {} ms, latest {} ms", event.max_ms, event.latest_ms);
        field(&event.name, times)
    });
    let what = format!(
        "{}: {}. The longest stopped everybody for {} ms.",
        worst.name,
        meaning(&worst.name),
        worst.max_ms
    );
    Some(Finding::new(
        severity,
        evidence.collect(),
        what,
        "LATENCY HISTORY EVENT has their times; lay them beside your own graphs",
    ))
}

fn blind(facts: &Facts) -> Option<Finding> {
    let log = facts.input(&facts.slowlog, "SLOWLOG")?;
    let fork = facts.number_if_any("latest_fork_usec").unwrap_or(0.0) / 1000.0;
    let delayed = facts.number_if_any("aof_delayed_fsync").unwrap_or(0.0);
    let capped = facts.number_if_any("expired_time_cap_reached_count").unwrap_or(0.0);
    let monitored =
        facts.latency.iter().flatten().filter(|event| event.max_ms >= 10 && event.name != "command").count();
    if fork < 10.0 && delayed == 0.0 && capped == 0.0 && monitored == 0 {
        return None;
    }
    let percentiles = facts
        .info
        .as_ref()
        .is_some_and(|info| info.with_prefix("latency_percentiles_usec_").next().is_some());
    let also = if percentiles { " The same goes for P99 in INFO latencystats." } else { "" };
    let mut evidence = vec![field("SLOWLOG", format!("{} entries", log.len()))];
    evidence.extend(facts.show(&["latest_fork_usec", "aof_delayed_fsync", "expired_time_cap_reached_count"]));
    Some(Finding::new(
        Severity::Note,
        evidence,
        format!(
            "SLOWLOG times the command's procedure alone: no queueing, AOF, fsync, fork, expiry or eviction. The stalls \
             in this INFO are not in it, however empty it is.{also}"
        ),
        "latency-monitor-threshold 10, and quantiles measured at the clients from the intended time of each request",
    ))
}

fn off(facts: &Facts) -> Option<Finding> {
    let threshold = facts.config("slowlog-log-slower-than")?.slowlog_log_slower_than;
    (!(0..=100_000).contains(&threshold)).then(|| {
        Finding::new(
            Severity::Warning,
            facts.show(&["slowlog-log-slower-than"]),
            "Slow commands leave no trace.".to_owned(),
            "slowlog-log-slower-than 10000 (10 ms, the default)",
        )
    })
}

fn monitor_off(facts: &Facts) -> Option<Finding> {
    let threshold = facts.config("latency-monitor-threshold")?.latency_monitor_threshold;
    (threshold == 0).then(|| {
        Finding::new(
            Severity::Note,
            facts.show(&["latency-monitor-threshold"]),
            "The latency monitor is off (the default): forks, fsync waits, expiry and eviction slices leave no trace."
                .to_owned(),
            "latency-monitor-threshold 10: costs nothing that can be measured",
        )
    })
}
