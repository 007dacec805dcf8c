//! Blame adds up, in the fast path as in the general one, and changes nothing else.
//!
//! Method: every built-in scenario, shortened. That the parts of each request add up to its sojourn is asserted in the
//! engine itself where debug assertions are on, as in these tests; bands are checked here once more. The fast path and the general
//! one must give the same sums to the nanosecond (a probe turns the fast path off).

use std::path::Path;

use writepath::cause::Cause;
use writepath::cluster::{simulate, trace};
use writepath::dist::Dist;
use writepath::observe::blame::Band;
use writepath::observe::blame::life::{Wanted, Watch};
use writepath::observe::result::RunResult;
use writepath::report::{About, json};
use writepath::scenario::resolve::{Overrides, resolve};
use writepath::scenario::{Action, Scenario, TimedEvent, builtin};
use writepath::sim::{RunOptions, run, run_probed};
use writepath::stats::queueing::md1_wait;
use writepath::units::{MILLISECOND, Nanos, SECOND};

use super::support::{Estimate, Recorder, assert_agrees, assert_differs, poisson, scenario};

/// Simulated time \[s\] of a scenario that is not listed, and of those in which more must happen before it is of interest.
const SHORT: Nanos = 2;
const LONGER: &[(&str, Nanos)] = &[
    ("client-ask-as-moved", 6),
    ("client-without-ask", 6),
    ("reshard-hot-slot", 6),
    ("reshard-uniform", 8),
    ("atomic-3-to-4", 25),
    ("atomic-3-to-4-redis", 25),
    ("full-resync", 25),
    ("replica-stopped", 40),
];

/// A built-in scenario for a short time: what happens at a time happens earlier in proportion, and snapshots that
/// would take longer to come are made to come.
fn short(name: &str, text: &str) -> Scenario {
    let mut scenario = resolve(text, name, Path::new(""), &Overrides::default())
        .unwrap_or_else(|problems| panic!("{name}\n{problems}"));
    let seconds = LONGER.iter().find(|entry| entry.0 == name).map_or(SHORT, |entry| entry.1);
    let run = &mut scenario.run;
    let ratio = (seconds * SECOND) as f64 / run.duration as f64;
    if ratio < 1.0 {
        let earlier = |at: &mut Nanos| *at = (*at as f64 * ratio) as Nanos;
        (run.duration, run.warmup) = (seconds * SECOND, run.warmup.min(SECOND / 2));
        scenario.events.iter_mut().for_each(|event| earlier(&mut event.at));
        scenario
            .cluster
            .iter_mut()
            .flat_map(|spec| &mut spec.moves)
            .for_each(|planned| earlier(&mut planned.at));
    }
    scenario.redis.save.iter_mut().for_each(|point| (point.seconds, point.changes) = (1, 100));
    scenario
}

fn blamed(scenario: &Scenario) -> RunResult {
    let options = RunOptions { blame: true, ..RunOptions::default() };
    simulate(scenario, &options, &mut |_| true).unwrap_or_else(|error| panic!("{}: {error}", scenario.name))
}

fn check(name: &str, result: &RunResult) {
    let blame = result.blame.as_ref().expect("asked for");
    let all = &result.scopes[0].sojourn;
    let whole = blame.whole();
    assert_eq!((whole.requests, whole.sojourn_ns), (all.count(), all.sum()), "{name}");
    assert_eq!(blame.slots().collect::<Vec<_>>(), all.slots().collect::<Vec<_>>(), "{name}");
    let bands = blame.bands();
    let sum = |of: fn(&Band) -> u128| bands.iter().map(of).sum::<u128>();
    assert_eq!(sum(|band| band.requests.into()), whole.requests.into(), "{name}");
    assert_eq!(sum(|band| band.sojourn_ns), whole.sojourn_ns, "{name}");
    for band in bands.iter().chain([&whole]) {
        let parts: u128 = band.causes.iter().map(|cause| cause.1).sum();
        assert_eq!(parts, band.sojourn_ns, "{name}, {} to {}", band.from, band.to);
    }
    let quantiles = all.quantiles([0.5, 0.9, 0.99, 0.999]);
    assert_eq!(bands[..4].iter().map(|band| band.to_ns).collect::<Vec<_>>(), quantiles, "{name}");
}

