//! `writepath sensitivity`: which settings and prices a metric depends on.

use std::time::Instant;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::manifest::manifest;
use super::progress::Bar;
use super::replay;
use super::result_folder::MANIFEST;
use super::terminal::Terminal;
use super::watched::Watched;
use crate::experiment::design::{DesignSpec, Space};
use crate::experiment::prices::Prices;
use crate::experiment::sensitivity::sobol::{DIMENSIONS_MAX, ROWS_MAX};
use crate::experiment::sensitivity::{Dimensions, Method, analyse};
use crate::experiment::variants::Variants;
use crate::experiment::{Metric, Pool, Template};
use crate::report::sensitivity::Report;
use crate::scenario::Scenario;
use crate::scenario::problem::{Problem, Problems};

const EXAMPLES: &str = "\
Examples:
  writepath sensitivity article --duration 10m --prices all
      which prices of the machine P99 hangs on: Morris screening of all that are not known exactly
  writepath sensitivity my.toml --vary workload.rate=1000/s..20000/s --vary redis.appendfsync=no,everysec,always
      settings: ranges are continuous, the values of a list equally likely
  writepath sensitivity my.toml --prices fork.per-gib,disk.fdatasync --vary redis.hz=10..100 \\
      --method sobol --samples 512 --metric p99,p999
      shares of the variance; N (k + 2) points for k dimensions and N samples

Morris takes N (k + 1) points: screen with it, then share the variance out among the few that matter. Every point runs the
same replications (common random numbers). A trajectory or row with a point that cannot run is left out, and counted.";

/// Say which settings and prices a metric depends on
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SensitivityArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// A setting and its values: a list, or a range LOW..HIGH, LOW..HIGH:log; A~B=… moves with B
    #[arg(long, value_name = "KEY=VALUES", help_heading = "Analysis")]
    vary: Vec<String>,
    /// Prices of the machine, by commas, over the ranges of the model; or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Analysis")]
    prices: Vec<String>,
    /// How dimensions are told apart
    #[arg(long, value_enum, default_value_t = MethodName::Morris, help_heading = "Analysis")]
    method: MethodName,
    /// Trajectories of Morris [default: 10], rows of Sobol, best a power of two [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=ROWS_MAX), help_heading = "Analysis")]
    samples: Option<u64>,
    /// What is asked of each run, p99 or write:p999; several by commas
    #[arg(
        long,
        value_name = "METRIC",
        value_delimiter = ',',
        default_value = "p99",
        help_heading = "Analysis"
    )]
    metric: Vec<String>,
    /// Runs of each point, whose mean counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000),
          help_heading = "Analysis")]
    replications: u64,
    /// Seed of the points
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Analysis")]
    design_seed: u64,
    /// Runs at a time; 0 stands for one a core. It does not change results
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = "Analysis")]
    jobs: usize,
    #[command(flatten)]
    output: OutputFlags,
}

/// How dimensions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// Elementary effects: few runs, says what matters at all.
    Morris,
    /// Shares of the variance: many runs, says how much of it.
    Sobol,
}

/// What is analysed.
struct Plan {
    template: Template,
    scenario: Scenario,
    metrics: Vec<Metric>,
    dimensions: Dimensions,
    method: Method,
    samples: usize,
}

/// Runs the subcommand.
pub fn sensitivity(args: &SensitivityArgs, terminal: &Terminal) -> Result<(), Failure> {
    let plan = plan(args)?;
    if plan.scenario.sweep.as_ref().is_some_and(|sweep| !sweep.exclude.is_empty()) {
        terminal.note("note: the rules of [sweep] are left out: effects are those over the whole ranges");
    }
    let pool = Pool::new(args.jobs)
        .map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    replay::running(&plan.scenario);
    let started = Instant::now();
    let bar = Bar::new(terminal);
    let dimensions = plan.dimensions.list().len() as u64;
    let extra = if plan.method == Method::Morris { 1 } else { 2 };
    bar.plan(plan.samples as u64 * (dimensions + extra) * args.replications);
    let variants = Variants {
        template: &plan.template,
        metrics: &plan.metrics,
        replications: args.replications,
        pool: &pool,
        watch: &Watched { interrupt: &interrupt, bar: &bar },
    };
    let analysis = analyse(&variants, &plan.dimensions, plan.method, plan.samples, args.design_seed);
    bar.finish();
    let analysis = analysis.ok_or(Failure::Interrupted)?;
    let report = Report { scenario: &plan.scenario.name, seed: plan.scenario.run.seed, analysis: &analysis };
    if let Some(folder) = folder {
        let files = [
            ("sensitivity.csv", report.csv()),
            ("sensitivity.json", report.json()),
            ("points.csv", report.points()),
            (MANIFEST, manifest(&plan.scenario, started.elapsed())),
        ];
        folder.write(&files, &interrupt)?;
    }
    match args.output.format {
        Format::Human => terminal.print(&report.human()),
        Format::Json => terminal.print_bytes(&report.json()),
        Format::Csv => terminal.print_bytes(&report.csv()),
    }
}

