//! `run --trace FILE`: the file, whole or absent, and what is said of it.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::failure::Failure;
use crate::experiment::sweep::replace::Replacement;
use crate::observe::result::RunResult;
use crate::report::trace::TraceWriter;
use crate::scenario::Scenario;
use crate::sim::{Progress, RunOptions, SimError};
use crate::trace::event::Value;
use crate::trace::output::Output;
use crate::trace::{self, Plan, TraceOptions};
use crate::units::{Nanos, format_bytes, format_span, parse_bytes, parse_span};

/// A trace of a run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Trace")]
pub struct TraceFlags {
    /// Write a trace for ui.perfetto.dev; compressed if the name ends in .gz
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Trace from this time of the run on
    #[arg(long, value_name = "TIME", requires = "trace", value_parser = parse_span)]
    trace_from: Option<Nanos>,
    /// Trace until this time of the run
    #[arg(long, value_name = "TIME", requires = "trace", value_parser = parse_span)]
    trace_until: Option<Nanos>,
    /// Merge turns of the event loop shorter than this; 0: none [default: 100us, more where the file would be too long]
    #[arg(long, value_name = "TIME", requires = "trace", value_parser = parse_span)]
    trace_resolution: Option<Nanos>,
    /// Most bytes of the trace before compression [default: 28MiB; 500MiB beside --trace-resolution]
    #[arg(long, value_name = "SIZE", requires = "trace", value_parser = parse_bytes)]
    trace_limit: Option<u64>,
    /// Slowest requests that are shown, by window of a 200th of the trace [default: 5]
    #[arg(long, value_name = "N", requires = "trace")]
    trace_slowest: Option<usize>,
}

/// Where a trace will go, checked before the run.
pub struct TraceFile {
    path: PathBuf,
    out: TraceOut,
    options: TraceOptions,
}

impl TraceFlags {
    /// Whether there is to be a trace.
    pub fn is_asked_for(&self) -> bool {
        self.trace.is_some()
    }

    /// The file of the trace that the flags ask for, of a run of `scenario`; none without.
    ///
    /// # Errors
    /// When it cannot be written, or nothing would be in it.
    pub fn file(&self, scenario: &Scenario) -> Result<Option<TraceFile>, Failure> {
        let Some(path) = &self.trace else { return Ok(None) };
        let duration = scenario.run.duration;
        let from = self.trace_from.unwrap_or(0);
        let mut problems = Vec::new();
        if from >= duration {
            problems.push(format!(
                "--trace-from {}: the run is over by then\n  it lasts {}; name an earlier time, or a longer --duration",
                format_span(from),
                format_span(duration)
            ));
        }
        if let Some(until) = self.trace_until.filter(|until| *until <= from) {
            problems.push(format!(
                "--trace-until {}: nothing is left of a trace from {} on\n  name a later time",
                format_span(until),
                format_span(from)
            ));
        }
        if path.is_dir() {
            problems.push(format!("--trace {}: is a folder\n  name a file, trace.json.gz", path.display()));
        }
        if !problems.is_empty() {
            return Err(Failure::Usage(problems.join("\nerror: ")));
        }
        let out = TraceOut::open(path).map_err(|error| cannot(path, error))?;
        let options = TraceOptions {
            from: self.trace_from,
            until: self.trace_until,
            resolution: self.trace_resolution,
            limit: self.trace_limit,
            slowest: self.trace_slowest,
        };
        Ok(Some(TraceFile { path: path.clone(), out, options }))
    }
}

fn cannot(path: &Path, error: io::Error) -> Failure {
    Failure::Environment(format!("cannot write {}", path.display()), error)
}

