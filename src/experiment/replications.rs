//! Several scenarios, the same replications of each.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::metric::Metric;
use super::outcome::{Outcome, simulate};
use super::pool::Pool;
use crate::scenario::Scenario;
use crate::sim::SimError;

/// Who watches runs from outside. Called from the threads of the pool.
pub trait Watch: Sync {
    /// Whether to go on; asked often.
    fn goes_on(&self) -> bool;
    /// A run has ended.
    fn finished(&self);
}

/// A run that did not give a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Number of its scenario.
    pub scenario: usize,
    /// Why.
    pub error: SimError,
}

impl Failed {
    /// The same, where scenario number i has the number `numbers[i]`.
    pub fn renumbered(self, numbers: &[usize]) -> Self {
        Failed { scenario: numbers[self.scenario], ..self }
    }
}

/// Runs that share metrics, threads and a watcher.
#[derive(Clone, Copy)]
pub struct Runs<'a> {
    /// What is asked of each run.
    pub metrics: &'a [Metric],
    /// Where they run.
    pub pool: &'a Pool,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

impl Runs<'_> {
    /// The replications `range` of every scenario: outcomes by scenario, then by replication.
    ///
    /// Replication r of all of them has the same random streams.
    ///
    /// # Errors
    /// The first scenario that cannot run. A failure ends the other runs.
    pub fn of(&self, scenarios: &[&Scenario], range: Range<u64>) -> Result<Vec<Vec<Outcome>>, Failed> {
        if range.start == 0 {
            self.check(scenarios)?;
        }
        let replications = (range.end - range.start) as usize;
        let failed = AtomicBool::new(false);
        let goes_on = || self.watch.goes_on() && !failed.load(Ordering::Relaxed);
        // Replication by replication, so that those that are compared end at about the same time.
        let outcomes = self.pool.map(replications * scenarios.len(), |index| {
            let (scenario, replication) = (index % scenarios.len(), (index / scenarios.len()) as u64);
            let outcome =
                simulate(scenarios[scenario], range.start + replication, self.metrics, &mut |_| goes_on());
            failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            self.watch.finished();
            outcome.map_err(|error| Failed { scenario, error })
        });
        // Those that were stopped for another's failure are not the reason.
        let mut failures = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let first = failures.clone().find(|failed| failed.error != SimError::Stopped);
        if let Some(failed) = first.or(failures.next()) {
            return Err(failed.clone());
        }
        let mut by_scenario = vec![Vec::with_capacity(replications); scenarios.len()];
        for (index, outcome) in outcomes.into_iter().flatten().enumerate() {
            by_scenario[index % scenarios.len()].push(outcome);
        }
        Ok(by_scenario)
    }

    /// Begins every scenario and leaves it there, so that nobody waits for runs of one when another cannot run at all.
    fn check(&self, scenarios: &[&Scenario]) -> Result<(), Failed> {
        scenarios.iter().enumerate().try_for_each(|(scenario, own)| {
            match simulate(own, 0, &[], &mut |_| false) {
                Err(error) if error != SimError::Stopped => Err(Failed { scenario, error }),
                _ => Ok(()),
            }
        })
    }
}
