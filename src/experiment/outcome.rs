//! What is kept of a run once it is over: its answers, not its histograms.

use super::metric::Metric;
use crate::pilot;
use crate::scenario::Scenario;
use crate::sim::{Progress, RunOptions, SimError};

/// The answers of one replication.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Number of the replication, from 0.
    pub replication: u64,
    /// Seed under which it ran.
    pub seed: u64,
    /// Requests that arrived in the measured time.
    pub requests: u64,
    /// A value for each metric that was asked for, in their order.
    pub values: Vec<Option<f64>>,
}

/// Simulates replication number `replication` of `scenario`, begun somewhere in its cycles, and asks for `metrics`.
///
/// # Errors
/// As the simulation: an overload, or `progress` returned false.
pub fn simulate(
    scenario: &Scenario,
    replication: u64,
    metrics: &[Metric],
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Outcome, SimError> {
    let run = pilot::simulate(
        scenario,
        &RunOptions { replication, random_phase: true, ..RunOptions::default() },
        progress,
    )?;
    Ok(Outcome {
        replication,
        seed: run.seed,
        requests: run.requests,
        values: metrics.iter().map(|metric| metric.of(&run)).collect(),
    })
}
