//! The runs of an experiment.

use super::ask::output;
use super::file::Experiment;
use super::table::{Results, Row};
use crate::experiment::Pool;
use crate::experiment::replications::Watch;
use crate::pilot;
use crate::report::About;
use crate::scenario::Scenario;
use crate::scenario::problem::Problems;
use crate::scenario::resolve::Overrides;
use crate::sim::{RunOptions, SimError};

/// A variant that gave no result.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The variant.
    pub variant: String,
    /// Why.
    pub error: SimError,
}

/// The scenarios of all variants.
///
/// # Errors
/// Every problem of all of them.
pub fn scenarios(experiment: &Experiment, file: &str) -> Result<Vec<Scenario>, Problems> {
    let overrides = Overrides::default();
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for variant in &experiment.variants {
        match variant.resolve(&overrides, file, experiment.seed) {
            Ok(scenario) => found.push(scenario),
            Err(error) => problems.extend(error.0),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Problems(problems)) }
}

/// Runs every replication of every variant. Replication r of all of them is the same random world.
///
/// # Errors
/// The first variant that cannot run, or that `watch` stopped.
pub fn run(
    experiment: &Experiment,
    scenarios: &[Scenario],
    pool: &Pool,
    watch: &dyn Watch,
) -> Result<Results, Failed> {
    let replications = experiment.replications as usize;
    let answers = pool.map(scenarios.len() * replications, |index| {
        let scenario = &scenarios[index / replications];
        let replication = (index % replications) as u64;
        let options = RunOptions { replication, random_phase: true, ..RunOptions::default() };
        let result = pilot::simulate(scenario, &options, &mut |_| watch.goes_on());
        watch.finished();
        let result = result?;
        let output = output(&result, &About::of(scenario));
        Ok(experiment.metrics.iter().map(|(_, ask)| ask.of(&result, &output)).collect::<Vec<_>>())
    });
    let mut rows = Vec::new();
    for ((variant, scenario), answers) in
        experiment.variants.iter().zip(scenarios).zip(answers.chunks(replications))
    {
        for (place, (metric, ask)) in experiment.metrics.iter().enumerate() {
            let values: Result<Vec<Option<f64>>, &SimError> =
                answers.iter().map(|answer| answer.as_ref().map(|values| values[place])).collect();
            let values =
                values.map_err(|error| Failed { variant: variant.name.clone(), error: error.clone() })?;
            rows.push(Row {
                variant: variant.name.clone(),
                scenario: scenario.name.clone(),
                redis_version: scenario.redis.version.to_string(),
                model: scenario.machine.name.clone(),
                seed: scenario.run.seed,
                metric: metric.clone(),
                unit: ask.unit,
                values,
            });
        }
    }
    Ok(Results { rows })
}
