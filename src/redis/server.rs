//! One server: what its mechanisms share.
//!
//! Mechanisms know nothing of one another; they meet here. `start.rs` sets them up, `execute.rs` runs commands, `cron.rs` is serverCron,
//! `persist.rs` starts and ends children,
//! `eviction.rs` makes room.

use super::aof::{Aof, FlushContext, Flushed};
use super::child::Child;
use super::config::{AppendFsync, RedisConfig};
use super::cow::Cow;
use super::disk::Disk;
use super::exact_keys::ExactKeys;
use super::expire_cycle::ExpireCycle;
use super::expires::Expires;
use super::keyspace::Keyspace;
use super::loss::LossTracker;
use super::main_thread::MainThread;
use super::replication::Replication;
use super::rewrite::Rewrite;
use super::streams::Streams as StreamKeys;
use super::work::Work;
use crate::cause::Cause;
use crate::cost_model::CostModel;
use crate::observe::result::{ChildRow, Counters};
use crate::redis::contention::{Contention, Demand};
use crate::rng::Stream;
use crate::units::{MIB, NEVER, Nanos, SECOND};

/// A simulated server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Settings in force.
    pub config: RedisConfig,
    /// Prices.
    pub prices: CostModel,
    /// The main thread.
    pub main: MainThread,
    /// The disk.
    pub disk: Disk,
    /// The append-only file.
    pub aof: Aof,
    /// What a crash would lose.
    pub loss: LossTracker,
    /// Shared pages.
    pub cow: Cow,
    /// The living child.
    pub child: Option<Child>,
    /// AOF rewriting.
    pub rewrite: Rewrite,
    /// Snapshots.
    pub rdb: Rdb,
    /// The keys.
    pub keyspace: Keyspace,
    /// The streams, if a command addresses any.
    pub streams: Option<Box<StreamKeys>>,
    /// Keys of operations of several steps, beside the dataset.
    pub exact: ExactKeys,
    /// Those of them with a time to live.
    pub expires: Expires,
    /// The active expire cycle's state between two calls.
    pub expire_cycle: ExpireCycle,
    /// INFO's counters.
    pub counters: Counters,
    /// Children that ended.
    pub children: Vec<ChildRow>,
    /// Next serverCron.
    pub cron_at: Nanos,
    /// hz in force (dynamic-hz).
    pub hz: u32,
    /// Clients connected.
    pub clients: u32,
    /// Commands that changed the keyspace so far.
    pub changes: u64,
    /// Cores that clients on this machine use now.
    pub client_load: f64,
    /// Cores that other servers on this machine, their children and their clients use now.
    pub neighbour_load: f64,
    /// Of these, those that children use.
    pub neighbour_children: f64,
    /// What the main thread waits for cores that others use.
    pub contention: Contention,
    /// Every command of a kind costs the same now, so nothing needs to be drawn.
    pub all_alike: bool,
    /// Something depends on which key a command addresses.
    pub keys_matter: bool,
    /// Commands may be refused (maxmemory, MISCONF).
    pub gated: bool,
    /// Moving one bucket, first touches of the new table included \[ns\].
    pub rehash_step: Nanos,
    /// Replicas.
    pub replication: Replication,
    /// Largest RSS with copied pages.
    pub rss_max: u64,
    /// Most bytes copied for one child.
    pub cow_max: u64,
    pub(super) eviction_stream: Stream,
    pub(super) next_write_back_at: Nanos,
    pub(super) huge_pages: bool,
    pub(super) value_mean: f64,
    pub(super) rdb_bytes_per_key: f64,
    pub(super) aof_bytes_per_key: f64,
    pub(super) rdb_ttl_bytes: f64,
    pub(super) aof_ttl_bytes: f64,
    pub(super) del_bytes: u64,
    pub(super) ttl_share: f64,
    pub(super) pages_per_key: f64,
    pub(super) fragmentation: f64,
    pub(super) rss_floor: u64,
    /// The wall clock is this far into a second at time 0.
    pub(super) phase: Nanos,
}

/// State of snapshots.
#[derive(Clone, Debug)]
pub struct Rdb {
    /// `dirty`: changes since the last save.
    pub dirty: u64,
    /// `lastsave`, whole seconds of the server's clock.
    pub last_save: i64,
    /// The last BGSAVE succeeded.
    pub last_ok: bool,
    /// When the last one was tried.
    pub last_try_at: Option<Nanos>,
    /// A BGSAVE waits for the living child.
    pub scheduled: bool,
    /// Size of the last file.
    pub file_bytes: u64,
}

