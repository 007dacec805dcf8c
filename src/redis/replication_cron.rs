//! What happens to replicas beside the turns: `replicationCron`, acknowledgements, limits, and the end of a link.

use super::backlog::Backlog;
use super::link::LinkState;
use super::replication::PING_BYTES;
use super::server::Server;
use crate::cause::Cause;
use crate::observe::replicas::ResyncLoop;
use crate::units::{NEVER, Nanos, SECOND, format_bytes};

/// Round trips from connect(2) to PSYNC (`syncWithMaster`): connect, PING, REPLCONF three times, PSYNC; from 6.2
/// on all REPLCONF together.
const ROUND_TRIPS: (u64, u64) = (6, 4);

impl Server {
    /// The part of serverCron that concerns replicas: `clientsCron`'s look at buffers, `replicationCron` once a second.
    pub(super) fn cron_replication(&mut self) {
        if self.replication.links.is_empty() {
            return;
        }
        self.settle_replicas(self.main.now);
        self.sample_lag();
        self.check_output_limits();
        if self.main.now >= self.replication.cron_at {
            self.replication.cron_at = self.main.now + SECOND;
            self.replication_cron();
        }
        self.replication.update_wake();
    }

    /// Lag as it is and as INFO shows it, and what of the stream's past is still wanted.
    fn sample_lag(&mut self) {
        let now = self.main.now;
        let replication = &mut self.replication;
        let mut wanted = replication.needed_from();
        for link in &mut replication.links {
            let held = link.holds(now);
            if link.base == 0 && link.spec.attach.is_some() && link.state == LinkState::Disconnected {
                // It has never been there.
                continue;
            }
            wanted = wanted.min(held);
            link.stats.lag_bytes.record(replication.offset.saturating_sub(held));
            let since = replication.history.next_byte_at(held);
            link.stats.lag.record(if since == NEVER { 0 } else { now.saturating_sub(since) });
            if link.state == LinkState::Online && link.spec.of.is_none() {
                link.stats.info_lag_bytes.record(replication.offset - link.acked);
            }
        }
        replication.history.forget_before(wanted);
    }

    /// `replicationCron`.
    fn replication_cron(&mut self) {
        let now = self.main.now;
        let period = self.config.replication.repl_ping_replica_period;
        let any = self.replication.connected().next().is_some();
        if any && self.replication.crons.is_multiple_of(period) {
            self.feed_stream(PING_BYTES, 0, self.changes);
        }
        self.replication.crons += 1;
        let limit = self.config.replication.repl_timeout as i64;
        for index in 0..self.replication.links.len() {
            let link = &self.replication.links[index];
            let silent = self.unix_seconds(now) - self.unix_seconds(link.acked_at);
            let own = link.spec.of.is_none() && link.state == LinkState::Online;
            if own && silent > limit && !link.is_stale(now) {
                self.drop_replica(index, format!("no acknowledgement for {silent} s (repl-timeout)"), None);
            }
        }
        self.free_idle_backlog();
        self.start_due_sync();
        self.refresh_good_replicas();
    }

    /// The backlog goes, and with it the replication id, after `repl-backlog-ttl` without replicas.
    fn free_idle_backlog(&mut self) {
        let ttl = self.config.replication.repl_backlog_ttl * SECOND;
        let replication = &mut self.replication;
        if replication.connected().next().is_some() || replication.backlog.is_none() {
            replication.idle_since = None;
            return;
        }
        let since = *replication.idle_since.get_or_insert(self.main.now);
        if ttl > 0 && self.main.now - since > ttl {
            (replication.backlog, replication.idle_since) = (None, None);
            (replication.replid, replication.second) = (replication.replid + 1, None);
            replication.update_feed(&self.config, &self.prices);
            self.main.blocks.note(self.main.now, "backlog-freed", String::new());
        }
    }

    /// `createReplicationBacklog`, when the first replica comes.
    pub(super) fn need_backlog(&mut self) {
        if self.replication.backlog.is_none() {
            let size = self.config.replication.repl_backlog_size;
            let at = self.replication.offset;
            self.replication.backlog = Some(Backlog::new(self.config.version, size, at));
        }
    }

    /// `refreshGoodSlavesCount`.
    pub(super) fn refresh_good_replicas(&mut self) {
        let now = self.unix_seconds(self.main.now);
        let good = self.replication.count_good(&self.config, now, |at| self.unix_seconds(at));
        if good != std::mem::replace(&mut self.replication.good, good) {
            self.refresh_flags();
        }
    }

    /// `checkClientOutputBufferLimits` of every replica.
    pub(super) fn check_output_limits(&mut self) {
        let second = self.unix_seconds(self.main.now);
        let config = &self.config.replication;
        let (hard, soft) = (config.hard_limit(self.config.version), config.soft_limit());
        let seconds = config.output_limit.soft_seconds as i64;
        for index in 0..self.replication.links.len() {
            let buffered = self.replication.buffered(&self.replication.links[index]);
            let link = &mut self.replication.links[index];
            link.stats.buffer_max = link.stats.buffer_max.max(buffered);
            if buffered >= hard {
                let why = format!("{} in its output buffer (hard limit)", format_bytes(buffered));
                self.drop_replica(index, why, Some(hard));
            } else if buffered >= soft {
                let since = *link.soft_since.get_or_insert(second);
                if second - since > seconds {
                    let why = format!("{} in its output buffer (soft limit)", format_bytes(buffered));
                    self.drop_replica(index, why, Some(soft));
                }
            } else {
                link.soft_since = None;
            }
        }
    }

