//! A server somewhere within its cycles, as an observer who comes at a random time finds it.
//!
//! A run begins with a save just made and an AOF just rewritten. Replications of it would all see their forks at the same
//! times; with a random phase each, a stretch of time sees forks as often as the long run does. Random are the time to the
//! next snapshot and the changes since the last, the growth of the AOF since its rewrite, and the phases of serverCron, of
//! the kernel's flusher and of the pings to replicas. What INFO said of the start is kept. Deadlines of keys, the wall clock
//! and the clocks of replicas are random in every run.
//!
//! Left out: a child that already runs. A phase within one begins with no save or rewrite due until its cycle ends.

use crate::redis::child::ChildKind;
use crate::redis::command::Effect;
use crate::redis::config::SavePoint;
use crate::redis::keyspace::ClassMap;
use crate::redis::server::Server;
use crate::rng::{StreamId, Streams, Uniform};
use crate::scenario::{Scenario, Source};
use crate::stats::queueing::save_interval;
use crate::units::SECOND;

/// Cores that others are assumed to use while a child works: the main thread's.
const COMPETING: f64 = 1.0;

/// The server of `scenario` at a random phase of its cycles; otherwise as [`Server::with_positions`] has it.
pub(super) fn at_random_phase(
    scenario: &Scenario,
    streams: &Streams,
    positions: Option<&[u64]>,
) -> (Server, Vec<ClassMap>) {
    let mut stream = streams.open(StreamId::StartPhase, 0);
    let [save, growth, cron, write_back, ping]: [f64; 5] = std::array::from_fn(|_| stream.unit());
    let (fresh, _) = Server::with_positions(scenario, streams, positions);
    let mut moved = scenario.clone();
    let saved = last_save(&fresh, scenario, save);
    if let Some((_, changes)) = saved {
        moved.start.changes_since_save = changes;
    }
    if scenario.start.aof_current_size.is_none() {
        moved.start.aof_base_size = Some(fresh.aof.base_size);
        moved.start.aof_current_size = grown_aof(&fresh, growth);
    }
    let (mut server, maps) = Server::with_positions(&moved, streams, positions);
    if let Some((last_save, _)) = saved {
        server.rdb.last_save = last_save;
    }
    server.shift_timers(cron, write_back, ping);
    (server, maps)
}

/// Wall-clock second of the last save and changes since its snapshot, for one that is due after the share `phase` of the
/// interval between two. None without save points, or where INFO says where the cycle is.
fn last_save(server: &Server, scenario: &Scenario, phase: f64) -> Option<(i64, u64)> {
    let start = &scenario.start;
    if start.changes_since_save > 0 || start.last_save_age > 0 {
        return None;
    }
    let rate = change_rate(scenario);
    let duration = server.child_span(ChildKind::Bgsave, COMPETING) as f64 / SECOND as f64;
    let interval_of = |points: &[SavePoint]| save_interval(points, rate.unwrap_or(f64::INFINITY), duration);
    let interval = interval_of(&server.config.save)?;
    let left = phase * interval;
    // The save point that is met first decides both: its time, and its changes.
    let is_first = |point: &&SavePoint| interval_of(std::slice::from_ref(point)) == Some(interval);
    let point = server.config.save.iter().find(is_first)?;
    let last_save = libm::floor(left) as i64 - (point.seconds as i64 + 1);
    let changes = rate.map_or(point.changes, |rate| (rate * (interval - left)) as u64);
    Some((last_save, changes))
}

/// Size of an AOF that has grown by the share `phase` of what makes it be rewritten; none if it never is.
fn grown_aof(server: &Server, phase: f64) -> Option<u64> {
    let config = &server.config;
    if !config.appendonly || config.auto_aof_rewrite_percentage == 0 {
        return None;
    }
    let base = server.aof.base_size;
    let growth = base as u128 * config.auto_aof_rewrite_percentage as u128 / 100;
    let due = (base + growth as u64).max(config.auto_aof_rewrite_min_size);
    Some(base + (phase * (due - base) as f64) as u64)
}

