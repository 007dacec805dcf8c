//! Resynchronisation: partial from the backlog, or full by a snapshot.
//!
//! Redis: `masterTryPartialResynchronization`, `syncCommand`, `startBgsaveForReplication`, `sendBulkToSlave`,
//! `rdbPipeReadHandler`, `updateSlavesWaitingBgsave` in replication.c. A snapshot goes to a file and from there to
//! each replica (disk), through a pipe and the main thread (diskless), or by the child on a connection of its own
//! (Valkey `dual-channel-replication-enabled`, Redis `repl-rdb-channel`). Left out: that a replica writes a diskless
//! snapshot to its own disk first, and `repl-diskless-load`.

use super::child::{Child, ChildKind};
use super::link::LinkState;
use super::replica::{Applied, Sent};
use super::server::Server;
use crate::cause::Cause;
use crate::observe::replicas::SyncRow;
use crate::units::{KIB, NEVER, Nanos, SECOND};

/// Piece of a snapshot in one read(2) and write(2) (`PROTO_IOBUF_LEN`).
const PIECE: u64 = 16 * KIB;
/// Pieces that a pipe holds, and so the most that one turn finds in it (64 KiB on Linux).
const PIPE_PIECES: u64 = 4;
/// What starts the child.
pub const TRIGGER: &str = "replica sync";

impl Server {
    /// A replica's PSYNC.
    pub(super) fn psync(&mut self, index: usize) {
        let now = self.main.now;
        let cpu = &self.prices.cpu;
        let (read, command, write) = (cpu.read, cpu.ping, cpu.write);
        self.main.charge(Cause::Read, read);
        self.main.charge(Cause::Command, command);
        self.main.charge(Cause::Reply, write);
        let replication = &mut self.replication;
        let link = &mut replication.links[index];
        link.asks_at = NEVER;
        link.acked_at = now;
        let stale = link.is_stale(now);
        let offset = link.advance(now);
        let id = link.replid;
        let follows = replication.leads_to(id, offset);
        let held = replication.backlog.as_ref().is_some_and(|backlog| backlog.holds(offset));
        if !stale && follows && held {
            self.accept_partial(index, offset);
        } else {
            self.replication.partial.1 += u64::from(!stale);
            self.begin_full(index, offset);
        }
        self.replication.update_feed(&self.config, &self.prices);
        self.refresh_good_replicas();
    }

    fn accept_partial(&mut self, index: usize, offset: u64) {
        let now = self.main.now;
        let replication = &mut self.replication;
        let bytes = replication.offset - offset;
        replication.partial.0 += 1;
        replication.pending = true;
        let link = &mut replication.links[index];
        link.state = LinkState::Online;
        link.replid = replication.replid;
        link.node.restart_at(offset, now);
        link.forget_acks(offset);
        (link.acked, link.acked_at, link.tick_at) = (offset, now, link.tick_after(now + link.node.delay()));
        link.stats.sync_partial_ok += 1;
        let row = SyncRow { kind: "partial", start: now, duration: 0, bytes, outcome: "online" };
        link.stats.syncs.push(row);
        let detail = format!("{}: partial, {bytes} bytes", link.spec.name);
        self.main.blocks.note(now, "resync", detail);
    }

    fn begin_full(&mut self, index: usize, offset: u64) {
        let now = self.main.now;
        let asked_second = self.unix_seconds(now);
        self.counters.sync_full += 1;
        self.need_backlog();
        let replication = &mut self.replication;
        let joins =
            self.child.as_ref().is_some_and(|child| child.kind == ChildKind::Bgsave && !child.to_replicas);
        let other = replication.links.iter().find(|link| link.state == LinkState::WaitBgsaveEnd);
        let from = other.filter(|_| joins).map(|link| link.node.sent);
        let link = &mut replication.links[index];
        link.stale = Some((link.stale.filter(|stale| now < stale.1).map_or(offset, |stale| stale.0), NEVER));
        link.state = LinkState::WaitBgsaveStart;
        link.sync.asked_second = asked_second;
        link.stats.sync_full += 1;
        let kind = match &self.config.replication {
            config if config.has_rdb_channel() => "rdb-channel",
            config if config.repl_diskless_sync => "diskless",
            _ => "disk",
        };
        link.stats.syncs.push(SyncRow { kind, start: now, duration: 0, bytes: 0, outcome: "running" });
        let detail = format!("{}: full, {kind}", link.spec.name);
        self.main.blocks.note(now, "resync", detail);
        if let Some(from) = from {
            self.wait_for_snapshot(index, from);
        } else if !self.config.replication.repl_diskless_sync
            || self.config.replication.repl_diskless_sync_delay == 0
        {
            self.start_due_sync();
        }
    }

