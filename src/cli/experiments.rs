//! `writepath experiments`: the article's claims, tested.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::replications::{Jobs, watched};
use super::terminal::Terminal;
use crate::claims::check::{check as check_entry, coverage};
use crate::claims::finding::{Manifest, markdown};
use crate::claims::judge::faults;
use crate::claims::run::{Failed, run as run_all, scenarios as resolve};
use crate::claims::store::{Book, Entry, FINDING, MANIFEST, RESULT, Store};
use crate::claims::table::Results;
use crate::claims::{file::Experiment, overview};
use crate::experiment::sweep::replace::Replacement;
use crate::scenario::Scenario;
use crate::scenario::problem::nearest;
use crate::sim::SimError;

const EXAMPLES: &str = "\
Examples:
  writepath experiments                       every claim with its verdict and number
  writepath experiments --format markdown     the same as a table with what real servers showed
  writepath experiments show rewrite-end      the question, what was found, how it was settled
  writepath experiments run rewrite-end       run it again and print what follows
  writepath experiments check --quick         repeat a part, and fail if anything differs

Experiments are those of the folder experiments/ where there is one, else those built in.
Exit code 1 if a result differs, an expectation does not hold or a verdict is another.";

/// Say which of the article's claims hold; run and check the experiments behind them
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct ExperimentsArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = TableFormat::Human)]
    format: TableFormat,
    /// The folder of experiments [default: experiments/ if it holds some, else those built in]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Run experiments and print what follows from their results
    Run(RunArgs),
    /// Print an experiment: what was asked, found, and how it was settled
    Show {
        /// Its name
        name: String,
    },
    /// Run experiments again and compare with what is recorded
    Check(CheckArgs),
}

#[derive(Clone, Debug, Args)]
struct RunArgs {
    /// Which; all of them when left out
    names: Vec<String>,
    /// Write result.csv, finding.md and manifest.json into the experiment's folder
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    jobs: Jobs,
}

#[derive(Clone, Debug, Args)]
struct CheckArgs {
    /// Which; all of them when left out
    names: Vec<String>,
    /// Only those that are marked as quick, less than a minute in all
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    jobs: Jobs,
}

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// Text for people.
    Human,
    /// A table for a README, with what real servers showed.
    Markdown,
    /// One JSON object, stable.
    Json,
    /// A table, stable.
    Csv,
}

/// Runs the subcommand.
pub fn experiments(args: &ExperimentsArgs, terminal: &Terminal) -> Result<(), Failure> {
    let store = Store::find(args.dir.as_deref());
    match &args.what {
        None => list(&store, args.format, terminal),
        Some(What::Show { name }) => {
            let book = load(&store, std::slice::from_ref(name))?;
            let entry = &book.entries[0];
            match &entry.results {
                Some(results) => terminal.print(&markdown(&entry.experiment, results)),
                None => Err(Failure::Usage(format!(
                    "{name} has not been run\n  writepath experiments run {name}"
                ))),
            }
        }
        Some(What::Run(own)) => run(&store, own, terminal),
        Some(What::Check(own)) => check(&store, own, terminal),
    }
}

fn list(store: &Store, format: TableFormat, terminal: &Terminal) -> Result<(), Failure> {
    let lines = overview::lines(&load(store, &[])?);
    match format {
        TableFormat::Human if terminal.quiet => terminal.print(&(overview::summary(&lines) + "\n")),
        TableFormat::Human => terminal.print(&overview::human(&lines)),
        TableFormat::Markdown => terminal.print_bytes(overview::markdown(&lines).as_bytes()),
        TableFormat::Json => terminal.print_bytes(&overview::json(&lines)),
        TableFormat::Csv => terminal.print_bytes(&overview::csv(&lines)),
    }
}

/// The experiments `names`, or all.
fn load(store: &Store, names: &[String]) -> Result<Book, Failure> {
    let known = store.names().map_err(|error| match store {
        Store::Folder(folder) => {
            Failure::Usage(format!("{}: {error}\n  name a folder of experiments", folder.display()))
        }
        Store::Builtin => Failure::Environment("cannot list experiments".to_owned(), error),
    })?;
    if known.is_empty() {
        return Err(Failure::Usage(
            "there are no experiments in it\n  name a folder of experiments".to_owned(),
        ));
    }
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        let near = nearest(name, known.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!("\n  did you mean {near}?"));
        return Err(Failure::Usage(format!(
            "no experiment is named {name:?}{near}\n  writepath experiments lists them"
        )));
    }
    Ok(store.load(if names.is_empty() { &known } else { names })?)
}

