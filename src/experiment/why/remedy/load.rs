//! The same work in other pieces, by another version, or spread over more servers.

use super::{Case, Effort, Remedy, Rule};
use crate::cause::Cause;
use crate::experiment::size::Unknown;
use crate::redis::version::{Flavour, KNOWN, Version};

/// Busy share of the main thread from which its own work is worth spreading.
const BUSY: f64 = 0.5;
/// Commands that a client sends at once.
const PIPELINE: u32 = 8;
/// Servers instead of one.
const SHARDS: f64 = 4.0;
/// What every command brings with it.
const OF_CALLS: &[Cause] = &[Cause::WakeUp, Cause::EventLoop, Cause::Read, Cause::Reply, Cause::AofWrite];

pub(super) const RULES: &[Rule] = &[pipelining, newest, valkey, shards];

fn is_busy(case: &Case) -> bool {
    let run = case.run;
    let servers = run.cluster.as_ref().map_or(1, |cluster| cluster.nodes.len()) as f64;
    run.busy_total as f64 > BUSY * servers * (run.duration - run.warmup) as f64
}

fn pipelining(case: &Case) -> Option<Remedy> {
    let groups = &case.scenario.workloads;
    let single =
        groups.iter().all(|group| group.pipeline == 1 && group.pattern.is_none() && group.wait.is_none());
    if !single || case.scenario.cluster.is_some() || !case.tail.has(OF_CALLS) || !is_busy(case) {
        return None;
    }
    let remedy = Remedy::new("pipelining", format!("pipelines of {PIPELINE} commands"), Effort::Client);
    Some(remedy.set("pipeline", PIPELINE.to_string()).but("clients that have several commands at once"))
}

/// The last version of a flavour.
fn last(flavour: Flavour) -> Option<Version> {
    KNOWN.iter().rev().find(|version| version.flavour == flavour).copied()
}

/// `Redis 8.10`, `Valkey 9.1`.
fn in_words(version: Version) -> String {
    let flavour = if version.flavour == Flavour::Redis { "Redis" } else { "Valkey" };
    format!("{flavour} {}.{}", version.major, version.minor)
}

fn newest(case: &Case) -> Option<Remedy> {
    let own = case.scenario.redis.version;
    let version = last(own.flavour).filter(|version| *version != own)?;
    Some(
        Remedy::new("newest-version", in_words(version), Effort::Upgrade)
            .set("redis-version", version.to_string())
            .but("an upgrade"),
    )
}

fn valkey(case: &Case) -> Option<Remedy> {
    let version = last(Flavour::Valkey)?;
    if case.scenario.redis.version.flavour == Flavour::Valkey {
        return None;
    }
    Some(
        Remedy::new("valkey", in_words(version), Effort::Upgrade)
            .set("redis-version", version.to_string())
            .but("an upgrade"),
    )
}

fn shards(case: &Case) -> Option<Remedy> {
    let scenario = case.scenario;
    let unknown = Unknown::new("shards", (Some("1"), Some("64")), case.template, scenario).ok()?;
    let remedy = Remedy::new(
        "shards",
        format!("{SHARDS} shards, each with its part of the load and the keys"),
        Effort::Servers,
    );
    let settings = unknown.assignments(SHARDS);
    let beside = "more servers and a client that knows slots; the figures are those of one";
    Some(Remedy { settings, ..remedy.but(beside) })
}
