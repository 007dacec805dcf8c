//! `writepath validate`: the simulator's predictions beside a real server.

use std::cell::Cell;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::manifest::manifest_of_all;
use super::result_folder::MANIFEST;
use super::server_flags::ServerFlags;
use super::terminal::Terminal;
use crate::experiment::{Pool, Template};
use crate::live::LiveError;
use crate::live::control::Control;
use crate::live::drive::spins_by_default;
use crate::live::info::Info;
use crate::live::spawned::{SpawnOptions, Spawned};
use crate::models;
use crate::redis::version::Version;
use crate::report::validation;
use crate::scenario::Scenario;
use crate::scenario::problem::nearest;
use crate::scenario::resolve::Overrides;
use crate::validate::case::{Case, assign, figures};
use crate::validate::live::Real;
use crate::validate::live::server::Server;
use crate::validate::machine;
use crate::validate::outcome::{Head, Row, Tally, Validation};
use crate::validate::session::{Options, Session, Watch};
use crate::validate::set;
use crate::validate::side::Fault;
use crate::validate::simulated::{Generator, Simulator};

const EXAMPLES: &str = "\
Examples:
  writepath validate --spawn redis-server --model mine.toml
      the whole standard set on servers of its own, with prices that calibrate measured here
  writepath validate --spawn valkey-server --model mine.toml --quick --only fork,rewrite
      some of it
  writepath validate my.toml --spawn redis-server --model mine.toml
      a scenario of your own, with the figures that make sense for it
  writepath validate --list
      the cases, and what they ask
  writepath validate --trust-table redis-7.0/ valkey-9.1/
      results of --out DIR as one table, in Markdown

Each figure is measured --repeats times and simulated --seeds times. It passes within its tolerance:
throughput and CPU 10 %, P50 20 %, stalls and durations 25 %, P99 a factor of 1.5, counts 3 standard
errors; with a built-in model, whose prices are those of another machine, twice that. A difference
that is smaller than the machine's own noise is no pass: it is not distinguishable.
Exit code 1 if a figure misses.";

/// Measure a real server, simulate the same, and say what differs
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ValidateArgs {
    /// A scenario of your own instead of the standard set
    #[arg(conflicts_with_all = ["quick", "only"])]
    scenario: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
    /// The machine's prices: a file that calibrate has written, or a built-in model
    #[arg(long, value_name = "NAME|FILE", help_heading = "Comparison")]
    model: Option<String>,
    /// A third of the set that touches every mechanism, in a few minutes
    #[arg(long, help_heading = "Comparison")]
    quick: bool,
    /// Only cases of these mechanisms or names, by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Comparison")]
    only: Vec<String>,
    /// Runs of each case on the server [default: 3, of the quick set 2]
    #[arg(long, value_name = "N", help_heading = "Comparison", value_parser = clap::value_parser!(u64).range(1..=1000))]
    repeats: Option<u64>,
    /// Runs of each case in the simulator [default: 8]
    #[arg(long, value_name = "N", default_value_t = 8, hide_default_value = true, help_heading = "Comparison", value_parser = clap::value_parser!(u64).range(2..=1000))]
    seeds: u64,
    /// List the cases and end
    #[arg(long, help_heading = "Comparison", exclusive = true)]
    list: bool,
    /// Print one table of the results in these folders, each of another server, and end
    #[arg(long, value_name = "DIR", num_args = 1.., help_heading = "Comparison", exclusive = true)]
    trust_table: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputFlags,
}

impl ValidateArgs {
    /// Runs of each case on the server.
    fn repeats(&self) -> u64 {
        self.repeats.unwrap_or(if self.quick { 2 } else { 3 })
    }
}

/// The result in a folder that `--trust-table` reads.
const RESULT: &str = "validation.json";

/// Runs the subcommand.
pub fn validate(args: &ValidateArgs, terminal: &Terminal) -> Result<(), Failure> {
    if !args.trust_table.is_empty() {
        return trust_table(args, terminal);
    }
    let cases = cases(args)?;
    if args.list {
        return list(&cases, terminal);
    }
    let Some(model) = &args.model else {
        let text = "--model is missing\n  measure this machine with writepath calibrate -o mine.toml, then --model \
                    mine.toml; or name a built-in one (writepath list models)";
        return Err(Failure::Usage(text.to_owned()));
    };
    models::load(model)?;
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    let started = Instant::now();
    let (done, scenarios) = run(args, model, &cases, &interrupt, terminal)?;
    if let Some(folder) = folder {
        let scenarios: Vec<(&str, &Scenario)> =
            scenarios.iter().map(|(name, scenario)| (name.as_str(), scenario)).collect();
        let files = [
            ("validation.csv", validation::csv(&done)),
            (RESULT, validation::json(&done)),
            (MANIFEST, manifest_of_all(&scenarios, started.elapsed())),
        ];
        folder.write(&files, &interrupt)?;
    }
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&(validation::answer(&done) + "\n")),
        Format::Human => terminal.print(&validation::human(&done)),
        Format::Json => terminal.print_bytes(&validation::json(&done)),
        Format::Csv => terminal.print_bytes(&validation::csv(&done)),
    }?;
    if done.is_met() { Ok(()) } else { Err(Failure::NotMet) }
}

