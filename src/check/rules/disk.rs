//! When the AOF waits for the disk, and what is not synced.

use super::{Rule, seconds, times};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};
use crate::redis::config::AppendFsync;
use crate::redis::version::IoThreadDesign;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "fsync-slow",
        Severity::Serious,
        "aof_delayed_fsync, uptime_in_seconds",
        "an fsync of the AOF took longer than the postponement; serious from once an hour",
        delayed,
    ),
    Rule::new(
        "fsync-skipped",
        Severity::Serious,
        "no-appendfsync-on-rewrite, appendonly, appendfsync",
        "no fsync while any child lives; serious under appendfsync always, whose promise it breaks",
        skipped,
    ),
    Rule::new(
        "fsync-never",
        Severity::Warning,
        "appendonly, appendfsync",
        "the AOF is left to the kernel",
        never,
    ),
    Rule::new(
        "fsync-always",
        Severity::Note,
        "appendonly, appendfsync",
        "every turn of the event loop that wrote waits for the disk",
        always,
    ),
    Rule::new(
        "reply-before-aof",
        Severity::Note,
        "redis_version, io-threads, appendonly, appendfsync",
        "Redis 8.0 on with io-threads: a reply may leave before its write is in the AOF",
        reply_before,
    ),
];

fn delayed(facts: &Facts) -> Option<Finding> {
    if !facts.aof_on()? {
        return None;
    }
    let delayed = facts.number("aof_delayed_fsync")?;
    if delayed == 0.0 {
        return None;
    }
    let uptime = facts.number_if_any("uptime_in_seconds").unwrap_or(0.0);
    let each = uptime / delayed;
    let often = if uptime > 0.0 { format!(", once in {} on average", seconds(each)) } else { String::new() };
    let wait = if facts.version.has(7, 4) { "2 s" } else { "1 to 2 s" };
    let severity = if each <= 3600.0 { Severity::Serious } else { Severity::Warning };
    let finding = Finding::new(
        severity,
        facts.show(&["aof_delayed_fsync", "uptime_in_seconds", "appendfsync", "aof_pending_bio_fsync"]),
        format!(
            "{} an fsync took longer than {wait}{often}: the main thread blocked in write(2) for the rest of it, every \
             client with it, and up to 2 s of acknowledged writes stood in memory alone.",
            times(delayed)
        ),
        "a disk that nobody else writes to; snapshots and rewrites elsewhere or at quiet times; lower vm.dirty_bytes. \
         no-appendfsync-on-rewrite yes ends the waits while a child writes, and loses its whole life in a power cut",
    );
    Some(finding.priced(Price::AofWaits, &[]))
}

fn skipped(facts: &Facts) -> Option<Finding> {
    let config = facts.config("no-appendfsync-on-rewrite")?;
    if !facts.aof_on()? || !config.no_appendfsync_on_rewrite || config.appendfsync == AppendFsync::No {
        return None;
    }
    let always = config.appendfsync == AppendFsync::Always;
    let child =
        facts.rewrite_s().map_or(String::new(), |s| format!(" A rewrite takes about {}.", seconds(s)));
    let promise = if always { " It silently suspends what appendfsync always promises." } else { "" };
    let finding = Finding::new(
        if always { Severity::Serious } else { Severity::Warning },
        facts.show(&[
            "no-appendfsync-on-rewrite",
            "appendfsync",
            "aof_last_rewrite_time_sec",
            "rdb_last_bgsave_time_sec",
        ]),
        format!(
            "While a rewrite, a BGSAVE or a diskless sync runs nothing is synced: a machine's death loses the child's \
             whole life.{child}{promise} It does not shorten any flush at the end of a rewrite."
        ),
        "no-appendfsync-on-rewrite no, unless fsync-slow shows that the disk cannot take both",
    );
    Some(finding.priced(Price::Loss, &[("redis.no-appendfsync-on-rewrite", "false")]))
}

fn never(facts: &Facts) -> Option<Finding> {
    let config = facts.config("appendfsync")?;
    (facts.aof_on()? && config.appendfsync == AppendFsync::No).then(|| {
        let finding = Finding::new(
            Severity::Warning,
            facts.show(&["appendonly", "appendfsync"]),
            "The kernel decides when the AOF reaches the disk: a machine's death loses up to some 30 s of acknowledged \
             writes, and a large write-back can block write(2)."
                .to_owned(),
            "appendfsync everysec: the fsync runs in another thread",
        );
        finding.priced(Price::Loss, &[("redis.appendfsync", "everysec")])
    })
}

fn always(facts: &Facts) -> Option<Finding> {
    let config = facts.config("appendfsync")?;
    (facts.aof_on()? && config.appendfsync == AppendFsync::Always).then(|| {
        let finding = Finding::new(
            Severity::Note,
            facts.show(&["appendonly", "appendfsync", "no-appendfsync-on-rewrite"]),
            "One fdatasync per turn of the event loop, for all clients served in it, before their replies: a write takes \
             one to two fdatasyncs, and the throughput grows with the number of clients, not with 1/fsync."
                .to_owned(),
            "keep it if no acknowledged write may be lost, on a disk with a safe cache; else everysec",
        );
        finding.priced(Price::AofWaits, &[("redis.appendfsync", "everysec")])
    })
}

fn reply_before(facts: &Facts) -> Option<Finding> {
    let config = facts.config("io-threads")?;
    let threads = facts.version.io_thread_design() == IoThreadDesign::OwnedClients && config.io_threads > 1;
    (facts.aof_on()? && threads && config.appendfsync != AppendFsync::Always).then(|| {
        Finding::new(
            Severity::Note,
            facts.show(&["redis_version", "io-threads", "appendfsync"]),
            "An io thread may send a reply before that turn's write(2) of the AOF: a killed process can lose the \
             acknowledged writes of its last turn."
                .to_owned(),
            "io-threads 1, or appendfsync always, if that matters",
        )
    })
}
