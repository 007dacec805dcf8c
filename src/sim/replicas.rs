//! Replicas in a run: the place of their writes in a turn, their events, and what is reported of them.

use super::run::Simulation;
use super::turn::Probe;
use crate::observe::replicas::{ReplicaResult, ReplicationResult};
use crate::observe::result::InfoValue;
use crate::redis::backlog::Backlog;
use crate::redis::link::LinkState;
use crate::redis::server::Server;
use crate::scenario::replicas::ReplicaAction;

impl<P: Probe> Simulation<P> {
    /// What has been propagated goes to the replicas; answers to it may be due before anything else.
    #[inline(never)]
    pub(super) fn write_to_replicas(&mut self) {
        self.server.write_to_replicas();
        if self.server.replication.wakes_at < self.special_at {
            self.update_special();
        }
    }

    /// An event that concerns replicas.
    pub(super) fn act_on_replicas(&mut self, action: ReplicaAction) {
        if let Some(outage) = self.server.act_on_replicas(action) {
            self.refuse_clients(outage);
        }
    }
}

/// What the run reports of its replicas; none without any.
pub(super) fn result(server: &mut Server) -> Option<ReplicationResult> {
    let now = server.main.now;
    let replication = &mut server.replication;
    if replication.links.is_empty() {
        return None;
    }
    let names: Vec<String> = replication.links.iter().map(|link| link.spec.name.clone()).collect();
    let replicas = replication.links.iter_mut().map(|link| {
        let stats = &mut link.stats;
        for row in stats.syncs.iter_mut().filter(|row| row.outcome == "running") {
            row.duration = now - row.start;
        }
        let applied_offset = link.holds(now);
        let stats = &link.stats;
        ReplicaResult {
            name: link.spec.name.clone(),
            of: link.spec.of.map(|parent| names[parent].clone()),
            state: link.state.name(),
            lag_bytes: stats.lag_bytes.clone(),
            lag: stats.lag.clone(),
            info_lag_bytes: stats.info_lag_bytes.clone(),
            buffer_bytes_max: stats.buffer_max,
            sent_bytes: stats.sent_bytes,
            applied_offset,
            acked_offset: link.acked,
            sync_full: stats.sync_full,
            sync_partial_ok: stats.sync_partial_ok,
            dropped_at: stats.dropped_at.clone(),
            syncs_dropped: stats.syncs_dropped,
            resync_loop: stats.resync_loop,
            acknowledged_writes_lost: stats.lost,
            syncs: stats.syncs.clone(),
        }
    });
    Some(ReplicationResult {
        replicas: replicas.collect(),
        sync_partial_ok: replication.partial.0,
        sync_partial_err: replication.partial.1,
        stream_bytes: replication.streamed(),
        backlog_bytes: replication.backlog.as_ref().map_or(0, Backlog::histlen),
        backlog_size: server.config.replication.repl_backlog_size,
        failovers: replication.failovers.clone(),
        waits: replication.waits,
    })
}

/// INFO replication of a primary that has, or had, replicas.
pub(super) fn info(server: &Server) -> Vec<(String, InfoValue)> {
    use InfoValue::{Int, Text};
    let replication = &server.replication;
    if replication.links.is_empty() {
        return vec![("connected_slaves".to_owned(), Int(0))];
    }
    let now = server.unix_seconds(server.main.now);
    let mut fields = vec![("connected_slaves".to_owned(), Int(replication.connected().count() as u64))];
    for (number, link) in replication.connected().enumerate() {
        let online = link.state == LinkState::Online;
        let lag = if online { now - server.unix_seconds(link.acked_at) } else { 0 };
        let line = format!(
            "ip=10.0.0.{},port=6379,state={},offset={},lag={lag}",
            number + 2,
            link.state.name(),
            link.acked
        );
        fields.push((format!("slave{number}"), Text(line)));
    }
    let second = replication.second.map_or("-1".to_owned(), |(_, offset)| offset.to_string());
    let id = |id: u32| Text(format!("{id:040x}"));
    let backlog = replication.backlog.as_ref();
    if server.config.replication.min_replicas_to_write > 0 {
        fields.push(("min_slaves_good_slaves".to_owned(), Int(replication.good.into())));
    }
    fields.extend(
        [
            ("master_replid", id(replication.replid)),
            ("master_replid2", id(replication.second.map_or(0, |(id, _)| id))),
            ("master_repl_offset", Int(replication.offset)),
            ("second_repl_offset", Text(second)),
            ("repl_backlog_active", Int(u64::from(backlog.is_some()))),
            ("repl_backlog_size", Int(server.config.replication.repl_backlog_size)),
            ("repl_backlog_first_byte_offset", Int(backlog.map_or(0, Backlog::first_byte_offset))),
            ("repl_backlog_histlen", Int(backlog.map_or(0, Backlog::histlen))),
            ("sync_partial_ok", Int(replication.partial.0)),
            ("sync_partial_err", Int(replication.partial.1)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    fields
}

/// Timeline columns: backlog, largest output buffer, largest lag \[bytes\].
pub(super) fn row(server: &mut Server) -> [u64; 3] {
    let now = server.main.now;
    let replication = &mut server.replication;
    let offset = replication.offset;
    let backlog = replication.backlog.as_ref().map_or(0, Backlog::histlen);
    let buffer = replication.links.iter().map(|link| replication.buffered(link)).max().unwrap_or(0);
    let lag = replication.links.iter_mut().map(|link| offset.saturating_sub(link.holds(now))).max();
    [backlog, buffer, lag.unwrap_or(0)]
}