/// Reads the flags, all of their problems at once.
fn plan(args: &SensitivityArgs) -> Result<Plan, Failure> {
    let template = input::template(&args.scenario)?;
    let scenario = template.resolve()?;
    let mut problems = Vec::new();
    let metrics: Vec<Metric> = args.metric.iter().filter_map(|name| metric(name, &mut problems)).collect();
    let space = space(args, &template, &scenario).unwrap_or_else(|found| {
        problems.extend(found.0);
        None
    });
    let prices = prices(args, &template, space.as_ref()).unwrap_or_else(|found| {
        problems.extend(found.0);
        None
    });
    let method = match args.method {
        MethodName::Morris => Method::Morris,
        MethodName::Sobol => Method::Sobol,
    };
    let dimensions = Dimensions::new(space, prices);
    let count = dimensions.list().len();
    if problems.is_empty() && count == 0 {
        let remedy = "write --vary KEY=LOW..HIGH, or --prices all";
        problems.push(problem("--vary", "nothing is varied".to_owned(), remedy.to_owned()));
    }
    if method == Method::Sobol && count > DIMENSIONS_MAX {
        let remedy = format!("expected at most {DIMENSIONS_MAX}; screen with --method morris first");
        problems.push(problem("--method", format!("{count} dimensions of sobol"), remedy));
    }
    if !problems.is_empty() {
        problems.sort();
        return Err(Problems(problems).into());
    }
    let samples = args.samples.map_or(method.default_samples(), |samples| samples as usize);
    Ok(Plan { template, scenario, metrics, dimensions, method, samples })
}

fn metric(name: &str, problems: &mut Vec<Problem>) -> Option<Metric> {
    let keep = |error: String| {
        let mut lines = error.lines().map(|line| line.trim().to_owned());
        let read = lines.next().unwrap_or_default();
        let file = "--metric".to_owned();
        problems.push(Problem { file, line: 0, column: 0, read, remedies: lines.collect() });
    };
    Metric::parse(name).map_err(keep).ok()
}

/// The settings that vary: those of the flags and of the scenario's `[sweep]`.
fn space(
    args: &SensitivityArgs,
    template: &Template,
    scenario: &Scenario,
) -> Result<Option<Space>, Problems> {
    let of_file = scenario.sweep.as_ref().is_some_and(|sweep| !sweep.vary.is_empty());
    if args.vary.is_empty() && !of_file {
        return Ok(None);
    }
    let spec = DesignSpec { vary: args.vary.clone(), ..DesignSpec::default() };
    spec.space(template).map(Some)
}

/// The prices that vary, but for those that are varied as settings.
fn prices(
    args: &SensitivityArgs,
    template: &Template,
    space: Option<&Space>,
) -> Result<Option<Prices>, Problems> {
    if args.prices.is_empty() {
        return Ok(None);
    }
    let keys = space.map_or(&[][..], Space::keys);
    if keys.iter().any(|key| key == "model" || key == "machine.model") {
        let remedy = "take the model out of --vary, or --prices away";
        let read = "the ranges are those of one model".to_owned();
        return Err(Problems(vec![problem("--prices", read, remedy.to_owned())]));
    }
    Prices::of(template)?.without(keys).choose(&args.prices).map(Some)
}

fn problem(flag: &str, read: String, remedy: String) -> Problem {
    Problem { file: flag.to_owned(), line: 0, column: 0, read, remedies: vec![remedy] }
}
