//! `writepath size`: how much of something a scenario can have under its objectives.

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::manifest::manifest;
use super::replay;
use super::result_folder::MANIFEST;
use super::terminal::Terminal;
use crate::experiment::objective::{Objective, contradictions};
use crate::experiment::size::{Effort, Lab, Length, Stop, Unknown, curve, solve};
use crate::experiment::{Pool, Template, amount};
use crate::report::size::{self, SizeReport};
use crate::scenario::Scenario;
use crate::scenario::problem::{Problem, Problems};
use crate::stats::bisect::FIRST_LOOK;
use crate::units::parse_count;

/// What the long help shows.
const EXAMPLES: &str = "\
An objective is METRIC<VALUE, or METRIC<VALUE/WINDOW[@SHARE]: the metric is then taken in every window of that
length, and 95 % of them (or SHARE) must keep it, which is what a dashboard of that resolution shows.
Metrics: writepath list metrics. All --slo hold together; every --for is a set of its own beside them, and a row
of the answer.

What can be solved for: rate, connections, pipeline, keys, memory, value-size, shards, hz, ttl-jitter, fsync, any
price (fork.per-gib) and any setting with numbers (redis.hz). A price that is a distribution is solved for as a
factor on it. The range is scanned first; whether what is met stays met is checked, not assumed.

What rate does a server carry?
  writepath size article --slo 'p99<5ms' --solve rate
How many shards for 400,000 writes a second under a P99 of 2 ms in windows of 10 s?
  writepath size article --rate 400k/s --slo 'p99<2ms/10s' --solve shards
How large may a shard be, if it may not hold back writes for 100 ms, nor lose more than 2 s of them?
  writepath size article --slo 'max<100ms/60s' --slo 'loss<=2s' --solve memory
How fast must fork be for 10 GiB?
  writepath size article --slo 'p99<20ms/10s' --solve fork.per-gib
Which disk does appendfsync always need? The answer is a factor on the model's fdatasync.
  writepath size persistence-always --slo 'p99<2ms' --solve fsync
How many clients may wait for it?
  writepath size closed-loop-50 --slo 'p99<1ms' --solve connections
How far apart must times to live be?
  writepath size expiry-jitter --slo 'p99<5ms/10s' --solve ttl-jitter
One table for several promises:
  writepath size article --solve rate --for 'p99<1ms' --for 'p99<5ms' --for 'p99<5ms,loss<=1s' --format csv

Exit code 1 when a set of objectives is met at no value that was tried.";

/// Find the largest rate (or smallest number of shards, …) that keeps objectives, and what binds there
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct SizeArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// Objective to keep, p99<5ms/60s; may be repeated, all must hold
    #[arg(long, value_name = "OBJECTIVE", help_heading = "Search", required_unless_present = "sets")]
    slo: Vec<String>,
    /// Objectives of one more answer, p99<5ms,loss<=2s; may be repeated
    #[arg(long = "for", id = "sets", value_name = "OBJECTIVES", help_heading = "Search")]
    sets: Vec<String>,
    /// What to solve for: rate, shards, memory, a price, a setting
    #[arg(long, value_name = "KEY", default_value = "rate", help_heading = "Search")]
    solve: String,
    /// Smallest value to try
    #[arg(long, value_name = "VALUE", help_heading = "Search")]
    from: Option<String>,
    /// Largest value to try
    #[arg(long, value_name = "VALUE", help_heading = "Search")]
    to: Option<String>,
    /// Half the length of the answer's interval over its value
    #[arg(long, value_name = "SHARE", default_value = "3%", help_heading = "Search")]
    precision: String,
    /// Most runs of one value
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Search")]
    replications: usize,
    /// Commands to simulate for an answer, about; its interval is then what they show
    #[arg(long, value_name = "N", default_value = "500M", help_heading = "Search")]
    budget: String,
    /// Threads; 0: one a core
    #[arg(short, long, value_name = "N", default_value_t = 0, help_heading = "Search")]
    jobs: usize,
    #[command(flatten)]
    output: OutputFlags,
}

/// What is to be done, sound in every part.
pub(super) struct Plan {
    template: Template,
    scenario: Scenario,
    unknown: Unknown,
    objectives: Vec<Objective>,
    sets: Vec<Vec<usize>>,
    length: Length,
    effort: Effort,
    notes: Vec<String>,
}

/// Runs the subcommand.
pub fn size(args: &SizeArgs, terminal: &Terminal) -> Result<(), Failure> {
    let plan = plan(args)?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    let pool = Pool::new(args.jobs)
        .map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let started = Instant::now();
    replay::running(&plan.scenario);
    let bar = spinner(terminal);
    let begins = |value: f64, runs: usize| {
        let message = format!("{} {}: {runs} runs", plan.unknown.name, plan.unknown.text(value));
        match &bar {
            Some(bar) => bar.set_message(message),
            None if terminal.verbose => terminal.note(&message),
            None => {}
        }
    };
    let go_on = || !interrupt.requested();
    let watched = (&go_on as _, &begins as _);
    let mut lab = Lab::new(&plan.template, &plan.length, (&plan.unknown, &plan.objectives), &pool, watched);
    let answers = solve(&mut lab, &plan.sets, &plan.effort);
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let answers = answers.map_err(stopped)?;
    let report = SizeReport {
        scenario: &plan.scenario,
        unknown: &plan.unknown,
        objectives: &plan.objectives,
        length: &plan.length,
        answers: &answers,
        curve: curve(&lab),
        runs: lab.runs,
        requests: lab.requests,
        notes: plan.notes,
    };
    if let Some(folder) = folder {
        let files = [
            ("size.csv", size::sizes(&report)),
            ("curve.csv", size::curve(&report)),
            (MANIFEST, manifest(&plan.scenario, started.elapsed())),
        ];
        folder.write(&files, &interrupt)?;
    }
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&size::answer(&report))?,
        Format::Human => terminal.print(&size::render(&report))?,
        Format::Json => terminal.print_bytes(&size::output(&report))?,
        Format::Csv => terminal.print_bytes(&size::sizes(&report))?,
    }
    match answers.iter().all(|answer| answer.reach.value().is_some()) {
        true => Ok(()),
        false => Err(Failure::NotMet),
    }
}

