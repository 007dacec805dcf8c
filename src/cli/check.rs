//! `writepath check`: the diagnostic checklist on what people have of a server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::flags::Format;
use super::interrupt::Interrupt;
use super::server_flags;
use super::terminal::Terminal;
use crate::check::live::{self, Sampling};
use crate::check::report::{self, Inputs, Report};
use crate::check::rules;
use crate::check::simulate::{self, Options};
use crate::experiment::Pool;
use crate::live::LiveError;
use crate::models;
use crate::redis::version::Version;
use crate::report::check as text;
use crate::scenario::files::Files;
use crate::scenario::problem::Problems;
use crate::scenario::redis_conf::{self, Directive};
use crate::units::{parse_count, parse_rate, parse_span};

const EXAMPLES: &str = "\
Examples:
  writepath check --server redis://localhost
      asks INFO, CONFIG GET, SLOWLOG GET, LATENCY LATEST, CLUSTER INFO and NODES, and samples TTLs by SCAN
      and PTTL; nothing else is ever sent
  redis-cli INFO everything | writepath check --info - --redis-conf /etc/redis/redis.conf
  writepath check --info info.txt --config-get config.txt --slowlog slowlog.txt --latency latency.txt
  timeout 10 redis-cli MONITOR > monitor.txt; writepath check --monitor monitor.txt --source limiter.py
  writepath check --list                what is looked for, and in which fields

Files may be as redis-cli writes them to a terminal, to a pipe or with --json, or as they come over the
wire; whole or cut off. Exit code 1 if something serious was found.";

/// Look for what makes writes slow or loses them, in INFO, redis.conf or a live server
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// A redis.conf or valkey.conf, its includes too
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    redis_conf: Option<PathBuf>,
    /// INFO; - for standard input
    #[arg(long, value_name = "FILE", help_heading = "Input", conflicts_with = "server")]
    info: Option<PathBuf>,
    /// CONFIG GET '*'
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    config_get: Option<PathBuf>,
    /// SLOWLOG GET
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    slowlog: Option<PathBuf>,
    /// LATENCY LATEST
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    latency: Option<PathBuf>,
    /// INFO of a replica
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    replica_info: Option<PathBuf>,
    /// CLUSTER INFO
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    cluster_info: Option<PathBuf>,
    /// CLUSTER NODES
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    cluster_nodes: Option<PathBuf>,
    /// A capture of MONITOR
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    monitor: Option<PathBuf>,
    /// Source, or lists of commands, to look through for steps that others can come between
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Input")]
    source: Vec<PathBuf>,
    /// Version of the server, where INFO does not say it
    #[arg(long, value_name = "V", help_heading = "Input")]
    redis_version: Option<String>,
    /// A live server: redis://[[user]:password@]host[:port][/db], rediss:// for TLS, unix:///socket; the password may
    /// stand in REDISCLI_AUTH
    #[arg(long, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// Keys whose TTL is looked at, 0 for none
    #[arg(long, value_name = "N", default_value = "10k", requires = "server", help_heading = "Server")]
    sample_keys: String,
    /// Longest time for that
    #[arg(long, value_name = "TIME", default_value = "5s", requires = "server", help_heading = "Server")]
    sample_time: String,
    /// Certificates to trust, in PEM format, instead of the system's
    #[arg(
        long,
        value_name = "FILE",
        requires = "server",
        conflicts_with = "insecure",
        help_heading = "Server"
    )]
    cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, requires = "server", help_heading = "Server")]
    insecure: bool,
    /// Answer at once, without a simulation of this server
    #[arg(long, help_heading = "Simulation")]
    no_simulate: bool,
    /// Machine prices: a built-in model or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "cloud-vm", help_heading = "Simulation")]
    model: String,
    /// Commands a second [default: INFO's]
    #[arg(long, value_name = "RATE", help_heading = "Simulation")]
    rate: Option<String>,
    /// Seed of all randomness
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulation")]
    seed: u64,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
    /// List the rules and end
    #[arg(long, exclusive = true)]
    list: bool,
}

/// Runs the subcommand.
pub fn check(args: &CheckArgs, terminal: &Terminal) -> Result<(), Failure> {
    if args.list {
        return terminal.print(&text::rules(rules::all()));
    }
    if !args.no_simulate {
        models::load(&args.model)?;
    }
    let interrupt = Interrupt::watch();
    let (inputs, mut unknown) = inputs(args, &interrupt)?;
    let (facts, wrong) = report::facts(inputs);
    unknown.extend(wrong);
    let mut report = report::report(&facts, unknown);
    if !args.no_simulate {
        simulate(args, &facts, &mut report, &interrupt)?;
    }
    match args.format {
        Format::Human if terminal.quiet => terminal.print(&(text::answer(&report) + "\n")),
        Format::Human => terminal.print(&text::human(&report)),
        Format::Json => terminal.print_bytes(&text::json(&report)),
        Format::Csv => terminal.print_bytes(&text::csv(&report)),
    }?;
    if report.is_serious() { Err(Failure::NotMet) } else { Ok(()) }
}

