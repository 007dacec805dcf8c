//! The state of a server at the end of a run under the names of INFO.

use super::replicas;
use super::run::Simulation;
use super::turn::Probe;
use crate::observe::result::InfoValue;
use crate::scenario::Scenario;
use crate::units::{Nanos, SECOND};

impl<P: Probe> Simulation<P> {
    /// State at the end under INFO's names.
    pub(super) fn info(&self, scenario: &Scenario) -> Vec<(String, InfoValue)> {
        use InfoValue::{Int, Ratio, Text};
        let server = &self.server;
        let seconds = |at: Nanos| at / SECOND;
        let fork = server.children.last().map_or(0, |child| child.fork / 1000);
        let status = |ok: bool| Text(if ok { "ok" } else { "err" }.into());
        let last = |kind: &str| server.children.iter().rev().find(|child| child.kind == kind);
        let child = |kind: &str| server.child.as_ref().filter(|child| child.kind.name() == kind);
        let running = |kind: &str| Int(child(kind).is_some() as u64);
        let elapsed = |kind: &str| match child(kind) {
            Some(child) => Text(seconds(server.main.now - child.start).to_string()),
            None => Text("-1".into()),
        };
        let took = |kind: &str| match last(kind) {
            Some(child) => Text(seconds(child.duration).to_string()),
            None => Text("-1".into()),
        };
        let cow = |kind: &str| Int(last(kind).map_or(0, |child| child.cow_bytes));
        let current_cow = if server.child.is_some() { server.cow.copied_bytes() } else { 0 };
        let used = server.used_memory();
        let measured = scenario.run.duration.saturating_sub(scenario.run.warmup).max(1);
        let rate = (self.answered as f64 / (server.main.now.max(1) as f64 / SECOND as f64)).round();
        let fields = [
            ("uptime_in_seconds", Int(seconds(measured))),
            ("hz", Int(server.hz as u64)),
            ("configured_hz", Int(server.config.hz as u64)),
            ("connected_clients", Int(server.clients as u64)),
            ("used_memory", Int(used)),
            ("used_memory_rss", Int(server.rss())),
            ("used_memory_peak", Int(used)),
            ("mem_fragmentation_ratio", Ratio(server.rss() as f64 / used.max(1) as f64)),
            ("maxmemory", Int(server.config.maxmemory)),
            ("loading", Int(0)),
            ("current_cow_size", Int(current_cow)),
            ("current_cow_peak", Int(server.cow_max)),
            ("rdb_changes_since_last_save", Int(server.rdb.dirty)),
            ("rdb_bgsave_in_progress", running("bgsave")),
            ("rdb_last_bgsave_status", status(server.rdb.last_ok)),
            ("rdb_last_bgsave_time_sec", took("bgsave")),
            ("rdb_current_bgsave_time_sec", elapsed("bgsave")),
            ("rdb_last_cow_size", cow("bgsave")),
            ("aof_enabled", Int(server.config.appendonly as u64)),
            ("aof_rewrite_in_progress", running("aof-rewrite")),
            ("aof_rewrite_scheduled", Int(server.rewrite.scheduled as u64)),
            ("aof_last_rewrite_time_sec", took("aof-rewrite")),
            ("aof_current_rewrite_time_sec", elapsed("aof-rewrite")),
            ("aof_last_bgrewrite_status", status(server.rewrite.failures == 0)),
            ("aof_rewrites_consecutive_failures", Int(server.rewrite.failures as u64)),
            ("aof_last_write_status", status(server.aof.write_ok)),
            ("aof_last_cow_size", cow("aof-rewrite")),
            ("aof_current_size", Int(server.aof.current_size)),
            ("aof_base_size", Int(server.aof.base_size)),
            ("aof_pending_rewrite", Int(server.rewrite.scheduled as u64)),
            ("aof_buffer_length", Int(server.aof.buffer)),
            ("aof_rewrite_buffer_length", Int(server.rewrite_buffer())),
            ("aof_pending_bio_fsync", Int(server.aof.fsync_in_progress() as u64)),
            ("instantaneous_ops_per_sec", Int(rate as u64)),
            ("latest_fork_usec", Int(fork)),
            ("role", Text("master".into())),
            ("keys", Int(server.keys() + server.exact.present())),
        ];
        let own = fields.into_iter().chain(server.expiry_info());
        let own = own.map(|(name, value)| (name.to_string(), value));
        own.chain(replicas::info(server)).collect()
    }
}
