//! `writepath plot`: a picture of a result folder, in the terminal and as SVG.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::result_folder::MANIFEST;
use super::terminal::Terminal;
use crate::experiment::Metric;
use crate::report::plot::layout::{Layout, Request};
use crate::report::plot::points::Points;
use crate::report::plot::source::Source;
use crate::report::plot::table::ReadError;
use crate::report::plot::text::Spacing;
use crate::report::plot::timeline::Timeline;
use crate::report::plot::{heat, svg, text, timeline};

/// Draw a sweep along an axis or as a map of two, or a run over its time
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlotArgs {
    /// What sweep --out or run --out wrote
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What is drawn: p99, write:p999, throughput …
    #[arg(long, value_name = "[SCOPE:]NAME", value_parser = Metric::parse)]
    metric: Option<Metric>,
    /// Draw along this axis of the sweep [default: the numbers with the most levels]
    #[arg(long, value_name = "AXIS", help_heading = "Sweeps")]
    x: Option<String>,
    /// A line for each level of these axes [default: of each that varies by itself]
    #[arg(long, value_name = "AXIS,…", value_delimiter = ',', conflicts_with = "y", help_heading = "Sweeps")]
    by: Vec<String>,
    /// Draw a map of two axes, this one upwards
    #[arg(long, value_name = "AXIS", help_heading = "Sweeps")]
    y: Option<String>,
    /// Only points at this level of an axis; may be repeated
    #[arg(long, value_name = "AXIS=LEVEL", help_heading = "Sweeps")]
    at: Vec<String>,
    /// A logarithmic scale of the metric [default: when its values differ by a factor of 10]
    #[arg(long, conflicts_with = "linear", help_heading = "Output")]
    log: bool,
    /// A scale of the metric from 0
    #[arg(long, help_heading = "Output")]
    linear: bool,
    /// Write the figure into this file as well
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  writepath plot result                  P99 along the numbers with the most levels
  writepath plot result --x rate --by appendfsync --out p99.svg
  writepath plot result --x rate --y per-gib --at appendfsync=everysec --metric p999
  writepath plot run                     P99 over time, windows, and what stalled it

An axis is named as in the sweep, or by its end: rate stands for workload.rate. Points that could
not run are shown with their reason.";

/// The table that a sweep has, and that a run has.
const POINTS: &str = "points.csv";
const TIMELINE: &str = "timeline.csv";

/// Runs the subcommand.
pub fn plot(args: &PlotArgs, terminal: &Terminal) -> Result<(), Failure> {
    let out = args.out.as_deref().map(checked).transpose()?;
    let (text, svg) = match kind(&args.dir)? {
        Kind::Sweep => sweep(args, out.is_some())?,
        Kind::Run => run(args, out.is_some())?,
    };
    if let (Some(out), Some(svg)) = (out, svg) {
        write(out, svg.as_bytes())?;
    }
    terminal.print(&text)
}

/// The text, and the figure if it is wanted.
type Drawn = (String, Option<String>);

fn sweep(args: &PlotArgs, figure: bool) -> Result<Drawn, Failure> {
    let table = open(&args.dir, POINTS)?;
    let points =
        Points::read(table, args.metric.as_ref()).map_err(|error| unreadable(&args.dir, POINTS, error))?;
    let source = source(&args.dir)?.completed(&points);
    let request = Request { x: args.x.clone(), y: args.y.clone(), by: args.by.clone(), at: args.at.clone() };
    let layout = Layout::choose(&points, &request)?;
    let spacing = args.spacing();
    let text = match layout.y {
        None => text::render(&points, &layout, &source, spacing),
        Some(y) => heat::render(&points, &layout, y, &source, spacing),
    };
    let svg = figure.then(|| match layout.y {
        None => svg::lines::svg(&points, &layout, &source, spacing),
        Some(y) => svg::heat::svg(&points, &layout, y, &source, spacing),
    });
    Ok((text, svg.transpose().map_err(Failure::Usage)?))
}

fn run(args: &PlotArgs, figure: bool) -> Result<Drawn, Failure> {
    if args.x.is_some() || args.y.is_some() || !args.by.is_empty() || !args.at.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds a run, which has no axes\n  leave out --x, --y, --by and --at, or name the folder of a sweep",
            args.dir.display()
        )));
    }
    let usual = || Metric::parse("p99").expect("P99 is in the catalogue");
    let metric = args.metric.clone().unwrap_or_else(usual);
    let fault = |file| move |error| unreadable(&args.dir, file, error);
    let mut read = Timeline::read(open(&args.dir, TIMELINE)?, &metric).map_err(fault(TIMELINE))?;
    read.add_stalls(open(&args.dir, "events.csv")?).map_err(fault("events.csv"))?;
    read.add_summary(open(&args.dir, "summary.csv")?).map_err(fault("summary.csv"))?;
    let source = source(&args.dir)?;
    let svg = figure.then(|| svg::timeline::svg(&read, &source, args.spacing()));
    Ok((timeline::render(&read, &source), svg.transpose().map_err(Failure::Usage)?))
}

