//! What the closed forms say of a scenario before it runs: offered load and capacity.

use crate::redis::execute::GroupPlan;
use crate::scenario::{Scenario, Source};
use crate::units::SECOND;

/// Offered load of a scenario's open loops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfferedLoad {
    /// Largest main-thread time asked for, a second.
    pub offered: f64,
    /// Commands a second that the main thread can carry, in the same mix.
    pub capacity_per_s: f64,
    /// Commands a second at the busiest time.
    pub peak_rate_per_s: f64,
}

/// Offered load at the busiest time of the schedules; none without an open loop.
///
/// The price of a command is what it costs when every read takes a full buffer, since a server that falls behind
/// finds more and more commands in each: the floor of its cost, and so the edge beyond which nothing helps.
pub fn offered_load(scenario: &Scenario, plans: &[GroupPlan]) -> Option<OfferedLoad> {
    let cpu = &scenario.machine.cpu;
    let (mut load, mut rate_sum) = (0.0, 0.0);
    for (workload, plan) in scenario.workloads.iter().zip(plans) {
        let Source::Open { schedule, .. } = &workload.source else { continue };
        let rate = schedule.iter().map(|piece| piece.1).fold(0.0, f64::max);
        let per_read = (16384.0 / plan.mean_request_bytes()).max(1.0);
        let sockets = (cpu.read + cpu.write) as f64 / per_read;
        let append = if scenario.redis.appendonly { plan.mean_append() } else { 0.0 };
        load += rate * (plan.mean_cpu() + append + sockets) / SECOND as f64;
        rate_sum += rate;
    }
    (rate_sum > 0.0).then(|| OfferedLoad {
        offered: load,
        capacity_per_s: rate_sum / load,
        peak_rate_per_s: rate_sum,
    })
}
