//! Keys with a time to live under commands: nothing is served after its deadline, every key ends once, bytes add up.

use writepath::dist::Dist;
use writepath::observe::result::RunResult;
use writepath::redis::command::Command;
use writepath::redis::config::{AppendFsync, MaxmemoryPolicy};
use writepath::redis::version::{KNOWN, Version};
use writepath::rng::{StreamId, Streams, Uniform};
use writepath::scenario::ttl::{Ttl, TtlAge, ways};
use writepath::scenario::{KeyPopularity, Scenario, Source};
use writepath::sim::{RunOptions, run};
use writepath::units::{MILLISECOND, SECOND};

use super::support::{Estimate, assert_agrees, poisson, record, record_replication, scenario, with_aof};

/// `rate` commands a second on `keys` keys, all of which have a time to live as `ttl` says.
fn volatile(command: &str, rate: f64, keys: u64, ttl: Option<Ttl>, duration: u64) -> Scenario {
    let mut scenario = scenario(poisson(rate), 50, Dist::Fixed(16.0), duration);
    scenario.workloads[0].mix = vec![(command.parse::<Command>().unwrap(), 1.0)];
    scenario.dataset.keys = keys;
    scenario.dataset.ttl_share = if ttl.is_some() { 1.0 } else { 0.0 };
    scenario.dataset.prefilled = ttl.is_some();
    scenario.dataset.ttl = ttl;
    scenario
}

fn ran(scenario: &Scenario, replication: u64) -> RunResult {
    let options = RunOptions { replication, ..RunOptions::default() };
    run(scenario, &options, &mut |_| true).expect("it runs")
}

#[test]
fn no_key_is_served_after_its_deadline() {
    for keys in [10, 1000, 1_000_000] {
        let scenario = volatile("GET", 20_000.0, keys, Some(Ttl::fixed_ms(1000)), 3 * SECOND);
        let (replied, result) = record(&scenario);
        let until = |at: u64| replied.iter().filter(|seen| seen.polled_at <= at).count() as u64;
        // The clock counts whole milliseconds from a place within one.
        let (first, last) = (until(SECOND - MILLISECOND), until(SECOND + MILLISECOND));
        let hits = result.counters.keyspace_hits;
        assert!((first..=last).contains(&hits), "{keys} keys: {hits} of {first} to {last}");
        assert_eq!(hits + result.counters.keyspace_misses, result.completed);
        assert_eq!(result.expiry.expect("keys expire").expired_keys, keys);
    }
}

#[test]
fn so_many_keys_live_as_the_rate_and_the_time_to_live_say() {
    // Each key is set at rate λ/K and lives for T: a share 1 − e^(−λT/K) is alive.
    for popularity in [KeyPopularity::Uniform, KeyPopularity::Hot { share: 0.5, keys: 100 }] {
        let shares: Vec<f64> = (0..12)
            .map(|replication| {
                let mut scenario = volatile("SET PX 500", 20_000.0, 20_000, None, 3 * SECOND);
                scenario.workloads[0].keys = popularity;
                let result = ran(&scenario, replication);
                let expiry = result.expiry.expect("keys expire");
                (expiry.volatile_keys - expiry.pending) as f64 / 20_000.0
            })
            .collect();
        let alive = |rate: f64, keys: f64| keys * (1.0 - (-rate * 0.5 / keys).exp());
        let expected = match popularity {
            KeyPopularity::Uniform => alive(20_000.0, 20_000.0),
            _ => alive(10_000.0, 100.0) + alive(10_000.0, 19_900.0),
        };
        assert_agrees("share of keys alive", Estimate::of(&shares), expected / 20_000.0);
    }
}

#[test]
fn sequential_keys_expire_in_the_order_in_which_they_were_set() {
    // A round takes 2 s and keys live for 1: every SET finds its key gone; with a life of 3 s, never.
    for (ms, expires) in [(1000, true), (3000, false)] {
        let mut scenario = volatile(&format!("SET PX {ms}"), 5000.0, 10_000, None, 8 * SECOND);
        scenario.workloads[0].keys = KeyPopularity::Sequential;
        let expiry = ran(&scenario, 0).expiry.expect("keys expire");
        assert_eq!(expiry.expired_keys > 0, expires, "{ms} ms");
        let alive = (expiry.volatile_keys - expiry.pending) as f64;
        let expected = if expires { 5000.0 } else { 10_000.0 };
        assert!((alive / expected - 1.0).abs() < 0.05, "{ms} ms: {alive}");
    }
}

