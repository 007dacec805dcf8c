//! `writepath compare`: two scenarios in the same random world, and what differs.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::failure::Failure;
use super::flags::{Format, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::manifest::manifest_of_all;
use super::progress::Bar;
use super::replay;
use super::replications::{ReplicationFlags, Watched, flag_problem};
use super::result_folder::{MANIFEST, ResultFolder};
use super::terminal::Terminal;
use crate::experiment::compare::{Pair, compare as rows_of, difference_look};
use crate::experiment::precision::{Goal, Stopping};
use crate::experiment::replications::{Failed, Runs};
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

Flags of the scenario hold for A and B, what --to says for B alone. Replication r of both has the same arrivals, keys, sizes
and noise, so differences show that independent runs would need many more replications for.";

/// Run two scenarios in the same random world and say what differs
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// The scenario to compare it with (B); the same one when left out
    other: Option<String>,
    /// What B changes, of the scenario it is: a setting as for --set, or a flag's name (rate, model, redis-conf, ...); may be
    /// repeated
    #[arg(long, value_name = "KEY=VALUE")]
    to: Vec<String>,
    /// What to compare, p99 or write:p999; several by commas [default: everything in the list of metrics]
    #[arg(long, value_name = "METRIC", value_delimiter = ',')]
    metric: Vec<String>,
    #[command(flatten)]
    replications: ReplicationFlags,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
    /// Write comparison.csv, replications.csv and manifest.json into this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write into a folder that holds other files
    #[arg(long, requires = "out", help_heading = "Output")]
    force: bool,
}

/// A and B, and how they are compared.
struct Plan {
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
    let pool = args.replications.pool()?;
    let interrupt = Interrupt::watch();
    let folder = args.out.as_ref().map(|dir| ResultFolder::prepare(dir, args.force)).transpose()?;
    replay::running(&plan.a);
    let started = Instant::now();
    let bar = Bar::new(terminal);
    let runs =
        Runs { metrics: &plan.metrics, pool: &pool, watch: &Watched { interrupt: &interrupt, bar: &bar } };
    let run = |range: Range<u64>| {
        bar.plan(2 * (range.end - range.start));
        let mut outcomes = runs.of(&[&plan.a, &plan.b], range)?.into_iter();
        let sides = outcomes.next().into_iter().flatten().zip(outcomes.next().into_iter().flatten());
        Ok::<Vec<Pair>, Failed>(sides.collect())
    };
    let look = |pairs: &[Pair], goal: &Metric| difference_look(pairs, plan.index_of(goal));
    let done = plan.stopping.replicate(run, look);
    bar.finish();
    let done = done.map_err(|failed| {
        Failure::simulation(
            &format!("{}: {}", ["A", "B"][failed.scenario], plan.names[failed.scenario]),
            failed.error,
        )
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
    match args.format {
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
fn plan(args: &CompareArgs, terminal: &Terminal) -> Result<Plan, Failure> {
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
    let mut keep = |error: Problems| problems.extend(error.0);
    let (changes, metrics) = (changes(args), metrics(args));
    let changes = changes.map_err(&mut keep).unwrap_or_default();
    let mut metrics = metrics.map_err(&mut keep).unwrap_or_default();
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
    if let Stopping::When { goals, .. } = &stopping {
        for Goal { metric, .. } in goals {
            if !metrics.iter().any(|own| own.to_string() == metric.to_string()) {
                metrics.push(metric.clone());
            }
        }
    }
    let names = [a.name.clone(), name_of_b(&b, &changes)];
    Ok(Plan { a, b, names, metrics, stopping })
}

/// `article, redis.appendfsync=always`.
fn name_of_b(b: &Scenario, changes: &[Assignment]) -> String {
    let changes = changes.iter().map(|change| format!(", {}={}", change.key, change.value));
    std::iter::once(b.name.clone()).chain(changes).collect()
}

fn changes(args: &CompareArgs) -> Result<Vec<Assignment>, Problems> {
    let read = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok(Assignment { key: key.trim().to_owned(), value: value.trim().to_owned() }),
        None => Err(flag_problem("--to", &format!("{text:?} has no value\n  write KEY=VALUE"))),
    };
    all(args.to.iter().map(read))
}

fn metrics(args: &CompareArgs) -> Result<Vec<Metric>, Problems> {
    match args.metric.is_empty() {
        true => Ok(Metric::all()),
        false => all(args
            .metric
            .iter()
            .map(|name| Metric::parse(name).map_err(|error| flag_problem("--metric", &error)))),
    }
}

/// Every item, or every problem.
fn all<T>(items: impl Iterator<Item = Result<T, Problem>>) -> Result<Vec<T>, Problems> {
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => read.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(Problems(problems)) }
}
