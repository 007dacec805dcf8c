//! One scenario, many replications: its metrics over all of them.

use std::ops::Range;

use super::metric::Metric;
use super::pool::Pool;
use super::precision::{Replicated, Stopping};
use super::replications::Watch;
use super::sweep::estimate;
use super::sweep::record::Replication as Values;
use crate::observe::sections::Sections;
use crate::pilot;
use crate::scenario::Scenario;
use crate::sim::{RunOptions, SimError};
use crate::stats::interval::Estimate;
use crate::stats::sequential::{FIRST, Look};

/// What is kept of a replication.
#[derive(Clone, Debug)]
pub struct Replication {
    /// Requests, and the metrics of this replication alone.
    pub values: Values,
    /// Its histograms, piece by piece.
    pub sections: Sections,
}

/// Replications of `scenario` until it is time to stop. Each starts at a random phase of the server's cycles, the first as
/// a single run does. `planned` is told how many more are to come.
///
/// # Errors
/// That of the first replication without a result.
pub fn replicate(
    scenario: &Scenario,
    metrics: &[Metric],
    stopping: &Stopping,
    pool: &Pool,
    watch: &dyn Watch,
    planned: impl Fn(u64),
) -> Result<Replicated<Replication>, SimError> {
    let sections = estimate::sections(FIRST);
    let one = |replication: u64| {
        let options = RunOptions { replication, sections, random_phase: true, ..RunOptions::default() };
        let run = pilot::simulate(scenario, &options, &mut |_| watch.goes_on())?;
        watch.finished();
        Ok(Replication { values: estimate::replication(&run, metrics), sections: run.sections })
    };
    let run = |range: Range<u64>| {
        let count = range.end - range.start;
        planned(count);
        pool.map(count as usize, |index| one(range.start + index as u64)).into_iter().collect()
    };
    stopping.replicate(run, |replications, metric| {
        let all = estimates(std::slice::from_ref(metric), metrics, replications);
        all.first().and_then(look)
    })
}

/// Estimates of `wanted`, some of the `metrics` that were asked of each of `replications`.
pub fn estimates(wanted: &[Metric], metrics: &[Metric], replications: &[Replication]) -> Vec<Estimate> {
    let sections: Vec<&Sections> = replications.iter().map(|own| &own.sections).collect();
    let places = wanted.iter().map(|metric| {
        let name = metric.to_string();
        metrics.iter().position(|own| own.to_string() == name).expect("it was asked for")
    });
    let places: Vec<usize> = places.collect();
    let values: Vec<Values> = replications
        .iter()
        .map(|own| Values {
            requests: own.values.requests,
            values: places.iter().map(|&place| own.values.values[place]).collect(),
        })
        .collect();
    estimate::all(wanted, &values, &sections)
}

/// An interval as a stopping rule sees it: the wider half counts.
fn look(estimate: &Estimate) -> Option<Look> {
    let (value, low, high) = (estimate.value?, estimate.low?, estimate.high?);
    Some(Look { value, half_width: (value - low).max(high - value) })
}
