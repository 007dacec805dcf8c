//! The link between the primary and one replica.
//!
//! Redis: the `client` of a replica in the primary (server.h, `repl_*` fields).

use std::collections::VecDeque;

use super::config::RedisConfig;
use super::replica::{Node, Sent};
use crate::cost_model::CostModel;
use crate::curve::Curve;
use crate::observe::histogram::Histogram;
use crate::observe::replicas::{ResyncLoop, SyncRow};
use crate::scenario::replicas::ReplicaSpec;
use crate::units::{NEVER, Nanos, SECOND};

/// Linux reports a socket writable when a third of its buffer is free (`sk_stream_is_writeable`).
const WRITABLE_AT: (u64, u64) = (2, 3);

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Waits for a snapshot to begin (`SLAVE_STATE_WAIT_BGSAVE_START`).
    WaitBgsaveStart,
    /// Waits for the end of a snapshot, or receives a diskless one (`SLAVE_STATE_WAIT_BGSAVE_END`).
    WaitBgsaveEnd,
    /// Is sent the snapshot's file (`SLAVE_STATE_SEND_BULK`).
    SendBulk,
    /// Has a diskless snapshot whole and loads it; the stream begins with its first acknowledgement.
    Loading,
    /// Receives the stream.
    Online,
    /// There is no link.
    Disconnected,
}

impl LinkState {
    /// Name as INFO has it.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::WaitBgsaveStart | LinkState::WaitBgsaveEnd | LinkState::Loading => "wait_bgsave",
            LinkState::SendBulk => "send_bulk",
            LinkState::Online => "online",
            LinkState::Disconnected => "disconnected",
        }
    }

    /// Whether the primary knows it as a replica.
    pub fn is_connected(self) -> bool {
        self != LinkState::Disconnected
    }

    /// Whether what is propagated is kept for it.
    pub fn is_fed(self) -> bool {
        !matches!(self, LinkState::Disconnected | LinkState::WaitBgsaveStart)
    }
}

/// A `REPLCONF ACK` under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) sent_at: Nanos,
    pub(super) arrives_at: Nanos,
    pub(super) offset: u64,
    pub(super) aof_offset: u64,
}

/// Where a full resynchronisation stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sync {
    /// Whole second of the server's clock at which it was asked for.
    pub(super) asked_second: i64,
    /// Bytes of the snapshot still to be sent.
    pub(super) left: u64,
    /// When the next piece may be moved, or the present phase ends.
    pub(super) next_at: Nanos,
    /// The replica has its own connection for the snapshot.
    pub(super) rdb_channel: bool,
}

/// A replica as the primary sees it, and the replica itself.
#[derive(Clone, Debug)]
pub struct Link {
    /// What the scenario says of it.
    pub spec: ReplicaSpec,
    /// The replica.
    pub node: Node,
    /// Where the link stands.
    pub state: LinkState,
    /// `repl_ack_off`.
    pub acked: u64,
    /// `repl_aof_off` (7.2 on).
    pub aof_acked: u64,
    /// `repl_ack_time`.
    pub acked_at: Nanos,
    /// The replication id whose stream it has.
    pub replid: u32,
    pub(super) acks: VecDeque<Ack>,
    /// Next `replicationCron` of the replica.
    pub(super) tick_at: Nanos,
    /// A GETACK behind this offset is to be answered.
    pub(super) getack: Option<u64>,
    /// Since which second the soft limit is exceeded.
    pub(super) soft_since: Option<i64>,
    /// When its next PSYNC reaches the primary.
    pub(super) asks_at: Nanos,
    pub(super) sync: Sync,
    /// What it holds while it resynchronises, an offset of the past, and until when.
    pub(super) stale: Option<(u64, Nanos)>,
    /// Offset at which its data began: that of its last full resynchronisation.
    pub(super) base: u64,
    /// Its process is stopped since then.
    pub(super) stopped_at: Option<Nanos>,
    /// Its clock ticks so far into each second.
    phase: Nanos,
    /// Offset its AOF holds on the device, what the running fsync covers and its end, and the start of the next.
    fsynced: u64,
    fsyncing: (u64, Nanos),
    fsync_at: Nanos,
    /// When the socket has room again for what is left.
    pub(super) writable_at: Nanos,
    /// What is reported of it.
    pub stats: LinkStats,
}