impl Server {
    /// used_memory: keys, table, buffers.
    pub fn used_memory(&self) -> u64 {
        let replication = self.replication.memory(self.config.version.has(7, 0));
        self.data_bytes() + self.aof.buffer + self.rewrite_buffer() + replication
    }

    /// used_memory without buffers, which is what eviction compares with maxmemory.
    pub fn data_bytes(&self) -> u64 {
        self.keyspace.used_bytes() + self.expires.used_bytes() + self.exact.used_bytes() + self.stream_bytes()
    }

    /// used_memory_rss, without a child's copies. Memory once touched is kept.
    pub fn rss(&self) -> u64 {
        self.rss_floor.max((self.used_memory() as f64 * self.fragmentation) as u64)
    }

    /// Bytes in the rewrite buffer (before 7.0).
    pub fn rewrite_buffer(&self) -> u64 {
        match &self.child {
            Some(child) => child.buffered(self.aof.appended, self.config.version),
            None => 0,
        }
    }

    /// Whole seconds of the server's clock at `at`.
    pub fn unix_seconds(&self, at: Nanos) -> i64 {
        ((at + self.phase) / SECOND) as i64
    }

    /// The wall clock is this far into a second at time 0.
    pub fn phase(&self) -> Nanos {
        self.phase
    }

    /// Time between two serverCrons.
    pub fn period(&self) -> Nanos {
        SECOND / 1000 * (1000 / self.hz as u64)
    }

    /// Moves the first serverCron, the first wake-up of the kernel's flusher and the first ping to replicas to the given
    /// shares of their periods.
    pub fn shift_timers(&mut self, cron: f64, write_back: f64, ping: f64) {
        let part = |share: f64, period: Nanos| (share * period as f64) as Nanos;
        self.cron_at = part(cron, self.period()).max(1);
        self.next_write_back_at = part(write_back, self.prices.disk.dirty_writeback).max(1);
        self.replication.crons = part(ping, self.config.replication.repl_ping_replica_period);
    }

    /// Writes get MISCONF.
    pub fn refuses_writes(&self) -> bool {
        let rdb =
            !self.rdb.last_ok && self.config.stop_writes_on_bgsave_error && !self.config.save.is_empty();
        rdb || (self.config.appendonly && self.aof.refuses_writes())
    }

    /// Brings the flags that let commands be executed alike up to date.
    pub fn refresh_flags(&mut self) {
        let rehashing = self.keyspace.dict.is_rehashing();
        let cow = self.cow.is_active();
        self.gated = self.config.maxmemory > 0
            || self.refuses_writes()
            || self.replication.refuses_writes(&self.config);
        self.keys_matter =
            !self.keyspace.is_complete() || rehashing || cow || self.gated || self.expires.is_on();
        let by_class = cow && self.keyspace.classes() > 1;
        self.all_alike =
            self.keyspace.is_complete() && !rehashing && !self.gated && !by_class && !self.expires.is_on();
        let child = self.child.is_some() as u8 as f64;
        self.contention.set(Demand {
            runnable: 1.0 + child + self.client_load + self.neighbour_load,
            busy: child + self.neighbour_children,
            cores: self.prices.machine.cores as f64,
        });
    }

    /// The main hash table has grown by a table of `bytes`.
    pub(super) fn table_grew(&mut self, bytes: u64) {
        // Fresh memory comes as zero pages: the call itself touches one; the rest is paid by the moves.
        let span = self.prices.memory.first_touch;
        self.main.block(Cause::TableAllocation, span, || format!("{} MiB", bytes / MIB));
        self.counters.table_growths += 1;
        self.all_alike = false;
        self.keys_matter = true;
    }

    /// The old table of `bytes` is freed in the main thread.
    pub(super) fn table_freed(&mut self, bytes: u64) {
        let span = (bytes as f64 / MIB as f64 * self.prices.memory.free_per_mib as f64) as Nanos;
        self.main.block(Cause::TableFree, span, || format!("{} MiB", bytes / MIB));
    }

    /// The main thread has worked for `span`: it waits for a core if there are too few.
    #[inline(always)]
    pub fn wait_for_core(&mut self, span: Nanos) {
        let wait = self.contention.after(span, self.main.now);
        if wait > 0 {
            self.main.block(Cause::CoreContention, wait, String::new);
        }
    }

