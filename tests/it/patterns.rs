//! Claims: the faults of the racy counter are those of the closed forms, and atomic patterns have none.
//!
//! Method: a machine on which nothing costs anything but the way, so that r = 2 × one-way lies between two steps
//! at the server. Every key of many is a racy counter of its own with rate λ. Expected per expiry, for x = λr:
//!
//! - the key left without a time to live: ½ (1 − e^(−2x)), the first to come after the expiry being an INCR that
//!   was under way, before any GET;
//! - SETs: 1, whatever x: ∫ λ P(the key does not exist yet) dt = (1 − e^(−x)) + e^(−x);
//! - increments wiped out: x/2 − (1 − e^(−2x))/4, those between the creating INCR and the last late SET.

use writepath::dist::Dist;
use writepath::observe::patterns::PatternResult;
use writepath::scenario::pattern::Pattern;
use writepath::scenario::{KeyPopularity, Scenario, Source};
use writepath::units::{MILLISECOND, Nanos, SECOND};

use super::support::{poisson, scenario};
use super::world::simulate;

/// Turnaround between two steps.
const R: Nanos = MILLISECOND;

/// A scenario of one pattern in which two steps are `r` apart at the server.
pub fn pattern(
    name: &str,
    source: Source,
    r: Nanos,
    seconds: f64,
    change: impl FnOnce(&mut Pattern),
) -> Scenario {
    let mut scenario = scenario(source, 50, Dist::Fixed(0.0), (seconds * SECOND as f64) as Nanos);
    scenario.machine.network.one_way = r / 2;
    scenario.machine.cpu.per_kib = 0.0;
    let mut pattern = Pattern::new(name, 20, None).expect("built in");
    pattern.keys = KeyPopularity::Uniform;
    change(&mut pattern);
    scenario.workloads[0].mix.clear();
    scenario.workloads[0].pattern = Some(Box::new(pattern));
    scenario
}

/// The one pattern's result.
pub fn result(scenario: &Scenario) -> PatternResult {
    simulate(scenario).patterns.remove(0)
}

/// `keys` counters with rate λ each, where x = λr.
fn racy(name: &str, x: f64, keys: u64, seconds: f64) -> PatternResult {
    let lambda = x / (R as f64 / SECOND as f64);
    result(&pattern(name, poisson(lambda * keys as f64), R, seconds, |pattern| pattern.key_count = keys))
}

fn assert_share(what: &str, hits: u64, of: u64, p: f64) {
    let error = (p * (1.0 - p) / of as f64).sqrt();
    let share = hits as f64 / of as f64;
    assert!(of >= 300, "{what}: only {of}");
    println!("{what}: left without a time to live {share:.4} of {of}, expected {p:.4} +- {error:.4}");
    assert!((share - p).abs() <= 4.0 * error, "{what}: {share} of {of} against {p} ± {error}");
}

/// (x = λr, keys, seconds): at least some hundred expiries each, until most keys are immortal.
const POINTS: &[(f64, u64, f64)] = &[
    (0.01, 200, 4.0),
    (0.05, 1000, 1.0),
    (0.5, 1000, 0.3),
    (2.5, 1500, 0.15),
    (25.0, 400, 0.06),
    (50.0, 400, 0.06),
];

#[test]
fn half_of_the_expiries_leave_a_racy_counter_without_ttl() {
    for &(x, keys, seconds) in POINTS {
        let racy = racy("get-set-incr", x, keys, seconds);
        let sums = racy.sums;
        let left = 0.5 * (1.0 - f64::exp(-2.0 * x));
        assert_share(&format!("x = {x}"), sums.left_without_ttl, sums.followed, left);
        // The number of SETs is at most geometric, with variance 2.
        let (sets, error) = (racy.sets_per_expiry().expect("expiries"), (2.0 / sums.followed as f64).sqrt());
        println!("x = {x}: {sets:.3} SETs an expiry, expected 1 +- {error:.3}");
        assert!((sets - 1.0).abs() <= 4.0 * error, "x = {x}: {sets} SETs an expiry ± {error}");
    }
}

/// ∫ over the time u = λt of the creating INCR: density e^(−u), some GET before it with 1 − e^(−u), then `of(x − u)`.
fn over_creations(x: f64, of: impl Fn(f64) -> f64) -> f64 {
    let steps = 20_000;
    let h = x / steps as f64;
    (0..steps)
        .map(|step| (step as f64 + 0.5) * h)
        .map(|u| f64::exp(-u) * (1.0 - f64::exp(-u)) * of(x - u) * h)
        .sum()
}

