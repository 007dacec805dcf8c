//! A side of a validation: a real server, or whatever stands for one.

use super::noise::Canary;
use super::observed::Observed;
use crate::live::LiveError;
use crate::scenario::Scenario;
use crate::scenario::problem::Problems;
use crate::sim::SimError;

/// What a scenario is run on.
pub trait Side {
    /// One run of `scenario`; `run` numbers those of one case, from 0.
    ///
    /// # Errors
    /// Why there is nothing to see.
    fn observe(&mut self, scenario: &Scenario, run: u64) -> Result<Observed, Stop>;

    /// A look at the machine's own noise; none of a side that has no machine.
    fn canary(&mut self) -> Option<Canary>;
}

/// Why a run has given nothing.
#[derive(Debug)]
pub enum Stop {
    /// It cannot be done here; the others can.
    Skipped(String),
    /// Nothing further can be done.
    Failed(Fault),
}

/// Why a validation has ended early.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server, or the way to it.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A scenario is wrong.
    #[error("{0}")]
    Input(Problems),
    /// A scenario cannot be simulated.
    #[error("{0}: {1}")]
    Simulation(String, SimError),
    /// The user has stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Failed(fault)
    }
}

impl From<LiveError> for Stop {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Interrupted => Stop::Failed(Fault::Interrupted),
            other => Stop::Failed(Fault::Live(other)),
        }
    }
}
