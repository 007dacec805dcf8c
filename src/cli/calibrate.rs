//! `writepath calibrate`: prices of this machine and of a server, measured into a model file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::flags::Format;
use super::interrupt::Interrupt;
use super::server_flags::ServerFlags;
use super::terminal::Terminal;
use crate::calibrate::live::Live;
use crate::calibrate::subject::CalibrateError;
use crate::calibrate::{GROUPS, Outcome, Request, calibrate as measure, file, report};
use crate::experiment::sweep::replace::Replacement;
use crate::live::LiveError;
use crate::live::guard::{Guard, Needs};
use crate::models;

/// Memory that the keys on somebody's server take \[bytes\], and connections.
const NEEDS: Needs = Needs { memory: 512 << 20, connections: 40, commands_it: false };
/// Steps of the bar.
const STEPS: u64 = 1000;
/// Between two lines where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What to type.
const EXAMPLES: &str = "\
writepath calibrate --spawn redis-server -o mine.toml          all that can be measured, in five minutes
writepath calibrate --spawn redis-server -o mine.toml --quick  in a minute
writepath calibrate --spawn valkey-server -o mine.toml --only disk,fork
writepath run --model mine.toml

--spawn starts servers of its own in the temporary folder (TMPDIR), whose disk is the one that is measured.";

/// Measure the prices of this machine and a server into a model file
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    #[command(flatten)]
    server: ServerFlags,
    /// The model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// A minute instead of five: fewer repeats, smaller sizes
    #[arg(long)]
    quick: bool,
    /// Only these groups of measurements, separated by commas
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(GROUPS.iter().map(|group| group.name)))]
    only: Vec<String>,
    /// Model whose prices stand for what is not measured: a built-in model or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "two-core-vm")]
    prior: String,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
}

/// Runs the subcommand.
pub fn calibrate(args: &CalibrateArgs, terminal: &Terminal) -> Result<(), Failure> {
    let prior = models::load(&args.prior)?;
    // What would be in vain after minutes is said at once.
    if args.output.exists() && !args.force {
        let text = format!(
            "{} is there already\n  name another file, or write over it with --force",
            args.output.display()
        );
        return Err(Failure::Usage(text));
    }
    let cannot_write = |error| Failure::Environment(format!("cannot write {}", args.output.display()), error);
    let file = Replacement::create(&args.output).map_err(cannot_write)?;
    let interrupt = Interrupt::watch();
    let folder = std::env::temp_dir();
    let outcome = match args.server.address()? {
        None => {
            let mut live = Live::spawn(args.server.program().unwrap_or_default()).map_err(failure)?;
            run(args, prior, &mut live, (&folder, true), &interrupt, terminal)
        }
        Some(address) => {
            let guard = Guard::enter(&address, &NEEDS, &args.server.allowed())?;
            guard.notes.iter().for_each(|note| terminal.note(&format!("note: {note}")));
            let outcome = Live::at(&address, guard.prefix()).map_err(failure).and_then(|mut live| {
                run(args, prior, &mut live, (&folder, address.is_local()), &interrupt, terminal)
            });
            guard.undo()?;
            outcome
        }
    }?;
    write(file, &outcome).map_err(cannot_write)?;
    match args.format {
        Format::Human => {
            let path = args.output.display();
            terminal.print(&report::human(&outcome))?;
            terminal.note(&format!("{path} is written: use it with --model {path}"));
            Ok(())
        }
        Format::Json => terminal.print_bytes(&report::json(&outcome)),
        Format::Csv => terminal.print_bytes(&report::csv(&outcome)),
    }
}

fn run(
    args: &CalibrateArgs,
    prior: (crate::cost_model::CostModel, models::ModelSource),
    live: &mut Live,
    (folder, is_local): (&Path, bool),
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    let clock = live.clock();
    let request =
        Request { prior, only: &args.only, quick: args.quick, folder, is_local, date: today(), clock };
    let mut meter = Meter::new(terminal);
    let outcome = measure(Some(live), &request, &mut |what, share| {
        meter.show(what, share);
        !interrupt.requested()
    });
    meter.bar.finish_and_clear();
    outcome.map_err(failure)
}

/// Puts the text of the model into the file.
fn write(mut file: Replacement, outcome: &Outcome) -> std::io::Result<()> {
    use std::io::Write;
    file.write_all(file::text(&outcome.book, &outcome.head).as_bytes())?;
    file.place()
}

fn failure(error: CalibrateError) -> Failure {
    match error {
        CalibrateError::Stopped => Failure::Interrupted,
        CalibrateError::Host(what, error) => Failure::Environment(what, error),
        CalibrateError::Server(text) | CalibrateError::Nothing(text) | CalibrateError::Simulation(text) => {
            let (what, remedy) =
                text.split_once("\n  ").unwrap_or((&text, "see the server's log, and measure again"));
            LiveError::cannot(what, remedy).into()
        }
    }
}

/// How far it is: a bar on a terminal, a line now and then elsewhere.
struct Meter<'a> {
    terminal: &'a Terminal,
    bar: ProgressBar,
    line_at: Instant,
}

impl<'a> Meter<'a> {
    fn new(terminal: &'a Terminal) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
        let target =
            if terminal.progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Meter { terminal, bar, line_at: Instant::now() + LINE_EVERY }
    }

    fn show(&mut self, what: &str, share: f64) {
        self.bar.set_message(what.to_owned());
        self.bar.set_position((share * STEPS as f64) as u64);
        if self.terminal.progress_lines && Instant::now() >= self.line_at {
            self.terminal.note(&format!("{:.0} %: {what}", 100.0 * share));
            self.line_at = Instant::now() + LINE_EVERY;
        }
    }
}

/// Today in UTC, `2026-11-28`.
fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The date so many days after 1970-01-01, in the calendar of today.
fn date(days: u64) -> String {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        // As `date -u -d @…` has them.
        for (days, text) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_785, "2026-11-28")]
        {
            assert_eq!(date(days), text);
        }
    }
}