/// What is reported of a link.
#[derive(Clone, Debug)]
pub struct LinkStats {
    /// True lag in bytes and time, and what INFO shows, by serverCron.
    pub lag_bytes: Histogram,
    /// …
    pub lag: Histogram,
    /// …
    pub info_lag_bytes: Histogram,
    /// Largest output buffer.
    pub buffer_max: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Full and accepted partial resynchronisations.
    pub sync_full: u64,
    /// …
    pub sync_partial_ok: u64,
    /// When it was dropped.
    pub dropped_at: Vec<Nanos>,
    /// Full resynchronisations that a limit ended.
    pub syncs_dropped: u64,
    /// The loop it is in.
    pub resync_loop: Option<ResyncLoop>,
    /// Acknowledged writes lost when it took over.
    pub lost: u64,
    /// Each resynchronisation.
    pub syncs: Vec<SyncRow>,
}

impl LinkStats {
    pub(super) fn new() -> Self {
        LinkStats {
            lag_bytes: Histogram::new(),
            lag: Histogram::new(),
            info_lag_bytes: Histogram::new(),
            buffer_max: 0,
            sent_bytes: 0,
            sync_full: 0,
            sync_partial_ok: 0,
            dropped_at: Vec::new(),
            syncs_dropped: 0,
            resync_loop: None,
            lost: 0,
            syncs: Vec::new(),
        }
    }
}

impl Link {
    /// The link of a replica whose own clock ticks at `phase`: online and in step, or not there yet.
    pub(super) fn new(
        spec: &ReplicaSpec,
        config: &RedisConfig,
        machine: &CostModel,
        (phase, fsync_phase): (Nanos, Nanos),
        feeds_others: bool,
    ) -> Self {
        let pass = machine.cpu.turn + machine.cpu.read;
        let wakeup = Curve::new(&machine.cpu.wakeup);
        let nagle = config.replication.repl_disable_tcp_nodelay;
        let node = Node::new(spec.delay, spec.bandwidth, pass, wakeup, 0, feeds_others).with_nagle(nagle);
        let online = spec.attach.is_none();
        Link {
            spec: spec.clone(),
            node,
            state: if online { LinkState::Online } else { LinkState::Disconnected },
            acked: 0,
            aof_acked: 0,
            acked_at: 0,
            replid: u32::from(online),
            acks: VecDeque::new(),
            tick_at: if online { phase } else { NEVER },
            getack: None,
            soft_since: None,
            asks_at: spec.attach.unwrap_or(NEVER),
            sync: Sync { next_at: NEVER, ..Sync::default() },
            stale: (!online).then_some((0, NEVER)),
            base: 0,
            stopped_at: None,
            phase,
            fsynced: 0,
            fsyncing: (0, 0),
            fsync_at: fsync_phase,
            writable_at: NEVER,
            stats: LinkStats::new(),
        }
    }

    /// Brings the replica to `now`: it applies, and its clock ticks (`replicationCron`: REPLCONF ACK once a second).
    pub fn advance(&mut self, now: Nanos) -> u64 {
        loop {
            let at = self.acts_at();
            if at > now {
                return self.node.applied(now);
            }
            let applied = self.node.applied(at);
            if self.spec.appendonly && self.tick_at > self.fsync_at {
                self.fsynced = self.aof_offset(at);
                self.fsyncing = (applied, at + self.spec.fsync);
                self.fsync_at = at + SECOND;
                continue;
            }
            if self.state == LinkState::Online {
                self.send_ack(at, applied);
            }
            self.tick_at = self.tick_after(at + 1);
        }
    }

    /// When it does something by its own clock next.
    #[inline(always)]
    fn acts_at(&self) -> Nanos {
        let own = if self.spec.appendonly { self.tick_at.min(self.fsync_at) } else { self.tick_at };
        self.node.runs_at(own).max(self.stale.map_or(0, |stale| stale.1))
    }

    /// Brings the replica to `now` as [`advance`](Self::advance) does, and does not ask how far it is.
    #[inline(always)]
    pub(super) fn settle(&mut self, now: Nanos) {
        if self.acts_at() > now {
            self.node.settle(now);
        } else {
            self.advance(now);
        }
    }

    /// When the acknowledgement of its next tick arrives.
    pub(super) fn next_ack_at(&self) -> Nanos {
        if self.state != LinkState::Online {
            return NEVER;
        }
        let at = self.node.runs_at(self.tick_at).max(self.stale.map_or(0, |stale| stale.1));
        at.max(self.node.blocked_until()).saturating_add(self.node.delay())
    }

    /// What its AOF holds on the device at `at`.
    fn aof_offset(&self, at: Nanos) -> u64 {
        if self.fsyncing.1 <= at { self.fsyncing.0 } else { self.fsynced }
    }

    fn send_ack(&mut self, at: Nanos, offset: u64) {
        let arrives_at = at.max(self.node.blocked_until()).saturating_add(self.node.delay());
        let ack = Ack { sent_at: at, arrives_at, offset, aof_offset: self.aof_offset(at) };
        let place = self.acks.partition_point(|other| other.arrives_at <= arrives_at);
        self.acks.insert(place, ack);
    }

