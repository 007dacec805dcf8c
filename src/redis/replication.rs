//! The primary's side of replication: the stream, its backlog, and a link for each replica.
//!
//! Redis: replication.c. `feedReplicationBuffer` (7.0 on) or `replicationFeedSlaves` puts every propagated command
//! into the backlog and the replicas' output buffers; `handleClientsWithPendingWrites` sends them once a turn;
//! `checkClientOutputBufferLimits` drops who is too far behind; `replicationCron` pings and looks at the clock once
//! a second. Resynchronisation is in `resync.rs`, a replica itself in `replica.rs`; `in_step.rs` does the same for replicas
//! in step in less time.
//!
//! Left out: `REPLCONF` and `AUTH` of the handshake beyond their round trips, a replica's `SLAVEOF`, TLS.

use super::backlog::{Backlog, History, Knot, TRIM_PER_TURN};
use super::config::RedisConfig;
use super::link::{Link, LinkState, LinkStats};
use super::replica::Sent;
use super::server::Server;
use crate::cause::Cause;
use crate::cost_model::CostModel;
use crate::math::Factor;
use crate::observe::replicas::{FailoverRow, WaitCounts};
use crate::rng::{StreamId, Streams, Uniform};
use crate::scenario::replicas::ReplicaSpec;
use crate::units::{KIB, NEVER, Nanos, SECOND};

/// `SELECT 0` before the first command after a full resynchronisation \[bytes\].
pub const SELECT_BYTES: u64 = 23;
/// `PING` \[bytes\].
pub const PING_BYTES: u64 = 14;
/// `REPLCONF GETACK *` \[bytes\].
pub const GETACK_BYTES: u64 = 37;
/// From 7.0 on a further replica costs a command this share of the first one's price: the loop over replicas
/// (redis #10588: 469 to 551 k ops/s with five, about 0.06 us a replica and command, of 0.8 us).
const LOOP_SHARE: f64 = 0.08;

/// What feeding costs a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Feed {
    /// Per command \[ns\].
    pub per_command: Nanos,
    /// Per byte of it.
    pub per_byte: Factor,
}

impl Feed {
    /// Main-thread time of feeding `commands` commands of `bytes` in all.
    #[inline(always)]
    pub fn cost(&self, commands: u64, bytes: u64) -> Nanos {
        commands * self.per_command + self.per_byte.of(bytes)
    }
}

/// State of replication in the primary.
#[derive(Clone, Debug)]
pub struct Replication {
    /// Commands are fed: there is a backlog. The one question of the hot path.
    pub feeds: bool,
    /// What feeding costs now.
    pub feed: Feed,
    /// Something has to be sent, or may have to.
    pub pending: bool,
    /// The next instant at which something of replication wakes the thread; [`NEVER`] without replicas.
    pub wakes_at: Nanos,
    /// `master_repl_offset`.
    pub offset: u64,
    /// `master_replid`, counted.
    pub replid: u32,
    /// `master_replid2` and `second_repl_offset`.
    pub second: Option<(u32, u64)>,
    /// The backlog.
    pub backlog: Option<Backlog>,
    /// Links in the order of the scenario.
    pub links: Vec<Link>,
    /// `min_slaves_good_slaves` as of the last count.
    pub good: u32,
    /// Partial resynchronisations accepted and refused.
    pub partial: (u64, u64),
    /// Changes of the primary.
    pub failovers: Vec<FailoverRow>,
    pub(super) history: History,
    /// Work of the stream so far.
    pub(super) work: Nanos,
    pub(super) select_due: bool,
    /// A WAIT wants acknowledgements in this turn.
    pub(super) getack_due: bool,
    pub(super) crons: u64,
    pub(super) cron_at: Nanos,
    pub(super) idle_since: Option<Nanos>,
    pub(super) copy: Factor,
    /// The stream when it was last sent, and now: all that a replica in step has to be sent.
    pub(super) sent_up_to: Knot,
    pub(super) now: Knot,
    /// WAIT and WAITAOF so far.
    pub waits: WaitCounts,
    /// Bytes of the stream over the measured time, up to the present primary's first.
    streamed: (u64, u64),
}