/// The cases that are asked for.
fn cases(args: &ValidateArgs) -> Result<Vec<Case>, Failure> {
    let overrides = Overrides { model: args.model.clone(), ..Overrides::default() };
    if let Some(scenario) = &args.scenario {
        let flags = ScenarioFlags {
            scenario: scenario.clone(),
            model: args.model.clone(),
            ..ScenarioFlags::default()
        };
        let template: Template = input::template(&flags)?;
        let name = template.resolve()?.name;
        let mechanism = "scenario".to_owned();
        return Ok(vec![Case { name, mechanism, template, settings: Vec::new(), load: None, quick: true }]);
    }
    let mut cases = set::standard(&overrides);
    let is_named = |case: &Case, name: &String| case.mechanism == *name || case.name == *name;
    let unknown = args.only.iter().find(|name| !cases.iter().any(|case| is_named(case, name)));
    if let Some(name) = unknown {
        let mechanisms = set::mechanisms();
        let known = mechanisms.iter().map(String::as_str).chain(cases.iter().map(|case| case.name.as_str()));
        let meant = nearest(name, known).map_or_else(String::new, |near| format!("did you mean {near}?\n  "));
        let all = mechanisms.join(", ");
        return Err(Failure::Usage(format!("--only {name}: no such case\n  {meant}mechanisms are: {all}")));
    }
    cases.retain(|case| args.only.is_empty() || args.only.iter().any(|name| is_named(case, name)));
    // A case that is named is wanted, quick or not.
    cases.retain(|case| !args.quick || case.quick || args.only.contains(&case.name));
    Ok(cases)
}

fn list(cases: &[Case], terminal: &Terminal) -> Result<(), Failure> {
    let mut text = String::new();
    for case in cases {
        let names: Vec<_> = figures(&case.resolve(&[])?).iter().map(|figure| figure.name()).collect();
        let quick = if case.quick { "quick" } else { "" };
        text.push_str(&format!("{:<28}{:<10}{quick:<7}{}\n", case.name, case.mechanism, names.join(" ")));
    }
    terminal.print(&text)
}

fn trust_table(args: &ValidateArgs, terminal: &Terminal) -> Result<(), Failure> {
    let read = |dir: &PathBuf| {
        let path = dir.join(RESULT);
        let shown = path.display();
        let remedy = "name folders that validate --out has written";
        let bytes = std::fs::read(&path)
            .map_err(|error| Failure::Usage(format!("cannot read {shown}: {error}\n  {remedy}")))?;
        serde_json::from_slice::<Validation>(&bytes)
            .map_err(|error| Failure::Usage(format!("{shown}: {error}\n  {remedy}")))
    };
    let validations = args.trust_table.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    terminal.print(&validation::markdown(&validations))
}

/// The server as it is reached, and what it is.
struct Reached {
    server: Server,
    version: Version,
    /// As it names itself.
    name: String,
    /// It shares a machine with the generator.
    local: bool,
}

fn reach(args: &ValidateArgs) -> Result<Reached, LiveError> {
    let named = |info: &Info| Ok::<_, LiveError>((info.version()?, info.server_name()));
    if let Some(program) = args.server.program() {
        // One that is asked for its version and goes again.
        let options = SpawnOptions { program: program.to_owned(), ..SpawnOptions::default() };
        let mut first = Spawned::start(&options)?;
        let (version, name) = named(&first.control().info("server")?)?;
        first.stop();
        return Ok(Reached { server: Server::of_program(program), version, name, local: true });
    }
    let Some(address) = args.server.address()? else {
        return Err(LiveError::cannot(
            "no server is named",
            "--spawn PATH starts one, --server URL takes one",
        ));
    };
    let info = Control::connect(&address)?.info("server")?;
    let (version, name) = named(&info)?;
    let local = address.is_local();
    let pid = if local { own_process(&info) } else { None };
    Ok(Reached { server: Server::there(address, args.server.allowed(), pid), version, name, local })
}

