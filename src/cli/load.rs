//! `writepath load`: drive a real server with the workload of a scenario; the files and columns of `run`.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::flags::{Format, OutputFlags, ScenarioFlags};
use super::input;
use super::interrupt::Interrupt;
use super::load_progress::LoadMeter;
use super::manifest::manifest_of_load;
use super::result_folder::MANIFEST;
use super::server_flags::{Server, ServerFlags};
use super::terminal::Terminal;
use crate::live::drive::{Driven, Plan, Target, drive, fill, plan};
use crate::live::guard::{Guard, Needs};
use crate::live::unknown::{Table, in_csv, in_json};
use crate::live::{LiveError, settings};
use crate::report::quantiles::Quantiles;
use crate::report::{About, csv, hdr, json, load as text, patterns};
use crate::scenario::Scenario;

const EXAMPLES: &str = "\
Examples:
  writepath load article --spawn redis-server --duration 60s
  writepath load my.toml --server redis://localhost --rate 5000/s --out real
  writepath run my.toml --rate 5000/s --out simulated     the same columns, to lay beside

Sojourns count from the time at which a request was meant to be sent; a run whose generator was late itself is marked.
An existing server is looked at first and refused, with reasons, before anything is written. Keys are written under a
prefix and removed at the end, also after Ctrl-C.";

/// Drive a real server with the workload of a scenario
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    #[command(flatten)]
    server: ServerFlags,
    /// Spin between requests instead of sleeping: precise, and takes a core [default: where there are two or more]
    #[arg(long, help_heading = "Generator", conflicts_with = "sleep")]
    spin: bool,
    /// Sleep between requests instead of spinning: leaves the core to others, and is late by some 50 us
    #[arg(long, help_heading = "Generator")]
    sleep: bool,
    #[command(flatten)]
    output: OutputFlags,
}

/// What `load` adds to the JSON object of `run`.
#[derive(Debug, Serialize)]
struct LoadOutput {
    /// From the intended time of a request to its bytes leaving, in ns.
    lateness_ns: Quantiles,
    /// The generator was late; null where nothing has an intended time.
    late: Option<bool>,
    /// Main-thread time of the server a command, in ns.
    server_cpu_ns_per_command: Option<f64>,
    /// The generator spun.
    spin: bool,
    /// Share of its time in which a spinning generator sent or read, 0 to 1; null of one that sleeps.
    busy_share: Option<f64>,
}

/// Runs the subcommand.
pub fn load(args: &LoadArgs, terminal: &Terminal) -> Result<(), Failure> {
    let mut scenario = input::template(&args.scenario)?.resolve()?;
    let mut plan = plan::of(&scenario, "").map_err(|problems| refused(&scenario, &problems))?;
    if args.spin || args.sleep {
        plan.spin = args.spin;
    }
    let interrupt = Interrupt::watch();
    let folder = args.output.folder()?;
    let started = Instant::now();
    let needs = Needs {
        memory: if plan.fill { fill::memory(&plan) } else { 0 },
        connections: plan.groups.iter().map(|group| u64::from(group.connections)).sum::<u64>() + 2,
        commands_it: !plan.actions.is_empty(),
    };
    let (driven, place) = match args.server.program() {
        Some(program) => {
            let directives = directives(program, &mut scenario)?;
            let Server::Spawned(spawned) = args.server.open(directives, &needs)? else {
                unreachable!("a program is started")
            };
            let driven = drive_it(&Target::of(&spawned), &plan, &interrupt, terminal)?;
            (driven, program.to_owned())
        }
        None => {
            let Server::Guarded(guard) = args.server.open(Vec::new(), &needs)? else {
                unreachable!("an existing server is guarded")
            };
            on_existing(guard, &mut plan, &mut scenario, &interrupt, terminal)?
        }
    };
    scenario.notes.extend(plan::notes(&scenario, &plan));
    let asked = scenario.redis.version;
    if driven.result.version != asked {
        let has = driven.result.version;
        scenario.notes.push(format!("the scenario is about version {asked}; the server is {has}"));
    }
    let about = About::of(&scenario);
    if let Some(folder) = folder {
        folder.write(&files(&driven, &scenario, started.elapsed()), &interrupt)?;
    }
    scenario.notes.iter().for_each(|note| terminal.note(&format!("note: {note}")));
    match args.output.format {
        Format::Human if terminal.quiet => terminal.print(&text::answer(&driven)),
        Format::Human => terminal.print(&text::render(&driven, &about, &place)),
        Format::Json => terminal.print_bytes(&json_text(&driven, &about)),
        Format::Csv => terminal.print_bytes(&in_csv(&csv::summary(&driven.result), Table::Summary, &driven)),
    }
}

