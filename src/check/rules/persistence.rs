//! What is written to disk at all, and whether it works. The article's first check.

use super::{Rule, count, field};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Price, Severity};
use crate::redis::config::{AppendFsync, MaxmemoryPolicy};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "persistence-none",
        Severity::Serious,
        "appendonly, save, connected_slaves, maxmemory-policy",
        "no AOF and no save points; a warning where every key may be evicted anyway and no replica copies it",
        none,
    ),
    Rule::new(
        "aof-write-failing",
        Severity::Serious,
        "aof_last_write_status",
        "the last write or fsync of the AOF failed: writes get MISCONF",
        aof_failing,
    ),
    Rule::new(
        "snapshot-failing",
        Severity::Serious,
        "rdb_last_bgsave_status, save, stop-writes-on-bgsave-error",
        "the last BGSAVE failed and there are save points",
        snapshot_failing,
    ),
    Rule::new(
        "rewrite-failing",
        Severity::Serious,
        "aof_last_bgrewrite_status, aof_rewrites_consecutive_failures",
        "the last AOF rewrite failed",
        rewrite_failing,
    ),
    Rule::new(
        "loading",
        Severity::Serious,
        "loading, async_loading",
        "the server is reading its data set and serves nobody",
        loading,
    ),
    Rule::new(
        "config-differs",
        Severity::Warning,
        "redis.conf beside CONFIG GET or INFO",
        "the running server is not as its file says; a note where persistence and memory are not concerned",
        differs,
    ),
];

fn none(facts: &Facts) -> Option<Finding> {
    if facts.aof_on()? || facts.saves()? {
        return None;
    }
    use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, AllkeysRandom};
    let config = &facts.settings.config;
    let evicts = [AllkeysLfu, AllkeysLru, AllkeysRandom].contains(&config.maxmemory_policy);
    let replicas = facts.info.as_ref().and_then(|info| info.number("connected_slaves")).unwrap_or(0.0);
    let is_cache = config.maxmemory > 0 && evicts;
    let severity = if is_cache && replicas == 0.0 { Severity::Warning } else { Severity::Serious };
    let keys = facts
        .keys()
        .map_or_else(|| "every key".to_owned(), |keys| format!("all {} keys", count(keys as f64)));
    let copied = match replicas > 0.0 {
        true => " Replicas copy the empty data set of a primary that restarts, and lose theirs.",
        false => "",
    };
    let finding = Finding::new(
        severity,
        facts.show(&["appendonly", "save", "connected_slaves", "maxmemory", "maxmemory-policy"]),
        format!("Nothing is written to disk: a restart loses {keys}.{copied}"),
        "appendonly yes (CONFIG SET appendonly yes writes the first file at once), or save points; none of it for a cache \
         that may start cold",
    );
    Some(finding.priced(Price::Loss, &[("redis.appendonly", "true"), ("redis.appendfsync", "everysec")]))
}

fn aof_failing(facts: &Facts) -> Option<Finding> {
    (facts.text("aof_last_write_status")? == "err").then(|| {
        Finding::new(
            Severity::Serious,
            facts.show(&["aof_last_write_status", "aof_enabled", "appendfsync"]),
            "The AOF cannot be written or synced: every write gets MISCONF, reads go on. No setting switches this off."
                .to_owned(),
            "free disk space or repair the disk; the server tries again by itself each second",
        )
    })
}

fn snapshot_failing(facts: &Facts) -> Option<Finding> {
    if facts.text("rdb_last_bgsave_status")? != "err" {
        return None;
    }
    let saves = facts.saves()?;
    let stops = saves && facts.settings.config.stop_writes_on_bgsave_error;
    let what = match stops {
        true => "Every write gets MISCONF until a BGSAVE succeeds.",
        false => "Writes go on; the last snapshot grows older, and a crash loses all since.",
    };
    let evidence =
        ["rdb_last_bgsave_status", "save", "stop-writes-on-bgsave-error", "rdb_changes_since_last_save"];
    (saves || facts.aof_on() == Some(false)).then(|| {
        Finding::new(
            Severity::Serious,
            facts.show(&evidence),
            format!("The last BGSAVE failed. {what}"),
            "see the server's log: a full disk, or fork refused for lack of memory (vm.overcommit_memory = 1); then BGSAVE",
        )
    })
}

