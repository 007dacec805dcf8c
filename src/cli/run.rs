//! `writepath run`: simulate one scenario, print the answer, write its files.

use std::time::{Duration, Instant};

use clap::Args;

use super::blame_flags::BlameFlags;
use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::machine_prices::PriceFlags;
use super::manifest::manifest;
use super::progress::Meter;
use super::replay;
use super::replications::ReplicationFlags;
use super::report::ReportFlag;
use super::result_folder::MANIFEST;
use super::run_many::run_many;
use super::terminal::Terminal;
use super::trace::{TraceFile, TraceFlags};
use crate::cluster;
use crate::observe::result::RunResult;
use crate::pilot;
use crate::report::json::RunOutput;
use crate::report::{
    About, blame, cluster_tables, csv, hdr, human, info, json, patterns, request_life, uncertainty, words,
};
use crate::scenario::Scenario;
use crate::sim::RunOptions;
use crate::stats::estimate::SECTIONS;
use crate::units::format_count;

/// Simulate one scenario and print the answer
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub(super) scenario: ScenarioFlags,
    #[command(flatten)]
    prices: PriceFlags,
    #[command(flatten)]
    replications: ReplicationFlags,
    #[command(flatten)]
    blame: BlameFlags,
    #[command(flatten)]
    output: OutputFlags,
    #[command(flatten)]
    report: ReportFlag,
    #[command(flatten)]
    trace: TraceFlags,
}

/// Runs the subcommand.
pub fn run(args: &RunArgs, terminal: &Terminal) -> Result<(), Failure> {
    let draws_prices = args.prices.are_drawn()?;
    let template = input::template(&args.scenario)?;
    let mut scenario = template.resolve()?;
    if scenario.sweep.is_some() {
        let note = "[sweep] is left out of a single run; writepath sweep runs its points";
        scenario.notes.push(note.to_owned());
    }
    if args.replications.are_asked_for() {
        if draws_prices {
            let text = "--prices range runs replications of its own\n  leave one of the two out";
            return Err(Failure::Usage(text.to_owned()));
        }
        args.report.refuse()?;
        if args.blame.are_given() || args.trace.is_asked_for() {
            let text = "--blame, --trace-request and --trace are about one run\n  leave out --replications and --precision";
            return Err(Failure::Usage(text.to_owned()));
        }
        return run_many(&scenario, &args.replications, &args.output, terminal);
    }
    args.blame.trace.check(&scenario)?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    let report = args.report.target()?;
    let trace = args.trace.file(&scenario)?;
    let timeline = folder.is_some() || report.is_some() || args.output.format == Format::Human;
    let started = Instant::now();
    let options =
        RunOptions { timeline, sections: SECTIONS, blame: args.blame.blame, ..RunOptions::default() };
    let result = simulate(&mut scenario, &options, trace, &interrupt, terminal)?;
    let traced = args.blame.trace.trace(&scenario, &options, &result, &interrupt, terminal)?;
    let wall_clock = started.elapsed();
    let about = About::of(&scenario);
    let seed = scenario.run.seed;
    let machine = match draws_prices {
        true => Some(args.prices.machine(&template, seed, &interrupt, terminal)?),
        false => None,
    };
    let output = || {
        let machine_uncertainty = machine.as_ref().map(uncertainty::output);
        RunOutput { machine_uncertainty, ..json::run_output(&result, &about) }
    };
    if folder.is_some() || report.is_some() {
        let mut files = files(&result, &about, &output(), &scenario, wall_clock);
        let table = machine.as_ref().map(|machine| uncertainty::csv(machine, &scenario.name, seed));
        files.splice(0..0, table.map(|table| ("uncertainty.csv", table)));
        if let Some(report) = report {
            report.write(&files)?;
        }
        if let Some(folder) = folder {
            folder.write(&files, &interrupt)?;
        }
    }
    notes(&scenario, &result, wall_clock, args.output.format, terminal);
    let life = traced
        .as_ref()
        .map_or_else(String::new, |(life, wanted)| request_life::human(life, *wanted, &result));
    let of_machine = || machine.as_ref().map_or_else(String::new, uncertainty::human);
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&(human::answer(&result, &about) + &of_machine())),
        Format::Human => terminal.print(&(human::render(&result, &about) + &life + &of_machine())),
        Format::Json => {
            let traced_request =
                traced.as_ref().map(|(life, wanted)| request_life::output(life, *wanted, &result));
            terminal.print_bytes(&json_text(&RunOutput { traced_request, ..output() }))
        }
        Format::Csv => {
            // The table has no place for them.
            of_machine().lines().skip(1).for_each(|line| terminal.note(line));
            terminal.print_bytes(&csv::summary(&result))
        }
    }
}

