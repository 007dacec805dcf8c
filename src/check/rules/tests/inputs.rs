//! Facts of inputs other than INFO and redis.conf.

use super::{HEALTHY_INFO, NONE, Pairs, server};
use crate::check::facts::Facts;
use crate::check::finding::Severity::{self, Note, Serious, Warning};
use crate::check::input::latency::LatencyEvent;
use crate::check::input::slowlog::SlowEntry;
use crate::check::report::{Inputs, facts};
use crate::check::source::Source;
use crate::check::ttl_sample::TtlSample;
use crate::check::{input, monitor};

const REPLICA: &str = "ip=10.0.0.2,port=6379,state=online,offset=";

/// Rules of inputs other than INFO and redis.conf: each with facts on which it fires and facts on which it is silent.
pub(super) fn others() -> Vec<(&'static str, Severity, Facts, Facts)> {
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = server(NONE, NONE);
        change(&mut facts);
        facts
    };
    let slow = |command: &str, usec: u64| {
        let entry = SlowEntry { at: 1_700_000_000, usec, command: command.to_owned(), arguments: 1 };
        with(&|facts| facts.slowlog = Some(vec![entry.clone()]))
    };
    let event = |name: &str, max_ms: u64| {
        let event = LatencyEvent { name: name.to_owned(), at: 1_700_000_000, latest_ms: 1, max_ms };
        with(&|facts| facts.latency = Some(vec![event.clone()]))
    };
    let source = |text: &str| {
        let mut source = Source::default();
        source.add("limiter.py", text);
        with(&|facts| facts.source = Some(source.clone()))
    };
    let capture = |text: &str| {
        let monitor = monitor::parse(text.as_bytes());
        with(&|facts| facts.monitor = monitor.clone())
    };
    let ttl = |info: Pairs, times: Vec<u64>| {
        let mut facts = server(info, NONE);
        facts.ttl = Some(TtlSample::new(times.len(), times, false, 0.1));
        facts
    };
    let many: Pairs = &[("db0", "keys=9000000,expires=4000000,avg_ttl=0")];
    let nodes = |tail: &str, flags: &str| {
        let id = "a".repeat(40);
        let text = format!("{id} 10.0.0.1:6379@16379 myself,{flags} - 0 0 1 connected 0-16383 {tail}\n");
        with(&|facts| facts.nodes = input::cluster::nodes(&text))
    };
    let replicas = |offset: u64, state: &str, lag: u64| {
        let line = REPLICA.replace("online", state);
        let text = format!("{HEALTHY_INFO}connected_slaves:1\nslave0:{line}{offset},lag={lag}\n");
        facts(Inputs { info: Some(text.into_bytes()), ..Inputs::default() }).0
    };
    // A stream of 1 MB/s: half of 20,000 commands a second write 52 bytes and 48 around them.
    let behind = |bytes: u64| {
        let line = format!("{REPLICA}{},lag=0", 1_000_000_000 - bytes);
        let text = format!(
            "{HEALTHY_INFO}connected_slaves:1\nslave0:{line}\ninstantaneous_ops_per_sec:20000\n\
             used_memory_dataset:142000000\ndb0:keys=1000000,expires=0,avg_ttl=0\n"
        );
        facts(Inputs { info: Some(text.into_bytes()), ..Inputs::default() }).0
    };
    let blind = |fork: &'static str| {
        let fork: Pairs = if fork.is_empty() { NONE } else { &[("latest_fork_usec", "131204")] };
        let mut facts = server(fork, NONE);
        facts.slowlog = Some(Vec::new());
        facts
    };
    let hot = |share: usize| {
        let line = |n: usize| {
            let key = if n % 10 < share { "hot".to_owned() } else { format!("k{n}") };
            format!("{n}.0 [0 10.0.0.1:5] \"GET\" \"{key}\"\n")
        };
        (0..1000).map(line).collect::<String>()
    };
    let racy = "v = r.get(k)\nr.set(k, 0, ex=60)\nr.incr(k)\n";
    let atomic = "MULTI\nINCR k\nEXPIRE k 60 NX\nEXEC\n";
    let steps = "1.0 [0 a:1] \"INCR\" \"k\"\n1.001 [0 a:1] \"EXPIRE\" \"k\" \"60\"\n";
    vec![
        ("slow-commands", Warning, slow("KEYS", 10_000), slow("KEYS", 9_999)),
        ("slow-commands", Serious, slow("KEYS", 100_000), slow("KEYS", 5)),
        ("slow-commands", Note, slow("DEBUG SLEEP", 100_000), slow("KEYS", 5)),
        ("big-key-deletes", Warning, slow("DEL", 200_000), slow("KEYS", 200_000)),
        ("latency-events", Serious, event("fork", 250), event("fork", 9)),
        ("latency-events", Warning, event("fork", 249), event("fork", 9)),
        ("latency-events", Note, event("fork", 49), event("fork", 9)),
        ("slowlog-blind", Note, blind("slow"), blind("")),
        ("cluster-down", Serious, nodes("", "master,fail?"), nodes("", "master")),
        ("slots-open", Warning, nodes(&format!("[77->-{}]", "b".repeat(40)), "master"), nodes("", "master")),
        ("counter-get-set-incr", Serious, source(racy), source(atomic)),
        ("counter-set-nx-incr", Serious, source("r.set(k, 0, nx=True, ex=60)\nr.incr(k)\n"), source(racy)),
        ("counter-incr-expire", Warning, source("r.incr(k)\nr.expire(k, 60)\n"), source(atomic)),
        ("counter-incr-expire", Warning, capture(steps), capture("1.0 [0 a:1] \"INCR\" \"k\"\n")),
        ("hot-key", Warning, capture(&hot(5)), capture(&hot(1))),
        ("hot-key", Note, capture(&hot(4)), capture(&hot(1))),
        (
            "expiry-together",
            Warning,
            ttl(NONE, (0..600).map(|n| 1_800_000 + n).collect()),
            ttl(many, (0..600).map(|n| n * 6000).collect()),
        ),
        (
            "expiry-together",
            Serious,
            ttl(many, (0..600).map(|n| 1_800_000 + n).collect()),
            ttl(many, (0..600).map(|n| 3_600_000 + n * 500).collect()),
        ),
        ("replica-lag", Serious, replicas(900_000_000, "online", 0), replicas(999_900_000, "online", 1)),
        ("replica-lag", Warning, replicas(998_000_000, "online", 0), replicas(999_900_000, "online", 1)),
        (
            "replica-lag",
            Warning,
            replicas(999_999_999, "online", 11),
            replicas(900_000_000, "wait_bgsave", 0),
        ),
        ("replica-lag", Warning, behind(3_100_000), behind(2_900_000)),
        ("replica-not-online", Warning, replicas(0, "wait_bgsave", 0), replicas(999_999_999, "online", 0)),
    ]
}
