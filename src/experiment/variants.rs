//! Variants of one scenario, each run a few times: what draws of prices and sensitivity analyses evaluate.

use super::metric::Metric;
use super::outcome::simulate;
use super::pool::Pool;
use super::replications::Watch;
use super::template::{Assignment, Template};
use crate::sim::SimError;

/// What became of a variant: for each metric the values of the replications (none where the run has no such thing),
/// or why it cannot run.
pub type Answer = Result<Vec<Option<Vec<f64>>>, String>;

/// Variants of one scenario that share metrics, replications, threads and a watcher.
#[derive(Clone, Copy)]
pub struct Variants<'a> {
    /// The scenario.
    pub template: &'a Template,
    /// What is asked of each run.
    pub metrics: &'a [Metric],
    /// Runs of each variant, ≥ 1; replication r of all of them has the same random streams.
    pub replications: u64,
    /// Where they run.
    pub pool: &'a Pool,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

impl Variants<'_> {
    /// Runs a variant for each number below `count`, under the settings that `assignments` gives it, in their order.
    ///
    /// None if the watcher stopped it.
    pub fn run(
        &self,
        count: usize,
        assignments: impl Fn(usize) -> Vec<Assignment> + Sync,
    ) -> Option<Vec<Answer>> {
        let replications = self.replications as usize;
        let runs = self.pool.map(count * replications, |index| {
            let (variant, replication) = (index / replications, (index % replications) as u64);
            let run = self.one(&assignments(variant), replication);
            self.watch.finished();
            run
        });
        let mut answers = Vec::with_capacity(count);
        for variant in runs.chunks(replications) {
            match variant.iter().find_map(|run| run.as_ref().err()) {
                Some(None) => return None,
                Some(Some(reason)) => answers.push(Err(reason.clone())),
                None => answers.push(Ok(self.by_metric(variant))),
            }
        }
        Some(answers)
    }

    /// The metrics of one run; an error without reason if it was stopped.
    fn one(&self, assignments: &[Assignment], replication: u64) -> Result<Vec<Option<f64>>, Option<String>> {
        if !self.watch.goes_on() {
            return Err(None);
        }
        let reason = |problems: crate::scenario::problem::Problems| {
            problems.0.first().map_or_else(String::new, |problem| problem.read.clone())
        };
        let scenario = self.template.with(assignments).map_err(|problems| Some(reason(problems)))?;
        let outcome = simulate(&scenario, replication, self.metrics, &mut |_| self.watch.goes_on());
        match outcome {
            Ok(outcome) => Ok(outcome.values),
            Err(SimError::Stopped) => Err(None),
            Err(error) => Err(Some(error.to_string())),
        }
    }

    fn by_metric(&self, runs: &[Result<Vec<Option<f64>>, Option<String>>]) -> Vec<Option<Vec<f64>>> {
        let of = |metric: usize| {
            runs.iter().map(|run| run.as_ref().ok().and_then(|values| values[metric])).collect()
        };
        (0..self.metrics.len()).map(of).collect()
    }
}