    /// The commands of a turn have been executed: takes their time, hands their bytes on.
    #[inline]
    pub fn executed(&mut self, work: &Work) {
        self.main.charge(Cause::Command, work.cpu);
        self.main.charge(Cause::Cow, work.cow);
        self.main.charge(Cause::Rehash, work.rehash);
        if work.eviction > 0 {
            self.main.block(Cause::EvictionCycle, work.eviction, String::new);
        }
        if self.config.appendonly && work.aof_bytes > 0 {
            self.aof.append(work.aof_bytes, self.changes + work.changed);
            if self.keeps_rewrite_buffer() {
                self.main.charge_unless_free(Cause::AofRewriteBuffer, work.append);
            }
        }
        if work.repl_bytes > 0 {
            self.feed_replicas(work.repl_bytes, work.repl_work, self.changes + work.changed);
        }
        self.note_executed(work, work.commands);
    }

    /// Books of executed commands, at most `largest` in a turn.
    #[inline(always)]
    pub fn note_executed(&mut self, work: &Work, largest: u64) {
        self.changes += work.changed;
        self.rdb.dirty += work.dirty;
        self.counters.aof_bytes += work.aof_bytes;
        self.counters.net_input_bytes += work.input_bytes;
        self.counters.net_output_bytes += work.reply_bytes;
        self.counters.keyspace_hits += work.hits;
        self.counters.keyspace_misses += work.misses;
        self.counters.eventloop_cmd_per_cycle_max = self.counters.eventloop_cmd_per_cycle_max.max(largest);
    }

    /// Books of `writes` turns whose commands, `bytes` in all, went to the AOF with one plain write(2) each.
    pub fn note_quiet_writes(&mut self, first_at: Nanos, writes: u64, bytes: u64) {
        self.aof.wrote_quietly(bytes, self.changes);
        self.disk.accept_aof(first_at, bytes);
        self.counters.aof_writes += writes;
        self.loss.wrote(self.changes);
    }

    /// Whether commands are appended to a rewrite buffer as well (before 7.0, while its child lives).
    #[inline(always)]
    pub fn keeps_rewrite_buffer(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.takes_buffer(self.config.version))
    }

    /// The usual flush of a turn: one write(2) or nothing; false when more is due, and nothing was done.
    #[inline(always)]
    pub fn flush_quietly(&mut self) -> bool {
        if self.aof.clock_each_turn {
            self.aof.refresh_clock(self.main.now);
        }
        self.with_flush_context(|aof, _, cx| aof.flush_quietly(cx))
    }

    /// `flushAppendOnlyFile`.
    pub fn flush(&mut self, force: bool) -> Flushed {
        let child_alive = self.child.is_some();
        let was_fine = !self.aof.refuses_writes();
        let flushed = self.with_flush_context(|aof, config, cx| aof.flush(force, child_alive, config, cx));
        if was_fine == self.aof.refuses_writes() {
            self.refresh_flags();
        }
        flushed
    }

    /// Runs `work` with what a flush works with.
    #[inline(always)]
    pub(super) fn with_flush_context<T>(
        &mut self,
        work: impl FnOnce(&mut Aof, &RedisConfig, &mut FlushContext) -> T,
    ) -> T {
        let mut cx = FlushContext {
            main: &mut self.main,
            disk: &mut self.disk,
            loss: &mut self.loss,
            counters: &mut self.counters,
        };
        work(&mut self.aof, &self.config, &mut cx)
    }

    /// The next instant at which something happens by itself, apart from serverCron.
    pub fn next_special_at(&self) -> Nanos {
        let child =
            self.child.as_ref().map_or(NEVER, |child| child.stops_streaming_at.min(child.next_chunk_at));
        child.min(self.replication.wakes_at)
    }

    /// Another configuration is in force.
    pub fn reconfigure(&mut self, config: RedisConfig) {
        let turned_on = config.appendonly && !self.config.appendonly;
        let turned_off = !config.appendonly && self.config.appendonly;
        if turned_off {
            self.flush(true);
        }
        self.aof.disquiet();
        self.hz = config.hz;
        self.config = config;
        if turned_on {
            self.aof.last_write = self.changes;
            self.rewrite.scheduled = true;
        }
        if turned_on || turned_off {
            self.loss.follow_snapshots(!self.config.appendonly);
        }
        self.replication.reconfigured(&self.config, &self.prices);
        self.refresh_flags();
    }

    /// Everybody's books.
    pub fn check(&self) {
        self.aof.check();
        self.disk.check();
        self.keyspace.check();
        if let Some(streams) = &self.streams {
            streams.check();
        }
        self.replication.check();
        self.exact.check();
        self.expires.check(self.keyspace.present());
        let busy: Nanos = self.main.busy.iter().sum();
        assert_eq!(self.main.now, busy + self.main.idle, "time of the main thread");
        if self.config.appendfsync == AppendFsync::Always && self.config.appendonly {
            assert!(self.aof.buffer == 0 || !self.aof.write_ok, "always leaves nothing in the buffer");
        }
    }
}
