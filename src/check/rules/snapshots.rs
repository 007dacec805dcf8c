//! Snapshots by save points: how often, and what for.

use super::{Rule, every, ms, seconds};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "snapshots-beside-aof",
        Severity::Warning,
        "save, appendonly, latest_fork_usec, used_memory_rss, rate",
        "save points fork at least once an hour, 10 ms or more each, beside an AOF that they add nothing to",
        beside_aof,
    ),
    Rule::new(
        "snapshot-stall",
        Severity::Warning,
        "save, appendonly, latest_fork_usec, used_memory_rss, rate",
        "snapshots are the only persistence and fork at least once an hour, 10 ms or more each",
        stall,
    ),
    Rule::new(
        "snapshot-old",
        Severity::Warning,
        "save, appendonly, rdb_last_save_time, server_time_usec, rdb_changes_since_last_save",
        "snapshots are the only persistence and more than 100,000 changes or an hour of them are not in one",
        old,
    ),
];

/// Longest time between snapshots that matters \[s\].
const OFTEN_S: f64 = 3600.0;
/// Shortest fork that matters \[ms\].
const FORK_MS: f64 = 10.0;

/// Period \[s\] and fork \[ms\] where both matter.
fn cost(facts: &Facts) -> Option<(f64, f64)> {
    let period = facts.snapshot_period_s().filter(|period| *period <= OFTEN_S)?;
    let (fork, _) = facts.fork_ms()?;
    (fork >= FORK_MS).then_some((period, fork))
}

const EVIDENCE: &[&str] =
    &["save", "appendonly", "latest_fork_usec", "used_memory_rss", "rdb_last_bgsave_time_sec", "total_forks"];

fn beside_aof(facts: &Facts) -> Option<Finding> {
    if !facts.aof_on()? || !facts.saves()? {
        return None;
    }
    let (period, fork) = cost(facts)?;
    let finding = Finding::new(
        Severity::Warning,
        facts.show(EVIDENCE),
        format!(
            "At this rate the save points fork every {}, and nothing runs for {}. The AOF alone decides what a crash \
             loses; loading uses the AOF.",
            every(period),
            ms(fork)
        ),
        "save \"\", and BGSAVE from a scheduler for backups; or snapshots on a replica alone",
    );
    Some(finding.priced(Price::Snapshots, &[("redis.save", "\"\"")]))
}

fn stall(facts: &Facts) -> Option<Finding> {
    if facts.aof_on()? || !facts.saves()? {
        return None;
    }
    let (period, fork) = cost(facts)?;
    let finding = Finding::new(
        if fork >= 50.0 { Severity::Warning } else { Severity::Note },
        facts.show(EVIDENCE),
        format!(
            "At this rate there is a snapshot every {}, and with it a fork of {} in which nothing runs; a crash loses \
             up to that time and the snapshot's own.",
            every(period),
            ms(fork)
        ),
        "fewer snapshots (save 3600 1) where an hour may be lost; on a replica; or the AOF with everysec instead",
    );
    Some(finding.priced(Price::Snapshots, &[("redis.save", "\"3600 1\"")]))
}

fn old(facts: &Facts) -> Option<Finding> {
    if facts.aof_on()? || !facts.saves()? || facts.number("rdb_bgsave_in_progress")? > 0.0 {
        return None;
    }
    let changes = facts.number("rdb_changes_since_last_save")?;
    let age = facts.info.as_ref()?.dump.last_save_age_s.unwrap_or(0) as f64;
    (changes >= 100_000.0 || changes > 0.0 && age > OFTEN_S).then(|| {
        let since = if age > 0.0 { format!(" in {}", seconds(age)) } else { String::new() };
        let finding = Finding::new(
            Severity::Warning,
            facts.show(&[
                "rdb_changes_since_last_save",
                "rdb_last_save_time",
                "save",
                "rdb_last_bgsave_status",
            ]),
            format!("{} changes{since} are in no file: a crash now loses them.", super::count(changes)),
            "appendonly yes, appendfsync everysec; or save points that fit the rate",
        );
        finding.priced(Price::Loss, &[("redis.appendonly", "true"), ("redis.appendfsync", "everysec")])
    })
}