    /// Starts the snapshot that waiting replicas want, when it is time (`shouldStartChildReplication`).
    pub(super) fn start_due_sync(&mut self) {
        let waiting =
            || self.replication.links.iter().filter(|link| link.state == LinkState::WaitBgsaveStart);
        let Some(first) = waiting().map(|link| link.sync.asked_second).min() else { return };
        if self.child.is_some() {
            return;
        }
        let config = &self.config.replication;
        let enough = config.repl_diskless_sync_max_replicas as usize;
        let full = self.config.version.has(7, 0) && enough > 0 && waiting().count() >= enough;
        let waited = self.unix_seconds(self.main.now) - first;
        if !config.repl_diskless_sync || full || waited >= config.repl_diskless_sync_delay as i64 {
            self.start_sync();
        }
    }

    /// `startBgsaveForReplication`.
    fn start_sync(&mut self) {
        let diskless = self.config.replication.repl_diskless_sync;
        if diskless {
            self.start_socket_child();
        } else {
            self.start_bgsave(TRIGGER.into());
        }
        let from = self.replication.offset;
        for index in 0..self.replication.links.len() {
            if self.replication.links[index].state == LinkState::WaitBgsaveStart {
                if self.child.is_some() {
                    self.wait_for_snapshot(index, from);
                } else {
                    self.drop_replica(index, "no snapshot: fork failed".into(), None);
                }
            }
        }
        if diskless {
            self.begin_transfer();
        }
        self.replication.select_due = true;
        self.replication.update_feed(&self.config, &self.prices);
    }

    /// `rdbSaveToSlavesSockets`: the child writes to the replicas and leaves the disk alone.
    fn start_socket_child(&mut self) {
        let child = Child::new(ChildKind::Bgsave, TRIGGER.into(), self.main.now);
        if let Some(mut child) = self.fork(child) {
            let mut pace = self.pace(ChildKind::Bgsave, self.child_stretch());
            (child.to_replicas, pace.rate) = (true, 0.0);
            self.set_off(child, pace);
        }
    }

    /// From here on the stream is kept for the replica.
    fn wait_for_snapshot(&mut self, index: usize, from: u64) {
        let now = self.main.now;
        let replication = &mut self.replication;
        let link = &mut replication.links[index];
        link.state = LinkState::WaitBgsaveEnd;
        link.replid = replication.replid;
        link.base = from;
        link.forget_acks(0);
        link.node.restart_at(from, now);
        link.node.pause(now, NEVER);
        link.sync.next_at = NEVER;
        link.sync.left = self.child.as_ref().map_or(0, |child| child.file_bytes);
        if let Some(row) = link.stats.syncs.last_mut() {
            row.bytes = link.sync.left;
        }
    }

    /// Links that receive the running diskless snapshot.
    fn receivers(&self) -> Vec<usize> {
        let links = self.replication.links.iter().enumerate();
        links.filter(|(_, link)| link.state == LinkState::WaitBgsaveEnd).map(|(index, _)| index).collect()
    }

    /// The time that a piece of a diskless snapshot takes: the child's, or that of the slowest link.
    fn piece_time(&self) -> Nanos {
        let span = self.pace(ChildKind::Bgsave, self.child_stretch()).cpu;
        let file = self.child.as_ref().map_or(1, |child| child.file_bytes.max(1));
        let by_child = (span as u128 * PIECE as u128 / file as u128) as Nanos;
        let links = self.receivers();
        let slowest = links.iter().map(|&index| self.replication.links[index].node.transmission(PIECE)).max();
        by_child.max(slowest.unwrap_or(0)).max(1)
    }

    fn begin_transfer(&mut self) {
        let (now, piece) = (self.main.now, self.piece_time());
        let channel = self.config.replication.has_rdb_channel();
        for index in self.receivers() {
            let link = &mut self.replication.links[index];
            link.sync.rdb_channel = channel;
            let pieces = link.sync.left.div_ceil(PIECE);
            link.sync.next_at = now + if channel { pieces * piece } else { piece };
            if channel {
                link.sync.left = 0;
            }
        }
    }

    /// Something of a full resynchronisation is due.
    pub(super) fn sync_progress(&mut self, index: usize) {
        let link = &self.replication.links[index];
        match link.state {
            LinkState::WaitBgsaveEnd if link.sync.left > 0 => self.copy_from_pipe(),
            LinkState::WaitBgsaveEnd if self.child.is_some() => self.snapshot_received(index),
            LinkState::WaitBgsaveEnd | LinkState::Loading => self.put_online(index),
            LinkState::SendBulk => self.send_bulk(index),
            _ => self.replication.links[index].sync.next_at = NEVER,
        }
    }

