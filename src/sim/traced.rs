//! A run for the sake of one request.

use super::run::{Progress, RunOptions, SimError, Simulation};
use crate::observe::blame::life::{Life, Watch};
use crate::scenario::Scenario;

/// Turns between two reports of progress.
const PROGRESS_TURNS: u32 = 1 << 15;

/// Runs `scenario`, a single server, until the request that `watch` looks for has been answered: the same world as a run with
/// these options, turn by turn. None if there is no such request.
pub fn trace(
    scenario: &Scenario,
    options: &RunOptions,
    watch: Watch,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Life>, SimError> {
    let mut simulation = Simulation::new(scenario, options, (), None);
    simulation.begin_blame(Some(watch));
    let mut countdown = PROGRESS_TURNS;
    while simulation.turn() {
        if let Some(life) = simulation.traced() {
            return Ok(Some(life));
        }
        countdown -= 1;
        if countdown == 0 {
            countdown = PROGRESS_TURNS;
            if !progress(simulation.progress()) {
                return Err(SimError::Stopped);
            }
        }
    }
    Ok(simulation.traced())
}
