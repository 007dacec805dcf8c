//! Causes taken away: what is left is the world without them, and nothing else of it has changed.
//!
//! Method: host gaps are vacations of an M/D/1 queue; without them its waits must have the quantiles of M/D/1 (Erlang). Every
//! built-in scenario, shortened, is looked into; each cause that took time in it takes none when it is taken away, and what
//! comes from outside stays the same to the nanosecond.

use std::path::Path;

use writepath::cause::Cause;
use writepath::cluster;
use writepath::cost_model::{Noise, NoiseClass};
use writepath::dist::Dist;
use writepath::experiment::precision::Stopping;
use writepath::experiment::replications::{Runs, Watch};
use writepath::experiment::why::{Change, Plan, Wanted, Without, find, metrics};
use writepath::experiment::{Pool, Template};
use writepath::observe::result::RunResult;
use writepath::scenario::resolve::Overrides;
use writepath::scenario::{Scenario, builtin};
use writepath::sim::RunOptions;
use writepath::units::{MILLISECOND, Nanos, SECOND};

use super::support::{
    Estimate, assert_agrees, in_order_of_execution, poisson, record, run_by_turns, scenario,
};

const RATE: f64 = 500.0;
const SERVICE: f64 = 1e-3;

/// P(W ≤ t) of M/D/1 (Erlang 1909).
fn md1_waits_below(t: f64) -> f64 {
    let mut sum = 0.0;
    for k in 0..=(t / SERVICE) as u32 {
        let x = RATE * (t - f64::from(k) * SERVICE);
        let over_factorial: f64 = (1..=k).map(|i| -x / f64::from(i)).product();
        sum += over_factorial * x.exp();
    }
    (1.0 - RATE * SERVICE) * sum
}