#[test]
fn late_sets_wipe_out_half_of_what_is_under_way() {
    for &(x, keys, seconds) in &POINTS[2..] {
        let sums = racy("get-set-incr", x, keys, seconds).sums;
        let expected = x / 2.0 - (1.0 - f64::exp(-2.0 * x)) / 4.0;
        assert!((over_creations(x, |m| 1.0 + m) - expected).abs() < 1e-3 * expected);
        // One and a Poisson number of mean m: second moment (1 + m)² + m.
        let square = over_creations(x, |m| (1.0 + m) * (1.0 + m) + m);
        let error = ((square - expected * expected) / sums.expiries as f64).sqrt();
        let lost = sums.increments_lost as f64 / sums.expiries as f64;
        println!("x = {x}: {lost:.3} increments lost an expiry, expected {expected:.3} +- {error:.3}");
        assert!((lost - expected).abs() <= 4.0 * error, "x = {x}: {lost} against {expected} ± {error}");
    }
}

#[test]
fn set_nx_and_incr_in_two_round_trips_leave_as_many_without_ttl() {
    for &(x, keys, seconds) in POINTS {
        let sums = racy("set-nx-ex-incr", x, keys, seconds).sums;
        let left = 0.5 * (1.0 - f64::exp(-2.0 * x));
        assert_share(&format!("x = {x}"), sums.left_without_ttl, sums.followed, left);
        // Each window is begun by one SET, or by an INCR and none; none wipes anything out.
        assert_eq!((sums.sets + sums.left_without_ttl, sums.increments_lost), (sums.followed, 0), "x = {x}");
    }
}

#[test]
fn atomic_patterns_have_no_fault_at_all() {
    for name in ["set-nx-ex-incr-multi", "lua-incr-expire", "multi-incr-expire-nx", "increx"] {
        for x in [0.5, 25.0] {
            let mut scenario = pattern(name, poisson(x * 1e3 * 200.0), R, 0.3, |pattern| {
                (pattern.key_count, pattern.limit) = (200, Some(4));
            });
            scenario.redis.version = "8.8".parse().expect("a version");
            let atomic = result(&scenario);
            let sums = atomic.sums;
            assert!(sums.expiries > 800 && sums.operations > 10_000, "{name}: {sums:?}");
            assert_eq!(
                (sums.left_without_ttl, sums.windows_without_ttl, sums.increments_lost),
                (0, 0, 0),
                "{name}"
            );
            assert_eq!((sums.resets_mid_window, sums.over_limit, sums.locked_out), (0, 0, 0), "{name}");
            assert_eq!((sums.failed, atomic.keys_at_end.1), (0, 0), "{name}");
        }
    }
}

#[test]
fn a_client_that_dies_before_its_expire_leaves_its_key_for_ever() {
    let with = |death: f64| {
        let change = |pattern: &mut Pattern| (pattern.key_count, pattern.client_death) = (1000, death);
        result(&pattern("incr-expire", poisson(2e6), R, 1.0, change)).sums
    };
    let (none, some) = (with(0.0), with(0.1));
    assert_eq!((none.left_without_ttl, none.windows_without_ttl, none.died), (0, 0, 0));
    assert_share("clients that die", some.left_without_ttl, some.followed, 0.1);
    // Who dies was about to send the EXPIRE of a key that had just been created.
    assert!(some.died >= some.left_without_ttl && some.failed == some.died);
}

#[test]
fn a_script_without_its_argument_leaves_every_key_without_ttl() {
    let change = |pattern: &mut Pattern| pattern.key_count = 100;
    let broken = result(&pattern("lua-incr-expire-bad-argv", poisson(2e5), R, 0.2, change));
    let sums = broken.sums;
    // The first call of each key is answered with an error, its increment stays.
    assert_eq!((sums.refused, sums.expiries, broken.keys_at_end), (100, 0, (100, 100)));
    assert_eq!(sums.windows, sums.windows_without_ttl);
    // But for those on their way back, only the increments of those calls are not acknowledged.
    let known = sums.increments_acked + 100;
    assert!((known..known + 2_000).contains(&sums.increments), "{sums:?}");
    assert!(sums.windows >= 800, "{sums:?}");
}

#[test]
fn clients_that_wait_for_their_replies_leave_as_many_as_come_first() {
    // A client sends GET, INCR after r, and GET again after r and thinking: one of n for a key of many. The first to
    // come after the expiry within r is a GET or an INCR with equal chance: ½ (1 − (1 − 2r/c)^n), c = 2r + thinking.
    let (n, think) = (8u32, 3 * R);
    let cycle = (2 * R + think) as f64;
    let (mut left, mut followed) = (0, 0);
    for seed in 1..=500 {
        let source = Source::Closed { think: Dist::Exponential { mean: think as f64 } };
        let mut scenario = pattern("get-set-incr", source, R, 0.15, |_| ());
        scenario.workloads[0].connections = n;
        scenario.run.seed = seed;
        let sums = result(&scenario).sums;
        (left, followed) = (left + sums.left_without_ttl, followed + sums.followed);
    }
    let expected = 0.5 * (1.0 - (1.0 - 2.0 * R as f64 / cycle).powi(n as i32));
    assert_share("closed loop", left, followed, expected);
}

