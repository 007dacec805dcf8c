//! `writepath select`: the best of several scenarios, at the price of as few runs as that takes.

use std::ops::Range;

use clap::Args;

use super::design_flags::DesignFlags;
use super::failure::Failure;
use super::flags::{Format, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::replay;
use super::replications::{Jobs, flag_problem, watched};
use super::terminal::Terminal;
use crate::experiment::Metric;
use crate::experiment::amount::width;
use crate::experiment::metric::Better;
use crate::experiment::select::{Race, SelectError};
use crate::report::race::RaceReport;
use crate::scenario::Scenario;
use crate::scenario::problem::Problems;
use crate::stats::sequential::FIRST;

/// Most scenarios of a selection.
const CANDIDATES_MAX: u64 = 1000;

const EXAMPLES: &str = "\
Examples:
  writepath select persistence-none persistence-everysec persistence-always --best p99
  writepath select a.toml b.toml c.toml --best throughput --delta 1% --duration 10m
  writepath select my.toml --vary redis.hz=10,50,100 --vary redis.appendfsync=no,everysec --best p999
  writepath select a.toml b.toml --best loss --delta 100ms

Flags of the scenario hold for all of them. A replication is the same random world for all. A
scenario is dropped as soon as another is ahead of it by enough (Kim and Nelson 2001). What is left
is the best with a probability of 95 %, or worse than the best by less than --delta.";

/// Find the best of several scenarios with 95 % probability
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SelectArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    /// The others; or leave them out and say by --vary what differs
    #[arg(help_heading = None)]
    others: Vec<String>,
    #[command(flatten)]
    design: DesignFlags,
    /// What to be best in: p99, write:p999, throughput
    #[arg(long, value_name = "METRIC", help_heading = "Selection")]
    best: String,
    /// The smallest difference that matters: a share, or a value of the metric (1ms)
    #[arg(long, value_name = "WIDTH", default_value = "5%", help_heading = "Selection")]
    delta: String,
    /// Most replications of a scenario
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Selection")]
    #[arg(value_parser = clap::value_parser!(u64).range(FIRST..))]
    budget: u64,
    #[command(flatten)]
    jobs: Jobs,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
}

/// Runs the subcommand.
pub fn select(args: &SelectArgs, terminal: &Terminal) -> Result<(), Failure> {
    let (names, scenarios, race) = plan(args, terminal)?;
    let interrupt = Interrupt::watch();
    replay::running(&scenarios[0]);
    let metrics = [race.metric.clone()];
    let raced = watched(args.jobs, &metrics, &interrupt, terminal, |runs, plan| {
        race.run(scenarios.len(), |who, range: Range<u64>| {
            plan(who.len() as u64 * (range.end - range.start));
            let own: Vec<&Scenario> = who.iter().map(|&index| &scenarios[index]).collect();
            let outcomes = runs.of(&own, range);
            outcomes.map_err(|failed| failed.renumbered(who))
        })
    })?;
    let raced = raced.map_err(|error| failure(&names[error.scenario()], &race.metric, error))?;
    let report = RaceReport { names: &names, seed: scenarios[0].run.seed, race: &race, raced: &raced };
    match args.format {
        Format::Human if terminal.quiet => terminal.print(&(report.answer() + "\n")),
        Format::Human => terminal.print(&report.human()),
        Format::Json => terminal.print_bytes(&report.json()),
        Format::Csv => terminal.print_bytes(&report.csv()),
    }
}

fn failure(name: &str, metric: &Metric, error: SelectError) -> Failure {
    match error {
        SelectError::Failed(failed) => Failure::simulation(name, failed.error),
        SelectError::NoValue { .. } => {
            Failure::Usage(format!("{name}: {metric}: {error}\n  lengthen the run, or choose another metric"))
        }
        SelectError::NotPositive { .. } => {
            Failure::Usage(format!("{name}: {metric}: {error}\n  write --delta as a value of the metric"))
        }
    }
}

/// Names and scenarios, and the race; all problems at once.
fn plan(args: &SelectArgs, terminal: &Terminal) -> Result<(Vec<String>, Vec<Scenario>, Race), Failure> {
    let (mut problems, mut names, mut scenarios) = (Vec::new(), Vec::new(), Vec::new());
    for (name, resolved) in candidates(args)? {
        names.push(name);
        match resolved {
            Ok(scenario) => scenarios.push(scenario),
            Err(more) => problems.extend(more.0),
        }
    }
    let race = match metric(&args.best).map_err(|error| ("--best", error)) {
        Ok(metric) => width(&args.delta, metric.quantity.unit)
            .map(|delta| Race { metric, delta, budget: args.budget })
            .map_err(|error| ("--delta", error)),
        Err(error) => Err(error),
    };
    let race = race.map_err(|(flag, error)| problems.push(flag_problem(flag, &error))).ok();
    problems.sort();
    problems.dedup();
    let (Some(race), true) = (race, problems.is_empty()) else {
        return Err(Failure::Input(Problems(problems)));
    };
    let seed = scenarios[0].run.seed;
    if scenarios.iter().any(|scenario| scenario.run.seed != seed) {
        terminal.note(&format!("note: all run under the seed of {}, {seed}", names[0]));
        scenarios.iter_mut().for_each(|scenario| scenario.run.seed = seed);
    }
    Ok((names, scenarios, race))
}

/// A scenario's name, and the scenario or what is wrong with it.
type Candidate = (String, Result<Scenario, Problems>);

/// The scenarios by name, or the points of a design of one; at least two.
fn candidates(args: &SelectArgs) -> Result<Vec<Candidate>, Failure> {
    if args.design.vary.is_empty() {
        let names = std::iter::once(&args.scenario.scenario).chain(&args.others);
        let one = |name: &String| {
            let flags = ScenarioFlags { scenario: name.clone(), ..args.scenario.clone() };
            Ok((name.clone(), input::template(&flags)?.resolve()))
        };
        return at_least_two(names.map(one).collect::<Result<_, Failure>>()?);
    }
    if !args.others.is_empty() {
        let text = "--vary says what differs in one scenario\n  name one, or leave --vary out";
        return Err(Failure::Usage(text.to_owned()));
    }
    let template = input::template(&args.scenario)?;
    let design = args.design.spec().build(&template)?;
    if design.len() > CANDIDATES_MAX {
        let text = format!(
            "--vary makes {} points, too many for a selection of at most {CANDIDATES_MAX}",
            design.len()
        );
        return Err(Failure::Usage(text + "\n  leave some out, or run writepath sweep first"));
    }
    let point = |index| {
        let point = design.point(index);
        let settings: Vec<String> = point.iter().map(|own| format!("{}={}", own.key, own.value)).collect();
        (settings.join(" "), template.with(&point))
    };
    at_least_two((0..design.len()).map(point).collect())
}

fn at_least_two<T>(candidates: Vec<T>) -> Result<Vec<T>, Failure> {
    match candidates.len() {
        0 | 1 => {
            let text = "there is nothing to choose from\n  name at least two scenarios, or vary a setting of one by --vary";
            Err(Failure::Usage(text.to_owned()))
        }
        _ => Ok(candidates),
    }
}

fn metric(text: &str) -> Result<Metric, String> {
    let metric = Metric::parse(text)?;
    match metric.quantity.better {
        Better::Neither => {
            Err(format!("{metric} only describes\n  choose a metric of which less or more is better"))
        }
        Better::Lower | Better::Higher => Ok(metric),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_of_which_nothing_is_better_is_refused() {
        assert!(metric("forks").is_err_and(|error| error.contains("only describes")));
        assert!(metric("p99").is_ok() && metric("p98").is_err());
    }
}