    /// The primary cuts a link (`freeClientAsync`); `limit`: the output limit that was met.
    pub(super) fn drop_replica(&mut self, index: usize, why: String, limit: Option<u64>) {
        let now = self.main.now;
        let looped = limit.and_then(|limit| self.resync_loop(index, limit));
        let link = &mut self.replication.links[index];
        link.stats.dropped_at.push(now);
        if let Some(looped) = looped {
            link.stats.syncs_dropped += 1;
            link.stats.resync_loop = Some(looped);
        }
        let detail = format!("{}: {why}", link.spec.name);
        self.main.blocks.note(now, "replica-dropped", detail);
        self.disconnect(index);
    }

    /// Whether a replica that meets `limit` while it resynchronises would meet it again: W × T > limit.
    fn resync_loop(&mut self, index: usize, limit: u64) -> Option<ResyncLoop> {
        let now = self.main.now;
        let left = self.sync_time_left(index)?;
        let link = &self.replication.links[index];
        let began = self.replication.history.at(link.node.sent).at;
        let buffered = self.replication.buffered(link);
        let elapsed = (now - began).max(1) as f64 / SECOND as f64;
        let bytes_per_second = buffered as f64 / elapsed;
        let seconds = elapsed + left as f64 / SECOND as f64;
        (bytes_per_second * seconds > limit as f64).then_some(ResyncLoop { bytes_per_second, seconds, limit })
    }

    /// A link ends: the primary forgets it; the replica applies what is in its socket, sees the end and asks again.
    pub(super) fn disconnect(&mut self, index: usize) {
        let now = self.main.now;
        self.end_sync_row(index, "dropped");
        let link = &mut self.replication.links[index];
        link.state = LinkState::Disconnected;
        link.acks.clear();
        (link.getack, link.soft_since, link.writable_at, link.tick_at) = (None, None, NEVER, NEVER);
        (link.sync.next_at, link.sync.rdb_channel) = (NEVER, false);
        if link.node.blocked_until() > now {
            link.node.cut(now);
        }
        if let Some((offset, until)) = link.stale.filter(|stale| now < stale.1) {
            // What it was loading is of no use without the stream.
            link.stale = Some((offset, NEVER));
            link.node.restart_at(offset, now);
            if link.stopped_at.is_none() || until != NEVER {
                link.node.resume(now);
            }
            if link.stopped_at.is_some() {
                link.node.pause(now, NEVER);
            }
        }
        self.schedule_psync(index);
        self.abandon_sync_child();
        self.replication.update_feed(&self.config, &self.prices);
        self.refresh_good_replicas();
    }

    /// When the replica's next PSYNC is there: it sees the end of the old link when it has read what was before it.
    pub(super) fn schedule_psync(&mut self, index: usize) {
        let version = self.config.version;
        let now = self.main.now;
        let link = &mut self.replication.links[index];
        if link.spec.of.is_some() {
            return;
        }
        let sees = link.node.runs_at(now).max(link.node.done_at()).max(link.node.blocked_until());
        if sees == NEVER {
            link.asks_at = NEVER;
            return;
        }
        // Up to 6.2 it connects in its next replicationCron, later at once (replicationHandleMasterDisconnection).
        let connects = if version.has(7, 0) { sees } else { link.tick_after(sees) };
        let trips = if version.has(6, 2) { ROUND_TRIPS.1 } else { ROUND_TRIPS.0 };
        link.asks_at = connects.saturating_add(2 * trips * link.node.delay());
    }

    /// Everything of replication that is due: acknowledgements, requests, pieces of snapshots.
    pub fn replication_progress(&mut self) {
        let now = self.main.now;
        self.settle_replicas(now);
        for index in 0..self.replication.links.len() {
            while self.replication.links[index].acks.front().is_some_and(|ack| ack.arrives_at <= now) {
                self.take_ack(index);
            }
            if self.replication.links[index].asks_at <= now {
                self.psync(index);
            }
            if self.replication.links[index].sync.next_at <= self.main.now {
                self.sync_progress(index);
            }
            if self.replication.links[index].writable_at <= self.main.now {
                self.replication.links[index].writable_at = NEVER;
                self.replication.pending = true;
            }
        }
        self.replication.update_wake();
    }

    fn take_ack(&mut self, index: usize) {
        let (read, command) = (self.prices.cpu.read, self.prices.cpu.ping);
        self.main.charge(Cause::Read, read);
        self.main.charge(Cause::Command, command);
        let link = &mut self.replication.links[index];
        if let Some(ack) = link.acks.pop_front() {
            link.acked = link.acked.max(ack.offset);
            link.aof_acked = link.aof_acked.max(ack.aof_offset);
            link.acked_at = self.main.now;
        }
    }

    /// Brings the replicas to `now`: their clocks tick, and what they applied goes to their own replicas.
    pub(super) fn settle_replicas(&mut self, now: Nanos) {
        for index in 0..self.replication.links.len() {
            let link = &mut self.replication.links[index];
            link.advance(now);
            let applied = link.node.take_applied();
            if !applied.is_empty() {
                self.pass_on(index, &applied);
            }
        }
    }
}
