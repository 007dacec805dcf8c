//! `writepath why`: what the tail is made of, and what it would be without each of its causes.

use std::time::{Duration, Instant};

use clap::Args;

use super::blame_flags::TraceFlag;
use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::replications::{ReplicationFlags, add_goals, flag_problem, watched};
use super::run::{files, simulate};
use super::terminal::Terminal;
use crate::experiment::Template;
use crate::experiment::precision::Stopping;
use crate::experiment::why::{Findings, Plan, Wanted, find, metrics};
use crate::report::About;
use crate::report::why::WhyReport;
use crate::scenario::Scenario;
use crate::scenario::problem::{Problem, Problems};
use crate::sim::RunOptions;
use crate::stats::estimate::SECTIONS;
use crate::units::{Nanos, parse_span};

const EXAMPLES: &str = "\
Examples:
  writepath why
      the tail of the built-in article, cause by cause, and what could be done
  writepath why my.toml --redis-conf /etc/redis/redis.conf --info info.txt
      of a server that runs, as it is configured
  writepath why slow-disk --top 3 --format json
      only the three largest causes, for a program
  writepath why my.toml --horizon 2h --replications 30 --out result
      longer runs and more of them, with everything that run --out writes

One run of the whole duration says where the time went. Then the same random world is run without each
cause, and with each single change that applies, often enough for an interval; those runs are shorter.
What a change does in full: writepath compare SCENARIO --to KEY=VALUE, with the settings of --format json.";

/// Say where the tail comes from, what it would be without each cause, and what could be done
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WhyArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// Take away this many causes at most, those with the largest part of the tail first
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Causes")]
    top: usize,
    /// Simulated time of each run without a cause [default: some cycles, about half a minute for all]
    #[arg(long, value_name = "TIME", help_heading = "Causes")]
    horizon: Option<String>,
    #[command(flatten)]
    replications: ReplicationFlags,
    #[command(flatten)]
    trace: TraceFlag,
    #[command(flatten)]
    output: OutputFlags,
}

/// Runs the subcommand.
pub fn why(args: &WhyArgs, terminal: &Terminal) -> Result<(), Failure> {
    let template = input::template(&args.scenario)?;
    let (mut scenario, asked) = read(args, &template)?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    let started = Instant::now();
    let timeline = folder.is_some();
    let options = RunOptions { timeline, sections: SECTIONS, blame: true, ..RunOptions::default() };
    let run = simulate(&mut scenario, &options, None, &interrupt, terminal)?;
    let traced = args.trace.trace(&scenario, &options, &run, &interrupt, terminal)?;
    let wanted = Wanted { top: args.top, horizon: asked, replications: args.replications.number() };
    let plan = Plan::of(&template, &scenario, &run, &wanted);
    let findings = look(args, &plan, (&template, &scenario), &interrupt, terminal)?;
    let about = About::of(&scenario);
    let report = WhyReport {
        run: &run,
        about: &about,
        plan: &plan,
        findings: &findings,
        traced: traced.as_ref().map(|(life, wanted)| (life, *wanted)),
    };
    if let Some(folder) = folder {
        folder.write(&all_files(&report, &scenario, started.elapsed()), &interrupt)?;
    }
    if args.output.format != Format::Human || terminal.verbose {
        scenario.notes.iter().for_each(|note| terminal.note(&format!("note: {note}")));
    }
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&(report.sentence() + "\n")),
        Format::Human => terminal.print(&report.human()),
        Format::Json => terminal.print_bytes(&report.json()),
        Format::Csv => terminal.print_bytes(&report.csv()),
    }
}

/// Reads the scenario and the flags, all of their problems at once.
fn read(args: &WhyArgs, template: &Template) -> Result<(Scenario, Option<Nanos>), Failure> {
    let mut problems = Vec::new();
    let scenario = template.resolve().map_err(|error| problems.extend(error.0)).ok();
    let asked = args.horizon.as_deref().map(|text| horizon(text, scenario.as_ref())).transpose();
    let asked = asked.map_err(|problem| problems.push(problem)).ok();
    match (scenario, asked, problems.is_empty()) {
        (Some(scenario), Some(asked), true) => Ok((scenario, asked)),
        _ => Err(Failure::Input(Problems(problems))),
    }
}

/// A length that has something after the warm-up.
fn horizon(text: &str, scenario: Option<&Scenario>) -> Result<Nanos, Problem> {
    let length = parse_span(text).map_err(|error| flag_problem("--horizon", &error))?;
    let warmup = scenario.map_or(0, |scenario| scenario.run.warmup);
    match length > warmup {
        true => Ok(length),
        false => Err(flag_problem(
            "--horizon",
            &format!("{text:?} ends before the warm-up does\n  write a longer one, or shorten --warmup"),
        )),
    }
}

/// Runs the other worlds.
fn look(
    args: &WhyArgs,
    plan: &Plan,
    (template, scenario): (&Template, &Scenario),
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Findings, Failure> {
    let stopping = match args.replications.are_asked_for() {
        true => args.replications.stopping(plan.horizon.duration)?,
        false => Stopping::After(plan.horizon.replications),
    };
    let mut metrics = metrics();
    add_goals(&mut metrics, &stopping);
    let findings = watched(args.replications.jobs, &metrics, interrupt, terminal, |runs, planned| {
        find((template, scenario), (&plan.changes, &plan.horizon), &stopping, runs, planned)
    })?;
    findings.map_err(|error| Failure::simulation(&scenario.name, error))
}

/// What `run` writes, and the findings; the manifest stays last.
fn all_files(report: &WhyReport, scenario: &Scenario, wall_clock: Duration) -> Vec<(&'static str, Vec<u8>)> {
    let output = crate::report::json::run_output(report.run, report.about);
    let mut files = files(report.run, report.about, &output, scenario, wall_clock);
    let manifest = files.len() - 1;
    files.insert(manifest, ("why.json", report.json()));
    files
}