    /// `rdbPipeReadHandler`: what is in the pipe goes to every replica, at the pace of the slowest.
    fn copy_from_pipe(&mut self) {
        let (now, piece, links) = (self.main.now, self.piece_time(), self.receivers());
        let stopped = links.iter().any(|&index| self.replication.links[index].stopped_at.is_some());
        if stopped {
            // Nobody reads at one end: the pipe stays full.
            links.iter().for_each(|&index| self.replication.links[index].sync.next_at = NEVER);
            return;
        }
        let Some(first) = links.first().map(|&index| self.replication.links[index].sync) else { return };
        let due = 1 + (now - first.next_at) / piece;
        let pieces = due.min(PIPE_PIECES).min(first.left.div_ceil(PIECE));
        // A further replica adds a write(2), half the price of a pair.
        let pair = self.prices.cpu.pipe_copy;
        let cost = pieces * (pair + (links.len() as u64 - 1) * pair / 2);
        self.main.charge(Cause::DisklessCopy, cost);
        self.wait_for_core(cost);
        // The child fills the pipe while the thread is elsewhere, and then waits.
        let next_at = (first.next_at + pieces * piece).max(self.main.now.saturating_sub(PIPE_PIECES * piece));
        for &index in &links {
            let link = &mut self.replication.links[index];
            let moved = link.sync.left.min(pieces * PIECE);
            link.sync.left -= moved;
            link.stats.sent_bytes += moved;
            link.sync.next_at = next_at;
        }
        if first.left <= pieces * PIECE {
            links.into_iter().for_each(|index| self.snapshot_received(index));
        }
    }

    /// The last piece of a diskless snapshot has been sent: the child exits, the replica loads.
    fn snapshot_received(&mut self, index: usize) {
        let now = self.main.now;
        let file = self.child.as_ref().map_or(0, |child| child.file_bytes);
        if let Some(child) = &mut self.child {
            child.exits_at = child.exits_at.min(now);
        }
        let channel = self.replication.links[index].sync.rdb_channel;
        self.replication.links[index].stats.sent_bytes += if channel { file } else { 0 };
        let loaded_at = self.begin_loading(index, file);
        let link = &mut self.replication.links[index];
        // The stream begins with the acknowledgement the replica sends then.
        link.state = LinkState::Loading;
        link.sync.next_at = loaded_at.saturating_add(link.node.delay());
    }

    /// The replica has the whole snapshot and loads it; returns when it has.
    fn begin_loading(&mut self, index: usize, file: u64) -> Nanos {
        let span = self.load_span(index, file);
        let now = self.main.now;
        let link = &mut self.replication.links[index];
        let loaded_at = (now + link.node.delay()).saturating_add(span);
        link.stale = link.stale.map(|stale| (stale.0, loaded_at));
        link.node.resume(now);
        link.node.pause(now, loaded_at);
        loaded_at
    }

    /// How long a replica loads a snapshot: as told, or as long as SETs of all keys take (assumed).
    fn load_span(&self, index: usize, file: u64) -> Nanos {
        match self.replication.links[index].spec.load {
            Some(rate) => (file as f64 / rate * SECOND as f64) as Nanos,
            None => {
                let value = self.value_mean / KIB as f64 * self.prices.cpu.per_kib;
                (self.keyspace.keys() as f64 * (self.prices.cpu.set as f64 + value)) as Nanos
            }
        }
    }

    /// `sendBulkToSlave`: one piece of the file a turn, at the pace of the link.
    fn send_bulk(&mut self, index: usize) {
        let cost = self.prices.cpu.pipe_copy;
        self.main.charge(Cause::RdbSend, cost);
        self.wait_for_core(cost);
        let now = self.main.now;
        let link = &mut self.replication.links[index];
        let moved = link.sync.left.min(PIECE);
        link.sync.left -= moved;
        link.stats.sent_bytes += moved;
        // What the link took meanwhile makes room in the socket, for no more than the socket holds.
        let catch_up = link.node.transmission(link.spec.socket_buffer);
        link.sync.next_at =
            (link.sync.next_at + link.node.transmission(PIECE)).max(now.saturating_sub(catch_up));
        link.acked_at = now;
        if link.sync.left == 0 {
            let file = link.stats.syncs.last().map_or(0, |row| row.bytes);
            self.begin_loading(index, file);
            self.put_online(index);
        }
    }

    /// `replicaPutOnline` and `replicaStartCommandStream`.
    fn put_online(&mut self, index: usize) {
        let now = self.main.now;
        let replication = &mut self.replication;
        replication.pending = true;
        let link = &mut replication.links[index];
        link.state = LinkState::Online;
        link.sync.next_at = NEVER;
        (link.acked, link.acked_at) = (link.node.applied(now), now);
        let loaded_at = link.stale.map_or(now, |stale| stale.1.max(now));
        link.tick_at = link.tick_after(loaded_at);
        let name = link.spec.name.clone();
        self.end_sync_row(index, "online");
        self.main.blocks.note(now, "replica-online", name);
        self.sync_chained(index, loaded_at);
        self.replication.update_feed(&self.config, &self.prices);
        self.refresh_good_replicas();
    }

