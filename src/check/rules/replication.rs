//! Replicas that lag, and what a break of the link costs. The article's sixth check.

use super::{Rule, bytes, count, field, seconds};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::check::input::info::{Info, part, word};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "replica-lag",
        Severity::Serious,
        "master_repl_offset, slaveN, repl-backlog-size, client-output-buffer-limit",
        "a replica is more than 3 s of writes and 1 MiB behind, or silent for over 10 s; serious beyond a quarter of its output \
         limit",
        lag,
    ),
    Rule::new(
        "replica-not-online",
        Severity::Warning,
        "slaveN",
        "a replica is being synchronised in full",
        not_online,
    ),
    Rule::new(
        "replica-link-down",
        Severity::Serious,
        "master_link_status, master_last_io_seconds_ago, master_sync_in_progress",
        "a replica has no link to its primary, or hears nothing of it for over 10 s",
        link_down,
    ),
    Rule::new(
        "lag-misread",
        Severity::Note,
        "role, slave_repl_offset, master_repl_offset",
        "a replica's INFO has both offsets, whose difference is not the lag",
        misread,
    ),
    Rule::new(
        "backlog-short",
        Severity::Warning,
        "repl_backlog_size, connected_slaves, rate",
        "the backlog holds less than 10 s of writes",
        backlog,
    ),
    Rule::new(
        "resync-loop",
        Severity::Serious,
        "client-output-buffer-limit, used_memory, connected_slaves, rate",
        "a full sync takes so long that the replica's output buffer passes its limit first",
        resync_loop,
    ),
    Rule::new(
        "full-syncs",
        Severity::Warning,
        "sync_full, sync_partial_err, connected_slaves, uptime_in_seconds",
        "more full syncs than replicas can explain",
        full_syncs,
    ),
    Rule::new(
        "isolated-primary",
        Severity::Note,
        "connected_slaves, min-replicas-to-write",
        "a primary with replicas goes on acknowledging when it sees none of them",
        isolated,
    ),
];

/// An acknowledgement comes once a second: this much is no lag \[s\].
const USUAL_S: f64 = 3.0;
/// Nor is this \[bytes\].
const USUAL_BYTES: f64 = 1_048_576.0;
/// Share of the sync a replica may take by the published speeds \[bytes/s\].
const SYNC_BYTES_PER_S: f64 = 100e6;

fn lag(facts: &Facts) -> Option<Finding> {
    if !facts.is_primary() || facts.replicas()? == 0.0 {
        return None;
    }
    let here = facts.number("master_repl_offset")?;
    let lines = facts.replica_lines();
    facts.input(&lines.first(), "INFO's slave0")?;
    let per_s = facts.write_bytes_per_s();
    let behind = |line: &str| part(line, "offset").map(|offset| (here - offset).max(0.0));
    let silent = |line: &str| part(line, "lag").unwrap_or(0.0);
    let is_late = |line: &str| {
        let usual = (per_s.unwrap_or(0.0) * USUAL_S).max(USUAL_BYTES);
        word(line, "state") == Some("online")
            && (behind(line).is_some_and(|b| b > usual) || silent(line) > 10.0)
    };
    let late: Vec<_> = lines.iter().filter(|(_, line)| is_late(line)).collect();
    let most = late.iter().filter_map(|(_, line)| behind(line)).max_by(f64::total_cmp)?;
    let limit = &facts.settings.config.replication.output_limit;
    let smallest =
        [limit.hard, limit.soft].into_iter().filter(|bytes| *bytes > 0).min().unwrap_or(u64::MAX) as f64;
    let mut evidence = vec![field("master_repl_offset", here as u64)];
    evidence.extend(late.iter().map(|(name, line)| field(name, line)));
    evidence.extend(facts.show(&["repl_backlog_size", "client-output-buffer-limit"]));
    let time = per_s
        .filter(|per_s| *per_s > 0.0)
        .map_or_else(String::new, |per_s| format!(", {} of writes", seconds(most / per_s)));
    Some(Finding::new(
        if most >= smallest / 4.0 { Severity::Serious } else { Severity::Warning },
        evidence,
        format!(
            "A replica is {}{time} behind: so much of acknowledged writes is lost if it takes over, and so much of \
             the primary's memory holds it. Beyond the output limit it is dropped, and a full sync forks. Lag itself takes \
             no bandwidth: each replica gets every write once, with or without it.",
            bytes(most)
        ),
        "find what holds the replica: its disk, its CPU, its own slow commands, the network; a larger \
         client-output-buffer-limit and repl-backlog-size give it time",
    ))
}

