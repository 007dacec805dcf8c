//! Deadlines, evictions and what is freed.

use super::{Case, Effort, Remedy, Rule};
use crate::cause::Cause;
use crate::redis::command::CommandKind;
use crate::scenario::ttl::Ttl;
use crate::units::{Nanos, format_bytes, format_span};

/// What deletes keys by itself.
const OF_DELETION: &[Cause] = &[Cause::ExpireCycle, Cause::EvictionCycle];
/// serverCrons a second.
const OFTEN: u32 = 100;
/// Jitter over the mean time to live.
const JITTER: f64 = 1.0;
/// Memory beyond the limit.
const HEADROOM: f64 = 1.25;

pub(super) const RULES: &[Rule] = &[hz, jitter, lazyfree, headroom];

fn hz(case: &Case) -> Option<Remedy> {
    if case.scenario.redis.hz >= OFTEN || !case.tail.has(&[Cause::ExpireCycle]) {
        return None;
    }
    let remedy = Remedy::new("hz", format!("hz {OFTEN} (shorter expire cycles)"), Effort::Setting);
    Some(remedy.set("redis.hz", OFTEN.to_string()))
}

fn jitter(case: &Case) -> Option<Remedy> {
    let scenario = case.scenario;
    let without = |ttl: &&Ttl| ttl.jitter == 0 && ttl.dist.fixed().is_some();
    let of_dataset = scenario.dataset.ttl.as_ref().filter(without).map(|ttl| ("dataset.ttl".to_owned(), ttl));
    let of_groups = scenario.workloads.iter().filter_map(|group| {
        group.ttl.as_ref().filter(without).map(|ttl| (format!("workload.{}.ttl", group.name), ttl))
    });
    let all: Vec<(String, &Ttl)> = of_dataset.into_iter().chain(of_groups).collect();
    let longest = all.iter().map(|(_, ttl)| ttl.dist.mean()).max_by(f64::total_cmp)?;
    if !case.tail.has(&[Cause::ExpireCycle, Cause::Command]) {
        return None;
    }
    let shown = format_span((JITTER * longest) as Nanos);
    let remedy = Remedy::new("ttl-jitter", format!("times to live with a jitter of {shown}"), Effort::Client);
    Some(all.iter().fold(remedy, |remedy, (key, ttl)| {
        let mean = ttl.dist.mean();
        let with_dist = remedy
            .set(&format!("{key}.dist"), "fixed")
            .set(&format!("{key}.value"), format!("{}ns", mean as Nanos));
        with_dist.set(&format!("{key}.jitter"), format!("{}ns", (JITTER * mean) as Nanos))
    }))
}

fn lazyfree(case: &Case) -> Option<Remedy> {
    use CommandKind::{Del, Hset, Lpush, Rpush, Sadd, Zadd};
    let redis = &case.scenario.redis;
    let commands = || case.scenario.workloads.iter().flat_map(|group| &group.mix).map(|(command, _)| command);
    let collections = commands().any(|command| matches!(command.kind, Hset | Lpush | Rpush | Sadd | Zadd));
    let deletes = case.tail.has(OF_DELETION) || commands().any(|command| command.kind == Del);
    let all = [
        ("redis.lazyfree-lazy-expire", redis.lazyfree_lazy_expire, redis.version.has(4, 0)),
        ("redis.lazyfree-lazy-eviction", redis.lazyfree_lazy_eviction, redis.version.has(4, 0)),
        ("redis.lazyfree-lazy-server-del", redis.lazyfree_lazy_server_del, redis.version.has(4, 0)),
        ("redis.lazyfree-lazy-user-del", redis.lazyfree_lazy_user_del, redis.version.has(6, 0)),
    ];
    let off: Vec<&str> =
        all.into_iter().filter(|(_, on, known)| *known && !on).map(|(setting, ..)| setting).collect();
    if off.is_empty() || !collections || !deletes {
        return None;
    }
    let remedy =
        Remedy::new("lazyfree", "lazyfree-lazy-* yes (another thread frees values)", Effort::Setting);
    Some(off.into_iter().fold(remedy, |remedy, setting| remedy.set(setting, "yes")))
}

fn headroom(case: &Case) -> Option<Remedy> {
    let limit = case.scenario.redis.maxmemory;
    let reached = case.run.counters.evicted_keys > 0 || case.run.errors.oom > 0;
    if limit == 0 || !reached {
        return None;
    }
    let more = (HEADROOM * limit as f64) as u64;
    let title = format!("maxmemory {} (a quarter more)", format_bytes(more));
    Some(Remedy::new("maxmemory", title, Effort::Setting).set("redis.maxmemory", more.to_string()))
}