impl Replication {
    /// The replicas of a scenario, those without `attach` online and in step.
    ///
    /// `changes`: the number of the last write command before the run.
    pub fn new(
        specs: &[ReplicaSpec],
        config: &RedisConfig,
        machine: &CostModel,
        streams: &Streams,
        changes: u64,
    ) -> Self {
        let links: Vec<Link> = specs
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                let feeds_others = specs.iter().any(|other| other.of == Some(index));
                let mut phases = streams.open(StreamId::Replica, index as u64);
                let phases = (phases.below(SECOND), phases.below(SECOND));
                Link::new(spec, config, machine, phases, feeds_others)
            })
            .collect();
        let online = links.iter().any(|link| link.state == LinkState::Online);
        let mut replication = Replication {
            feeds: online,
            feed: Feed::default(),
            pending: false,
            wakes_at: NEVER,
            offset: 0,
            replid: 1,
            second: None,
            backlog: online.then(|| Backlog::new(config.version, config.replication.repl_backlog_size, 0)),
            links,
            good: 0,
            partial: (0, 0),
            failovers: Vec::new(),
            history: History::new(Knot { changes, ..Knot::default() }),
            work: 0,
            select_due: online,
            getack_due: false,
            crons: 0,
            cron_at: 0,
            idle_since: None,
            copy: match machine.free.has(Cause::ReplicaWrite) {
                true => Factor::default(),
                false => Factor::new(machine.cpu.aof_append_per_kib / KIB as f64),
            },
            sent_up_to: Knot { changes, ..Knot::default() },
            now: Knot { changes, ..Knot::default() },
            waits: WaitCounts::default(),
            streamed: (0, 0),
        };
        replication.update_feed(config, machine);
        replication.update_wake();
        replication.good = replication.count_good(config, 0, |_| 0);
        replication
    }

    /// Own replicas that are connected.
    pub fn connected(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.spec.of.is_none() && link.state.is_connected())
    }

    /// Prices of feeding with the replicas there are.
    ///
    /// Up to 6.2 every replica has a copy of its own, from 7.0 on all share one.
    pub(super) fn update_feed(&mut self, config: &RedisConfig, machine: &CostModel) {
        let fed =
            self.links.iter().filter(|link| link.spec.of.is_none() && link.state.is_fed()).count() as u64;
        let (price, further) = (machine.cpu.replica_command, fed.max(1) - 1);
        let shared = config.version.has(7, 0);
        let copies = if shared { 1 } else { 1 + fed };
        self.feed = Feed {
            per_command: price
                + if shared {
                    (further as f64 * LOOP_SHARE * price as f64) as Nanos
                } else {
                    further * price
                },
            per_byte: Factor::new(machine.cpu.aof_append_per_kib / KIB as f64 * copies as f64),
        };
        self.feeds = self.backlog.is_some();
    }

    /// The lowest offset that some replica has still to be sent.
    pub(super) fn needed_from(&self) -> u64 {
        let fed = self.links.iter().filter(|link| link.spec.of.is_none() && link.state.is_fed());
        fed.map(|link| link.node.sent).min().unwrap_or(self.offset)
    }

    /// Bytes in the output buffer of a link.
    pub fn buffered(&self, link: &Link) -> u64 {
        if link.spec.of.is_none() && link.state.is_fed() { self.offset - link.node.sent } else { 0 }
    }

    /// Memory of backlog and output buffers: shared from 7.0 on, one each before.
    pub fn memory(&self, shared: bool) -> u64 {
        let backlog = self.backlog.as_ref().map_or(0, Backlog::memory);
        let buffers = self.links.iter().map(|link| self.buffered(link));
        backlog + if shared { 0 } else { buffers.sum() }
    }

    /// Replicas that acknowledged `offset`, or whose AOF holds it.
    pub fn acknowledged_by(&self, offset: u64, aof: bool) -> u32 {
        let has = |link: &&Link| if aof { link.aof_acked >= offset } else { link.acked >= offset };
        self.connected().filter(|link| link.state == LinkState::Online).filter(has).count() as u32
    }

    pub(super) fn count_good(&self, config: &RedisConfig, now: i64, second: impl Fn(Nanos) -> i64) -> u32 {
        let max_lag = config.replication.min_replicas_max_lag as i64;
        let good = |link: &&Link| link.state == LinkState::Online && now - second(link.acked_at) <= max_lag;
        self.connected().filter(good).count() as u32
    }

    /// Writes get NOREPLICAS.
    pub fn refuses_writes(&self, config: &RedisConfig) -> bool {
        let wanted = config.replication.min_replicas_to_write;
        wanted > 0 && config.replication.min_replicas_max_lag > 0 && self.good < wanted
    }

    /// Replicas that get the stream, and the main-thread time of a write(2) of `bytes` to one.
    pub fn writes_of(&self, bytes: u64, machine: &CostModel) -> (u64, Nanos) {
        let online = self.connected().filter(|link| link.state == LinkState::Online).count() as u64;
        (online, machine.cpu.replica_write + self.copy.of(bytes))
    }

    /// The next instant that wakes the thread.
    pub(super) fn update_wake(&mut self) {
        let of_link = |link: &Link| {
            let ack = link.acks.front().map_or(NEVER, |ack| ack.arrives_at);
            ack.min(link.next_ack_at()).min(link.asks_at).min(link.sync.next_at).min(link.writable_at)
        };
        self.wakes_at = self.links.iter().map(of_link).min().unwrap_or(NEVER);
    }
}