#[test]
fn a_deletion_is_one_del_and_one_transaction_with_its_command_from_7_0_on() {
    for (version, lazyfree) in
        [(Version::redis(6, 2), false), (Version::redis(7, 2), false), (Version::valkey(8, 0), true)]
    {
        let reads = volatile("GET", 5000.0, 5000, Some(Ttl::fixed_ms(500)), 2 * SECOND);
        let writes = volatile("SET PX 300", 5000.0, 500, None, 5 * SECOND);
        for mut scenario in [with_aof(reads, AppendFsync::Everysec), with_aof(writes, AppendFsync::Everysec)]
        {
            scenario.redis.version = version;
            scenario.redis.lazyfree_lazy_expire = lazyfree;
            let set = scenario.workloads[0].mix[0].0.profile(version, 16, &scenario.machine.cpu);
            let result = ran(&scenario, 0);
            let expiry = result.expiry.expect("keys expire");
            assert!(expiry.expired_on_access > 100 && expiry.expired_keys > expiry.expired_on_access);
            // `*2 $3 DEL $16 key`, or `$6 UNLINK`.
            let del = 16 + 20 + if lazyfree { 3 } else { 0 };
            let is_read = set.aof_fixed == 0;
            let sets = if is_read { 0 } else { result.counters.aof_bytes };
            let wrap = if version.has(7, 0) && !is_read { 15 + 14 } else { 0 };
            let deletions = expiry.expired_keys * del + expiry.expired_on_access * wrap;
            if is_read {
                assert_eq!(result.counters.aof_bytes, deletions, "{version}");
            } else {
                let each = set.aof_fixed + set.aof_values as u64 * (16 + 2 + 5);
                assert_eq!((sets - deletions) % each, 0, "{version}: {sets} bytes, {deletions} of deletions");
                assert_eq!((sets - deletions) / each, result.completed, "{version}");
            }
            assert_eq!(result.counters.expired_keys, expiry.expired_keys);
        }
    }
}

/// A scenario of small numbers in which much meets: versions, commands, times to live, groups, eviction.
fn anything(seed: u64) -> Scenario {
    let mut draw = Streams::new(seed, 7).open(StreamId::Mix, 0);
    let mut of = |n: u64| draw.below(n);
    let version = KNOWN[of(KNOWN.len() as u64) as usize];
    let keys = [1, 7, 300, 5000, 40_000][of(5) as usize];
    let mut scenario = scenario(poisson(3000.0), 10, Dist::Fixed(50.0), 4 * SECOND);
    scenario.redis.version = version;
    scenario.redis.hz = [10, 50, 500][of(3) as usize];
    scenario.redis.active_expire_effort = 1 + of(10) as u32;
    scenario.redis.lazyfree_lazy_expire = of(2) == 0;
    (scenario.machine.cpu.expire_key, scenario.machine.cpu.expire_sample) = (1000 * of(20), 60 * of(3));
    scenario.machine.memory.free_element = 200;
    scenario.dataset.keys = keys;
    let dist = match of(4) {
        0 => Dist::Fixed(7e8),
        1 => Dist::Uniform { low: 1e6, high: 2e9 },
        2 => Dist::Exponential { mean: 5e8 },
        _ => Dist::Lognormal { mean: 1e9, scv: 2.0 },
    };
    let age = if of(2) == 0 { TtlAge::New } else { TtlAge::Spread };
    let ttl = Ttl { dist, jitter: of(2) * SECOND, align: of(2) * 500 * MILLISECOND, age };
    if of(3) > 0 {
        scenario.dataset.ttl = Some(ttl.clone());
        scenario.dataset.ttl_share = [0.3, 1.0][of(2) as usize];
    } else {
        scenario.dataset.prefilled = of(2) == 0;
    }
    let mixes: [&[&str]; 6] = [
        &["SET PX 400"],
        &["SET EX 1", "GET", "DEL"],
        &["SET NX PX 300", "INCR", "SET KEEPTTL"],
        &["EXPIRE 1", "SET", "MGET 5"],
        &["EVALSHA INCR EXPIRE 1", "MSET 3"],
        &["LPUSH 40", "EXPIRE 1", "UNLINK 2"],
    ];
    for group in 0..1 + of(2) {
        if group > 0 {
            let mut other = scenario.workloads[0].clone();
            other.name = "others".into();
            scenario.workloads.push(other);
        }
        let mix = mixes[of(6) as usize];
        let workload = scenario.workloads.last_mut().expect("a group");
        workload.mix = mix.iter().map(|text| (text.parse().unwrap(), 1.0 / mix.len() as f64)).collect();
        workload.pipeline = [1, 1, 8][of(3) as usize];
        workload.keys = [
            KeyPopularity::Uniform,
            KeyPopularity::Zipf { s: 0.99 },
            KeyPopularity::Single,
            KeyPopularity::Sequential,
        ][of(4) as usize];
        workload.ttl = (of(3) == 0).then(|| Ttl { age: TtlAge::New, ..ttl.clone() });
        if of(4) == 0 {
            workload.source = Source::Closed { think: Dist::Exponential { mean: 3e6 } };
        }
    }
    if of(3) == 0 {
        use MaxmemoryPolicy::*;
        let all = [VolatileLru, VolatileTtl, VolatileRandom, VolatileLfu, AllkeysLru, AllkeysRandom];
        scenario.redis.maxmemory_policy = all[of(6) as usize];
        scenario.redis.maxmemory = 1_000_000 + keys * 60;
    }
    if of(2) == 0 {
        scenario = with_aof(scenario, AppendFsync::Everysec);
    }
    scenario
}

