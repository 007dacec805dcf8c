//! What a run leaves behind: everything reports, files and JSON are made from.

use crate::cause::Cause;
use crate::observe::blame::Blame;
use crate::observe::cluster::ClusterResult;
use crate::observe::histogram::Histogram;
use crate::observe::hot_key::HotKeyUse;
use crate::observe::patterns::PatternResult;
use crate::observe::replicas::ReplicationResult;
use crate::observe::sections::Sections;
use crate::observe::spent::GroupSpent;
use crate::observe::streams::StreamUse;
use crate::redis::version::Version;
use crate::units::Nanos;

/// The outcome of one run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Name of the scenario.
    pub scenario: String,
    /// Version of the simulated server.
    pub version: Version,
    /// Name of the machine model.
    pub model: String,
    /// Seed.
    pub seed: u64,
    /// Simulated time \[ns\], warm-up included.
    pub duration: Nanos,
    /// Warm-up \[ns\].
    pub warmup: Nanos,
    /// Requests that arrived after the warm-up.
    pub requests: u64,
    /// Of those, answered before the end.
    pub completed: u64,
    /// Of those, answered with an error, by kind.
    pub errors: Errors,
    /// All requests, reads, writes, then each group (`all`, `read`, `write`, names); empty scopes are left out.
    pub scopes: Vec<Scope>,
    /// What a closed-loop benchmark would have recorded over the same server.
    pub closed_loop_view: Histogram,
    /// Main-thread time by cause over the measured time \[ns\], indexed by `Cause as usize`.
    pub busy: [Nanos; Cause::COUNT],
    /// Time the main thread neither slept nor waited outside a turn, over the measured time \[ns\] = sum of `busy`.
    pub busy_total: Nanos,
    /// Longest stalls first, at most ten.
    pub stalls: Vec<EventRow>,
    /// Every stall and state change in order of time.
    pub events: Vec<EventRow>,
    /// Events beyond the limit of the list.
    pub events_dropped: u64,
    /// Blocks of the main thread by cause and length, short ones too.
    pub blocks: Vec<BlockTotals>,
    /// One row an interval; empty unless asked for.
    pub timeline: Vec<TimelineRow>,
    /// What INFO would count.
    pub counters: Counters,
    /// What a crash would lose.
    pub loss: Loss,
    /// Children that ran, in order.
    pub children: Vec<ChildRow>,
    /// Memory.
    pub memory: MemoryUse,
    /// What the commands of each group took, in the order of the groups: (name, sums).
    pub spent: Vec<(String, GroupSpent)>,
    /// What limits writes to a hot key, if a group's keys are hot.
    pub hot_key: Option<HotKeyUse>,
    /// Streams, if a command addresses any.
    pub streams: Option<StreamUse>,
    /// Replicas, if there are any.
    pub replication: Option<ReplicationResult>,
    /// Expiry, where keys have a time to live.
    pub expiry: Option<super::expiry::ExpiryResult>,
    /// State at the end under INFO's names.
    pub info: Vec<(String, InfoValue)>,
    /// What became of operations of several steps, by group that runs them.
    pub patterns: Vec<PatternResult>,
    /// The cluster, if the scenario has one.
    pub cluster: Option<ClusterResult>,
    /// The measured time in sections; empty unless asked for.
    pub sections: Sections,
    /// Where the time of the requests went; none unless asked for.
    pub blame: Option<Blame>,
}

/// Requests answered with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Out of memory under noeviction.
    pub oom: u64,
    /// Writes refused because persistence fails.
    pub misconf: u64,
    /// Requests whose connection died with the server.
    pub connection_lost: u64,
    /// Writes refused for lack of good replicas.
    pub noreplicas: u64,
}

/// One scope's requests.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `all`, `read`, `write` or the group's name.
    pub name: String,
    /// Operations of a group as written (`SET`, `SET 0.9, GET 0.1`); empty for the first three.
    pub operation: String,
    /// Sojourn of the whole run.
    pub sojourn: Histogram,
    /// Quantiles by window length.
    pub windows: Vec<WindowQuantiles>,
}

/// Quantiles of sojourn over the windows of one length that lie wholly in the measured time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowQuantiles {
    /// Length \[ns\].
    pub window: Nanos,
    /// Windows with at least one request.
    pub count: u64,
    /// Median of the windows' P99 \[ns\].
    pub p99_median: Nanos,
    /// Worst P99 \[ns\].
    pub p99_worst: Nanos,
    /// Worst P99.9 \[ns\].
    pub p999_worst: Nanos,
    /// Start of the window with the worst P99 \[ns\].
    pub p99_worst_at: Nanos,
    /// The windows in order of time.
    pub rows: Vec<WindowRow>,
}

impl WindowQuantiles {
    /// Share of the windows for which `is_beyond` holds; none without windows.
    pub fn share(&self, is_beyond: impl Fn(&WindowRow) -> bool) -> Option<f64> {
        let beyond = self.rows.iter().filter(|row| is_beyond(row)).count();
        (!self.rows.is_empty()).then(|| beyond as f64 / self.rows.len() as f64)
    }