/// Changes a second by the open loops at the start; none if closed loops, whose rate is not known, make changes.
fn change_rate(scenario: &Scenario) -> Option<f64> {
    let mut sum = 0.0;
    for group in &scenario.workloads {
        let changes = |effect: Effect| !matches!(effect, Effect::None | Effect::Read);
        let changing = group.mix.iter().filter(|(command, _)| changes(command.effect()));
        let share: f64 = changing.map(|(_, share)| share).sum();
        match &group.source {
            Source::Open { schedule, .. } => sum += share * schedule.first().map_or(0.0, |piece| piece.1),
            Source::Closed { .. } if share > 0.0 => return None,
            Source::Closed { .. } => {}
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::builtin;
    use crate::scenario::resolve::{Overrides, resolve};
    use std::path::Path;

    fn article(settings: &[&str]) -> Scenario {
        let set = settings.iter().map(|setting| setting.to_string()).collect();
        let overrides = Overrides { set, ..Overrides::default() };
        resolve(builtin::get("article").expect("built in"), "article", Path::new("."), &overrides)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn servers(scenario: &Scenario) -> Vec<Server> {
        let server = |replication| at_random_phase(scenario, &Streams::new(1, replication), None).0;
        (1..=400).map(server).collect()
    }

    /// Largest distance of sorted values in 0..1 from their uniform places (Kolmogorov and Smirnov).
    fn distance(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        values.iter().enumerate().map(|(i, value)| (value - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max)
    }

    /// Beyond 1.95 / √n once in a thousand.
    const LIMIT: f64 = 0.0975;

    #[test]
    fn growth_and_time_to_the_next_save_are_uniform() {
        let scenario = article(&[]);
        let fresh = Server::new(&scenario, &Streams::new(1, 0)).0;
        let save = fresh.child_span(ChildKind::Bgsave, COMPETING) as f64 / SECOND as f64;
        let servers = servers(&scenario);
        let growth = |server: &Server| server.aof.current_size as f64 / server.aof.base_size as f64 - 1.0;
        assert!(distance(servers.iter().map(growth).collect()) < LIMIT);
        // More than 60 s after the last save, in whole seconds, the next is due.
        let left = |server: &Server| (server.rdb.last_save as f64 + 61.5) / (61.0 + save);
        assert!(distance(servers.iter().map(left).collect()) < LIMIT);
        let cron = |server: &Server| server.cron_at as f64 / server.period() as f64;
        assert!(distance(servers.iter().map(cron).collect()) < LIMIT);
    }

    #[test]
    fn changes_fit_the_time_since_the_last_snapshot_began() {
        let scenario = article(&[]);
        let interval = {
            let fresh = Server::new(&scenario, &Streams::new(1, 0)).0;
            61.0 + fresh.child_span(ChildKind::Bgsave, COMPETING) as f64 / SECOND as f64
        };
        for server in servers(&scenario) {
            let left = server.rdb.last_save as f64 + 61.0;
            let since = interval - left;
            assert!(
                (server.rdb.dirty as f64 - 5000.0 * since).abs() <= 5001.0,
                "{left}: {}",
                server.rdb.dirty
            );
        }
    }

    #[test]
    fn what_info_says_of_the_start_is_kept() {
        let scenario = article(&["start.last-save-age=7s", "start.changes-since-save=5"]);
        let server = at_random_phase(&scenario, &Streams::new(1, 3), None).0;
        assert_eq!((server.rdb.last_save, server.rdb.dirty), (-7, 5));
        let scenario = article(&["redis.save=", "redis.auto-aof-rewrite-percentage=0"]);
        let server = at_random_phase(&scenario, &Streams::new(1, 3), None).0;
        assert_eq!((server.rdb.last_save, server.rdb.dirty), (0, 0));
        assert_eq!(server.aof.current_size, server.aof.base_size);
    }
}
