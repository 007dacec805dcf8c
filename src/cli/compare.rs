//! `writepath compare`: two scenarios in the same random world, and what differs.

use std::ops::Range;
use std::time::Instant;

use clap::Args;

use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::manifest::manifest_of_all;
use super::replay;
use super::replications::{ReplicationFlags, add, add_goals, flag_problem, watched};
use super::result_folder::MANIFEST;
use super::terminal::Terminal;
use crate::experiment::compare::{Pair, compare as rows_of, difference_look};
use crate::experiment::precision::Stopping;
use crate::experiment::replications::Failed;
use crate::experiment::{Assignment, Metric};
use crate::report::comparison::Comparison;
use crate::scenario::Scenario;
use crate::scenario::problem::{Problem, Problems};

const EXAMPLES: &str = "\
Examples:
  writepath compare --to redis.appendfsync=always
      the built-in article as it is (A) and under another fsync policy (B)
  writepath compare my.toml other.toml --replications 30
      two files
  writepath compare my.toml --to redis-conf=new.conf --to model=bare-metal-nvme
      one file under another redis.conf on another machine
  writepath compare my.toml --to rate=20k/s --metric p99 --precision p99=5%
      as many replications as it takes to know the difference of P99 to 5 % of A's P99

Flags of the scenario hold for A and B, what --to says for B alone. Replication r of both has the
same arrivals, keys, sizes and noise, and what differs is seen with fewer replications. Pairs that
differ in their own randomness most of all (fsyncs of one that waits for each) gain nothing by it.";

/// Run two scenarios in the same random world and say what differs
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// The scenario to compare it with (B); the same one when left out
    #[arg(help_heading = None)]
    other: Option<String>,
    /// What is different in B: a setting as for --set, or a flag (rate=20k/s, model=NAME); may be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Comparison")]
    to: Vec<String>,
    /// What to compare, p99 or write:p999; several by commas [default: all metrics]
    #[arg(long, value_name = "METRIC", value_delimiter = ',', help_heading = "Comparison")]
    metric: Vec<String>,
    #[command(flatten)]
    replications: ReplicationFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// A and B, and how they are compared.
pub(super) struct Plan {
    a: Scenario,
    b: Scenario,
    /// Names of both.
    names: [String; 2],
    metrics: Vec<Metric>,
    stopping: Stopping,
}

/// Runs the subcommand.
pub fn compare(args: &CompareArgs, terminal: &Terminal) -> Result<(), Failure> {
    let plan = plan(args, terminal)?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    replay::running(&plan.a);
    let started = Instant::now();
    let jobs = args.replications.jobs;
    let done = watched(jobs, &plan.metrics, &interrupt, terminal, |runs, planned| {
        let run = |range: Range<u64>| {
            planned(2 * (range.end - range.start));
            let mut outcomes = runs.of(&[&plan.a, &plan.b], range)?.into_iter();
            let sides = outcomes.next().into_iter().flatten().zip(outcomes.next().into_iter().flatten());
            Ok::<Vec<Pair>, Failed>(sides.collect())
        };
        plan.stopping.replicate(run, |pairs, goal| difference_look(pairs, plan.index_of(goal)))
    })?;
    let done = done.map_err(|failed| {
        let name = format!("{}: {}", ["A", "B"][failed.scenario], plan.names[failed.scenario]);
        Failure::simulation(&name, failed.error)
    })?;
    let comparison = Comparison {
        a: &plan.names[0],
        b: &plan.names[1],
        seed: plan.a.run.seed,
        duration: plan.a.run.duration,
        pairs: &done.values,
        rows: &rows_of(&done.values, &plan.metrics),
        goals: &done.goals,
    };
    if let Some(folder) = folder {
        let scenarios = [(comparison.a, &plan.a), (comparison.b, &plan.b)];
        let files = [
            ("comparison.csv", comparison.csv()),
            ("replications.csv", comparison.replications()),
            (MANIFEST, manifest_of_all(&scenarios, started.elapsed())),
        ];
        folder.write(&files, &interrupt)?;
    }
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&(comparison.answer() + "\n")),
        Format::Human => terminal.print(&comparison.human()),
        Format::Json => terminal.print_bytes(&comparison.json()),
        Format::Csv => terminal.print_bytes(&comparison.csv()),
    }
}

impl Plan {
    /// The place of `metric` in outcomes; goals are always among the metrics.
    fn index_of(&self, metric: &Metric) -> usize {
        let name = metric.to_string();
        self.metrics.iter().position(|own| own.to_string() == name).expect("goals are metrics")
    }
}

/// Reads both scenarios and the flags, all of their problems at once.
pub(super) fn plan(args: &CompareArgs, terminal: &Terminal) -> Result<Plan, Failure> {
    if args.other.is_none() && args.to.is_empty() {
        return Err(Failure::Usage(
            "there is nothing to compare it with\n  name another scenario, or say what changes: --to redis.appendfsync=always"
                .to_owned(),
        ));
    }
    let of_a = input::template(&args.scenario)?;
    let of_b = match &args.other {
        None => of_a.clone(),
        Some(other) => input::template(&ScenarioFlags { scenario: other.clone(), ..args.scenario.clone() })?,
    };
    let mut problems = Vec::new();
    let changes = all(args.to.iter().map(|text| change(text)), &mut problems);
    let mut metrics = if args.metric.is_empty() { Metric::all() } else { Vec::new() };
    let asked_for = all(args.metric.iter().map(|name| metric(name)), &mut problems);
    asked_for.into_iter().for_each(|metric| add(&mut metrics, metric));
    let mut keep = |error: Problems| problems.extend(error.0);
    let a = of_a.resolve().map_err(&mut keep).ok();
    let b = of_b.with(&changes).map_err(&mut keep).ok();
    let duration = a.as_ref().map_or(1, |a| a.run.duration);
    let stopping = args.replications.stopping(duration).map_err(&mut keep).ok();
    problems.sort();
    problems.dedup();
    let (Some(a), Some(mut b), Some(stopping), true) = (a, b, stopping, problems.is_empty()) else {
        return Err(Failure::Input(Problems(problems)));
    };
    if b.run.seed != a.run.seed {
        terminal.note(&format!("note: B runs under the seed of A, {}", a.run.seed));
        b.run.seed = a.run.seed;
    }
    add_goals(&mut metrics, &stopping);
    let names = [a.name.clone(), name_of_b(&b, &changes)];
    Ok(Plan { a, b, names, metrics, stopping })
}

/// `article, redis.appendfsync=always`.
fn name_of_b(b: &Scenario, changes: &[Assignment]) -> String {
    let changes = changes.iter().map(|change| format!(", {}={}", change.key, change.value));
    std::iter::once(b.name.clone()).chain(changes).collect()
}

fn change(text: &str) -> Result<Assignment, Problem> {
    match text.split_once('=') {
        Some((key, value)) => Ok(Assignment { key: key.trim().to_owned(), value: value.trim().to_owned() }),
        None => Err(flag_problem("--to", &format!("{text:?} has no value\n  write KEY=VALUE"))),
    }
}

fn metric(name: &str) -> Result<Metric, Problem> {
    Metric::parse(name).map_err(|error| flag_problem("--metric", &error))
}

/// What could be read; what could not goes to `problems`.
fn all<T>(items: impl Iterator<Item = Result<T, Problem>>, problems: &mut Vec<Problem>) -> Vec<T> {
    items.filter_map(|item| item.map_err(|problem| problems.push(problem)).ok()).collect()
}