impl TraceFile {
    /// Simulates `scenario` and writes its trace; says on standard error what is in it.
    ///
    /// # Errors
    /// As a simulation has; when the file cannot be written, or would be longer than it may be.
    pub fn simulate(
        self,
        scenario: &Scenario,
        options: &RunOptions,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(RunResult, String), Failure> {
        let TraceFile { path, out, options: asked } = self;
        let plan = Plan::new(&asked, scenario);
        let writer = TraceWriter::new(out, &about(scenario));
        let output = Rc::new(RefCell::new(Output::new(writer, plan)));
        let mut watched = |so_far: Progress| {
            let output = output.borrow();
            !output.is_over() && output.sink.fault().is_none() && progress(so_far)
        };
        let result = trace::simulate(scenario, options, &output, &mut watched);
        let Ok(output) = Rc::try_unwrap(output) else { unreachable!("the run and its probes are over") };
        let output = output.into_inner();
        if output.is_over() {
            return Err(too_long(&path, &output));
        }
        let result = match result {
            Err(SimError::Stopped) if output.sink.fault().is_some() => None,
            Err(error) => return Err(Failure::simulation(&scenario.name, error)),
            Ok(result) => Some(result),
        };
        let Output { sink, plan, coarsest, .. } = output;
        let placed = sink.finish().and_then(|(out, bytes)| Ok((out.place()?, bytes)));
        let (length, bytes) = placed.map_err(|error| cannot(&path, error))?;
        let result = result.expect("without a fault the run went on to its end");
        Ok((result, said(&path, &plan, (coarsest, length, bytes))))
    }
}

/// What is said of the scenario in the file.
fn about(scenario: &Scenario) -> Vec<(&'static str, Value<'_>)> {
    vec![
        ("writepath", Value::Text(env!("CARGO_PKG_VERSION"))),
        ("scenario", Value::Text(&scenario.name)),
        ("model", Value::Text(&scenario.machine.name)),
        ("seed", Value::Int(scenario.run.seed)),
        ("warmup_ns", Value::Int(scenario.run.warmup)),
    ]
}

fn too_long(path: &Path, output: &Output<TraceWriter<TraceOut>>) -> Failure {
    let plan = &output.plan;
    Failure::Usage(format!(
        "--trace {}: is longer than {} at {} of the run; no trace was written\n  \
         trace less time (--trace-from, --trace-until), choose a coarser --trace-resolution or leave it out,\n  \
         or allow more by --trace-limit",
        path.display(),
        format_bytes(plan.limit),
        format_span(output.over_at.unwrap_or(plan.horizon))
    ))
}

/// `trace.json.gz: 1.2 MiB (17 MiB before compression), 0 ns to 6 h; turns shorter than 100 us are merged`.
fn said(path: &Path, plan: &Plan, (coarsest, length, bytes): (Nanos, Option<u64>, u64)) -> String {
    let size = match length {
        Some(length) if length < bytes => {
            format!("{} ({} before compression)", format_bytes(length), format_bytes(bytes))
        }
        _ => format_bytes(bytes),
    };
    let merged = match (plan.finest, coarsest) {
        (0, 0) => "every turn by itself".to_owned(),
        (finest, coarsest) if coarsest > finest => format!(
            "turns shorter than {} are merged, up to {} where most is going on, {} {}",
            format_span(finest),
            format_span(coarsest),
            if bytes > plan.limit { "and still it is longer than" } else { "to stay below" },
            format_bytes(plan.limit)
        ),
        (finest, _) => format!("turns shorter than {} are merged", format_span(finest)),
    };
    let (from, until) = (format_span(plan.from), format_span(plan.until.min(plan.horizon)));
    format!("trace: {}, {size}, {from} to {until}; {merged}", path.display())
}

/// The file itself.
enum TraceOut {
    Plain(Place),
    Compressed(Box<GzEncoder<Place>>),
}

/// A file that is whole or absent, or something that is no file (a pipe, /dev/stdout), which is written as it comes.
enum Place {
    Whole(Replacement),
    AsItComes(BufWriter<File>),
}

impl TraceOut {
    fn open(path: &Path) -> io::Result<Self> {
        let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let place = match is_other {
            true => Place::AsItComes(BufWriter::new(OpenOptions::new().write(true).open(path)?)),
            false => Place::Whole(Replacement::create(path)?),
        };
        let is_gz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        Ok(match is_gz {
            true => TraceOut::Compressed(Box::new(GzEncoder::new(place, Compression::default()))),
            false => TraceOut::Plain(place),
        })
    }