impl Replication {
    /// The measured time begins: figures so far are forgotten.
    pub fn measure(&mut self) {
        self.streamed = (0, self.offset);
        (self.partial, self.waits) = ((0, 0), WaitCounts::default());
        self.failovers.clear();
        for link in &mut self.links {
            link.stats = LinkStats::new();
        }
    }

    /// Bytes of the stream over the measured time.
    pub fn streamed(&self) -> u64 {
        self.streamed.0 + (self.offset - self.streamed.1)
    }

    /// The stream is cut back to `offset`: another primary goes on from there.
    pub(super) fn rewind(&mut self, offset: u64, now: Nanos, changes: u64) {
        self.streamed = (self.streamed(), offset);
        self.offset = offset;
        self.history.rewind(offset, now, changes);
        self.now = self.history.at(offset);
        self.sent_up_to = self.now;
        self.work = self.history.at(offset).work;
    }

    /// A WAIT wants to know how far the replicas are.
    pub fn request_acks(&mut self) {
        (self.getack_due, self.pending) = (true, true);
    }

    /// Whether data of stream `id` up to `offset` is a beginning of the present stream.
    pub(super) fn leads_to(&self, id: u32, offset: u64) -> bool {
        let known =
            id == self.replid || self.second.is_some_and(|(second, until)| id == second && offset < until);
        known && offset <= self.offset
    }

    /// Other settings are in force.
    pub(super) fn reconfigured(&mut self, config: &RedisConfig, machine: &CostModel) {
        if let Some(backlog) = &mut self.backlog {
            backlog.resize(config.version, config.replication.repl_backlog_size);
        }
        self.update_feed(config, machine);
    }

    /// Panics unless the stream, the backlog and every replica agree.
    pub fn check(&self) {
        if let Some(backlog) = &self.backlog {
            backlog.check(self.offset);
        }
        for link in &self.links {
            link.node.check();
            if link.state.is_fed() {
                assert!(link.node.sent <= self.offset, "{}: sent beyond the stream", link.spec.name);
                assert!(
                    link.acked <= link.node.sent,
                    "{}: acknowledged beyond what was sent",
                    link.spec.name
                );
            }
        }
    }
}