#[test]
fn the_fast_path_blames_as_the_general_one() {
    for (name, text) in builtin::all() {
        let scenario = short(name, text);
        if scenario.cluster.is_some() {
            continue;
        }
        let options = RunOptions { blame: true, ..RunOptions::default() };
        let fast = run(&scenario, &options, &mut |_| true).expect("it runs");
        let mut probe = Recorder::default();
        let general = run_probed(&scenario, &options, &mut probe, &mut |_| true).expect("it runs");
        let sum = |result: &RunResult| result.scopes[0].sojourn.sum();
        if !scenario.replicas.is_empty() && sum(&fast) != sum(&general) {
            // Replicas are fed in bulk in the fast path, which rounds a few of the times otherwise.
            continue;
        }
        let (fast, general) = (fast.blame.expect("asked for"), general.blame.expect("asked for"));
        assert_eq!(fast.whole(), general.whole(), "{name}");
        assert!(fast == general, "{name}");
    }
}

#[test]
fn parts_add_up_in_every_built_in_scenario_and_nothing_else_changes() {
    for (name, text) in builtin::all() {
        let scenario = short(name, text);
        let options = RunOptions::default();
        let bare = simulate(&scenario, &options, &mut |_| true).expect("it runs");
        let mut result = blamed(&scenario);
        check(name, &result);
        result.blame = None;
        let text = |result: &RunResult| {
            serde_json::to_string(&json::run_output(result, &About::of(&scenario))).expect("serialisable")
        };
        assert_eq!(text(&bare), text(&result), "{name}");
        assert_eq!(format!("{:?}", bare.events), format!("{:?}", result.events), "{name}");
    }
}

const SERVICE: Nanos = 10_000;

/// Replication number `replication` of an open loop with fixed services at utilisation `rho`, and freezes.
fn whole(rho: f64, replication: u64, duration: Nanos, freezes: &[(Nanos, Nanos)], factor: f64) -> Band {
    let service = Dist::Fixed((SERVICE as f64 * factor).round());
    let rate = rho * SECOND as f64 / SERVICE as f64;
    let mut scenario = scenario(poisson(rate), 100_000, service, duration);
    scenario.redis.hz = 1;
    let freeze =
        |&(at, span): &(Nanos, Nanos)| TimedEvent { at, node: None, action: Action::Freeze { span } };
    scenario.events = freezes.iter().map(freeze).collect();
    let options = RunOptions { blame: true, replication, ..RunOptions::default() };
    let result = run(&scenario, &options, &mut |_| true).expect("it runs");
    result.blame.expect("asked for").whole()
}

/// Mean time of `part` over replications \[ns\].
fn mean(bands: &[Band], part: &str) -> Estimate {
    Estimate::of(&bands.iter().map(|band| band.of(part) as f64 / band.requests as f64).collect::<Vec<_>>())
}

/// Replies leave at the end of a turn, so a request waits W (1 + 2ρ) / (1 + ρ) for others, with W the wait of M/D/1
/// (derived in `queueing.rs`).
#[test]
fn without_stalls_all_waiting_is_queue_and_as_long_as_theory_says() {
    for rho in [0.3, 0.6] {
        let bands = |factor| -> Vec<Band> {
            (0..40).map(|replication| whole(rho, replication, 2 * SECOND, &[], factor)).collect()
        };
        let arrival_rate = rho * SECOND as f64 / SERVICE as f64;
        let wait = md1_wait(arrival_rate, SERVICE as f64 / SECOND as f64).expect("stable") * SECOND as f64;
        let expected = wait * (1.0 + 2.0 * rho) / (1.0 + rho);
        let same = bands(1.0);
        for band in &same {
            let names: Vec<_> = band.causes.iter().map(|cause| cause.0).collect();
            assert_eq!(names, ["queue", "command"], "nothing else costs anything here");
            assert_eq!(band.of("command"), u128::from(band.requests) * u128::from(SERVICE));
        }
        assert_agrees(&format!("queue at {rho}"), mean(&same, "queue"), expected);
        assert_differs(&format!("queue at {rho}"), mean(&bands(1.03), "queue"), expected);
    }
}