impl PlotArgs {
    fn spacing(&self) -> Spacing {
        match (self.log, self.linear) {
            (true, _) => Spacing::Logarithmic,
            (_, true) => Spacing::Linear,
            _ => Spacing::Auto,
        }
    }
}

/// What a folder holds.
enum Kind {
    Sweep,
    Run,
}

fn kind(dir: &Path) -> Result<Kind, Failure> {
    let shown = dir.display();
    let holds = |name: &str| dir.join(name).is_file();
    if holds(POINTS) {
        return Ok(Kind::Sweep);
    }
    if holds(TIMELINE) {
        return Ok(Kind::Run);
    }
    let entries = fs::read_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            Failure::Usage(format!("{shown} is a file\n  name the folder that it is in"))
        }
        _ => Failure::Usage(format!("cannot read {shown}: {error}")),
    })?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let remedy = match names.any(|name| name.starts_with("part-")) {
        true => {
            "it holds parts of a sweep: go on with writepath sweep --resume, or join shards by writepath merge"
        }
        false => "name a folder that writepath sweep --out or writepath run --out wrote",
    };
    Err(Failure::Usage(format!("{shown} has no {POINTS} (a sweep) and no {TIMELINE} (a run)\n  {remedy}")))
}

fn open(dir: &Path, name: &str) -> Result<BufReader<File>, Failure> {
    let path = dir.join(name);
    let opened = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::Usage(format!("{} is missing", path.display())),
        _ => Failure::Environment(format!("cannot read {}", path.display()), error),
    });
    opened.map(BufReader::new)
}

/// What the manifest says; a folder without one says less.
fn source(dir: &Path) -> Result<Source, Failure> {
    let path = dir.join(MANIFEST);
    match fs::read(&path) {
        Ok(bytes) => Source::read(&bytes)
            .map_err(|error| Failure::Usage(format!("{}: is no manifest: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Source::default()),
        Err(error) => Err(Failure::Environment(format!("cannot read {}", path.display()), error)),
    }
}

fn unreadable(dir: &Path, name: &str, error: ReadError) -> Failure {
    let path = dir.join(name);
    match error {
        ReadError::Io(error) => Failure::Environment(format!("cannot read {}", path.display()), error),
        ReadError::Content(what) => Failure::Usage(format!("{}{what}", path.display())),
    }
}

/// A file that a figure may be written into.
fn checked(out: &Path) -> Result<&Path, Failure> {
    let is_svg = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    match is_svg && !out.is_dir() {
        true => Ok(out),
        false => Err(Failure::Usage(format!("--out {}: name a file that ends in .svg", out.display()))),
    }
}

/// Writes a file whole, or leaves what was there.
pub fn write(out: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = fs::create_dir_all(parent).and_then(|()| {
        let mut file = new_file(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(out).map_err(|error| error.error)
    });
    written
        .map(|_| ())
        .map_err(|error| Failure::Environment(format!("cannot write {}", out.display()), error))
}

/// A new file with the usual rights; it goes away unless it is kept.
fn new_file(parent: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writepath-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(parent)
}
