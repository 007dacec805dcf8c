//! Why the tail is what it is: the same random world without each of its causes, and with each thing that could be done.
//!
//! `tail.rs` says which causes there are, `without.rs` how each is taken away, `remedy/` what a user could change, `horizon.rs`
//! how long the runs are. All variants see the same arrivals, keys, sizes and noise, replication by replication, and are
//! compared with the scenario as it is, pair by pair, as `compare` does.

mod horizon;
pub mod remedy;
mod tail;
mod without;

use std::ops::Range;

use super::compare::{Pair, Row, Verdict, compare, difference_look};
use super::outcome::{Outcome, simulate};
use super::precision::{Reached, Replicated, Stopping};
use super::replications::{Failed, Runs};
use super::{Metric, Template};
use crate::cause::Cause;
use crate::observe::blame::Blame;
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::sim::SimError;
use crate::stats::interval::LEVEL;
use crate::stats::paired::{Interval, Moments};
use crate::stats::sequential::Look;
use crate::units::Nanos;

pub use horizon::{Horizon, REPLICATIONS};
pub use remedy::{Case, Effort, Remedy, remedies};
pub use tail::Tail;
pub use without::Without;

/// What is compared, in the order of tables.
const METRICS: &[&str] = &[
    "p50",
    "p90",
    "p99",
    "p999",
    "p9999",
    "max",
    "loss",
    "loss-writes-mean",
    "busy",
    "used",
    "rss",
    "errors",
];
/// Quantiles that the answer may be about, the lowest first.
const HEADLINES: &[&str] = &["p50", "p99", "p999", "p9999", "max"];
/// It is about the lowest of which taking away a cause gains this share; if there is none, the next share.
const SHAPED: &[f64] = &[0.5, 0.25];
/// Without any gain like that, the first of these that the runs are long enough for.
const FALLBACKS: &[&str] = &["p999", "p99", "p50"];

/// Another world, and what to call it.
#[derive(Clone, Debug)]
pub enum Change {
    /// A cause is taken away.
    Without(Without),
    /// Something is done.
    Remedy(Remedy),
}

/// What a change makes of the scenario.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The change.
    pub change: Change,
    /// A row a metric, the scenario as it is being A; or why it cannot be run.
    pub rows: Result<Vec<Row>, String>,
    /// Mean over the replications of each metric under the change, with its interval; none without a value.
    pub means: Vec<Option<Interval>>,
}

impl Effect {
    /// The row of a metric.
    pub fn row(&self, metric: &str) -> Option<&Row> {
        let rows = self.rows.as_ref().ok()?;
        rows.iter().find(|row| row.metric.scope.is_none() && row.metric.quantity.name == metric)
    }

    /// By how much the metric falls, where that is sure; 0 elsewhere.
    pub fn gain(&self, metric: &str) -> f64 {
        let row = self.row(metric).filter(|row| row.verdict == Verdict::Better);
        row.and_then(|row| row.compared.as_ref().ok()).map_or(0.0, |paired| -paired.difference.value)
    }

    /// The metric under the change.
    pub fn mean(&self, metric: &str) -> Option<Interval> {
        let place = METRICS.iter().position(|name| *name == metric)?;
        self.means.get(place).copied().flatten()
    }

    /// The metric as it is.
    pub fn base(&self, metric: &str) -> Option<f64> {
        self.row(metric).and_then(|row| row.compared.as_ref().ok()).map(|paired| paired.a)
    }
}

/// Everything that was found out.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The quantile that the answer is about.
    pub headline: &'static str,
    /// Worlds without a cause, the largest gain first.
    pub without: Vec<Effect>,
    /// What can be done, the largest gain first.
    pub remedies: Vec<Effect>,
    /// Runs of each variant.
    pub replications: usize,
    /// How far each goal of precision is.
    pub goals: Vec<Reached>,
}