/// What one expiry of a racy counter does, by a simulation of nothing else: (left without, SETs, increments wiped out).
fn one_expiry(x: f64, stream: &mut impl FnMut() -> f64) -> (bool, u64, u64) {
    // Time in units of r, the expiry at 0. Operations begin from −1 on; their GETs come at t, what follows at t + 1.
    let (mut gets, mut t) = (Vec::new(), -1.0);
    while t < 40.0 / x.min(1.0) {
        t += -f64::ln(stream()) / x;
        gets.push(t);
    }
    // (time, kind: 0 GET, 1 SET, 2 INCR) in order.
    let mut due: Vec<(f64, u8)> = gets.iter().map(|&t| if t < 0.0 { (t + 1.0, 2) } else { (t, 0) }).collect();
    let (mut exists, mut has_ttl, mut value, mut sets, mut lost) = (false, false, 0, 0, 0);
    let mut last = f64::INFINITY;
    while let Some(at) = (0..due.len()).min_by(|&a, &b| due[a].0.total_cmp(&due[b].0)) {
        let (time, kind) = due.swap_remove(at);
        if time > last {
            break;
        }
        match kind {
            0 if exists => due.push((time + 1.0, 2)),
            0 => due.push((time + 1.0, 1)),
            1 => {
                (exists, has_ttl, lost, value, sets) = (true, true, lost + value, 0, sets + 1);
                due.push((time + 1.0, 2));
            }
            _ => (exists, value) = (true, value + 1),
        }
        if exists && last.is_infinite() {
            // Who has seen no key by now has sent its SET within r.
            last = time + 1.0;
        }
    }
    (!has_ttl, sets, lost)
}

#[test]
fn the_engine_agrees_with_a_simulation_of_nothing_but_the_triple() {
    use writepath::rng::{StreamId, Streams, Uniform};
    let mut stream = Streams::new(77, 0).open(StreamId::Arrivals, 0);
    let mut unit = || stream.unit();
    for x in [0.5, 2.5, 10.0] {
        let runs: Vec<(bool, u64, u64)> = (0..2000).map(|_| one_expiry(x, &mut unit)).collect();
        let share = runs.iter().filter(|run| run.0).count() as f64 / 2000.0;
        let mean = |of: &dyn Fn(&(bool, u64, u64)) -> f64| runs.iter().map(of).sum::<f64>() / 2000.0;
        let (sets, lost) = (mean(&|run| run.1 as f64), mean(&|run| run.2 as f64));
        let engine = racy("get-set-incr", x, 1500, if x < 1.0 { 0.3 } else { 0.15 });
        let sums = engine.sums;
        let n = 1.0 / (1.0 / 2000.0 + 1.0 / sums.followed as f64);
        let near = |what: &str, a: f64, b: f64, variance: f64| {
            assert!((a - b).abs() <= 4.0 * (variance / n).sqrt(), "x = {x}, {what}: {a} against {b}");
        };
        near("left", engine.share_left_without_ttl().expect("some"), share, share * (1.0 - share));
        near("sets", engine.sets_per_expiry().expect("some"), sets, 2.0);
        let variance = mean(&|run| (run.2 as f64 - lost) * (run.2 as f64 - lost));
        near("lost", sums.increments_lost as f64 / sums.expiries as f64, lost, variance);
    }
}

#[test]
fn the_aof_gets_what_each_version_propagates() {
    use writepath::redis::config::AppendFsync;
    // MULTI INCR PEXPIREAT EXEC to begin a window; then an INCR, up to 6.2 in MULTI. Keys of 20 bytes.
    for (version, first, later) in [("7.2", 136, 41), ("6.2", 136, 70), ("valkey-8.1", 136, 41)] {
        let mut scenario =
            pattern("lua-incr-expire", poisson(50_000.0), R, 1.0, |pattern| pattern.key_count = 10);
        scenario = super::support::with_aof(scenario, AppendFsync::No);
        scenario.redis.version = version.parse().expect("a version");
        scenario.workloads[0].key_size = 20;
        let run = simulate(&scenario);
        let (pattern, expired) = (&run.patterns[0], run.counters.expired_keys);
        let begun = expired + pattern.keys_at_end.0;
        let bytes = begun * first + (pattern.sums.increments - begun) * later + expired * 40;
        assert!(expired > 400, "{expired}");
        // From 7.0 on a key met after its deadline is deleted in the MULTI that is there anyway.
        assert_eq!(run.counters.aof_bytes, bytes, "{version}");
    }
}
