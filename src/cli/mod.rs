//! The command line: what was typed in, text, files and an exit code out. One file a subcommand.

mod bench;
mod blame_flags;
mod calibrate;
mod check;
mod compare;
mod completions;
mod coverage;
mod design_flags;
mod experiments;
mod failure;
mod flags;
mod input;
mod interrupt;
mod lesson;
mod list;
mod load;
mod load_progress;
mod machine_prices;
mod manifest;
mod merge;
mod plot;
mod progress;
mod replay;
mod replications;
mod report;
mod result_folder;
mod run;
mod run_many;
mod schema;
mod select;
mod sensitivity;
mod server_flags;
mod show;
mod size;
mod sweep;
mod sweep_folder;
mod sweep_progress;
mod sweep_trial;
mod terminal;
mod trace;
mod validate;
mod watched;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use terminal::{Terminal, TerminalFlags};

/// Where to start, and what the exit codes mean.
const AFTER_HELP: &str = "\
writepath run                      answers for the built-in scenario
writepath run my.toml --out DIR    writes tables, histograms and INFO text as well
writepath list                     lists what is built in

Exit codes: 0 done; 1 an expectation was not met; 2 bad usage or input;
3 a fault of the environment; 101 a broken invariant (a bug); 130 interrupted.";

/// Simulates the write path of Redis and Valkey: P99 and its reasons from a redis.conf, a workload and a machine.
#[derive(Debug, Parser)]
#[command(name = "writepath", version, max_term_width = 100, disable_help_subcommand = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    terminal: TerminalFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Compare(compare::CompareArgs),
    Merge(merge::MergeArgs),
    Plot(plot::PlotArgs),
    Report(report::ReportArgs),
    Select(select::SelectArgs),
    Sensitivity(sensitivity::SensitivityArgs),
    Size(size::SizeArgs),
    Why(why::WhyArgs),
    Sweep(sweep::SweepArgs),
    Calibrate(calibrate::CalibrateArgs),
    Check(check::CheckArgs),
    Load(load::LoadArgs),
    Validate(validate::ValidateArgs),
    Lesson(lesson::LessonArgs),
    Experiments(experiments::ExperimentsArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Bench(bench::BenchArgs),
    Coverage(coverage::CoverageArgs),
}

/// Parses the command line, does what it says, and gives the exit code.
///
/// 0 done; 1 an expectation was not met; 2 bad usage or input; 3 a fault of the environment; 101 a broken invariant;
/// 130 interrupted.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(&cli.terminal);
    replay::install_panic_hook();
    match dispatch(&cli.command, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: &Command, terminal: &Terminal) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args, terminal),
        Command::Compare(args) => compare::compare(args, terminal),
        Command::Merge(args) => merge::merge(args, terminal),
        Command::Plot(args) => plot::plot(args, terminal),
        Command::Report(args) => report::report(args, terminal),
        Command::Select(args) => select::select(args, terminal),
        Command::Sensitivity(args) => sensitivity::sensitivity(args, terminal),
        Command::Size(args) => size::size(args, terminal),
        Command::Why(args) => why::why(args, terminal),
        Command::Sweep(args) => sweep::sweep(args, terminal),
        Command::Calibrate(args) => calibrate::calibrate(args, terminal),
        Command::Check(args) => check::check(args, terminal),
        Command::Load(args) => load::load(args, terminal),
        Command::Validate(args) => validate::validate(args, terminal),
        Command::Lesson(args) => lesson::lesson(args, terminal),
        Command::Experiments(args) => experiments::experiments(args, terminal),
        Command::List(args) => list::list(args, terminal),
        Command::Show(args) => show::show(args, terminal),
        Command::Schema(args) => schema::schema(args, terminal),
        Command::Completions(args) => completions::completions(args, terminal),
        Command::Bench(args) => bench::bench(args, terminal),
        Command::Coverage(args) => coverage::coverage(args, terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        Cli::command().debug_assert();
    }
}