/// The metrics that are asked of each run.
pub fn metrics() -> Vec<Metric> {
    METRICS.iter().map(|name| Metric::parse(name).expect("a metric of the catalogue")).collect()
}

/// What is to be looked into, before anything else is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the tail is made of.
    pub tail: Tail,
    /// The worlds to look at.
    pub changes: Vec<Change>,
    /// How long runs of them are.
    pub horizon: Horizon,
    /// Causes of the tail that could be taken away and are not.
    pub left_out: Vec<Cause>,
}

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Take away this many causes at most, those with the largest part of the tail first.
    pub top: usize,
    /// Simulated time of each run \[ns\]; none: as it fits.
    pub horizon: Option<Nanos>,
    /// Runs of each world; none: as it fits.
    pub replications: Option<u64>,
}

impl Plan {
    /// What there is to look into after a run of the scenario that `template` resolves to.
    pub fn of(template: &Template, scenario: &Scenario, run: &RunResult, wanted: &Wanted) -> Plan {
        let bands = run.blame.as_ref().map_or_else(Vec::new, Blame::bands);
        let tail = Tail::of(&bands, run);
        let mut able: Vec<Without> = tail.causes().map(Without::of).filter(Without::can_go).collect();
        let left_out =
            able.split_off(wanted.top.min(able.len())).iter().map(|without| without.cause).collect();
        let remedies = remedies(&Case { template, scenario, run, tail: &tail });
        let changes: Vec<Change> =
            able.into_iter().map(Change::Without).chain(remedies.into_iter().map(Change::Remedy)).collect();
        let variants = changes.len() + 1;
        let horizon = Horizon::of((template, scenario, run), variants, wanted.horizon, wanted.replications);
        Plan { tail, changes, horizon, left_out }
    }

    /// Causes of the tail that stay, and why.
    pub fn staying(&self) -> Vec<(Cause, &'static str)> {
        let stays = self.tail.causes().map(Without::of).filter(|without| !without.can_go());
        stays.map(|without| (without.cause, without.what)).collect()
    }
}

/// Runs the scenario as it is and under each of `changes`, and compares. `planned` is told of runs to come.
///
/// # Errors
/// When the scenario itself gives no result, or was stopped.
pub fn find(
    (template, base): (&Template, &Scenario),
    (changes, horizon): (&[Change], &Horizon),
    stopping: &Stopping,
    runs: &Runs<'_>,
    planned: &dyn Fn(u64),
) -> Result<Findings, SimError> {
    let base = horizon.applied(base.clone());
    let mut effects: Vec<(Change, Result<Scenario, String>)> = Vec::new();
    for change in changes {
        let scenario = scenario_of(change, (template, &base)).map(|own| horizon.applied(own));
        effects.push((change.clone(), scenario.and_then(|own| can_run(&own).map(|()| own))));
    }
    let able: Vec<&Scenario> = effects.iter().filter_map(|(_, scenario)| scenario.as_ref().ok()).collect();
    let all: Vec<&Scenario> = std::iter::once(&base).chain(able).collect();
    // One replication: the outcomes of all variants.
    let run = |range: Range<u64>| -> Result<Vec<Vec<Outcome>>, Failed> {
        planned(all.len() as u64 * (range.end - range.start));
        let by_scenario = runs.of(&all, range.clone())?;
        let of = |index: usize| by_scenario.iter().map(|own| own[index].clone()).collect();
        Ok((0..(range.end - range.start) as usize).map(of).collect())
    };
    let place = |metric: &Metric| {
        let name = metric.to_string();
        runs.metrics.iter().position(|own| own.to_string() == name).expect("goals are metrics")
    };
    let done = stopping.replicate(run, |sets, goal| widest(sets, place(goal)));
    let Replicated { values, goals } = done.map_err(|failed| failed.error)?;
    let mut able = 0;
    let effects: Vec<Effect> = effects
        .into_iter()
        .map(|(change, scenario)| {
            if let Err(reason) = scenario {
                return Effect { change, rows: Err(reason), means: Vec::new() };
            }
            able += 1;
            let pairs = pairs(&values, able);
            let means = (0..runs.metrics.len()).map(|metric| mean(&pairs, metric)).collect();
            Effect { change, rows: Ok(compare(&pairs, runs.metrics)), means }
        })
        .collect();
    Ok(sorted(effects, values.len(), goals))
}