    /// The value at or below which a share `q` (0 to 1) of the windows has `value`; none without windows.
    pub fn over_windows(&self, q: f64, value: impl Fn(&WindowRow) -> Nanos) -> Option<Nanos> {
        let mut values: Vec<Nanos> = self.rows.iter().map(value).collect();
        values.sort_unstable();
        let rank = (q * values.len() as f64).ceil() as usize;
        values.get(rank.clamp(1, values.len().max(1)) - 1).copied()
    }
}

/// One window with at least one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowRow {
    /// Its start \[ns\].
    pub start: Nanos,
    /// Requests answered in it.
    pub requests: u64,
    /// Median of their sojourn \[ns\].
    pub p50: Nanos,
    /// P99 \[ns\].
    pub p99: Nanos,
    /// P99.9 \[ns\].
    pub p999: Nanos,
    /// Longest \[ns\].
    pub max: Nanos,
}

/// A stall or a state change.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Start \[ns\].
    pub at: Nanos,
    /// Length \[ns\]; 0 for a change of state.
    pub span: Nanos,
    /// Cause's name, or what changed (`child-exit`, `config-set` …).
    pub cause: &'static str,
    /// More (`BGSAVE (60 10000)`).
    pub detail: String,
}

/// Blocks of the main thread on one cause, by length.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockTotals {
    /// The cause.
    pub cause: Cause,
    /// Number of blocks.
    pub count: u64,
    /// Their sum \[ns\].
    pub sum: Nanos,
    /// The longest \[ns\].
    pub longest: Nanos,
    /// (length at most, number) by rising length, eight steps an octave.
    pub by_length: Vec<(Nanos, u64)>,
}

/// One interval of the timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineRow {
    /// End of the interval \[ns\].
    pub at: Nanos,
    /// Requests answered in it.
    pub completed: u64,
    /// Quantiles of sojourn of those \[ns\]: p50, p90, p99, p99.9, max; none when nothing was answered.
    pub sojourn: Option<[Nanos; 5]>,
    /// Main-thread time by cause \[ns\].
    pub busy: Vec<Nanos>,
    /// Turns of the event loop.
    pub eventloop_cycles: u64,
    /// Bytes in the AOF buffer.
    pub aof_buffer_bytes: u64,
    /// Size of the AOF.
    pub aof_bytes: u64,
    /// Dirty bytes in the page cache.
    pub dirty_bytes: u64,
    /// used_memory.
    pub used_bytes: u64,
    /// used_memory_rss, without the child.
    pub rss_bytes: u64,
    /// Bytes copied on write since the last fork.
    pub cow_bytes: u64,
    /// Bytes in the rewrite buffer (before 7.0).
    pub rewrite_buffer_bytes: u64,
    /// Keys.
    pub keys: u64,
    /// Keys deleted in it because their deadline had passed.
    pub expired_keys: u64,
    /// Keys with a deadline.
    pub volatile_keys: u64,
    /// Keys past their deadline and still in memory, as the last cycle left them.
    pub pending_expired_keys: u64,
    /// Changes since the last save.
    pub changes_since_save: u64,
    /// Acknowledged writes that a machine's death now would lose.
    pub unsynced_writes: u64,
    /// `none`, `bgsave` or `aof-rewrite`.
    pub child: &'static str,
    /// Bytes in the replication backlog.
    pub repl_backlog_bytes: u64,
    /// Bytes in the largest output buffer of a replica.
    pub replica_buffer_bytes_max: u64,
    /// Bytes that the replica furthest behind has not applied.
    pub replica_lag_bytes_max: u64,
}

/// What INFO would count, over the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Forks.
    pub forks: u64,
    /// Successful snapshots.
    pub rdb_saves: u64,
    /// Successful AOF rewrites.
    pub aof_rewrites: u64,
    /// Failed children.
    pub children_failed: u64,
    /// fdatasyncs of the AOF.
    pub aof_fsyncs: u64,
    /// Postponed writes that were forced.
    pub aof_delayed_fsync: u64,
    /// write(2) calls on the AOF.
    pub aof_writes: u64,
    /// Keys deleted for expiry.
    pub expired_keys: u64,
    /// Keys evicted.
    pub evicted_keys: u64,
    /// Hits of read commands.
    pub keyspace_hits: u64,
    /// Misses of read commands.
    pub keyspace_misses: u64,
    /// Turns of the event loop.
    pub eventloop_cycles: u64,
    /// Largest number of commands in one turn.
    pub eventloop_cmd_per_cycle_max: u64,
    /// serverCron runs.
    pub crons: u64,
    /// Full resynchronisations.
    pub sync_full: u64,
    /// Growths of the main hash table.
    pub table_growths: u64,
    /// Bytes received from clients.
    pub net_input_bytes: u64,
    /// Bytes sent to clients.
    pub net_output_bytes: u64,
    /// Bytes appended to the AOF.
    pub aof_bytes: u64,
    /// Copy-on-write faults.
    pub cow_faults: u64,
    /// Commands that a SLOWLOG would hold.
    pub slowlog_entries: u64,
    /// Host gaps that delayed the main thread.
    pub host_gaps: u64,
}