/// Simulates once, as `run` does, with a bar.
pub(super) fn simulate(
    scenario: &mut Scenario,
    options: &RunOptions,
    trace: Option<TraceFile>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<RunResult, Failure> {
    replay::running(scenario);
    let mut meter = Meter::new(terminal);
    let mut progress = |progress| {
        meter.update(progress);
        !interrupt.requested()
    };
    let settled = pilot::settle(scenario, &mut progress);
    let failed = |error| Failure::simulation(&scenario.name, error);
    let result = settled.map_err(failed).and_then(|()| match trace {
        Some(trace) => trace.simulate(scenario, options, &mut progress),
        None => cluster::simulate(scenario, options, &mut progress)
            .map(|result| (result, String::new()))
            .map_err(failed),
    });
    meter.finish();
    let (result, said) = result?;
    if !said.is_empty() {
        terminal.note(&said);
    }
    Ok(result)
}

/// The files of a result folder.
pub(super) fn files(
    result: &RunResult,
    about: &About,
    output: &RunOutput,
    scenario: &Scenario,
    wall_clock: Duration,
) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![
        ("summary.csv", csv::summary(result)),
        ("timeline.csv", csv::timeline(result)),
        ("events.csv", csv::events(result)),
        ("histogram.hgrm", hdr::percentiles(result).into_bytes()),
        ("histogram.hlog", hdr::log(result)),
        ("info.txt", info::text(result, about).into_bytes()),
        ("result.json", json::with_answer(output, &words::answer(result, about))),
    ];
    files.extend(hdr::intervals(result).map(|log| ("intervals.hlog", log)));
    if result.replication.is_some() {
        files.push(("replicas.csv", csv::replicas(result)));
    }
    if !result.patterns.is_empty() {
        files.push(("patterns.csv", patterns::csv(result)));
    }
    if result.blame.is_some() {
        files.push(("blame.csv", blame::csv(result)));
    }
    if let Some(cluster) = &result.cluster {
        files.push(("nodes.csv", cluster_tables::nodes(result, cluster)));
        files.push(("migrations.csv", cluster_tables::migrations(result, cluster)));
        files.push(("cluster_info.txt", cluster_tables::cluster_info(cluster).into_bytes()));
    }
    files.push((MANIFEST, manifest(scenario, wall_clock)));
    files
}

fn json_text(output: &RunOutput) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(output).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// What goes to standard error beside the result.
fn notes(scenario: &Scenario, result: &RunResult, wall_clock: Duration, format: Format, terminal: &Terminal) {
    if format != Format::Human || terminal.verbose {
        scenario.notes.iter().for_each(|note| terminal.note(&format!("note: {note}")));
    }
    if !terminal.verbose {
        return;
    }
    for directive in &scenario.directives_used {
        terminal.note(&format!("used: {directive}"));
    }
    for directive in &scenario.directives_not_modelled {
        terminal.note(&format!("not modelled: {directive}"));
    }
    let speed = result.requests as f64 / wall_clock.as_secs_f64().max(1e-9);
    let requests = format_count(result.requests as f64);
    let seconds = wall_clock.as_secs_f64();
    terminal.note(&format!("simulated {requests} commands in {seconds:.2} s: {}/s", format_count(speed)));
}
