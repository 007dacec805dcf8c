//! What the closed forms say of a scenario before it runs: offered load and capacity.

use crate::cost_model::CostModel;
use crate::observe::hot_key::SaturatedCost;
use crate::redis::child::{ChildKind, fork_span};
use crate::redis::config::{AppendFsync, RedisConfig};
use crate::redis::plan::{GroupPlan, plans};
use crate::redis::server::Server;
use crate::rng::Streams;
use crate::scenario::{Scenario, Source, Workload};
use crate::stats::queueing;
use crate::units::{Nanos, SECOND, format_bytes, format_count, format_span};

/// What a read(2) of a full buffer takes before it is grown \[bytes\].
const READ_BYTES: f64 = 16384.0;

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
        let per_read = (READ_BYTES / plan.mean_request_bytes()).max(1.0);
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

/// What the closed forms say of `scenario`: (name, value) for people, in reading order.
pub fn predict(scenario: &Scenario) -> Vec<(String, String)> {
    let streams = Streams::new(scenario.run.seed, 0);
    let (server, maps) = Server::new(scenario, &streams);
    let version = scenario.redis.version;
    let plans = plans(&scenario.workloads, &scenario.dataset, maps, version, &scenario.machine, &streams);
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_string(), value));
    row("used_memory", format_bytes(server.used_memory()));
    row("used_memory_rss", format_bytes(server.rss()));
    let load = offered_load(scenario, &plans);
    if let Some(load) = load {
        row("offered load", format!("{:.3}", load.offered));
        row("capacity", format!("{} commands/s", format_count(load.capacity_per_s)));
    }
    let huge = scenario.machine.machine.thp_always && !scenario.redis.disable_thp;
    let fork = fork_span(&scenario.machine.fork, server.rss(), huge);
    row("fork", format_span(fork));
    let rate = |of: fn(&GroupPlan) -> f64| -> f64 {
        scenario
            .workloads
            .iter()
            .zip(&plans)
            .map(|(w, plan)| mean_rate(w, scenario.run.duration) * of(plan))
            .sum()
    };
    let (dirty_rate, aof_rate) = (rate(|plan| plan.change_rates().1), rate(GroupPlan::mean_aof_bytes));
    let load = load.map_or(0.0, |load| load.offered);
    if !scenario.redis.save.is_empty() && dirty_rate > 0.0 {
        let save = server.child_span(ChildKind::Bgsave, load) as f64 / SECOND as f64;
        row("snapshot", format_span((save * SECOND as f64) as u64));
        if let Some(interval) = queueing::save_interval(&scenario.redis.save, dirty_rate, save) {
            row("time between forks of BGSAVE", format_span((interval * SECOND as f64) as u64));
            let p = queueing::stall_affected_fraction(fork as f64 / SECOND as f64, interval, load);
            row("share of requests that a fork delays", format!("{:.4} %", 100.0 * p));
        }
    }
    if scenario.redis.appendonly && aof_rate > 0.0 {
        row("AOF grows by", format!("{}/s", format_bytes(aof_rate as u64)));
        let compact = server.rewritten_bytes() as f64;
        let time = server.child_span(ChildKind::AofRewrite, load) as f64 / SECOND as f64;
        row("AOF rewrite", format_span((time * SECOND as f64) as u64));
        let automatic = scenario.redis.auto_aof_rewrite_percentage == 100;
        if automatic && compact > scenario.redis.auto_aof_rewrite_min_size as f64 {
            let period = queueing::rewrite_period(compact, aof_rate, time);
            row("from one AOF rewrite to the next", format_span((period * SECOND as f64) as u64));
        }
    }
    rows
}

/// What a command of `plan` costs a main thread that is never idle, by kind.
///
/// Every connection then has its `pipeline` commands ready at each pass: a pass is one turn, a read(2), as many as its
/// buffer needs, and a write(2) a connection, the commands, and one write(2) of the AOF, with its fdatasync under
/// `always`.
pub fn saturated_cost(
    machine: &CostModel,
    config: &RedisConfig,
    plan: &GroupPlan,
    connections: u32,
    pipeline: u32,
) -> SaturatedCost {
    let (cpu, disk) = (&machine.cpu, &machine.disk);
    let (clients, commands) = (f64::from(connections), f64::from(connections) * f64::from(pipeline));
    let reads = (f64::from(pipeline) * plan.mean_request_bytes() / READ_BYTES).ceil().max(1.0);
    let calls = cpu.turn as f64 + clients * reads * (cpu.read + cpu.write) as f64;
    let mut aof = 0.0;
    if config.appendonly && plan.mean_aof_bytes() > 0.0 {
        let bytes = commands * plan.mean_aof_bytes();
        aof = disk.write as f64 + bytes / disk.page_cache_bandwidth * SECOND as f64;
        if config.appendfsync == AppendFsync::Always {
            aof += disk.fdatasync.mean() + (bytes - 4096.0).max(0.0) / 1024.0 * disk.fdatasync_per_kib;
        }
        aof = aof / commands + plan.mean_append();
    }
    SaturatedCost { system_calls: calls / commands, command: plan.mean_cpu(), aof }
}

/// Mean command rate of an open loop over the run; 0 for a closed one.
fn mean_rate(workload: &Workload, duration: Nanos) -> f64 {
    let Source::Open { schedule, .. } = &workload.source else { return 0.0 };
    let ends = schedule.iter().skip(1).map(|piece| piece.0).chain([duration]);
    let commands: f64 =
        schedule.iter().zip(ends).map(|(&(from, rate), end)| rate * end.saturating_sub(from) as f64).sum();
    commands / duration as f64
}