/// Drives a server that is not ours, and leaves it as it was whatever happens.
fn on_existing(
    mut guard: Box<Guard>,
    plan: &mut Plan,
    scenario: &mut Scenario,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(Driven, String), Failure> {
    scenario.notes.append(&mut guard.notes);
    plan.prefix = guard.prefix().to_owned();
    let address = guard.control().address().clone();
    let prepared = agree(&mut guard, scenario);
    let pid = if address.is_local() { pid_of(&mut guard) } else { None };
    let target = Target { address: address.clone(), pid };
    let driven = match prepared {
        Ok(()) => drive_it(&target, plan, interrupt, terminal),
        Err(error) => Err(error.into()),
    };
    let undone = guard.undo();
    if let (Err(_), Err(left)) = (&driven, &undone) {
        terminal.note(&format!("note: {left}"));
    }
    let (driven, undone) = (driven?, undone?);
    if undone.keys > 0 && terminal.verbose {
        terminal.note(&format!("removed {} keys from {address}", undone.keys));
    }
    Ok((driven, address.to_string()))
}

/// Settings that the scenario names and the server has otherwise are changed if that is allowed, else noted.
fn agree(guard: &mut Guard, scenario: &mut Scenario) -> Result<(), LiveError> {
    for (name, wanted) in settings::named(scenario) {
        let has = match guard.control().config_get(&name) {
            Ok(Some(has)) => has,
            // A server that lacks it, or a user who may not ask.
            Ok(None) => continue,
            Err(LiveError::Refused { .. }) => continue,
            Err(error) => return Err(error),
        };
        if settings::is_same(&name, &wanted, &has) {
            continue;
        }
        let kept = match guard.config_set(&name, &wanted) {
            Ok(_) => continue,
            Err(LiveError::Cannot { .. }) => "--allow-config changes it".to_owned(),
            Err(LiveError::Refused { answer, .. }) => answer,
            Err(error) => return Err(error),
        };
        scenario.notes.push(format!("{name} is {has:?} on the server, {wanted:?} in the scenario; {kept}"));
    }
    Ok(())
}

/// The server's process, if it is one of this machine that we may look at.
fn pid_of(guard: &mut Guard) -> Option<u32> {
    let info = guard.control().info("server").ok()?;
    let pid = info.number("process_id")? as u32;
    // In a container the number is another one: then somebody else has it here, or nobody.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    ["redis", "valkey"].iter().any(|own| name.contains(own)).then_some(pid)
}

/// Directives for a server of our own: the scenario's, as far as the program's version has them.
fn directives(program: &str, scenario: &mut Scenario) -> Result<Vec<(String, String)>, Failure> {
    let version = settings::version_of(program)?;
    let given = settings::for_own(scenario, version);
    for (name, _) in settings::named(scenario) {
        if !given.iter().any(|(known, _)| *known == name) {
            scenario.notes.push(format!("{name} is not known to {version}"));
        }
    }
    Ok(given)
}

fn drive_it(
    target: &Target,
    plan: &Plan,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Driven, Failure> {
    let mut meter = LoadMeter::new(terminal);
    let driven = drive(target, plan, &mut |progress| {
        meter.update(progress);
        !interrupt.requested()
    });
    meter.finish();
    Ok(driven?)
}

fn refused(scenario: &Scenario, problems: &[String]) -> Failure {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    Failure::Usage(format!("{} cannot be sent to a real server:\n{}", scenario.name, lines.join("\n")))
}

/// The files of a result folder.
fn files(driven: &Driven, scenario: &Scenario, wall_clock: Duration) -> Vec<(&'static str, Vec<u8>)> {
    let result = &driven.result;
    let mut files = vec![
        ("summary.csv", in_csv(&csv::summary(result), Table::Summary, driven)),
        ("timeline.csv", in_csv(&csv::timeline(result), Table::Timeline, driven)),
        ("events.csv", csv::events(result)),
        ("histogram.hgrm", hdr::percentiles(result).into_bytes()),
        ("histogram.hlog", hdr::log(result)),
        ("info.txt", driven.info.raw().as_bytes().to_vec()),
        (
            "result.json",
            json::with_answer(
                &json_value(driven, &About::of(scenario)),
                &[text::answer(driven).trim_end().to_owned()],
            ),
        ),
    ];
    files.extend(hdr::intervals(result).map(|log| ("intervals.hlog", log)));
    if !result.patterns.is_empty() {
        files.push(("patterns.csv", in_csv(&patterns::csv(result), Table::Patterns, driven)));
    }
    files.push((MANIFEST, manifest_of_load(scenario, wall_clock, driven.info.server_name())));
    files
}

fn json_value(driven: &Driven, about: &About) -> Value {
    let mut output =
        serde_json::to_value(json::run_output(&driven.result, about)).expect("plain values are always JSON");
    in_json(&mut output, driven);
    let load = LoadOutput {
        lateness_ns: Quantiles::of(&driven.lateness),
        late: driven.is_late(),
        server_cpu_ns_per_command: driven.cpu_ns_per_command(),
        spin: driven.spin,
        busy_share: driven.busy_share(),
    };
    output["load"] = serde_json::to_value(load).unwrap_or(Value::Null);
    output
}

fn json_text(driven: &Driven, about: &About) -> Vec<u8> {
    let output = json_value(driven, about);
    let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}
