//! The flags and the errors of subcommands that run replications.

use clap::Args;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::Bar;
use super::terminal::Terminal;
use super::watched::Watched;
use crate::experiment::precision::{Goal, Stopping};
use crate::experiment::replications::Runs;
use crate::experiment::{Metric, Pool};
use crate::scenario::problem::{Problem, Problems};
use crate::units::{Nanos, parse_span};

/// Replications when nothing is said of them.
const REPLICATIONS: u64 = 10;
/// Most replications of `--precision` when nothing is said of them.
const BUDGET: u64 = 1000;

/// How many replications, and on how many threads.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Replications")]
pub struct ReplicationFlags {
    /// Runs of each scenario, each with random numbers of its own, at least 2 [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    replications: Option<u64>,
    /// Add replications until 95 % intervals are this narrow, either way: p99=5%, p99=1ms; several by commas
    #[arg(long, value_name = "METRIC=WIDTH", value_delimiter = ',', conflicts_with = "replications")]
    precision: Vec<String>,
    /// Most that --precision may take: replications, or simulated time (100h) [default: 1000]
    #[arg(long, value_name = "N|TIME", requires = "precision")]
    budget: Option<String>,
    #[command(flatten)]
    /// Threads.
    pub jobs: Jobs,
}

/// On how many threads.
#[derive(Clone, Copy, Debug, Args)]
pub struct Jobs {
    /// Runs at a time; it does not change results [default: one a core]
    #[arg(long, value_name = "N", help_heading = "Replications", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

impl ReplicationFlags {
    /// Whether more than a single run is asked for.
    pub fn are_asked_for(&self) -> bool {
        self.replications.is_some() || !self.precision.is_empty()
    }

    /// How many, if that is said.
    pub fn number(&self) -> Option<u64> {
        self.replications
    }

    /// When to stop, for runs of `duration`.
    ///
    /// # Errors
    /// Every goal and budget that is none.
    pub fn stopping(&self, duration: Nanos) -> Result<Stopping, Problems> {
        if self.precision.is_empty() {
            return Ok(Stopping::After(self.replications.unwrap_or(REPLICATIONS)));
        }
        let mut problems = Vec::new();
        let mut keep = |flag: &str, error: String| problems.push(flag_problem(flag, &error));
        let goals = self.precision.iter();
        let goals =
            goals.filter_map(|text| Goal::parse(text).map_err(|error| keep("--precision", error)).ok());
        let goals: Vec<Goal> = goals.collect();
        let budget = self.budget.as_deref().map_or(Ok(BUDGET), |text| budget(text, duration));
        let budget = budget.map_err(|error| keep("--budget", error)).unwrap_or(BUDGET);
        match problems.is_empty() {
            true => Ok(Stopping::When { goals, budget }),
            false => Err(Problems(problems)),
        }
    }
}

/// What `work` makes of runs that ask for `metrics`, on as many threads as there are `jobs`. Ctrl-C ends them; a bar shows
/// how many have ended of those that `work` has planned by its second argument.
///
/// # Errors
/// When there are no threads.
pub fn watched<T>(
    jobs: Jobs,
    metrics: &[Metric],
    interrupt: &Interrupt,
    terminal: &Terminal,
    work: impl FnOnce(&Runs<'_>, &dyn Fn(u64)) -> T,
) -> Result<T, Failure> {
    let pool = Pool::new(jobs.jobs.unwrap_or(0).into());
    let pool = pool.map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let bar = Bar::new(terminal);
    let runs = Runs { metrics, pool: &pool, watch: &Watched { interrupt, bar: &bar } };
    let done = work(&runs, &|planned| bar.plan(planned));
    bar.finish();
    Ok(done)
}

/// Puts the metrics of goals among those that are asked for.
pub fn add_goals(metrics: &mut Vec<Metric>, stopping: &Stopping) {
    let goals = if let Stopping::When { goals, .. } = stopping { &goals[..] } else { &[] };
    goals.iter().for_each(|goal| add(metrics, goal.metric.clone()));
}

/// Puts `metric` among others, once.
pub fn add(metrics: &mut Vec<Metric>, metric: Metric) {
    if !metrics.iter().any(|own| own.to_string() == metric.to_string()) {
        metrics.push(metric);
    }
}

/// A number of replications of `duration` each: as such, or as the simulated time of all of them.
fn budget(text: &str, duration: Nanos) -> Result<u64, String> {
    let replications = match text.parse::<u64>() {
        Ok(number) => number,
        Err(_) => parse_span(text)? / duration,
    };
    match replications {
        0 | 1 => Err(format!("{text:?} is less than two replications\n  raise it, or shorten the run")),
        number => Ok(number),
    }
}

/// A problem of a flag; lines of `error` after the first say what to do.
pub fn flag_problem(flag: &str, error: &str) -> Problem {
    let mut lines = error.lines().map(|line| line.trim().to_owned());
    let read = lines.next().unwrap_or_default();
    Problem { file: flag.to_owned(), line: 0, column: 0, read, remedies: lines.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    fn flags(precision: &[&str], budget: Option<&str>) -> ReplicationFlags {
        ReplicationFlags {
            replications: None,
            precision: precision.iter().map(|text| (*text).to_owned()).collect(),
            budget: budget.map(str::to_owned),
            jobs: Jobs { jobs: None },
        }
    }

    #[test]
    fn a_budget_is_a_number_or_the_time_of_all_runs() {
        let of = |text: &str| match flags(&["p99=5%"], Some(text)).stopping(60 * SECOND) {
            Ok(Stopping::When { budget, .. }) => Ok(budget),
            Ok(other) => panic!("{other:?}"),
            Err(problems) => Err(problems.to_string()),
        };
        assert_eq!((of("200"), of("2h"), of("59s").is_err()), (Ok(200), Ok(120), true));
        assert!(of("many").is_err_and(|error| error.starts_with("--budget: ")));
    }

    #[test]
    fn all_wrong_goals_are_named_at_once() {
        let problems = flags(&["p9=5%", "p99"], Some("1")).stopping(SECOND).expect_err("three mistakes");
        assert_eq!(problems.0.len(), 3, "{problems}");
    }
}
