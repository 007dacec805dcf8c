//! Why a command did not do what was asked, and the exit code that says so.

use std::fmt;
use std::io;

use crate::live::LiveError;
use crate::scenario::problem::Problems;
use crate::sim::SimError;
use crate::units::format_count;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Problems of input files or flags, all of them.
    Input(Problems),
    /// Usage or input that is wrong as a whole; lines after the first say what to do.
    Usage(String),
    /// The environment refused: what was being done, and the system's answer.
    Environment(String, io::Error),
    /// A real server, or the way to it, has failed.
    Live(Box<LiveError>),
    /// An objective was not met; the answer says so already.
    NotMet,
    /// The user stopped it.
    Interrupted,
    /// The user stopped it; what is kept, and how to go on.
    InterruptedKeeping(String),
    /// Nobody reads standard output any more: not an error.
    ClosedPipe,
}

impl Failure {
    /// A failure to write to standard output.
    pub fn stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Environment("cannot write to standard output".to_owned(), error),
        }
    }

    /// A simulation of `scenario` that gave no result.
    pub fn simulation(scenario: &str, error: SimError) -> Self {
        match error {
            SimError::Stopped => Failure::Interrupted,
            SimError::Overload { capacity_per_s, .. } => Failure::Usage(format!(
                "{scenario}: {error}\n  lower the rate below {}/s, or set run.allow-overload = true",
                format_count(capacity_per_s)
            )),
        }
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::ClosedPipe => 0,
            Failure::NotMet => 1,
            Failure::Input(_) | Failure::Usage(_) => 2,
            Failure::Environment(..) | Failure::Live(_) => 3,
            Failure::Interrupted | Failure::InterruptedKeeping(_) => 130,
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::Input(problems)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Input(problems) => write!(f, "{problems}"),
            Failure::Usage(message) => write!(f, "error: {message}"),
            Failure::Environment(what, error) => write!(f, "error: {what}: {error}"),
            Failure::Live(error) => write!(f, "error: {error}"),
            Failure::Interrupted => write!(f, "interrupted; nothing was written"),
            Failure::InterruptedKeeping(kept) => write!(f, "interrupted; {kept}"),
            Failure::ClosedPipe | Failure::NotMet => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one_of_the_environment() {
        let closed = Failure::stdout(io::ErrorKind::BrokenPipe.into());
        assert_eq!((closed.exit_code(), closed.to_string()), (0, String::new()));
        let full = Failure::stdout(io::ErrorKind::StorageFull.into());
        assert_eq!(full.exit_code(), 3);
        assert!(full.to_string().starts_with("error: cannot write to standard output: "));
    }
}