fn not_online(facts: &Facts) -> Option<Finding> {
    if !facts.is_primary() || facts.replicas()? == 0.0 {
        return None;
    }
    let lines = facts.replica_lines();
    let syncing: Vec<_> =
        lines.iter().filter(|(_, line)| word(line, "state").is_some_and(|s| s != "online")).collect();
    (!syncing.is_empty()).then(|| {
        Finding::new(
            Severity::Warning,
            syncing.iter().map(|(name, line)| field(name, line)).collect(),
            "A full sync runs: a fork, copied pages, and a buffer for the replica that grows by every write until it is done."
                .to_owned(),
            "wait; if it comes again and again see resync-loop and backlog-short",
        )
    })
}

/// The replica's own INFO: of `--replica-info`, or of the server itself if it is one.
fn replica(facts: &Facts) -> Option<&Info> {
    let own = facts.info.as_ref().filter(|_| !facts.is_primary());
    facts.replica.as_ref().or(own)
}

fn link_down(facts: &Facts) -> Option<Finding> {
    let info = replica(facts)?;
    let (status, ago) =
        (info.text("master_link_status")?, info.number("master_last_io_seconds_ago").unwrap_or(0.0));
    let names = [
        "master_host",
        "master_port",
        "master_link_status",
        "master_last_io_seconds_ago",
        "master_link_down_since_seconds",
        "master_sync_in_progress",
    ];
    (status != "up" || ago > 10.0).then(|| {
        Finding::new(
            Severity::Serious,
            names.iter().filter_map(|name| Some(field(name, info.text(name)?))).collect(),
            "The replica does not follow its primary: its data grows old, and when the link is back it needs all that came \
             since from the backlog, or a full sync with a fork."
                .to_owned(),
            "see both logs: network, password, output buffer limit, or a full sync under way",
        )
    })
}

fn misread(facts: &Facts) -> Option<Finding> {
    let info = replica(facts)?;
    let (read, own) = (info.number("slave_repl_offset")?, info.number("master_repl_offset")?);
    let primary =
        facts.info.as_ref().filter(|_| facts.is_primary()).and_then(|info| info.number("master_repl_offset"));
    let mut evidence =
        vec![field("slave_repl_offset", read as u64), field("master_repl_offset (replica)", own as u64)];
    let lag = primary.map(|primary| {
        evidence.push(field("master_repl_offset (primary)", primary as u64));
        format!(
            " Against the primary's own it was {} behind, as far as both dumps are of one time.",
            bytes(primary - read)
        )
    });
    Some(Finding::new(
        Severity::Note,
        evidence,
        format!(
            "slave_repl_offset exists on a replica alone, where master_repl_offset is its own too: their difference is \
             about 0 however late it is.{}",
            lag.unwrap_or_default()
        ),
        "on the primary: master_repl_offset less the offset in slaveN, which is up to a second old",
    ))
}

fn backlog(facts: &Facts) -> Option<Finding> {
    if !facts.is_primary() || facts.replicas()? == 0.0 {
        return None;
    }
    let size = facts.config("repl-backlog-size")?.replication.repl_backlog_size as f64;
    let per_s = facts.write_bytes_per_s().filter(|per_s| *per_s > 0.0)?;
    let holds = size / per_s;
    (holds < 10.0).then(|| {
        let minute = (per_s * 60.0 / 1e6).ceil();
        Finding::new(
            Severity::Warning,
            facts.show(&["repl_backlog_size", "connected_slaves", "instantaneous_ops_per_sec", "sync_partial_err"]),
            format!(
                "{} at {}/s is {}: a link that breaks for longer needs a full sync: a fork, the whole data set over the \
                 network, a growing buffer.",
                bytes(size),
                bytes(per_s),
                seconds(holds)
            ),
            format!("repl-backlog-size {minute:.0}mb for a minute at this rate"),
        )
    })
}