/// The server's process, if it is one of this machine that we may look at.
fn own_process(info: &Info) -> Option<u32> {
    let pid = info.number("process_id")? as u32;
    // In a container the number is another one: then somebody else has it here, or nobody.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    ["redis", "valkey"].iter().any(|own| name.contains(own)).then_some(pid)
}

/// Runs the cases; what came of it, and the scenarios by name.
fn run(
    args: &ValidateArgs,
    model: &str,
    cases: &[Case],
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Validation, Vec<(String, Scenario)>), Failure> {
    let Reached { server, version, name, local } =
        reach(args).map_err(|error| failure(Fault::Live(error)))?;
    let settings = vec![assign("redis-version", &version.to_string())];
    let resolved = cases.iter().map(|case| Ok((case.name.clone(), case.resolve(&settings)?)));
    let resolved = resolved.collect::<Result<Vec<_>, Failure>>()?;
    let goes_on = || !interrupt.requested();
    let pool =
        Pool::new(0).map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let spins = spins_by_default();
    let simulator =
        Simulator { machine: None, generator: Generator { spins, local }, pool: &pool, goes_on: &goes_on };
    let mut real = Real::new(server, version, spins, &goes_on);
    let doubled = models::builtin().any(|(known, _)| known == model);
    let options = Options { repeats: args.repeats(), seeds: args.seeds, doubled };
    let mut session = Session::new(&mut real, &simulator, options);
    session.settings = settings;
    let mut told = Told { terminal, done: Cell::new(0), cases: cases.len() };
    // A signal may break a connection before anybody asks for it.
    let ended = |fault| if interrupt.requested() { Failure::Interrupted } else { failure(fault) };
    let rows = session.run(cases, &mut told).map_err(ended);
    let noise = session.noise.clone();
    // What is to be put back is put back whether the cases came to their end or not.
    let left = real.leave().map_err(|error| failure(Fault::Live(error)));
    let rows = rows?;
    left?;
    let head = Head {
        writepath: env!("CARGO_PKG_VERSION").to_owned(),
        date: machine::today(),
        command: command(args, model),
        server: name,
        machine: machine::describe(),
        model: model_name(model),
        doubled,
        quick: args.quick,
        repeats: args.repeats(),
        seeds: args.seeds,
        noise_share: noise.share(),
        noise_ns_max: noise.longest(),
    };
    Ok((Validation { head, verdicts: Tally::of(&rows), rows }, resolved))
}

/// The command that was given, without folders and passwords.
fn command(args: &ValidateArgs, model: &str) -> String {
    let mut words = vec!["writepath validate".to_owned()];
    words.extend(args.scenario.clone());
    let file = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    words.push(match args.server.program() {
        Some(program) => format!("--spawn {}", file(&PathBuf::from(program))),
        None => "--server URL".to_owned(),
    });
    words.push(format!("--model {}", file(&PathBuf::from(model))));
    words.extend(args.quick.then(|| "--quick".to_owned()));
    words.extend((!args.only.is_empty()).then(|| format!("--only {}", args.only.join(","))));
    words.push(format!("--repeats {} --seeds {}", args.repeats(), args.seeds));
    words.join(" ")
}

fn model_name(model: &str) -> String {
    PathBuf::from(model).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A fault as the command line reports it.
fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Interrupted | Fault::Live(LiveError::Interrupted) => Failure::Interrupted,
        Fault::Live(error) => error.into(),
        Fault::Input(problems) => Failure::Input(problems),
        Fault::Simulation(scenario, error) => Failure::simulation(&scenario, error),
    }
}

/// A session on the terminal.
struct Told<'a> {
    terminal: &'a Terminal,
    done: Cell<usize>,
    cases: usize,
}

impl Watch for Told<'_> {
    fn step(&mut self, what: &str) {
        if self.terminal.verbose {
            self.terminal.note(what);
        }
    }

    fn done(&mut self, rows: &[Row]) {
        self.done.set(self.done.get() + 1);
        let Some(first) = rows.first() else { return };
        let tally = Tally::of(rows);
        let parts = [
            (tally.pass, "pass"),
            (tally.miss, "miss"),
            (tally.not_distinguishable, "not distinguishable"),
            (tally.skipped, "skipped"),
        ];
        let parts = parts.iter().filter(|part| part.0 > 0).map(|(number, what)| format!("{number} {what}"));
        let parts = parts.collect::<Vec<_>>().join(", ");
        if self.terminal.progress || self.terminal.progress_lines {
            self.terminal.note(&format!("{}/{} {}: {parts}", self.done.get(), self.cases, first.workload));
        }
    }

    fn wait(&mut self) {
        thread::sleep(Duration::from_secs(1));
    }
}
