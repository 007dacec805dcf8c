//! `writepath sweep`: many variants of one scenario, each finished one safe, into one table.

use std::path::{Path, PathBuf};

use clap::{Args, value_parser};

use super::design_flags::DesignFlags;
use super::failure::Failure;
use super::flags::{Format, ScenarioFlags};
use super::interrupt::Interrupt;
use super::sweep_folder::{self, Totals, join_failure, journal_failure, write_tables};
use super::sweep_progress::PointMeter;
use super::terminal::Terminal;
use super::{input, replay, sweep_trial};
use crate::experiment::design::Kind;
use crate::experiment::sweep::journal::{Found, Journal, PartPaths};
use crate::experiment::sweep::record::{Head, Identity};
use crate::experiment::sweep::{Joined, Shard, Sweep, run, shard};
use crate::experiment::{Metric, Pool};
use crate::report::sweep_text;
use crate::units::format_count;

/// Simulate many variants of one scenario into one table; resumable, shardable
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SweepArgs {
    #[command(flatten)]
    scenario: ScenarioFlags,
    #[command(flatten)]
    design: DesignFlags,
    /// Runs of each point, the same random worlds at all points [default: the scenario's, else 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=100_000), help_heading = "Design")]
    replications: Option<u64>,
    /// What is asked of each run: p99, write:p999, loss …, commas between; may be repeated [default: everything]
    #[arg(long, value_name = "[SCOPE:]NAME", value_delimiter = ',', help_heading = "Design")]
    metric: Vec<String>,
    /// Threads; 0 stands for one a core
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Running")]
    jobs: usize,
    /// Go on with what --out holds, or begin when it holds nothing
    #[arg(long, requires = "out", help_heading = "Running")]
    resume: bool,
    /// Run a share of the points: i/n, or auto in the task of an array engine (auto/n where it does not tell n)
    #[arg(long, value_name = "I/N", requires = "out", help_heading = "Running")]
    shard: Option<String>,
    /// Run nothing; say how many points there are and what they would take
    #[arg(long, help_heading = "Running")]
    dry_run: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
    /// Write tables and histograms into this folder, and keep each finished point there
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write into a folder that holds other files, and begin anew where a sweep was begun
    #[arg(long, requires = "out", conflicts_with = "resume", help_heading = "Output")]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  writepath sweep article --vary redis.appendfsync=no,everysec,always --vary rate=1000/s..30000/s:5:log
  writepath sweep my.toml --vary model=cloud-vm,bare-metal-nvme --replications 5 --out result
  writepath sweep my.toml --vary keys=1M..100M:20:log --out result --resume    after a crash, or Ctrl-C
  writepath sweep my.toml --vary … --out parts --shard 2/4                     on one of four machines
  writepath merge parts --out result                                           when all four are done
  writepath sweep my.toml --vary rate=1000/s..90000/s --vary redis.hz=10..500 --design sobol --points 256

A point that cannot run (its load is too high, its settings do not go together) has a row with its status and
the reason. A killed process loses only points that were not finished; a machine that loses power loses those
finished in the last 0.2 s too. With --resume they are run again, and the files are the same to the byte.

--shard auto finds i and n in SLURM_ARRAY_TASK_ID, _MIN and _COUNT, JOB_COMPLETION_INDEX (from 0; n in
JOB_COMPLETION_COUNT, or auto/n) or AWS_BATCH_JOB_ARRAY_INDEX and _SIZE; --shard auto/n finds i in PBS_ARRAY_INDEX
or HQ_TASK_ID (from 1).";

/// Runs the subcommand.
pub fn sweep(args: &SweepArgs, terminal: &Terminal) -> Result<(), Failure> {
    let template = input::template(&args.scenario)?;
    let design = args.design.spec().build(&template)?;
    let metrics = args.metrics()?;
    let replications = args.replications.or(design.replications()).unwrap_or(1);
    let shard = args.shard()?;
    let sweep = Sweep { template, design, metrics, replications };
    let pool = Pool::new(args.jobs)
        .map_err(|error| Failure::Environment(format!("cannot start {} threads", args.jobs), error))?;
    if args.dry_run && args.format != Format::Human {
        return Err(Failure::Usage("--dry-run is text for people\n  leave out --format".to_owned()));
    }
    if args.dry_run {
        return terminal.print(&sweep_trial::dry_run(&sweep, shard, &pool));
    }
    let head = Head { identity: args.identity(&sweep), shard: (shard.number(), shard.count()) };
    let interrupt = Interrupt::watch();
    let Some(dir) = &args.out else {
        let dir = tempfile::TempDir::new()
            .map_err(|error| Failure::Environment("cannot make a temporary folder".to_owned(), error))?;
        let work = Work { sweep: &sweep, head: &head, shard, dir: dir.path(), kept: false };
        work.run(&pool, &interrupt, terminal)?;
        return work.print(args.format, terminal);
    };
    let prepared = sweep_folder::prepare(dir, shard, args.force)?;
    if args.force {
        sweep_folder::clear(dir, shard)?;
    } else if prepared.begun && !args.resume {
        return Err(Failure::Usage(format!(
            "--out {}: holds a sweep that was begun\n  go on with --resume, name another folder, or begin anew with \
             --force",
            dir.display()
        )));
    }
    let work = Work { sweep: &sweep, head: &head, shard, dir, kept: true };
    work.run(&pool, &interrupt, terminal)?;
    work.print(args.format, terminal)
}

impl SweepArgs {
    fn metrics(&self) -> Result<Vec<Metric>, Failure> {
        let (mut metrics, mut wrong) = (Vec::new(), Vec::new());
        for name in &self.metric {
            match Metric::parse(name) {
                Ok(metric) => metrics.push(metric),
                Err(message) => wrong.push(format!("--metric: {message}")),
            }
        }
        let names: Vec<String> = metrics.iter().map(Metric::to_string).collect();
        let twice = names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name));
        wrong.extend(twice.map(|(_, name)| format!("--metric: {name} is named twice\n  name it once")));
        match wrong.is_empty() {
            true if metrics.is_empty() => Ok(Metric::all()),
            true => Ok(metrics),
            false => Err(Failure::Usage(wrong.join("\nerror: "))),
        }
    }

    fn shard(&self) -> Result<Shard, Failure> {
        let Some(text) = &self.shard else { return Ok(Shard::WHOLE) };
        let found = shard::parse(text, &|name| std::env::var(name).ok());
        found.map_err(|message| Failure::Usage(format!("--shard: {message}")))
    }

    /// What must be the same for points to belong together.
    fn identity(&self, sweep: &Sweep) -> Identity {
        let names: Vec<String> = sweep.metrics.iter().map(Metric::to_string).collect();
        let mut design: Vec<(String, String)> = Vec::new();
        let mut add = |flag: &str, value: String| design.push((flag.to_owned(), value));
        self.design.vary.iter().for_each(|vary| add("--vary", vary.clone()));
        add("--design", sweep.design.kind().name().to_owned());
        if let Some(points) = self.design.points {
            add("--points", points.to_string());
        }
        self.design.exclude.iter().for_each(|rule| add("--exclude", rule.clone()));
        if sweep.design.kind() != Kind::Grid {
            add("--design-seed", sweep.design.seed().to_string());
        }
        add("--replications", sweep.replications.to_string());
        if !self.metric.is_empty() {
            add("--metric", names.join(","));
        }
        let file = sweep.template.file();
        let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Identity {
            writepath: env!("CARGO_PKG_VERSION").to_owned(),
            source: env!("WRITEPATH_SOURCE").to_owned(),
            scenario: stem.unwrap_or_else(|| file.to_owned()),
            file: self.scenario.scenario.clone(),
            text: sweep.template.text().to_owned(),
            flags: self.scenario.given(),
            design,
            axes: sweep.design.columns(),
            numeric: sweep.design.numeric(),
            points: sweep.design.len(),
            replications: sweep.replications,
            metrics: names,
        }
    }
}