impl Server {
    /// Bytes of `commands` commands enter the stream (`propagateNow` → `replicationFeedSlaves`); the caller has
    /// charged [`Feed::cost`]. `work` is what applying them takes; `changes` the number of the last write command.
    pub fn feed_replicas(&mut self, bytes: u64, work: Nanos, changes: u64) {
        let select = if std::mem::take(&mut self.replication.select_due) { SELECT_BYTES } else { 0 };
        self.feed_stream(bytes + select, work, changes);
    }

    /// The same for what concerns no database (PING, REPLCONF GETACK).
    pub(super) fn feed_stream(&mut self, bytes: u64, work: Nanos, changes: u64) {
        let replication = &mut self.replication;
        if !replication.feeds || bytes == 0 {
            return;
        }
        replication.offset += bytes;
        replication.work += work;
        replication.pending = true;
        let knot = Knot { offset: replication.offset, at: self.main.now, changes, work: replication.work };
        replication.history.push(knot);
        replication.now = knot;
        let needed = replication.needed_from();
        if let Some(backlog) = &mut replication.backlog {
            backlog.feed(replication.offset, needed);
        }
    }

    /// What handleClientsWithPendingWrites does for replicas: one write(2) each, as much as its socket takes.
    #[inline(never)]
    pub fn write_to_replicas(&mut self) {
        if std::mem::take(&mut self.replication.getack_due) {
            self.feed_stream(GETACK_BYTES, 0, self.changes);
            let offset = self.replication.offset;
            for link in self.replication.links.iter_mut().filter(|link| link.spec.of.is_none()) {
                link.getack = (link.state == LinkState::Online).then_some(offset).or(link.getack);
            }
        }
        for index in 0..self.replication.links.len() {
            self.write_to_replica(index);
        }
        self.replication.pending = false;
        self.replication.sent_up_to = self.replication.now;
        let needed = self.replication.needed_from();
        if let Some(backlog) = &mut self.replication.backlog {
            backlog.trim(needed, TRIM_PER_TURN);
        }
        self.check_output_limits();
        self.replication.update_wake();
    }

    fn write_to_replica(&mut self, index: usize) {
        let offset = self.replication.offset;
        let link = &mut self.replication.links[index];
        let takes_stream = link.state == LinkState::Online || (link.state.is_fed() && link.sync.rdb_channel);
        if link.spec.of.is_some() || !takes_stream || link.node.sent == offset {
            return;
        }
        let room = link.room(self.main.now, &self.config);
        let bytes = room.min(offset - link.node.sent);
        let write = self.prices.cpu.replica_write;
        if bytes > 0 {
            let cost = write + self.replication.copy.of(bytes);
            self.main.charge(Cause::ReplicaWrite, cost);
            self.wait_for_core(cost);
            let end = self.replication.links[index].node.sent + bytes;
            let work = self.replication.work_until(index, end);
            let at = self.main.now;
            self.replication.links[index].send(&Sent { first_at: at, last_at: at, writes: 1, end, work });
        }
        let link = &mut self.replication.links[index];
        link.writable_at = if link.node.sent < offset { link.when_writable(&self.config) } else { NEVER };
    }
}

impl Replication {
    /// The work a replica has with the stream from what it was sent to `end`.
    pub(super) fn work_until(&self, index: usize, end: u64) -> Nanos {
        let link = &self.links[index];
        let (from, to) = match (link.node.sent, end) == (self.sent_up_to.offset, self.now.offset) {
            true => (self.sent_up_to, self.now),
            false => (self.history.at(link.node.sent), self.history.at(end)),
        };
        match link.spec.apply {
            Some(each) => (to.changes - from.changes) * each,
            None => to.work - from.work,
        }
    }
}