fn simulate(
    args: &CheckArgs,
    facts: &crate::check::facts::Facts,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let pool =
        Pool::new(0).map_err(|error| Failure::Environment("cannot start threads".to_owned(), error))?;
    let options = Options { model: args.model.clone(), seed: args.seed };
    match simulate::price(facts, &mut report.findings, &options, &pool, &|| !interrupt.requested()) {
        Ok(simulation) => report.simulation = simulation,
        Err(Some(why)) => report.unknown.insert(0, why),
        Err(None) => return Err(Failure::Interrupted),
    }
    Ok(())
}

/// Everything that was given, read; and what could not be.
fn inputs(args: &CheckArgs, interrupt: &Interrupt) -> Result<(Inputs, Vec<String>), Failure> {
    let mut unknown = Vec::new();
    let usage = |flag: &str, problem: String| Failure::Usage(format!("{flag}: {problem}"));
    let version = args.redis_version.as_deref().map(str::parse::<Version>).transpose();
    let rate =
        args.rate.as_deref().map(parse_rate).transpose().map_err(|problem| usage("--rate", problem))?;
    if rate == Some(0.0) {
        return Err(usage("--rate", "0/s is no load".to_owned()));
    }
    let mut inputs = Inputs {
        redis_conf: args.redis_conf.as_deref().map(|path| directives(path, &mut unknown)).transpose()?,
        info: bytes(&args.info)?,
        config_get: bytes(&args.config_get)?,
        slowlog: bytes(&args.slowlog)?,
        latency: bytes(&args.latency)?,
        replica_info: bytes(&args.replica_info)?,
        cluster_info: bytes(&args.cluster_info)?,
        cluster_nodes: bytes(&args.cluster_nodes)?,
        monitor: bytes(&args.monitor)?,
        source: Vec::new(),
        told: None,
        version: version.map_err(|problem| usage("--redis-version", problem))?,
        rate,
    };
    for path in &args.source {
        inputs.source.push((path.display().to_string(), read(path)?));
    }
    if let Some(url) = &args.server {
        let keys = parse_count(&args.sample_keys).map_err(|problem| usage("--sample-keys", problem))?;
        let time = parse_span(&args.sample_time).map_err(|problem| usage("--sample-time", problem))?;
        let sampling = Sampling { keys: keys as usize, time: Duration::from_nanos(time) };
        let address = server_flags::address_of(url, args.cacert.as_deref(), args.insecure)?;
        let told = live::ask(&address, sampling, &|| !interrupt.requested());
        inputs.told = Some(told.map_err(|error: LiveError| match interrupt.requested() {
            true => Failure::Interrupted,
            false => error.into(),
        })?);
    }
    if is_nothing(&inputs) {
        let text = "nothing to look at\n  name a server (--server redis://localhost), or what it has said: --info, \
                    --redis-conf, --config-get, --slowlog, --latency, --monitor …";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok((inputs, unknown))
}

fn is_nothing(inputs: &Inputs) -> bool {
    let bytes = [
        &inputs.info,
        &inputs.config_get,
        &inputs.slowlog,
        &inputs.latency,
        &inputs.replica_info,
        &inputs.cluster_info,
        &inputs.cluster_nodes,
        &inputs.monitor,
    ];
    inputs.told.is_none()
        && inputs.redis_conf.is_none()
        && inputs.source.is_empty()
        && bytes.iter().all(|bytes| bytes.is_none())
}

fn bytes(path: &Option<PathBuf>) -> Result<Option<Vec<u8>>, Failure> {
    path.as_deref().map(read).transpose()
}

/// A file, or standard input.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Failure::Environment("cannot read standard input".to_owned(), error))?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// Directives of a redis.conf; where it is broken, of the lines that are not.
fn directives(path: &Path, unknown: &mut Vec<String>) -> Result<Vec<Directive>, Failure> {
    let Problems(problems) = match redis_conf::read(path, &Files::default()) {
        Ok(directives) => return Ok(directives),
        Err(problems) => problems,
    };
    let text = crate::check::input::decode(&read(path)?);
    unknown.extend(problems.iter().map(|problem| problem.to_string().replace("\n  ", ": ")));
    let numbered = text.lines().enumerate();
    let of_line = |(index, line)| Some((index, redis_conf::parse(line, path).ok()?));
    let directives = numbered.filter_map(of_line).flat_map(|(index, directives)| {
        directives.into_iter().map(move |directive| Directive { line: index + 1, ..directive })
    });
    Ok(directives.collect())
}