    /// Acknowledgements beyond `offset` were of another stream.
    pub(super) fn forget_acks(&mut self, offset: u64) {
        for ack in &mut self.acks {
            ack.offset = ack.offset.min(offset);
            ack.aof_offset = ack.aof_offset.min(offset);
        }
        self.acked = self.acked.min(offset);
        self.aof_acked = self.aof_acked.min(offset);
        self.fsynced = self.fsynced.min(offset);
        self.fsyncing.0 = self.fsyncing.0.min(offset);
    }

    /// Its main thread stands still from `now` until `until`: answers it has not given yet wait.
    pub(super) fn pause(&mut self, now: Nanos, until: Nanos) {
        self.advance(now);
        self.node.pause(now, until);
        self.withdraw_acks(now);
    }

    /// Its main thread goes on.
    pub(super) fn resume(&mut self, now: Nanos) {
        self.advance(now);
        self.node.resume(now);
        self.withdraw_acks(now);
    }

    /// The link passes nothing until `until`.
    pub(super) fn block(&mut self, now: Nanos, until: Nanos) {
        self.advance(now);
        self.node.block(now, until);
        self.withdraw_acks(now);
        let heals = until.saturating_add(self.node.delay());
        self.acks.iter_mut().filter(|ack| ack.arrives_at > now).for_each(|ack| ack.arrives_at = heals);
    }

    /// Answers to GETACK that lie in the future are given when they can be now.
    fn withdraw_acks(&mut self, now: Nanos) {
        let later = self.acks.iter().filter(|ack| ack.sent_at > now).map(|ack| ack.offset).max();
        self.acks.retain(|ack| ack.sent_at <= now);
        self.getack = later.or(self.getack.filter(|offset| *offset <= self.node.sent));
        if let Some(offset) = self.getack {
            let at = self.node.when_applied(offset).max(now);
            self.answer_getack(at, offset);
        }
    }

    /// The replica's next tick from `at` on.
    pub(super) fn tick_after(&self, at: Nanos) -> Nanos {
        let into = (at + SECOND - self.phase) % SECOND;
        at + (SECOND - into) % SECOND
    }

    /// Offset of the data it holds at `now`.
    pub fn holds(&mut self, now: Nanos) -> u64 {
        match self.stale {
            Some((offset, until)) if now < until => offset,
            _ => self.advance(now),
        }
    }

    /// The same without bringing the replica to `now`.
    pub fn would_hold(&self, now: Nanos) -> u64 {
        match self.stale {
            Some((offset, until)) if now < until => offset,
            _ => self.node.clone().applied(now),
        }
    }

    /// Whether it has no data of the present primary's stream.
    pub(super) fn is_stale(&self, now: Nanos) -> bool {
        self.stale.is_some_and(|(_, until)| now < until)
    }

    /// What the socket takes now; with a connection of its own for the snapshot the replica buffers the stream.
    pub(super) fn room(&mut self, now: Nanos, config: &RedisConfig) -> u64 {
        self.advance(now);
        let in_sockets = self.node.in_sockets(now);
        // The replica goes through what it buffered, then reads its socket as ever.
        self.sync.rdb_channel &= self.state != LinkState::Online || in_sockets > self.spec.socket_buffer;
        let held = if self.sync.rdb_channel { self.sync_buffer(config) } else { 0 };
        (self.spec.socket_buffer.saturating_add(held)).saturating_sub(in_sockets)
    }

    fn sync_buffer(&self, config: &RedisConfig) -> u64 {
        match config.replication.replica_full_sync_buffer_limit {
            0 => config.replication.hard_limit(config.version).min(1 << 50),
            limit => limit,
        }
    }

    pub(super) fn when_writable(&mut self, config: &RedisConfig) -> Nanos {
        let held = if self.sync.rdb_channel { self.sync_buffer(config) } else { 0 };
        let full = held + self.spec.socket_buffer * WRITABLE_AT.0 / WRITABLE_AT.1;
        self.node.when_applied(self.node.sent.saturating_sub(full)).saturating_add(self.node.delay())
    }

    pub(super) fn send(&mut self, sent: &Sent) {
        self.stats.sent_bytes += sent.end - self.node.sent;
        let applied_at = self.node.send(sent);
        if self.getack.is_some_and(|offset| offset <= sent.end) {
            self.answer_getack(applied_at, sent.end);
        }
    }

    /// The replica has processed a GETACK at `at`: it answers with what it has applied.
    pub(super) fn answer_getack(&mut self, at: Nanos, offset: u64) {
        if at == NEVER {
            return;
        }
        self.getack = None;
        self.send_ack(at, offset);
    }
}