impl Counters {
    /// What two servers did in the same time.
    pub fn plus(&self, other: &Counters) -> Counters {
        self.with(other, |mine, theirs| mine + theirs)
    }

    /// What was counted since it was `earlier`; of a maximum, the whole.
    pub fn since(&self, earlier: &Counters) -> Counters {
        self.with(earlier, |now, before| now - before)
    }

    fn with(&self, other: &Counters, sum: impl Fn(u64, u64) -> u64) -> Counters {
        // Every field by name: a new one has to find its place here.
        Counters {
            forks: sum(self.forks, other.forks),
            rdb_saves: sum(self.rdb_saves, other.rdb_saves),
            aof_rewrites: sum(self.aof_rewrites, other.aof_rewrites),
            children_failed: sum(self.children_failed, other.children_failed),
            aof_fsyncs: sum(self.aof_fsyncs, other.aof_fsyncs),
            aof_delayed_fsync: sum(self.aof_delayed_fsync, other.aof_delayed_fsync),
            aof_writes: sum(self.aof_writes, other.aof_writes),
            expired_keys: sum(self.expired_keys, other.expired_keys),
            evicted_keys: sum(self.evicted_keys, other.evicted_keys),
            keyspace_hits: sum(self.keyspace_hits, other.keyspace_hits),
            keyspace_misses: sum(self.keyspace_misses, other.keyspace_misses),
            eventloop_cycles: sum(self.eventloop_cycles, other.eventloop_cycles),
            crons: sum(self.crons, other.crons),
            sync_full: sum(self.sync_full, other.sync_full),
            table_growths: sum(self.table_growths, other.table_growths),
            net_input_bytes: sum(self.net_input_bytes, other.net_input_bytes),
            net_output_bytes: sum(self.net_output_bytes, other.net_output_bytes),
            aof_bytes: sum(self.aof_bytes, other.aof_bytes),
            cow_faults: sum(self.cow_faults, other.cow_faults),
            slowlog_entries: sum(self.slowlog_entries, other.slowlog_entries),
            host_gaps: sum(self.host_gaps, other.host_gaps),
            eventloop_cmd_per_cycle_max: self
                .eventloop_cmd_per_cycle_max
                .max(other.eventloop_cmd_per_cycle_max),
        }
    }
}

/// What a crash at a random instant of the measured time loses, in acknowledged writes and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Instants sampled.
    pub samples: u64,
    /// kill -9, OOM killer: mean number of acknowledged writes lost.
    pub process_death_writes_mean: f64,
    /// Most at any instant of the run.
    pub process_death_writes_max: u64,
    /// Power, kernel: mean number of acknowledged writes lost.
    pub machine_death_writes_mean: f64,
    /// 99th percentile over the sampled instants.
    pub machine_death_writes_p99: u64,
    /// Most at any instant of the run.
    pub machine_death_writes_max: u64,
    /// Mean age of the oldest lost write \[s\].
    pub machine_death_seconds_mean: f64,
    /// Age of the oldest lost write at the worst instant \[s\].
    pub machine_death_seconds_max: f64,
}

/// A child that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRow {
    /// `bgsave` or `aof-rewrite`.
    pub kind: &'static str,
    /// What started it (`60 10000`, `BGSAVE`, `growth 100 %` …).
    pub trigger: String,
    /// Start of fork(2) \[ns\].
    pub start: Nanos,
    /// Length of fork(2) \[ns\].
    pub fork: Nanos,
    /// From the end of fork(2) to the parent noticing its end \[ns\].
    pub duration: Nanos,
    /// Bytes copied on write.
    pub cow_bytes: u64,
    /// Bytes of the file it wrote.
    pub file_bytes: u64,
    /// Main-thread time spent on its end \[ns\].
    pub end_stall: Nanos,
    /// Bytes of the rewrite buffer written at its end (before 7.0).
    pub residual_bytes: u64,
    /// Bytes that commands added to the AOF while it ran.
    pub written_meanwhile_bytes: u64,
    /// Commands that added them.
    pub written_meanwhile_commands: u64,
    /// It succeeded.
    pub ok: bool,
}

/// Memory of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryUse {
    /// used_memory at the end.
    pub used_bytes: u64,
    /// Largest RSS, copied pages of a child included.
    pub rss_bytes_max: u64,
    /// Most bytes copied on write for one child.
    pub cow_bytes_max: u64,
    /// Largest rewrite buffer (before 7.0), the child's copy not included.
    pub rewrite_buffer_bytes_max: u64,
    /// Mean bytes of a key.
    pub bytes_per_key: f64,
}

/// A value under an INFO name.
#[derive(Clone, Debug, PartialEq)]
pub enum InfoValue {
    /// A whole number.
    Int(u64),
    /// A ratio, printed with two digits.
    Ratio(f64),
    /// A word.
    Text(String),
}
