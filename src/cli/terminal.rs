//! Standard output and standard error: colours, quiet and verbose.

use std::io::{BufWriter, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};

use super::failure::Failure;

/// Flags about what is printed, common to all subcommands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct TerminalFlags {
    /// Print only the answer, and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on standard error
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// No progress bar, nor the lines that stand for it off a terminal
    #[arg(long, global = true)]
    no_progress: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How the two streams are used.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Only the answer.
    pub quiet: bool,
    /// More on standard error.
    pub verbose: bool,
    /// A progress bar may be drawn.
    pub progress: bool,
    /// Where no bar can be drawn, lines may tell how far long work is.
    pub progress_lines: bool,
    color: ColorChoice,
}

impl Terminal {
    /// As the flags say.
    pub fn new(flags: &TerminalFlags) -> Self {
        Terminal {
            quiet: flags.quiet,
            verbose: flags.verbose,
            progress_lines: !flags.no_progress && !flags.quiet && !std::io::stderr().is_terminal(),
            progress: !flags.no_progress && !flags.quiet && std::io::stderr().is_terminal(),
            color: match flags.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        }
    }

    /// Prints text for people; colours go if they are not wanted.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = AutoStream::new(std::io::stdout().lock(), self.color);
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::stdout)
    }

    /// Prints bytes for programs as they are.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::stdout)
    }

    /// Prints bytes for programs piece by piece: `print` gets what takes the next piece.
    pub fn stream(
        &self,
        print: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        print(&mut |bytes| stdout.write_all(bytes).map_err(Failure::stdout))?;
        stdout.flush().map_err(Failure::stdout)
    }

    /// A line on standard error, unless quiet. A closed standard error is nobody's loss.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(AutoStream::new(std::io::stderr().lock(), self.color), "{line}");
        }
    }

    /// Says why a command ended early.
    pub fn report(&self, failure: &Failure) {
        let text = failure.to_string();
        if !text.is_empty() {
            let _ = writeln!(AutoStream::new(std::io::stderr().lock(), self.color), "{text}");
        }
    }
}
