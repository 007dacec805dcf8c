//! Several servers as one cluster: who moves which slots, and how.

mod atomic_flow;
pub mod atomic_move;
mod atomic_run;
mod bus;
mod failover;
mod finish;
mod hosts;
mod ledger;
pub mod legacy_fix;
pub mod legacy_move;
mod merge;
mod mover;
pub mod order;
pub mod reshard_plan;
mod router;
mod world;

use crate::observe::blame::life::{Life, Watch};
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::scenario::cluster::ClusterSpec;
use crate::sim::{NodeProbe, Progress, RunOptions, SimError};

/// Steps between two reports of progress.
const PROGRESS_STEPS: u32 = 1 << 12;

/// Simulates `scenario`: a single server, or a cluster of them.
pub fn simulate(
    scenario: &Scenario,
    options: &RunOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    simulate_probed(scenario, options, &mut |_| None, progress)
}

/// The same, watched by probes, which change nothing: `probe_of` is asked once for each server, with its place among
/// the cluster's nodes, or with 0.
pub fn simulate_probed(
    scenario: &Scenario,
    options: &RunOptions,
    probe_of: &mut dyn FnMut(usize) -> NodeProbe,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    match &scenario.cluster {
        Some(spec) => run(scenario, spec, options, probe_of, progress),
        None => match probe_of(0) {
            Some(probe) => crate::sim::run_probed(scenario, options, &mut Some(probe), progress),
            None => crate::sim::run(scenario, options, progress),
        },
    }
}

/// Simulates the cluster `spec` of `scenario`. `progress` is called now and then; it returns false to stop.
pub fn run(
    scenario: &Scenario,
    spec: &ClusterSpec,
    options: &RunOptions,
    probe_of: &mut dyn FnMut(usize) -> NodeProbe,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    let mut world = world::World::new(scenario, spec, options, probe_of);
    if let Some(error) = world.overload() {
        return Err(error);
    }
    let mut countdown = PROGRESS_STEPS;
    while world.step() {
        countdown -= 1;
        if countdown == 0 {
            countdown = PROGRESS_STEPS;
            if !progress(world.progress()) {
                return Err(SimError::Stopped);
            }
        }
    }
    Ok(world.finish())
}

/// Simulates `scenario` again, a single server or a cluster, until the request that `watch` looks for has been answered:
/// the same world as a run with these options. None if there is no such request.
pub fn trace(
    scenario: &Scenario,
    options: &RunOptions,
    watch: Watch,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Life>, SimError> {
    let Some(spec) = &scenario.cluster else {
        return crate::sim::trace(scenario, options, watch, progress);
    };
    let mut world = world::World::new(scenario, spec, options, &mut |_| None);
    world.nodes.iter_mut().for_each(|node| node.begin_blame(Some(watch)));
    let mut countdown = PROGRESS_STEPS;
    while world.step() {
        if let Some(life) = world.nodes.iter_mut().find_map(|node| node.traced()) {
            return Ok(Some(life));
        }
        countdown -= 1;
        if countdown == 0 {
            countdown = PROGRESS_STEPS;
            if !progress(world.progress()) {
                return Err(SimError::Stopped);
            }
        }
    }
    Ok(None)
}