#[test]
fn whatever_meets_the_books_balance_and_watching_changes_nothing() {
    let (mut expired, mut on_access, mut evicted, mut without) = (0, 0, 0, 0);
    for seed in 0..300 {
        let scenario = anything(seed);
        // Every run checks its books at its end: each time to live ended once or is there, counts by class and by
        // place agree with the tables, time and bytes add up.
        let bare = ran(&scenario, 0);
        let (_, watched) = record_replication(&scenario, 0);
        assert_eq!(bare.counters, watched.counters, "seed {seed}");
        assert_eq!(bare.busy, watched.busy, "seed {seed}");
        let (Some(one), Some(other)) = (&bare.expiry, &watched.expiry) else {
            assert!(ways(&scenario).is_empty(), "seed {seed}");
            without += 1;
            continue;
        };
        assert_eq!(one.expired_keys, bare.counters.expired_keys, "seed {seed}");
        assert_eq!(one.lag.sum(), other.lag.sum(), "seed {seed}");
        assert!(one.pending <= one.volatile_keys && one.pending <= one.pending_max);
        (expired, on_access) = (expired + one.expired_keys, on_access + one.expired_on_access);
        evicted += bare.counters.evicted_keys;
    }
    assert!(
        expired > 1_000_000 && on_access > 100_000 && evicted > 100_000,
        "{expired} {on_access} {evicted}"
    );
    assert!(without < 60, "{without}");
}

#[test]
fn volatile_ttl_evicts_what_would_expire_first() {
    // Half of the keys live for 2 s, half for an hour, and a quarter of all has to go at once.
    let mut scenario = volatile("PING", 1000.0, 20_000, Some(Ttl::fixed_ms(1)), 20 * SECOND);
    let halves = Dist::Empirical(vec![(0.5, 2e9), (1.0, 3.6e12)]);
    scenario.dataset.ttl = Some(Ttl { dist: halves, jitter: 0, align: 0, age: TtlAge::New });
    scenario.dataset.value_size = Dist::Fixed(100.0);
    scenario.run.duration = SECOND;
    let used = ran(&scenario, 0).memory.used_bytes;
    scenario.run.duration = 20 * SECOND;
    // Not the tables: they do not get smaller.
    scenario.redis.maxmemory = used - 20_000 / 4 * 180;
    for (policy, low, high) in
        [(MaxmemoryPolicy::VolatileTtl, 0.9, 1.0), (MaxmemoryPolicy::VolatileRandom, 0.45, 0.55)]
    {
        scenario.redis.maxmemory_policy = policy;
        let result = ran(&scenario, 0);
        let evicted = result.counters.evicted_keys as f64;
        let expiry = result.expiry.expect("keys have deadlines");
        assert!((4000.0..6000.0).contains(&evicted), "{policy:?}: {evicted}");
        assert_eq!(expiry.volatile_keys + expiry.expired_keys + evicted as u64, 20_000);
        // Of the ten thousand that live for 2 s, some of the dead may still be there.
        let of_the_first = (10_000.0 - (expiry.expired_keys + expiry.pending) as f64) / evicted;
        assert!((low..=high).contains(&of_the_first), "{policy:?}: {of_the_first}");
    }
}