/// A shard to run, and where to.
struct Work<'a> {
    sweep: &'a Sweep,
    head: &'a Head,
    shard: Shard,
    dir: &'a Path,
    /// The folder stays when the program ends.
    kept: bool,
}

impl Work<'_> {
    /// Runs what is not there yet, and makes the tables of a whole sweep.
    fn run(&self, pool: &Pool, interrupt: &Interrupt, terminal: &Terminal) -> Result<(), Failure> {
        let files = &self.sweep.template.overrides().files;
        match Journal::open(self.dir, self.head, files).map_err(journal_failure)? {
            Found::Journal(mut journal) => {
                let ran =
                    self.points(&mut journal, pool, interrupt, terminal).and_then(|()| self.tables(false));
                ran.map_err(|failure| self.kept(failure, journal.len(), terminal))?;
                journal.remove().map_err(journal_failure)
            }
            Found::Whole(leftover) => {
                let all = self.shard.points(self.sweep.design.len());
                self.tables(true).map_err(|failure| self.kept(failure, all, terminal))?;
                leftover.map_or(Ok(()), |journal| journal.remove().map_err(journal_failure))
            }
        }
    }

    /// Runs the points that are not in the journal, and puts them all in order.
    fn points(
        &self,
        journal: &mut Journal,
        pool: &Pool,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let (sweep, total) = (self.sweep, self.shard.points(self.sweep.design.len()));
        let done = journal.indices();
        if !done.is_empty() {
            let (there, all) = (format_count(done.len() as f64), format_count(total as f64));
            terminal.note(&format!("going on: {there} of {all} points are there"));
        }
        let mut done = done.into_iter().peekable();
        let left = self.shard.indices(sweep.design.len()).filter(|index| done.next_if_eq(index).is_none());
        let files = &sweep.template.overrides().files;
        let mut meter = PointMeter::new(terminal, sweep, journal.len(), total);
        let ran = run::run(
            sweep,
            left,
            pool,
            &replay::running_point,
            |point| match point {
                Some(point) => {
                    meter.add(&point);
                    journal.add(point, files)
                }
                None => {
                    meter.tick();
                    journal.sync_if_due()
                }
            },
            interrupt.flag(),
        );
        meter.finish();
        ran.and_then(|()| journal.sync()).map_err(journal_failure)?;
        if journal.len() < total {
            return Err(Failure::Interrupted);
        }
        journal.finish().map_err(journal_failure)
    }

    /// Makes the tables of a whole sweep; `if_missing`: unless they are there.
    fn tables(&self, if_missing: bool) -> Result<(), Failure> {
        if self.shard != Shard::WHOLE || (if_missing && sweep_folder::has_tables(self.dir)) {
            return Ok(());
        }
        let whole = PartPaths::new(self.dir, self.head.shard).whole;
        write_tables(self.dir, Joined::open(&[whole]).map_err(join_failure)?, false).map(drop)
    }

    /// Adds to a failure what is kept in spite of it.
    fn kept(&self, failure: Failure, points: u64, terminal: &Terminal) -> Failure {
        if !self.kept {
            return failure;
        }
        let total = self.shard.points(self.sweep.design.len());
        let (there, all) = (format_count(points as f64), format_count(total as f64));
        let kept = format!("{there} of {all} points are kept in {}; go on with --resume", self.dir.display());
        match failure {
            Failure::Interrupted => Failure::InterruptedKeeping(kept),
            other => {
                terminal.note(&kept);
                other
            }
        }
    }

    /// Prints the points.
    fn print(&self, format: Format, terminal: &Terminal) -> Result<(), Failure> {
        let whole = PartPaths::new(self.dir, self.head.shard).whole;
        let points = Joined::of_shard(&whole, self.shard).map_err(join_failure)?;
        print(points, format, self.kept.then_some(self.dir), self.shard, terminal)
    }
}

