//! The flags that ask where the time of requests went.

use clap::Args;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::progress::Meter;
use super::terminal::Terminal;
use crate::cluster;
use crate::observe::blame::life::{Life, Wanted};
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::sim::RunOptions;

/// What is asked for.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Blame")]
pub struct BlameFlags {
    /// Split the requests' time by what it was spent on, for all of them and by quantile band
    #[arg(long)]
    pub blame: bool,
    #[command(flatten)]
    /// The request.
    pub trace: TraceFlag,
}

/// Which request is traced.
#[derive(Clone, Copy, Debug, Args)]
pub struct TraceFlag {
    /// Tell the life of one request, phase by phase: p50, p90, p99, p999, p9999, max, or '#N' for the N-th answered
    #[arg(long, value_name = "WHICH", help_heading = "Blame")]
    trace_request: Option<Wanted>,
}

impl BlameFlags {
    /// Whether anything is asked for.
    pub fn are_given(&self) -> bool {
        self.blame || self.trace.trace_request.is_some()
    }
}

impl TraceFlag {
    /// Whether it makes sense in `scenario`.
    ///
    /// # Errors
    /// A number in a cluster.
    pub fn check(self, scenario: &Scenario) -> Result<(), Failure> {
        if scenario.cluster.is_none() || !matches!(self.trace_request, Some(Wanted::Number(_))) {
            return Ok(());
        }
        let text = "--trace-request: nodes of a cluster count their requests by themselves, so a number names none\n  \
                    give a quantile: p50, p90, p99, p999, p9999 or max";
        Err(Failure::Usage(text.to_owned()))
    }

    /// The request that is asked for: `scenario` is run again as it was, with `options`, until it has been answered.
    ///
    /// # Errors
    /// There is no such request.
    pub fn trace(
        self,
        scenario: &Scenario,
        options: &RunOptions,
        result: &RunResult,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<Option<(Life, Wanted)>, Failure> {
        let Some(wanted) = self.trace_request else { return Ok(None) };
        let all = result.scopes.iter().find(|scope| scope.name == "all");
        let none = || {
            let answered = all.map_or(0, |scope| scope.sojourn.count());
            Failure::Usage(format!(
                "--trace-request: there is no such request; {answered} were answered after the warm-up\n  \
                 give a smaller number, or a longer --duration"
            ))
        };
        let watch = all.and_then(|scope| wanted.watch(&scope.sojourn)).ok_or_else(none)?;
        let mut meter = Meter::new(terminal);
        let life = cluster::trace(scenario, options, watch, &mut |progress| {
            meter.update(progress);
            !interrupt.requested()
        });
        meter.finish();
        let life = life.map_err(|error| Failure::simulation(&scenario.name, error))?;
        life.map(|life| Some((life, wanted))).ok_or_else(none)
    }
}