fn scenario_of(change: &Change, (template, base): (&Template, &Scenario)) -> Result<Scenario, String> {
    match change {
        Change::Without(without) => without.applied(base).ok_or_else(|| without.what.to_owned()),
        Change::Remedy(remedy) => {
            let changed = remedy.scenario(template);
            let mut changed = changed.map_err(|problems| match problems.0.first() {
                Some(problem) => problem.read.clone(),
                None => String::new(),
            })?;
            changed.run.seed = base.run.seed;
            Ok(changed)
        }
    }
}

/// Whether a run of it begins at all.
fn can_run(scenario: &Scenario) -> Result<(), String> {
    match simulate(scenario, 0, &[], &mut |_| false) {
        Ok(_) | Err(SimError::Stopped) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The replications of the scenario as it is beside those of variant number `variant`.
fn pairs(sets: &[Vec<Outcome>], variant: usize) -> Vec<Pair> {
    sets.iter().map(|set| (set[0].clone(), set[variant].clone())).collect()
}

/// The interval of B's mean of the metric number `index`.
fn mean(pairs: &[Pair], index: usize) -> Option<Interval> {
    let values: Option<Vec<f64>> = pairs.iter().map(|pair| pair.1.values[index]).collect();
    values.map(|values| Moments::of(&values).interval(LEVEL))
}

/// The least certain difference in a metric.
fn widest(sets: &[Vec<Outcome>], metric: usize) -> Option<Look> {
    let variants = sets.first().map_or(0, Vec::len);
    let looks = (1..variants).map(|variant| difference_look(&pairs(sets, variant), metric));
    let looks: Option<Vec<Look>> = looks.collect();
    looks?.into_iter().max_by(|a, b| a.half_width.total_cmp(&b.half_width))
}

fn sorted(effects: Vec<Effect>, replications: usize, goals: Vec<Reached>) -> Findings {
    let is_cause = |effect: &Effect| matches!(effect.change, Change::Without(_));
    let headline = headline(effects.iter().filter(|effect| is_cause(effect)));
    let (mut without, mut remedies): (Vec<Effect>, Vec<Effect>) = effects.into_iter().partition(is_cause);
    let by_gain = |a: &Effect, b: &Effect| {
        // Where the headline shows nothing, the other quantiles decide.
        let gains = |effect: &Effect| [headline, "max", "p99", "p50"].map(|metric| effect.gain(metric));
        let (a, b) = (gains(a), gains(b));
        a.iter()
            .zip(&b)
            .map(|(a, b)| b.total_cmp(a))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    without.sort_by(by_gain);
    remedies.sort_by(by_gain);
    Findings { headline, without, remedies, replications, goals }
}

/// The lowest quantile that some cause has a good part of.
fn headline<'a>(effects: impl Iterator<Item = &'a Effect> + Clone) -> &'static str {
    let gain = |effect: &Effect, metric: &str| match effect.base(metric) {
        Some(base) if base > 0.0 => effect.gain(metric) / base,
        _ => 0.0,
    };
    let is_shaped = |metric: &str, share: f64| effects.clone().any(|effect| gain(effect, metric) >= share);
    let found = SHAPED.iter().find_map(|&share| HEADLINES.iter().find(|metric| is_shaped(metric, share)));
    let has_value = |metric: &&&str| effects.clone().any(|effect| effect.base(metric).is_some());
    found.or_else(|| FALLBACKS.iter().find(has_value)).copied().unwrap_or("max")
}

#[cfg(test)]
mod tests;