/// Prints the points of a shard or a whole sweep; `dir` is where their files are, if those stay.
pub fn print(
    mut points: Joined,
    format: Format,
    dir: Option<&Path>,
    shard: Shard,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let identity = points.identity().clone();
    let metrics = sweep_folder::metrics(&identity)?;
    let mut totals = Totals::default();
    let mut next = || {
        let point = points.next_point().map_err(join_failure)?;
        point.iter().for_each(|point| totals.add(point.status));
        Ok(point)
    };
    match format {
        Format::Csv => terminal.stream(|out| sweep_text::csv(&identity, &metrics, &mut next, out)),
        Format::Json => terminal.stream(|out| sweep_text::json(&identity, &metrics, &mut next, out)),
        Format::Human => {
            let table = sweep_text::Table::read(&identity, &metrics, &mut next)?;
            terminal.print(&table.text(&summary(&identity, totals, dir, shard)))
        }
    }
}

/// What was done, in a line or two.
fn summary(identity: &Identity, totals: Totals, dir: Option<&Path>, shard: Shard) -> String {
    let count = |number: u64, one: &str, many: &str| {
        format!("{} {}", format_count(number as f64), if number == 1 { one } else { many })
    };
    let points = totals.ok + totals.overload + totals.invalid;
    let mut text = format!("{}: {}", identity.scenario, count(points, "point", "points"));
    if shard != Shard::WHOLE {
        text.push_str(&format!(" of {} (shard {shard})", format_count(identity.points as f64)));
    }
    if identity.replications > 1 {
        text.push_str(&format!(", {} each", count(identity.replications, "replication", "replications")));
    }
    for (number, why) in [(totals.overload, "overloaded"), (totals.invalid, "invalid")] {
        if number > 0 {
            text.push_str(&format!(", {} {why}", format_count(number as f64)));
        }
    }
    if let Some(dir) = dir {
        text.push_str(&format!("; in {}", dir.display()));
        if shard != Shard::WHOLE {
            text.push_str("\nwhen all shards are done: writepath merge DIR… --out RESULT");
        }
    }
    text.push('\n');
    text
}
