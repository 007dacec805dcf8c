//! What clients meet: refused commands and connections, a thread that is full.

use super::{Rule, count, field};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::check::input::info::part;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "writes-refused",
        Severity::Serious,
        "errorstat_OOM, errorstat_MISCONF, errorstat_NOREPLICAS, errorstat_LOADING, errorstat_BUSY",
        "commands were refused for the server's state",
        refused,
    ),
    Rule::new(
        "thread-busy",
        Severity::Serious,
        "used_cpu_*_main_thread, uptime_in_seconds, instantaneous_eventloop_duration_usec",
        "the main thread was busy half of the time since the start, or is now; serious from 80 %",
        busy,
    ),
    Rule::new(
        "connections-refused",
        Severity::Serious,
        "rejected_connections, connected_clients, maxclients",
        "connections were refused, or over 90 % of maxclients are in use",
        connections,
    ),
    Rule::new(
        "connection-churn",
        Severity::Warning,
        "total_connections_received, uptime_in_seconds, total_commands_processed",
        "20 or more new connections a second, one for each 100 commands or fewer",
        churn,
    ),
    Rule::new("active-defrag", Severity::Note, "activedefrag", "active defragmentation is on", defrag),
];

fn refused(facts: &Facts) -> Option<Finding> {
    let info = facts.input(&facts.info, "INFO")?;
    if !facts.version.has(6, 2) {
        return None;
    }
    let kinds = ["OOM", "MISCONF", "NOREPLICAS", "LOADING", "BUSY"];
    let counts = kinds.iter().filter_map(|kind| {
        let name = format!("errorstat_{kind}");
        let number = part(info.text(&name)?, "count")?;
        (number > 0.0).then(|| field(&name, number as u64))
    });
    let evidence: Vec<_> = counts.collect();
    (!evidence.is_empty()).then(|| {
        Finding::new(
            Severity::Serious,
            evidence,
            "Clients were refused since the start: OOM is maxmemory, MISCONF a disk that fails, NOREPLICAS too few replicas, \
             LOADING a restart, BUSY a script."
                .to_owned(),
            "see memory-limit, aof-write-failing, snapshot-failing, replica-lag; CONFIG RESETSTAT after the cure tells whether it \
             goes on",
        )
    })
}

fn busy(facts: &Facts) -> Option<Finding> {
    let uptime = facts.uptime_s()?;
    let cpu = |name: &str| {
        Some(
            facts.number_if_any(&format!("used_cpu_user{name}"))?
                + facts.number_if_any(&format!("used_cpu_sys{name}"))?,
        )
    };
    let spent = cpu("_main_thread").or_else(|| cpu(""));
    let spent = facts.input(&spent, "INFO's used_cpu_sys")?;
    // The first minute is start-up and loading.
    let mean = if uptime >= 60.0 { spent / uptime } else { 0.0 };
    let cycles = facts.number_if_any("instantaneous_eventloop_cycles_per_sec").unwrap_or(0.0);
    let each = facts.number_if_any("instantaneous_eventloop_duration_usec").unwrap_or(0.0);
    let now = cycles * each / 1e6;
    let share = mean.max(now).min(1.0);
    (share >= 0.5).then(|| {
        Finding::new(
            if share >= 0.8 { Severity::Serious } else { Severity::Warning },
            facts.show(&[
                "used_cpu_user_main_thread",
                "used_cpu_sys_main_thread",
                "uptime_in_seconds",
                "instantaneous_eventloop_cycles_per_sec",
                "instantaneous_eventloop_duration_usec",
                "instantaneous_ops_per_sec",
            ]),
            format!(
                "The main thread is busy {:.0} % of the time{}: every stall takes {:.1} times its length to be caught up.",
                100.0 * share,
                if mean >= now { " on average since the start" } else { " now" },
                1.0 / (1.0 - share).max(0.01)
            ),
            "pipelining, io-threads for sockets, more shards; first the commands that take most of it (INFO commandstats)",
        )
    })
}

fn connections(facts: &Facts) -> Option<Finding> {
    let rejected = facts.number("rejected_connections")?;
    let connected = facts.number_if_any("connected_clients").unwrap_or(0.0);
    let most = facts.settings.is_known("maxclients").then(|| f64::from(facts.settings.config.maxclients));
    let is_near = most.is_some_and(|most| connected >= 0.9 * most);
    (rejected > 0.0 || is_near).then(|| {
        Finding::new(
            if is_near { Severity::Serious } else { Severity::Warning },
            facts.show(&["rejected_connections", "connected_clients", "maxclients"]),
            format!(
                "{} connections were refused for maxclients, {} are open.",
                count(rejected),
                count(connected)
            ),
            "pools in the clients, timeout for idle connections, a higher maxclients and its file limit",
        )
    })
}

fn churn(facts: &Facts) -> Option<Finding> {
    let (received, uptime) = (facts.number("total_connections_received")?, facts.uptime_s()?);
    let commands = facts.number("total_commands_processed")?;
    let per_s = received / uptime;
    (uptime >= 60.0 && per_s >= 20.0 && commands < 100.0 * received).then(|| {
        let storm = match facts.version.has(7, 4) {
            true => "",
            false => " Before 7.4 up to 1,000 are accepted in one turn: a storm of them after a stall is a stall of its own.",
        };
        Finding::new(
            Severity::Warning,
            facts.show(&["total_connections_received", "total_commands_processed", "uptime_in_seconds"]),
            format!("{} new connections a second, each for few commands: they cost more than the commands.{storm}", count(per_s.round())),
            "connections that stay open, in pools",
        )
    })
}

fn defrag(facts: &Facts) -> Option<Finding> {
    (facts.settings.text("activedefrag")?.eq_ignore_ascii_case("yes")).then(|| {
        Finding::new(
            Severity::Note,
            facts.show(&["activedefrag", "active_defrag_running", "mem_fragmentation_ratio"]),
            "Active defragmentation takes slices of up to 25 % of the thread while it runs, as long as expiry's.".to_owned(),
            "active-defrag-cycle-max bounds it; no where fragmentation is no trouble",
        )
    })
}