const RHO: f64 = 0.5;
const STALL: Nanos = 100 * MILLISECOND;

/// Time charged to the freeze, over what theory says of it: the requests of the stall wait for half of it and for the whole
/// turn that answers them, ρ S; those that came in that turn for half of it and for theirs, ρ² S; and so on:
/// λ S² (½ + ρ) / (1 − ρ²) in all.
fn charged(bands: &[Band]) -> Estimate {
    let rate = RHO / SERVICE as f64;
    let expected = rate * (STALL as f64).powi(2) * (0.5 + RHO) / (1.0 - RHO * RHO);
    Estimate::of(&bands.iter().map(|band| band.of("freeze") as f64 / expected).collect::<Vec<_>>())
}

#[test]
fn what_waits_behind_a_stall_is_charged_to_it() {
    let freeze = [(50 * MILLISECOND, STALL)];
    let bands = |freezes: &[(Nanos, Nanos)], factor| -> Vec<Band> {
        (0..100).map(|replication| whole(RHO, replication, SECOND / 2, freezes, factor)).collect()
    };
    let (frozen, bare) = (bands(&freeze, 1.0), bands(&[], 1.0));
    assert_agrees("freeze", charged(&frozen), 1.0);
    assert_differs("freeze", charged(&bands(&freeze, 1.03)), 1.0);
    // The queue does not grow by a stall: what requests would have waited anyway is all that is left in it.
    for (frozen, bare) in frozen.iter().zip(&bare) {
        assert_eq!(bare.of("freeze"), 0);
        let more = frozen.of("queue").saturating_sub(bare.of("queue"));
        assert!(more * 500 < frozen.of("freeze"), "{frozen:?} and without the stall {bare:?}");
    }
}

#[test]
fn a_traced_request_is_one_of_those_at_its_quantile_told_without_a_gap() {
    for (name, wanted) in [("article", "p999"), ("closed-loop-50", "#1234"), ("reshard-uniform", "max")] {
        let scenario = short(name, builtin::get(name).expect("built in"));
        let options = RunOptions::default();
        let result = simulate(&scenario, &options, &mut |_| true).expect("it runs");
        let wanted: Wanted = wanted.parse().expect("a request");
        let watch = wanted.watch(&result.scopes[0].sojourn).expect("there are requests");
        let life = trace(&scenario, &options, watch, &mut |_| true).expect("it runs").expect("it is found");
        let sojourn = life.read_at - life.arrived_at;
        match watch {
            Watch::Sojourn { low, high } => assert!((low..=high).contains(&sojourn), "{name}: {life:?}"),
            Watch::Number(number) => assert_eq!(life.number, number),
        }
        assert_eq!(life.parts.iter().map(|part| part.1).sum::<Nanos>(), sojourn, "{name}: {life:?}");
        assert_eq!(life.phases.first().map(|phase| phase.from), Some(life.arrived_at), "{name}");
        assert_eq!(life.phases.last().map(|phase| phase.until), Some(life.read_at), "{name}");
        assert!(life.phases.windows(2).all(|pair| pair[0].until == pair[1].from), "{name}: {life:?}");
    }
}

#[test]
fn the_slowest_request_of_a_stall_waited_for_it() {
    let mut scenario = scenario(poisson(1000.0), 50, Dist::Fixed(10_000.0), SECOND);
    scenario.events =
        vec![TimedEvent { at: SECOND / 3, node: None, action: Action::Freeze { span: 70 * MILLISECOND } }];
    let options = RunOptions::default();
    let result = simulate(&scenario, &options, &mut |_| true).expect("it runs");
    let watch = Wanted::Max.watch(&result.scopes[0].sojourn).expect("there are requests");
    let life = trace(&scenario, &options, watch, &mut |_| true).expect("it runs").expect("it is found");
    let freeze = life.phases.iter().find(|phase| phase.what == Cause::Freeze.name()).expect("it waited");
    assert!(freeze.until - freeze.from > 60 * MILLISECOND, "{life:?}");
    assert_eq!(life.read_at - life.arrived_at, result.scopes[0].sojourn.max());
}