fn md1_wait_quantile(q: f64) -> f64 {
    let (mut low, mut high) = (0.0, 20.0 * SERVICE);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if md1_waits_below(middle) < q { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// A queue of fixed services whose server is away for 5 ms twice a second.
fn with_vacations(factor: f64) -> Scenario {
    let service = Dist::Fixed(factor * SERVICE * SECOND as f64);
    let mut scenario = scenario(poisson(RATE), 100_000, service, 600 * SECOND);
    let class = NoiseClass { per_second: 2.0, shortest: 5 * MILLISECOND, longest: 5 * MILLISECOND };
    scenario.machine.noise = Noise { classes: vec![class] };
    scenario
}

/// Share of commands that wait at most `longest` \[s\] for their execution to begin.
fn share_below(scenario: &Scenario, longest: f64) -> Estimate {
    let mut below = Vec::new();
    run_by_turns(scenario, |turn| {
        let mut at = turn[0].polled_at;
        for seen in in_order_of_execution(turn) {
            let wait = (at - seen.arrived_at) as f64 / SECOND as f64;
            below.push(f64::from(u8::from(wait <= longest)));
            at += seen.service;
        }
    });
    Estimate::by_batches(&below)
}

#[test]
fn without_its_vacations_a_queue_of_fixed_services_is_md1() {
    let without = |factor| Without::of(Cause::HostNoise).applied(&with_vacations(factor)).expect("it can go");
    for q in [0.5, 0.9, 0.99] {
        let quantile = md1_wait_quantile(q);
        assert_agrees(&format!("P{q}"), share_below(&without(1.0), quantile), q);
    }
    let p99 = md1_wait_quantile(0.99);
    for (what, other) in [("with vacations", with_vacations(1.0)), ("services 3 % longer", without(1.03))] {
        let share = share_below(&other, p99);
        assert!(share.mean < 0.99 - 4.0 * share.error, "{what}: {share:?}");
    }
}

struct Nobody;

impl Watch for Nobody {
    fn goes_on(&self) -> bool {
        true
    }

    fn finished(&self) {}
}

/// A built-in scenario of `duration`, with what happens in it at the same part of it.
fn shortened(name: &str, duration: Nanos) -> (Template, Scenario) {
    let text = builtin::get(name).expect("built in").to_owned();
    let set = vec!["run.stall-threshold=10us".to_owned()];
    let template = Template::new(
        text,
        name.to_owned(),
        Path::new(".").to_owned(),
        Overrides { set, ..Overrides::default() },
    );
    let mut scenario = template.resolve().unwrap_or_else(|problems| panic!("{name}\n{problems}"));
    let part =
        |at: Nanos| (u128::from(at) * u128::from(duration) / u128::from(scenario.run.duration)) as Nanos;
    scenario.events.iter_mut().for_each(|event| event.at = part(event.at));
    scenario.cluster.iter_mut().flat_map(|cluster| &mut cluster.moves).for_each(|one| one.at = part(one.at));
    (scenario.run.warmup, scenario.run.duration) = (0, duration.min(scenario.run.duration));
    scenario.run.windows.clear();
    (template, scenario)
}

fn simulate(scenario: &Scenario) -> RunResult {
    cluster::simulate(scenario, &RunOptions::default(), &mut |_| true)
        .unwrap_or_else(|error| panic!("{}: {error}", scenario.name))
}

#[test]
fn every_built_in_scenario_is_looked_into_and_a_cause_that_goes_takes_no_time() {
    let mut gone = std::collections::BTreeSet::new();
    for (name, _) in builtin::all() {
        let (template, scenario) = shortened(name, SECOND);
        let run = simulate(&scenario);
        let wanted = Wanted { top: 2, horizon: Some(SECOND / 2), replications: Some(2) };
        let plan = Plan::of(&template, &scenario, &run, &wanted);
        let (pool, metrics) = (Pool::new(2).expect("threads"), metrics());
        let runs = Runs { metrics: &metrics, pool: &pool, watch: &Nobody };
        let found =
            find((&template, &scenario), (&plan.changes, &plan.horizon), &Stopping::After(2), &runs, &|_| {});
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.without.len() + found.remedies.len(), plan.changes.len(), "{name}");
        for effect in found.without.iter().chain(&found.remedies) {
            assert!(effect.rows.is_ok(), "{name}: {effect:?}");
        }
        assert!(plan.changes.iter().any(|change| matches!(change, Change::Without(_))), "{name}");
        for cause in Cause::ALL.into_iter().filter(|&cause| run.busy[cause as usize] > 0) {
            let Some(without) = Without::of(cause).applied(&scenario) else { continue };
            if gone.insert(cause) || scenario.cluster.is_none() {
                let left = simulate(&without).busy[cause as usize];
                assert_eq!(left, 0, "{name} without {}", cause.name());
            }
        }
    }
    for cause in
        [Cause::WakeUp, Cause::Cow, Cause::Fork, Cause::AofFsyncAlways, Cause::ExpireCycle, Cause::Restore]
    {
        assert!(gone.contains(&cause), "{} took time somewhere", cause.name());
    }
}

#[test]
fn what_comes_from_outside_stays_the_same() {
    let (_, mut base) = shortened("persistence-both", 5 * SECOND);
    base.redis.save[0].seconds = 1;
    let arrivals = |scenario: &Scenario| {
        let (replied, run) = record(scenario);
        let mut all: Vec<(Nanos, u32)> =
            replied.iter().map(|seen| (seen.arrived_at, seen.connection)).collect();
        all.sort_unstable();
        all.retain(|arrival| arrival.0 < 4 * SECOND);
        (all, run)
    };
    let (expected, run) = arrivals(&base);
    assert!(run.counters.forks > 0 && expected.len() > 70_000);
    for cause in Cause::ALL {
        let Some(without) = Without::of(cause).applied(&base) else { continue };
        let (others, other_run) = arrivals(&without);
        assert!(others == expected, "without {}", cause.name());
        // What it does not touch is drawn alike: the sizes and keys of commands.
        assert_eq!(other_run.requests, run.requests);
        if cause != Cause::HostNoise {
            assert_eq!(other_run.counters.host_gaps > 0, run.counters.host_gaps > 0);
        }
    }
}