fn rewrite_failing(facts: &Facts) -> Option<Finding> {
    if !facts.aof_on()? {
        return None;
    }
    let failures = facts.number_if_any("aof_rewrites_consecutive_failures").unwrap_or(0.0);
    let failed = facts.text("aof_last_bgrewrite_status")? == "err" || failures > 0.0;
    let again = match facts.version.has(7, 0) {
        true => "after three failures it waits 1, 2, 4 … 60 minutes between attempts",
        false => "it tries again at every tick of serverCron, and each attempt forks",
    };
    failed.then(|| {
        let names = [
            "aof_last_bgrewrite_status",
            "aof_rewrites_consecutive_failures",
            "aof_current_size",
            "aof_base_size",
        ];
        Finding::new(
            Severity::Serious,
            facts.show(&names),
            format!("AOF rewrites fail: the file grows without end, and {again}."),
            "see the server's log: a full disk or a fork refused for lack of memory; then BGREWRITEAOF",
        )
    })
}

fn loading(facts: &Facts) -> Option<Finding> {
    let is_loading = facts.number("loading")? > 0.0;
    is_loading.then(|| {
        Finding::new(
            Severity::Serious,
            facts.show(&["loading", "async_loading", "loading_eta_seconds", "loading_loaded_perc"]),
            "The server is reading its data set: commands get LOADING.".to_owned(),
            "wait; other figures of this INFO say little before it is done",
        )
    })
}

/// Settings whose difference matters after the next restart.
const GRAVE: &[&str] = &["save", "append", "maxmemory", "no-append", "auto-aof"];

fn differs(facts: &Facts) -> Option<Finding> {
    let differing = &facts.settings.differing;
    let is_grave = differing.iter().any(|(name, ..)| GRAVE.iter().any(|grave| name.starts_with(grave)));
    let severity = if is_grave { Severity::Warning } else { Severity::Note };
    (!differing.is_empty()).then(|| {
        let evidence = differing
            .iter()
            .map(|(name, file, now)| field(name, format!("{file:?} in the file, {now:?} running")));
        Finding::new(
            severity,
            evidence.collect(),
            "The server does not run as its file says: a restart changes it back.".to_owned(),
            "CONFIG REWRITE keeps what is running; or correct the file",
        )
    })
}

/// What survives, in words: for the head of the report.
pub(crate) fn mode(facts: &Facts) -> Option<String> {
    let (aof, saves) = (facts.aof_on()?, facts.saves());
    let config = &facts.settings.config;
    let snapshots = match saves {
        Some(true) => {
            let points: Vec<String> =
                config.save.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
            format!("snapshots ({})", points.join(", "))
        }
        Some(false) => "no snapshots".to_owned(),
        None => "snapshots unknown".to_owned(),
    };
    if !aof {
        let lost = match saves {
            Some(true) => "a crash loses what came after the last snapshot",
            Some(false) => "a restart loses everything",
            None => "a crash loses what came after the last snapshot, if there are any",
        };
        return Some(format!("no AOF, {snapshots}: {lost}"));
    }
    let (policy, lost) = match (facts.settings.is_known("appendfsync"), config.appendfsync) {
        (false, _) => ("fsync policy unknown", "CONFIG GET appendfsync tells what a crash loses"),
        (_, AppendFsync::Always) => ("always", "a crash loses no acknowledged write"),
        (_, AppendFsync::Everysec) => (
            "everysec",
            "a machine's death loses about 1 s and the running fsync, a process's nothing acknowledged",
        ),
        (_, AppendFsync::No) => ("no fsync", "a machine's death loses what the kernel kept, up to some 30 s"),
    };
    Some(format!("AOF ({policy}), {snapshots}: {lost}"))
}
