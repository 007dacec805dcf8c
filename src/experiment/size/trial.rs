//! A short run of a value before long ones: whether the server falls far behind, and about where objectives end.
//!
//! Nothing that is answered rests on it, but for loads that are far too much.

use super::length::save_cycle;
use crate::experiment::metric::Source;
use crate::experiment::objective::{Objective, share_score};
use crate::observe::result::RunResult;
use crate::observe::sparse::SparseHistogram;
use crate::observe::tail;
use crate::scenario::Scenario;
use crate::sim::{RunOptions, SimError};
use crate::units::{Nanos, SECOND};

/// Part of a run in which an overload shows.
const OVERLOAD_PART: u64 = 16;
/// A value is an overload if the server answers less than this share of what arrives: the queue would only grow, at a price.
const KEPT_UP: f64 = 0.9;
/// Part of a run that has a fork at its start and the copying after it.
const TASTE_PART: u64 = 8;

/// Makes a run.
pub type Simulate<'a> = &'a dyn Fn(&Scenario, &RunOptions) -> Result<RunResult, SimError>;

/// Whether a short run under this load falls far behind.
///
/// # Errors
/// Only when stopped.
pub fn falls_behind(scenario: &Scenario, simulate: Simulate<'_>) -> Result<bool, SimError> {
    match simulate(
        &shortened(scenario, OVERLOAD_PART),
        &RunOptions { replication: 1, ..RunOptions::default() },
    ) {
        Ok(result) => {
            let kept_up = result.completed as f64 >= KEPT_UP * result.requests as f64;
            Ok(tail::is_overloaded(&result) && !kept_up)
        }
        Err(SimError::Overload { .. }) => Ok(true),
        Err(SimError::Stopped) => Err(SimError::Stopped),
    }
}

/// For each objective how far a short run with a snapshot at its start is beyond the bound, as [`Objective::score`] has it,
/// if what is late in it is all that is late in a cycle of snapshots, or in a window; none for what it cannot tell.
///
/// # Errors
/// As the simulation.
pub fn taste(
    scenario: &Scenario,
    objectives: &[Objective],
    simulate: Simulate<'_>,
) -> Result<Vec<Option<f64>>, SimError> {
    let mut short = shortened(scenario, TASTE_PART);
    let soonest = scenario.redis.save.iter().min_by_key(|point| point.seconds);
    if let Some(point) = soonest.filter(|_| short.start.last_save_age == 0) {
        short.start.last_save_age = point.seconds as Nanos * SECOND;
        short.start.changes_since_save = short.start.changes_since_save.max(point.changes);
    }
    let cycle = save_cycle(scenario);
    let result = simulate(&short, &RunOptions { replication: 1, ..RunOptions::default() })?;
    Ok(objectives.iter().map(|objective| score(objective, &result, cycle)).collect())
}

fn score(objective: &Objective, result: &RunResult, cycle: Nanos) -> Option<f64> {
    match objective.metric.quantity.source {
        Source::Quantile(q) if objective.below => {
            let scope = objective.metric.scope.as_deref().unwrap_or("all");
            let sojourn = &result.scopes.iter().find(|candidate| candidate.name == scope)?.sojourn;
            let period = objective.window.map_or(cycle, |window| window.length).max(result.duration);
            let late = SparseHistogram::from(sojourn).above(objective.bound) / sojourn.count() as f64;
            let late = late * result.duration as f64 / period as f64;
            (sojourn.count() > 0).then(|| share_score(late, 1.0 - q))
        }
        Source::Mean => Some(objective.score(0.0, Some(objective.metric.of(result)?))),
        _ => None,
    }
}

/// The beginning of a run. What it is there for shows at once, so that it has no warm-up.
fn shortened(scenario: &Scenario, part: u64) -> Scenario {
    let mut short = scenario.clone();
    short.run.duration /= part;
    (short.run.warmup, short.run.windows) = (0, Vec::new());
    short
}