    /// A child that worked for replicas has ended.
    pub(super) fn sync_child_ended(&mut self, to_replicas: bool, ok: bool) {
        if self.replication.links.is_empty() {
            return;
        }
        let now = self.main.now;
        for index in 0..self.replication.links.len() {
            let link = &mut self.replication.links[index];
            if link.state != LinkState::WaitBgsaveEnd {
                continue;
            }
            if !ok || to_replicas {
                self.drop_replica(index, "the snapshot failed".into(), None);
            } else {
                link.state = LinkState::SendBulk;
                link.sync.next_at = now;
            }
        }
        // Replicas that could not join have waited long enough for this one.
        self.start_due_sync();
        self.replication.update_wake();
    }

    /// A diskless snapshot that nobody receives any more is stopped (`killRDBChild`).
    pub(super) fn abandon_sync_child(&mut self) {
        let wanted = |state| matches!(state, LinkState::WaitBgsaveEnd | LinkState::Loading);
        if self.replication.links.iter().any(|link| wanted(link.state)) {
            return;
        }
        if let Some(child) = self.child.as_mut().filter(|child| child.to_replicas && child.exits_at == NEVER)
        {
            (child.fails, child.exits_at) = (Some("no replica left"), self.main.now);
        }
    }

    /// Time that a running full resynchronisation still takes, without further delays.
    pub(super) fn sync_time_left(&self, index: usize) -> Option<Nanos> {
        let link = &self.replication.links[index];
        let now = self.main.now;
        let file = link.stats.syncs.last().map_or(0, |row| row.bytes);
        let send = |left: u64, piece: Nanos| left.div_ceil(PIECE) * piece;
        match link.state {
            LinkState::WaitBgsaveEnd => {
                let child = self.child.as_ref()?;
                let transfer = if child.to_replicas {
                    send(link.sync.left, self.piece_time())
                } else {
                    child.exits_at.saturating_sub(now) + send(file, link.node.transmission(PIECE))
                };
                Some(transfer + self.load_span(index, file))
            }
            LinkState::SendBulk => {
                Some(send(link.sync.left, link.node.transmission(PIECE)) + self.load_span(index, file))
            }
            _ if link.is_stale(now) => link.stale.map(|stale| stale.1.saturating_sub(now)),
            _ => None,
        }
    }

    /// The last row of a replica's resynchronisations, if it runs, ends.
    pub(super) fn end_sync_row(&mut self, index: usize, outcome: &'static str) {
        let now = self.main.now;
        let link = &mut self.replication.links[index];
        let loaded_at = link.stale.map_or(now, |stale| if stale.1 == NEVER { now } else { stale.1.max(now) });
        let running = |row: &&mut SyncRow| row.outcome == "running" || now < row.start + row.duration;
        if let Some(row) = link.stats.syncs.last_mut().filter(running) {
            let end = if outcome == "online" { loaded_at } else { now };
            (row.duration, row.outcome) = (end - row.start, outcome);
        }
    }

    /// What a replica applied goes to its own replicas.
    pub(super) fn pass_on(&mut self, parent: usize, applied: &[Applied]) {
        let replication = &mut self.replication;
        for index in 0..replication.links.len() {
            if replication.links[index].spec.of != Some(parent) {
                continue;
            }
            for &Applied { end, from, until, writes } in applied {
                if end > replication.links[index].node.sent {
                    let work = replication.work_until(index, end);
                    let first_at = if writes == 1 { until } else { from };
                    let sent = Sent { first_at, last_at: until, writes, end, work };
                    replication.links[index].send(&sent);
                }
            }
        }
    }

    /// The replicas of a replica follow its full resynchronisation with their own, from it.
    fn sync_chained(&mut self, parent: usize, loaded_at: Nanos) {
        let file = self.replication.links[parent].stats.syncs.last().map_or(0, |row| row.bytes);
        let from = self.replication.links[parent].node.sent;
        let now = self.main.now;
        for index in 0..self.replication.links.len() {
            if self.replication.links[index].spec.of != Some(parent) {
                continue;
            }
            let span = self.load_span(index, file);
            let link = &mut self.replication.links[index];
            let held = link.holds(now);
            let online_at = loaded_at + span + link.node.transmission(file) + 2 * link.node.delay();
            link.stale = Some((held, online_at));
            link.node.restart_at(from, now);
            link.forget_acks(from);
            link.node.resume(now);
            link.node.pause(now, online_at);
            link.stats.sync_full += 1;
            let duration = online_at - now;
            link.stats.syncs.push(SyncRow {
                kind: "chained",
                start: now,
                duration,
                bytes: file,
                outcome: "online",
            });
        }
    }
}
