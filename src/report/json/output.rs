//! The keys of the JSON object, with their units.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::blame::BlameOutput;
use super::cluster::ClusterOutput;
use super::hot_key::HotKeyOutput;
use super::patterns::PatternOutput;
use super::streams::StreamOutput;
use crate::observe::result::Counters;
use crate::report::intervals::Intervals;
use crate::report::json::replicas::{ReplicaOutput, ReplicationOutput};
use crate::report::quantiles::Quantiles;
use crate::report::request_life::LifeOutput;
use crate::report::uncertainty::MachineOutput;
use crate::units::Nanos;

/// What `writepath run --format json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunOutput {
    /// Version of this program.
    pub writepath: &'static str,
    /// Name of the scenario.
    pub scenario: String,
    /// Version of the simulated server.
    pub redis_version: String,
    /// Name of the machine model.
    pub model: String,
    /// Seed.
    pub seed: u64,
    /// Simulated time, warm-up included, in s.
    pub duration_s: f64,
    /// Warm-up, in s; its requests are not counted.
    pub warmup_s: f64,
    /// How requests come: `open`, `closed` or `mixed`.
    #[serde(rename = "loop")]
    pub loop_kind: &'static str,
    /// Requests that arrived after the warm-up.
    pub requests: u64,
    /// Of those, answered before the end.
    pub completed: u64,
    /// Requests answered with an error.
    pub errors: ErrorCounts,
    /// Requests answered a second.
    pub throughput_per_s: f64,
    /// Share of the measured time the main thread was busy.
    pub server_busy_share: f64,
    /// From the intended arrival of a request to its reply at the client, in ns.
    pub sojourn_ns: Quantiles,
    /// 95 % intervals of the same, in ns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
    /// What a closed-loop benchmark over the same server would have printed, in ns.
    pub closed_loop_view_ns: ClosedLoopView,
    /// Quantiles over windows of each length.
    pub windows: Vec<WindowOutput>,
    /// Groups of clients.
    pub groups: Vec<GroupOutput>,
    /// Main-thread time by cause, in ns.
    pub busy_ns: BTreeMap<&'static str, Nanos>,
    /// The longest stalls, longest first.
    pub stalls: Vec<StallOutput>,
    /// Counts over the measured time.
    pub counters: CounterOutput,
    /// What a crash would lose.
    pub loss: LossOutput,
    /// State at the end under INFO's names.
    pub info: BTreeMap<String, InfoOutput>,
    /// Memory of the server.
    pub memory: MemoryOutput,
    /// Keys with a time to live, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<super::ExpiryOutput>,
    /// Snapshot and rewrite children.
    pub persistence: PersistenceOutput,
    /// What limits writes to a hot key, when a group's keys are hot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_key: Option<HotKeyOutput>,
    /// What is not known of the machine, when its prices were drawn from their ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_uncertainty: Option<MachineOutput>,
    /// Streams, when commands address any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamOutput>,
    /// Replicas, when the scenario has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<ReplicaOutput>>,
    /// Replication as a whole, when the scenario has replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication: Option<ReplicationOutput>,
    /// Operations of several steps, by group that runs them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<PatternOutput>>,
    /// The cluster, when the scenario has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterOutput>,
    /// Where the time of the requests went, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<BlameOutput>,
    /// The life of one request, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced_request: Option<LifeOutput>,
}

/// Requests answered with an error, by kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct ErrorCounts {
    /// The slot lives on another node, and the client gave up on being sent from node to node.
    pub moved: u64,
    /// The key has already migrated, and the client does not know what that means.
    pub ask: u64,
    /// Some keys have migrated and some have not, and the client gave up; in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tryagain: Option<u64>,
    /// The cluster is down, or the slot has no owner, and the client gave up; in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusterdown: Option<u64>,
    /// Keys of one command in several slots; in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crossslot: Option<u64>,
    /// Out of memory under noeviction.
    pub oom: u64,
    /// Writes refused because persistence fails.
    pub misconf: u64,
    /// The connection died with the server.
    pub connection_lost: u64,
    /// Writes refused for lack of good replicas.
    pub noreplicas: u64,
}

/// Quantiles a closed-loop benchmark would print, in ns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClosedLoopView {
    /// 99 % are at most this.
    pub p99: Option<Nanos>,
    /// 99.9 % are at most this.
    pub p999: Option<Nanos>,
    /// Largest.
    pub max: Option<Nanos>,
}

/// Quantiles over the windows of one length.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WindowOutput {
    /// Length, in s.
    pub window_s: f64,
    /// Windows with at least one request.
    pub windows: u64,
    /// Median of the windows' P99, in ns.
    pub p99_ns_median: Option<Nanos>,
    /// Worst P99, in ns.
    pub p99_ns_worst: Option<Nanos>,
    /// Worst P99.9, in ns.
    pub p999_ns_worst: Option<Nanos>,
    /// Start of the window with the worst P99, in s.
    pub p99_worst_at_s: Option<f64>,
}

