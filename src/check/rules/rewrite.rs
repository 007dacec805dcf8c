//! AOF rewrites: how often, what they stall, and readings of INFO that mislead.

use super::{Rule, bytes, every, field, ms};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};
use crate::redis::version::RewriteStyle;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "rewrite-stall",
        Severity::Warning,
        "appendonly, auto-aof-rewrite-*, aof_base_size, latest_fork_usec, used_memory_rss, rate",
        "rewrites start by growth and their fork takes 10 ms or more; a warning from 50 ms",
        stall,
    ),
    Rule::new(
        "rewrite-buffer",
        Severity::Warning,
        "redis_version, appendonly, auto-aof-rewrite-percentage",
        "before 7.0: a megabyte or more is written during a rewrite and goes through memory; before 3.0 all of it at the end",
        buffer,
    ),
    Rule::new(
        "rewrite-missing",
        Severity::Warning,
        "aof_current_size, aof_base_size, auto-aof-rewrite-*",
        "the AOF is far beyond the size at which a rewrite should have begun",
        missing,
    ),
    Rule::new(
        "rewrite-never",
        Severity::Warning,
        "appendonly, auto-aof-rewrite-percentage",
        "growth starts no rewrite: somebody must",
        never,
    ),
    Rule::new(
        "aof-pending-rewrite-misread",
        Severity::Note,
        "aof_pending_rewrite, aof_rewrite_in_progress, aof_enabled",
        "aof_pending_rewrite is missing, or says something else than one might think",
        misread,
    ),
];

/// Bytes written during a rewrite that nobody notices at its end.
const LITTLE: f64 = 1e6;

fn stall(facts: &Facts) -> Option<Finding> {
    let config = facts.config("auto-aof-rewrite-percentage")?;
    if !facts.aof_on()? || config.auto_aof_rewrite_percentage == 0 {
        return None;
    }
    let (fork, is_measured) = facts.fork_ms()?;
    if fork < 10.0 {
        return None;
    }
    let how = if is_measured { "the latest took" } else { "by memory it should take" };
    let period = facts.rewrite_period_s();
    let often =
        period.map_or_else(String::new, |s| format!(" About one rewrite in {} at this rate.", every(s)));
    let end = match facts.version.rewrite_style() {
        RewriteStyle::MultiPart => {
            "At its end there is no buffer to flush, only small fsyncs of the manifest."
        }
        _ => "At its end comes what is left of the rewrite buffer.",
    };
    let severity = if fork >= 50.0 { Severity::Warning } else { Severity::Note };
    let finding = Finding::new(
        severity,
        facts.show(&[
            "aof_base_size",
            "aof_current_size",
            "latest_fork_usec",
            "used_memory_rss",
            "aof_last_rewrite_time_sec",
        ]),
        format!(
            "Each rewrite begins with a fork, in which nothing runs: {how} {}.{often} While the child writes, \
             copy-on-write slows writes and the disk is shared. {end}",
            ms(fork)
        ),
        "auto-aof-rewrite-percentage 0 and BGREWRITEAOF from a scheduler at quiet times (a size rule knows no clock); a \
         larger percentage, for fewer of them; several smaller servers, for shorter ones",
    );
    Some(finding.priced(Price::Rewrites, &[("redis.auto-aof-rewrite-percentage", "0")]))
}

