//! `writepath run` of many replications: its metrics over all of them, each with its interval.

use std::time::Instant;

use super::failure::Failure;
use super::flags::{Format, OutputFlags};
use super::interrupt::Interrupt;
use super::manifest::manifest;
use super::replay;
use super::replications::{ReplicationFlags, add_goals, watched};
use super::result_folder::MANIFEST;
use super::terminal::Terminal;
use crate::experiment::Metric;
use crate::experiment::replicated::{estimates, replicate};
use crate::report::replicated::Many;
use crate::scenario::Scenario;

/// Runs `scenario` as often as `flags` say, prints what comes out and writes it into the folder of `output`.
pub fn run_many(
    scenario: &Scenario,
    flags: &ReplicationFlags,
    output: &OutputFlags,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let stopping = flags.stopping(scenario.run.duration)?;
    let mut metrics = Metric::all();
    add_goals(&mut metrics, &stopping);
    let interrupt = Interrupt::watch();
    let folder = output.folder()?;
    replay::running(scenario);
    let started = Instant::now();
    let done = watched(flags.jobs, &metrics, &interrupt, terminal, |runs, planned| {
        replicate(scenario, &metrics, &stopping, runs.pool, runs.watch, planned)
    })?;
    let done = done.map_err(|error| Failure::simulation(&scenario.name, error))?;
    let requests: Vec<u64> = done.values.iter().map(|own| own.values.requests).collect();
    let many = Many {
        scenario: &scenario.name,
        seed: scenario.run.seed,
        duration: scenario.run.duration,
        requests: &requests,
        metrics: &metrics,
        estimates: &estimates(&metrics, &metrics, &done.values),
        goals: &done.goals,
    };
    if let Some(folder) = folder {
        let files = [("estimates.csv", many.csv()), (MANIFEST, manifest(scenario, started.elapsed()))];
        folder.write(&files, &interrupt)?;
    }
    match output.format {
        Format::Human => terminal.print(&many.human()),
        Format::Json => terminal.print_bytes(&many.json()),
        Format::Csv => terminal.print_bytes(&many.csv()),
    }
}
