//! maxmemory: refused writes, evictions, tables that double.

use super::{Rule, bytes, count, field};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::redis::config::MaxmemoryPolicy;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "memory-limit",
        Severity::Serious,
        "maxmemory, maxmemory-policy, used_memory",
        "over 90 % of maxmemory is used and nothing may be evicted; serious from 98 %",
        limit,
    ),
    Rule::new(
        "evictions",
        Severity::Warning,
        "evicted_keys, uptime_in_seconds, total_eviction_exceeded_time",
        "keys are evicted at one a second or more; a note below",
        evictions,
    ),
    Rule::new(
        "table-growth-at-limit",
        Severity::Warning,
        "db0, maxmemory, maxmemory-policy, used_memory",
        "the main table is soon to double and its new half does not fit under maxmemory",
        table_growth,
    ),
    Rule::new(
        "memory-unlimited",
        Severity::Note,
        "maxmemory, used_memory, total_system_memory",
        "no maxmemory and over half of the machine's memory is used",
        unlimited,
    ),
];

fn limit(facts: &Facts) -> Option<Finding> {
    let config = facts.config("maxmemory")?;
    let used = facts.number("used_memory")?;
    let policy = facts.config("maxmemory-policy")?.maxmemory_policy;
    let share = used / config.maxmemory as f64;
    let expires = facts.info.as_ref()?.dump.expires.unwrap_or(0);
    let stuck = policy == MaxmemoryPolicy::Noeviction || policy.is_volatile() && expires == 0;
    (config.maxmemory > 0 && stuck && share >= 0.9).then(|| {
        let why = match policy {
            MaxmemoryPolicy::Noeviction => "noeviction",
            _ => "no key has a TTL, so that none may be evicted",
        };
        Finding::new(
            if share >= 0.98 { Severity::Serious } else { Severity::Warning },
            facts.show(&["used_memory", "maxmemory", "maxmemory-policy", "db0"]),
            format!(
                "{:.0} % of maxmemory is used; at the limit writes that need memory get OOM ({why}).",
                100.0 * share
            ),
            "raise maxmemory, give keys a TTL, or choose an allkeys policy for a cache",
        )
    })
}

fn evictions(facts: &Facts) -> Option<Finding> {
    let (evicted, uptime) = (facts.number("evicted_keys")?, facts.uptime_s()?);
    let per_s = evicted / uptime;
    (evicted > 0.0).then(|| {
        let exceeded = facts.number_if_any("total_eviction_exceeded_time").unwrap_or(0.0);
        let long = match exceeded > 0.0 {
            true => format!(" Memory was above the limit for {} in all.", super::ms(exceeded)),
            false => String::new(),
        };
        Finding::new(
            if per_s >= 1.0 { Severity::Warning } else { Severity::Note },
            facts.show(&["evicted_keys", "uptime_in_seconds", "maxmemory", "maxmemory-policy", "total_eviction_exceeded_time"]),
            format!(
                "{} evictions a second on average: at the limit every write evicts for itself before it runs, some \
                 microseconds each and one DEL each for AOF and replicas; a burst holds the thread 500 us at a time.{long}",
                count((per_s * 100.0).round() / 100.0)
            ),
            "raise maxmemory or shorten TTLs if that is not meant; lazyfree-lazy-eviction yes where values are collections",
        )
    })
}

/// Buckets of the table that holds `keys`: a power of two.
fn table(keys: u64) -> u64 {
    keys.clamp(4, 1 << 62).next_power_of_two()
}

fn table_growth(facts: &Facts) -> Option<Finding> {
    let config = facts.config("maxmemory")?;
    let cluster = facts.number_if_any("cluster_enabled").unwrap_or(0.0) > 0.0;
    // With one table per slot (7.4 on) doublings are small; Valkey 8.1 has another table.
    if config.maxmemory == 0 || cluster && facts.version.has(7, 4) || facts.version.valkey_at_least(8, 1) {
        return None;
    }
    let keys =
        facts.info.as_ref()?.text("db0").and_then(|db| crate::check::input::info::part(db, "keys"))? as u64;
    let (used, new) = (facts.number("used_memory")?, table(keys) as f64 * 2.0 * 8.0);
    let left = config.maxmemory as f64 - used;
    let is_near = keys as f64 >= 0.9 * table(keys) as f64;
    (is_near && new > left && new >= 8e6).then(|| {
        let mut evidence = facts.show(&["db0", "used_memory", "maxmemory", "maxmemory-policy"]);
        evidence.push(field("next table", bytes(new)));
        Finding::new(
            Severity::Warning,
            evidence,
            format!(
                "At {} keys the main table doubles: {} at once, and {} are left. The doubling is put off, lookups \
                 get slower, and when it comes that much is evicted in one storm (9.6 million keys in 55 s were seen).",
                count(table(keys) as f64),
                bytes(new),
                bytes(left.max(0.0))
            ),
            "raise maxmemory by the size of the new table, or split the data before that",
        )
    })
}

fn unlimited(facts: &Facts) -> Option<Finding> {
    let config = facts.config("maxmemory")?;
    let (used, all) = (facts.number("used_memory")?, facts.number("total_system_memory")?);
    (config.maxmemory == 0 && used > 0.5 * all).then(|| {
        Finding::new(
            Severity::Note,
            facts.show(&["maxmemory", "used_memory", "total_system_memory"]),
            "Nothing limits the data set before the machine does: then the OOM killer takes the server."
                .to_owned(),
            "maxmemory with room for a child's copied pages",
        )
    })
}