fn run(store: &Store, args: &RunArgs, terminal: &Terminal) -> Result<(), Failure> {
    let folder = match (store, args.update) {
        (Store::Folder(folder), true) => Some(folder.clone()),
        (Store::Builtin, true) => {
            return Err(Failure::Usage(
                "--update writes into a folder, and there is no experiments/ here\n  name one with --dir"
                    .to_owned(),
            ));
        }
        (_, false) => None,
    };
    let book = load(store, &args.names)?;
    let mut sound = true;
    answered(&book, args.jobs, terminal, |entry, scenarios, results| {
        let experiment = &entry.experiment;
        let found = faults(experiment, results);
        sound &= found.is_empty();
        match &folder {
            Some(folder) => {
                write(folder, experiment, scenarios, results)?;
                terminal.print(&format!("{}: written\n", experiment.name))?;
            }
            None => terminal.print(&markdown(experiment, results))?,
        }
        found.iter().for_each(|fault| terminal.note(&format!("{}: {fault}", experiment.name)));
        Ok(())
    })?;
    if sound { Ok(()) } else { Err(Failure::NotMet) }
}

fn check(store: &Store, args: &CheckArgs, terminal: &Terminal) -> Result<(), Failure> {
    let mut book = load(store, &args.names)?;
    let mut faults = if args.names.is_empty() { coverage(&book) } else { Vec::new() };
    faults.iter().for_each(|fault| terminal.note(fault));
    book.entries.retain(|entry| !args.quick || entry.experiment.quick);
    answered(&book, args.jobs, terminal, |entry, scenarios, results| {
        let found = check_entry(entry, scenarios, results);
        let name = &entry.experiment.name;
        if found.is_empty() && !terminal.quiet {
            terminal.print(&format!("{name}: as recorded\n"))?;
        }
        found.iter().try_for_each(|fault| terminal.print(&format!("{name}: {fault}\n")))?;
        faults.extend(found);
        Ok(())
    })?;
    if faults.is_empty() { Ok(()) } else { Err(Failure::NotMet) }
}

/// Runs every experiment of `book` and hands `take` what came out, one after the other.
fn answered(
    book: &Book,
    jobs: Jobs,
    terminal: &Terminal,
    mut take: impl FnMut(&Entry, &[Scenario], &Results) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let interrupt = Interrupt::watch();
    // All of them are sound before the first runs.
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for entry in &book.entries {
        match resolve(&entry.experiment, &entry.file) {
            Ok(scenarios) => all.push((entry, scenarios)),
            Err(error) => problems.extend(error.0),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Input(crate::scenario::problem::Problems(problems)));
    }
    watched(jobs, &[], &interrupt, terminal, |runs, planned| {
        let total =
            all.iter().map(|(entry, scenarios)| entry.experiment.replications * scenarios.len() as u64);
        planned(total.sum());
        all.iter().try_for_each(|(entry, scenarios)| {
            let results = run_all(&entry.experiment, scenarios, runs.pool, runs.watch);
            let results = results.map_err(|failed| failure(&entry.experiment.name, failed))?;
            take(entry, scenarios, &results)
        })
    })?
}

fn failure(experiment: &str, failed: Failed) -> Failure {
    match failed.error {
        SimError::Stopped => Failure::InterruptedKeeping("experiments named so far are done".to_owned()),
        error => Failure::simulation(&format!("{experiment}, variant {:?}", failed.variant), error),
    }
}

/// Writes what is recorded of an experiment, the manifest last.
fn write(
    folder: &std::path::Path,
    experiment: &Experiment,
    scenarios: &[Scenario],
    results: &Results,
) -> Result<(), Failure> {
    let files = [
        (RESULT, results.csv()),
        (FINDING, markdown(experiment, results).into_bytes()),
        (MANIFEST, Manifest::of(experiment, scenarios, results).json()),
    ];
    for (name, bytes) in files {
        let path = folder.join(&experiment.name).join(name);
        let written = Replacement::create(&path).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.place()
        });
        written.map_err(|error| Failure::Environment(format!("cannot write {}", path.display()), error))?;
    }
    Ok(())
}