fn buffer(facts: &Facts) -> Option<Finding> {
    let style = facts.version.rewrite_style();
    if style == RewriteStyle::MultiPart || !facts.aof_on()? {
        return None;
    }
    let written = facts.write_bytes_per_s().zip(facts.rewrite_s()).map(|(per_s, s)| per_s * s);
    if written.is_some_and(|written| written < LITTLE) {
        return None;
    }
    let amount =
        written.map_or_else(String::new, |written| format!(", about {} at this rate,", bytes(written)));
    let (severity, what) = match style {
        RewriteStyle::BufferAtEnd => (
            Severity::Warning,
            format!(
                "All that is written during a rewrite{amount} is kept in memory and written by the main thread at \
                     its end, while every client waits."
            ),
        ),
        _ => (
            Severity::Note,
            format!(
                "What is written during a rewrite{amount} is kept twice in memory and streamed to the child; a rest \
                     of usually 1 to 30 MB is written by the main thread at the end."
            ),
        ),
    };
    let evidence = facts.show(&[
        "redis_version",
        "appendonly",
        "aof_last_rewrite_time_sec",
        "aof_rewrite_buffer_length",
    ]);
    let finding = Finding::new(
        severity,
        evidence,
        what,
        "Redis 7.0 or Valkey: writes go to a new file at once, nothing is flushed",
    );
    Some(finding.priced(Price::Rewrites, &[("redis-version", "7.2")]))
}

fn missing(facts: &Facts) -> Option<Finding> {
    let config = facts.config("auto-aof-rewrite-percentage")?;
    if !facts.aof_on()? || config.auto_aof_rewrite_percentage == 0 {
        return None;
    }
    let (now, base) = (facts.number("aof_current_size")?, facts.number("aof_base_size")?);
    let due = (base * (1.0 + config.auto_aof_rewrite_percentage as f64 / 100.0))
        .max(config.auto_aof_rewrite_min_size as f64);
    let running = facts.number_if_any("aof_rewrite_in_progress").unwrap_or(0.0) > 0.0;
    (now > 1.5 * due && !running).then(|| {
        Finding::new(
            Severity::Warning,
            facts.show(&[
                "aof_current_size",
                "aof_base_size",
                "auto-aof-rewrite-percentage",
                "auto-aof-rewrite-min-size",
                "aof_last_bgrewrite_status",
                "rdb_bgsave_in_progress",
            ]),
            format!(
                "The AOF has {}, and a rewrite was due at {}. Either rewrites fail, or BGSAVEs leave no room for one, or \
                 the percentage was lowered just now. A restart reads all of it.",
                bytes(now),
                bytes(due)
            ),
            "see the server's log for failed rewrites; then BGREWRITEAOF",
        )
    })
}

fn never(facts: &Facts) -> Option<Finding> {
    let config = facts.config("auto-aof-rewrite-percentage")?;
    if !facts.aof_on()? || config.auto_aof_rewrite_percentage > 0 {
        return None;
    }
    let growth = facts.write_bytes_per_s().map_or_else(String::new, |per_s| {
        format!(": it grows by {} an hour at this rate", bytes(per_s * 3600.0))
    });
    Some(Finding::new(
        Severity::Warning,
        facts.show(&["auto-aof-rewrite-percentage", "aof_current_size", "aof_base_size"]),
        format!("Nothing rewrites the AOF by itself{growth}."),
        "see that a scheduler sends BGREWRITEAOF, and watch the disk; else auto-aof-rewrite-percentage 100",
    ))
}

fn misread(facts: &Facts) -> Option<Finding> {
    let pending = facts.info.as_ref()?.text("aof_pending_rewrite");
    let running = facts.number("aof_rewrite_in_progress")? > 0.0;
    let what = match (pending, facts.aof_on()?) {
        (None, false) => {
            "With the AOF off INFO has no aof_pending_rewrite, aof_current_size or aof_base_size at all."
        }
        (Some("0"), _) if running => {
            "aof_pending_rewrite:0 does not mean that no rewrite runs: one does. It says only that none waits."
        }
        (Some(pending), _) if pending != "0" => {
            "aof_pending_rewrite:1 is aof_rewrite_scheduled under another name: a rewrite waits for a BGSAVE to end. No \
             amount of anything."
        }
        _ => return None,
    };
    let mut evidence = facts.show(&["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    evidence.push(field("aof_pending_rewrite", pending.unwrap_or("(missing)")));
    Some(Finding::new(
        Severity::Note,
        evidence,
        what.to_owned(),
        "watch aof_rewrite_in_progress: at 0 to 1 the fork, while 1 the disk, at 1 to 0 the end",
    ))
}
