//! The hot-key analysis of a run: from its books what took the time, from the closed form what the thread could carry.

use super::predict::saturated_cost;
use super::run::Simulation;
use super::turn::Probe;
use crate::cause::Cause;
use crate::observe::hot_key::{HotKeyUse, Rates, SaturatedCost};
use crate::redis::command::{Command, CommandKind, Effect};
use crate::redis::hot_keys::{cache_hits, is_hot};
use crate::redis::keyspace::ClassMap;
use crate::redis::plan::GroupPlan;
use crate::rng::Streams;
use crate::scenario::{KeyPopularity, Scenario, Workload};
use crate::units::SECOND;

/// Sub-keys compared when the scenario has none.
const SUB_KEYS: u64 = 16;
/// The other pipeline.
const PIPELINE: u32 = 16;

fn is_read(command: &Command) -> bool {
    matches!(command.effect(), Effect::None | Effect::Read)
}

/// The commands of `group` that write, with shares that add up to 1; all when none does.
fn writes(group: &Workload) -> Workload {
    let (mut group, share) = (group.clone(), writes_share(group));
    if group.mix.iter().any(|(command, _)| !is_read(command)) {
        group.mix.retain(|(command, _)| !is_read(command));
        group.mix.iter_mut().for_each(|entry| entry.1 /= share);
    }
    group
}

/// What a group of clients costs a thread that is never idle.
struct Load<'a> {
    scenario: &'a Scenario,
    group: &'a Workload,
}

impl Load<'_> {
    fn cost(&self, in_cache: f64, pipeline: u32) -> SaturatedCost {
        let (scenario, group) = (self.scenario, self.group);
        let streams = Streams::new(scenario.run.seed, 0);
        let version = scenario.redis.version;
        let plan =
            GroupPlan::new(group, 0, ClassMap::InOrder, version, &scenario.machine, &streams, in_cache);
        saturated_cost(&scenario.machine, &scenario.redis, &plan, group.connections, pipeline)
    }

    fn rates(&self, in_cache: f64, share_left: f64) -> Rates {
        let rate = |pipeline| share_left.max(0.0) * SECOND as f64 / self.cost(in_cache, pipeline).total();
        Rates { as_run: rate(self.group.pipeline), pipelined: rate(PIPELINE) }
    }
}

impl<P: Probe> Simulation<P> {
    /// The analysis; none without a group on hot keys.
    pub(super) fn hot_key(&self, scenario: &Scenario) -> Option<HotKeyUse> {
        let hot = || scenario.workloads.iter().enumerate().filter(|(_, group)| is_hot(group.keys));
        let (index, group) = hot()
            .find(|(_, group)| group.mix.iter().any(|(command, _)| !is_read(command)))
            .or_else(|| hot().next())?;
        let group = writes(group);
        let (servers, here) = match group.keys {
            KeyPopularity::Split { keys, servers } => (u64::from(servers), keys),
            _ => (1, 1),
        };
        let sub_keys = if servers * here > 1 { servers * here } else { SUB_KEYS };
        let compared = if servers > 1 { servers } else { sub_keys };
        let machine = &scenario.machine;
        let in_cache =
            cache_hits(&scenario.workloads, &scenario.dataset, scenario.redis.version, machine)[index];
        let measured = self.server.main.now.saturating_sub(self.measured_from_at).max(1) as f64;
        let per_s = |index: usize| self.spent[index].commands as f64 * SECOND as f64 / measured;
        let reads_of = |group: &Workload| -> f64 {
            group.mix.iter().filter(|(command, _)| is_read(command)).fold(0.0, |sum, entry| sum + entry.1)
        };
        // Where nothing writes, the reads are what is looked at, and none come beside them.
        let only_reads = group.mix.iter().all(|(command, _)| is_read(command));
        let reads_per_s: f64 = if only_reads {
            0.0
        } else {
            hot().fold(0.0, |sum, (index, group)| sum + per_s(index) * reads_of(group))
        };
        let reader = hot().find(|(_, group)| reads_of(group) > 0.0).map_or(&group, |(_, group)| group);
        let read = |keys: u64| {
            let kind = if keys > 1 { CommandKind::Mget } else { CommandKind::Get };
            let command = Command { elements: keys as u32, ..Command::plain(kind) };
            let group = Workload { mix: vec![(command, 1.0)], ..reader.clone() };
            Load { scenario, group: &group }.cost(in_cache, group.pipeline).total()
        };
        let read_ns = [read(1), read(sub_keys), read((sub_keys / compared).max(1))];
        let left = |read: f64| 1.0 - reads_per_s * read / SECOND as f64;
        let load = Load { scenario, group: &group };
        let one_key = load.rates(in_cache, left(read_ns[0]));
        let spread = load.rates(in_cache, left(read_ns[2]) * compared as f64);
        let own = writes_share(&scenario.workloads[index]);
        Some(HotKeyUse {
            group: group.name.clone(),
            operation: group
                .mix
                .iter()
                .map(|(command, _)| command.to_string())
                .collect::<Vec<_>>()
                .join(", "),
            pipeline: group.pipeline,
            in_cache,
            shares: self.shares(),
            cost: load.cost(in_cache, group.pipeline),
            writes_per_s: per_s(index) * own * servers as f64,
            reads_per_s,
            sub_keys,
            servers: compared,
            read_ns,
            one_key,
            random_keys: load.rates(0.0, left(read_ns[0])),
            sub_keys_one_server: load.rates(in_cache, left(read_ns[1])),
            sub_keys_servers: spread,
        })
    }

    /// Shares of the busy time of the run: system calls, commands, AOF with its appends, everything else.
    fn shares(&self) -> [f64; 4] {
        let main = &self.server.main;
        let busy = |cause: Cause| (main.busy[cause as usize] - self.busy_before[cause as usize]) as f64;
        let sum = |causes: &[Cause]| causes.iter().map(|&cause| busy(cause)).sum::<f64>();
        let all = sum(&Cause::ALL).max(1.0);
        let appended: f64 = if self.server.config.appendonly {
            let appends = self.spent.iter().zip(&self.plans);
            appends.map(|(spent, plan)| spent.commands as f64 * plan.mean_append()).sum()
        } else {
            0.0
        };
        let appended = appended.min(busy(Cause::Command));
        let calls = sum(&[Cause::WakeUp, Cause::EventLoop, Cause::Read, Cause::Reply]);
        let command = busy(Cause::Command) - appended;
        let aof = appended
            + sum(&[
                Cause::AofWrite,
                Cause::AofWritePendingFsync,
                Cause::AofWriteThrottled,
                Cause::AofFsyncAlways,
            ]);
        [calls / all, command / all, aof / all, (all - calls - command - aof) / all]
    }
}

/// Share of a group's commands that are looked at: its writes, or all when none writes.
fn writes_share(group: &Workload) -> f64 {
    let share: f64 = group.mix.iter().filter(|(command, _)| !is_read(command)).map(|entry| entry.1).sum();
    if share > 0.0 { share } else { 1.0 }
}