    /// Gives the file its name; returns its length, if it is one.
    fn place(self) -> io::Result<Option<u64>> {
        let place = match self {
            TraceOut::Plain(place) => place,
            TraceOut::Compressed(encoder) => encoder.finish()?,
        };
        match place {
            Place::Whole(replacement) => {
                let path = replacement.path().to_owned();
                replacement.place()?;
                Ok(Some(fs::metadata(path)?.len()))
            }
            Place::AsItComes(mut out) => out.flush().map(|()| None),
        }
    }
}

impl Write for TraceOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            TraceOut::Plain(place) => place.write(bytes),
            TraceOut::Compressed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            TraceOut::Plain(place) => place.flush(),
            TraceOut::Compressed(encoder) => encoder.flush(),
        }
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Place::Whole(file) => file.write(bytes),
            Place::AsItComes(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Place::Whole(file) => file.flush(),
            Place::AsItComes(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::scenario::resolve::{Overrides, resolve};

    fn scenario() -> Scenario {
        let text = "[dataset]\nkeys = \"1k\"\n[[workload]]\nloop = \"open\"\nrate = \"500/s\"\n\
                    [run]\nduration = \"2s\"\nwarmup = \"0s\"\n";
        resolve(text, "test.toml", Path::new("."), &Overrides::default()).expect("a sound scenario")
    }

    fn flags(path: &Path) -> TraceFlags {
        TraceFlags {
            trace: Some(path.to_owned()),
            trace_from: None,
            trace_until: None,
            trace_resolution: None,
            trace_limit: None,
            trace_slowest: None,
        }
    }

    fn run(flags: &TraceFlags) -> Result<String, Failure> {
        let scenario = scenario();
        let file = flags.file(&scenario)?.expect("a trace is asked for");
        file.simulate(&scenario, &RunOptions::default(), &mut |_| true).map(|done| done.1)
    }

    #[test]
    fn a_trace_is_compressed_by_its_name() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let (plain, packed) = (dir.path().join("trace.json"), dir.path().join("trace.json.gz"));
        let said = run(&flags(&plain)).expect("it can be written");
        assert!(said.contains("0 ns to 2.00 s; turns shorter than 100 us are merged"), "{said}");
        run(&flags(&packed)).expect("it can be written");
        let mut unpacked = Vec::new();
        let bytes = fs::read(&packed).expect("a file");
        GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).expect("gzip");
        assert!(bytes.len() < unpacked.len() / 3);
        assert_eq!(unpacked, fs::read(&plain).expect("a file"));
        serde_json::from_slice::<serde_json::Value>(&unpacked).expect("JSON");
    }

    #[test]
    fn a_trace_that_is_not_whole_is_absent() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = dir.path().join("trace.json.gz");
        fs::write(&path, "older").expect("it can be written");
        let short = TraceFlags { trace_resolution: Some(0), trace_limit: Some(10_000), ..flags(&path) };
        let refused = run(&short).expect_err("it is too long");
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("--trace-limit"), "{refused}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "older");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_a_fault_of_the_environment() {
        let full = run(&flags(Path::new("/dev/full"))).expect_err("it is full");
        assert_eq!(full.exit_code(), 3);
        assert!(full.to_string().starts_with("error: cannot write /dev/full: "), "{full}");
    }

    #[test]
    fn times_that_leave_nothing_are_refused_all_at_once() {
        let path = Path::new("/nowhere/trace.json");
        let flags = TraceFlags { trace_from: Some(9_000_000_000), trace_until: Some(1), ..flags(path) };
        let refused = run(&flags).expect_err("nothing is left").to_string();
        assert!(
            refused.contains("--trace-from 9.00 s") && refused.contains("--trace-until 1 ns"),
            "{refused}"
        );
        let nowhere =
            TraceFlags { trace: Some(path.to_owned()), trace_from: None, trace_until: None, ..flags };
        assert_eq!(run(&nowhere).expect_err("no folder").exit_code(), 3);
    }
}