/// One group of clients.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GroupOutput {
    /// Name.
    pub name: String,
    /// Operations as written.
    pub operation: String,
    /// Requests answered.
    pub requests: u64,
    /// From intended arrival to reply, in ns.
    pub sojourn_ns: Quantiles,
    /// 95 % intervals of the same, in ns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
    /// Bytes a command of it added to the AOF.
    pub aof_bytes_per_command: Option<f64>,
    /// Copy-on-write faults a command of it met.
    pub cow_faults_per_command: Option<f64>,
    /// Main-thread time of executing a command of it, faults included and system calls not, in ns.
    pub cpu_ns_per_command: Option<f64>,
}

/// One stall of the main thread.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StallOutput {
    /// Its cause.
    pub cause: &'static str,
    /// Start, in s.
    pub at_s: f64,
    /// Length, in ns.
    pub span_ns: Nanos,
    /// More.
    pub detail: String,
}

/// What a crash at a random instant loses, in acknowledged writes and seconds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LossOutput {
    /// kill -9: mean number of writes.
    pub process_death_writes_mean: f64,
    /// kill -9: most.
    pub process_death_writes_max: u64,
    /// Power loss: mean number of writes.
    pub machine_death_writes_mean: f64,
    /// Power loss: 99th percentile.
    pub machine_death_writes_p99: u64,
    /// Power loss: most.
    pub machine_death_writes_max: u64,
    /// Power loss: mean age of the oldest lost write, in s.
    pub machine_death_seconds_mean: f64,
    /// Power loss: age of the oldest lost write at the worst instant, in s.
    pub machine_death_seconds_max: f64,
}

/// A value under an INFO name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum InfoOutput {
    /// A whole number.
    Int(u64),
    /// A ratio.
    Ratio(f64),
    /// A word.
    Text(String),
}

/// Memory of the server, in bytes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MemoryOutput {
    /// used_memory at the end.
    pub used_bytes: u64,
    /// Largest RSS, copied pages of a child included.
    pub rss_bytes_max: u64,
    /// Most bytes copied on write for one child.
    pub cow_bytes_max: u64,
    /// Largest rewrite buffer (before 7.0).
    pub rewrite_buffer_bytes_max: u64,
    /// Mean bytes of a key.
    pub bytes_per_key: f64,
}

/// Snapshot and rewrite children.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PersistenceOutput {
    /// In order of time.
    pub children: Vec<ChildOutput>,
}

/// A child that ran.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChildOutput {
    /// `bgsave` or `aof-rewrite`.
    pub kind: &'static str,
    /// What started it.
    pub trigger: String,
    /// Start of fork(2), in s.
    pub start_s: f64,
    /// Length of fork(2), in ns.
    pub fork_ns: Nanos,
    /// From the end of fork(2) to the parent noticing its end, in s.
    pub duration_s: f64,
    /// Bytes copied on write.
    pub cow_bytes: u64,
    /// Bytes of the file it wrote.
    pub file_bytes: u64,
    /// Main-thread time spent on its end, in ns.
    pub end_stall_ns: Nanos,
    /// Bytes of the rewrite buffer written at its end (before 7.0).
    pub residual_bytes: u64,
    /// Bytes that commands added to the AOF while it ran.
    pub written_meanwhile_bytes: u64,
    /// Commands that added them.
    pub written_meanwhile_commands: u64,
    /// It succeeded.
    pub ok: bool,
}

/// The counters, under their names, each a whole number.
macro_rules! counter_output {
    ($($name:ident: $meaning:literal,)*) => {
        /// Counts over the measured time.
        #[derive(Clone, Debug, Serialize, JsonSchema)]
        pub struct CounterOutput {
            $(#[doc = $meaning] pub $name: u64,)*
        }

        impl From<&Counters> for CounterOutput {
            fn from(counters: &Counters) -> Self {
                CounterOutput { $($name: counters.$name,)* }
            }
        }

        /// Names of the counters and what they count.
        pub const COUNTERS: &[(&str, &str)] = &[$((stringify!($name), $meaning),)*];
    };
}

counter_output! {
    forks: "forks",
    rdb_saves: "successful snapshots",
    aof_rewrites: "successful AOF rewrites",
    children_failed: "failed children",
    aof_fsyncs: "fdatasyncs of the AOF",
    aof_delayed_fsync: "postponed AOF writes that were forced",
    aof_writes: "write(2) calls on the AOF",
    expired_keys: "keys deleted for expiry",
    evicted_keys: "keys evicted",
    keyspace_hits: "hits of read commands",
    keyspace_misses: "misses of read commands",
    eventloop_cycles: "turns of the event loop",
    eventloop_cmd_per_cycle_max: "largest number of commands in one turn",
    crons: "serverCron runs",
    sync_full: "full resynchronisations",
    table_growths: "growths of the main hash table",
    net_input_bytes: "bytes received from clients",
    net_output_bytes: "bytes sent to clients",
    aof_bytes: "bytes appended to the AOF",
    cow_faults: "copy-on-write faults",
    slowlog_entries: "commands a SLOWLOG would hold",
    host_gaps: "host gaps that delayed the main thread",
}