fn resync_loop(facts: &Facts) -> Option<Finding> {
    if !facts.is_primary() || facts.replicas()? == 0.0 {
        return None;
    }
    let limit = facts.config("client-output-buffer-limit")?.replication.output_limit;
    let (per_s, data) = (facts.write_bytes_per_s()?, facts.number("used_memory")?);
    let sync = data / SYNC_BYTES_PER_S;
    let grown = per_s * sync;
    let hard = limit.hard > 0 && grown > limit.hard as f64;
    // The soft limit counts from when the buffer has passed it.
    let over = sync - limit.soft as f64 / per_s.max(1.0);
    let soft = limit.soft > 0 && over > limit.soft_seconds as f64;
    (hard || soft).then(|| {
        Finding::new(
            Severity::Serious,
            facts.show(&["client-output-buffer-limit", "used_memory", "connected_slaves", "sync_full", "client_output_buffer_limit_disconnections"]),
            format!(
                "A full sync of {} takes about {} at 100 MB/s, in which {} of writes pile up for the replica: above its {} \
                 limit it is dropped and begins again, with a fork each time.",
                bytes(data),
                seconds(sync),
                bytes(grown),
                if hard { "hard" } else { "soft" }
            ),
            format!(
                "client-output-buffer-limit replica {:.0}mb {:.0}mb 0, and as much memory; a backlog that makes full \
                 syncs rare; replicas that sync over a channel of their own (dual-channel-replication-enabled, repl-rdb-channel)",
                (2.0 * grown / 1e6).ceil(),
                (2.0 * grown / 1e6).ceil()
            ),
        )
    })
}

fn full_syncs(facts: &Facts) -> Option<Finding> {
    let (full, uptime, replicas) = (facts.number("sync_full")?, facts.uptime_s()?, facts.replicas()?);
    let refused = facts.number_if_any("sync_partial_err").unwrap_or(0.0);
    let dropped = facts.number_if_any("client_output_buffer_limit_disconnections").unwrap_or(0.0);
    // One for each replica, and one a week for restarts and changes.
    let expected = replicas.max(1.0) + uptime / 604_800.0;
    (full > 2.0 * expected).then(|| {
        let why = match dropped > 0.0 {
            true => " Clients were dropped for their output buffers: replicas may be among them.",
            false if refused > 0.0 => {
                " Partial syncs were refused: the backlog did not reach back far enough."
            }
            false => "",
        };
        Finding::new(
            Severity::Warning,
            facts.show(&[
                "sync_full",
                "sync_partial_ok",
                "sync_partial_err",
                "connected_slaves",
                "uptime_in_seconds",
                "client_output_buffer_limit_disconnections",
            ]),
            format!("{} full syncs: each forks and sends the whole data set.{why}", count(full)),
            "a larger repl-backlog-size and replica output limit; see the log for why links break",
        )
    })
}

fn isolated(facts: &Facts) -> Option<Finding> {
    if !facts.is_primary() || facts.replicas()? == 0.0 {
        return None;
    }
    let least = facts.config("min-replicas-to-write")?.replication.min_replicas_to_write;
    (least == 0).then(|| {
        Finding::new(
            Severity::Note,
            facts.show(&["connected_slaves", "min-replicas-to-write", "min-replicas-max-lag"]),
            "Cut off from its replicas the primary goes on acknowledging writes that are gone once one of them takes over."
                .to_owned(),
            "min-replicas-to-write 1 bounds that to about min-replicas-max-lag, 10 s; WAIT for single writes",
        )
    })
}