fn stopped(stop: Stop) -> Failure {
    match stop {
        Stop::Interrupted => Failure::Interrupted,
        Stop::Invalid(problems) => Failure::Input(problems),
        Stop::Nothing(objective) => Failure::Usage(format!(
            "{objective}: no run has anything that it measures\n  ask for another scope or metric"
        )),
    }
}

/// Reads all flags; every problem at once.
pub(super) fn plan(args: &SizeArgs) -> Result<Plan, Failure> {
    let template = input::template(&args.scenario)?;
    let scenario = template.resolve()?;
    let mut problems = Vec::new();
    let (objectives, sets, notes) = objectives(args, &scenario, &mut problems);
    let length = Length::of(&template, &scenario, &objectives)
        .map_err(|errors| problems.extend(errors.into_iter().map(|error| problem("--slo", error))));
    let range = (args.from.as_deref(), args.to.as_deref());
    let unknown = Unknown::new(&args.solve, range, &template, &scenario)
        .map_err(|mut more| problems.append(&mut more.0));
    let effort = effort(args, &mut problems);
    match (length, unknown) {
        (Ok(length), Ok(unknown)) if problems.is_empty() => {
            let notes = unknown.note.clone().into_iter().chain(notes).collect();
            Ok(Plan { template, scenario, unknown, objectives, sets, length, effort, notes })
        }
        _ => Err(Failure::Input(Problems(problems))),
    }
}

fn problem(flag: &str, error: String) -> Problem {
    let mut lines = error.split("\n  ").map(str::to_owned);
    let read = lines.next().unwrap_or_default();
    Problem { file: flag.to_owned(), line: 0, column: 0, read, remedies: lines.collect() }
}

/// Every distinct objective, the sets of them by number, and what is worth saying about them.
fn objectives(
    args: &SizeArgs,
    scenario: &Scenario,
    problems: &mut Vec<Problem>,
) -> (Vec<Objective>, Vec<Vec<usize>>, Vec<String>) {
    let mut all: Vec<Objective> = Vec::new();
    let mut number =
        |flag: &str, text: &str| match Objective::parse(text).and_then(|one| known_scope(one, scenario)) {
            Ok(objective) => {
                let known = all.iter().position(|other| other.to_string() == objective.to_string());
                Some(known.unwrap_or_else(|| {
                    all.push(objective);
                    all.len() - 1
                }))
            }
            Err(error) => {
                problems.push(problem(flag, error));
                None
            }
        };
    let common: Vec<usize> = args.slo.iter().filter_map(|text| number("--slo", text)).collect();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for set in &args.sets {
        let own = set.split(',').filter_map(|text| number("--for", text));
        let mut set: Vec<usize> = common.iter().copied().chain(own).collect();
        set.sort_unstable();
        set.dedup();
        sets.push(set);
    }
    if args.sets.is_empty() {
        sets.push(common);
    }
    let mut notes = Vec::new();
    for set in &sets {
        let together: Vec<Objective> = set.iter().map(|&objective| all[objective].clone()).collect();
        let (errors, said) = contradictions(&together);
        problems.extend(errors.into_iter().map(|error| problem("--slo", error)));
        notes.extend(said);
    }
    notes.dedup();
    (all, sets, notes)
}

/// Refuses a scope that the scenario has not.
fn known_scope(objective: Objective, scenario: &Scenario) -> Result<Objective, String> {
    let groups = scenario.workloads.iter().map(|group| group.name.as_str());
    let known: Vec<&str> = ["all", "read", "write"].into_iter().chain(groups).collect();
    match &objective.metric.scope {
        Some(scope) if !known.contains(&scope.as_str()) => {
            Err(format!("{objective}: nothing is named {scope:?}\n  expected one of: {}", known.join(", ")))
        }
        _ => Ok(objective),
    }
}

fn effort(args: &SizeArgs, problems: &mut Vec<Problem>) -> Effort {
    let precision = amount::share(&args.precision).and_then(|share| match share > 0.0 && share <= 0.5 {
        true => Ok(share),
        false => Err(format!("{} is out of range\n  write a share above 0 and at most 50%", args.precision)),
    });
    if args.replications < FIRST_LOOK {
        let error = format!("{} runs tell nothing\n  write {FIRST_LOOK} or more", args.replications);
        problems.push(problem("--replications", error));
    }
    let precision = precision.map_err(|error| problems.push(problem("--precision", error)));
    let budget = parse_count(&args.budget).map_err(|error| problems.push(problem("--budget", error)));
    Effort {
        budget: budget.unwrap_or(0),
        precision: precision.unwrap_or(0.5),
        replications: args.replications.max(FIRST_LOOK),
    }
}

/// A line on standard error that says what is being tried, on a terminal.
fn spinner(terminal: &Terminal) -> Option<ProgressBar> {
    terminal.progress.then(|| {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    })
}
