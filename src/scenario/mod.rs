//! A scenario as it is meant: every value filled in, converted and checked.
//!
//! What people type is read by the other files of this folder; the simulator sees only [`Scenario`].

pub mod builtin;
pub mod cluster;
pub mod cluster_directives;
pub mod cluster_keys;
pub mod directives;
pub mod event_keys;
pub mod file;
pub mod files;
pub mod info;
pub mod keys;
pub mod layers;
pub mod memory;
pub mod pattern;
pub mod problem;
pub mod reader;
pub mod redis_conf;
pub mod replicas;
pub mod replication_directives;
pub mod resolve;
pub mod schedule;
pub mod schema;
pub mod shapes;
pub mod show;
pub mod slots;
pub mod steps;
pub mod sweep;
pub mod tree;
pub mod ttl;
pub mod ttl_shape;
pub mod values;

use std::path::PathBuf;

use crate::cost_model::CostModel;
use crate::dist::Dist;
use crate::redis::command::Command;
use crate::redis::config::RedisConfig;
use crate::units::Nanos;

/// Everything one run depends on.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Name: the file's stem or the built-in's name.
    pub name: String,
    /// Settings of the server.
    pub redis: RedisConfig,
    /// The keys at the start.
    pub dataset: Dataset,
    /// The groups of clients, at least one.
    pub workloads: Vec<Workload>,
    /// The replicas.
    pub replicas: Vec<replicas::ReplicaSpec>,
    /// Things that happen at a time, in order of time.
    pub events: Vec<TimedEvent>,
    /// The cluster whose nodes are servers with these settings; none: one server.
    pub cluster: Option<Box<cluster::ClusterSpec>>,
    /// The machine's prices.
    pub machine: CostModel,
    /// Length and seed of the run.
    pub run: RunConfig,
    /// State of the server when the run begins.
    pub start: StartState,
    /// What a sweep of the scenario varies; a run does not look at it.
    pub sweep: Option<Box<sweep::SweepTable>>,
    /// Every setting with its value as text and where it came from, in the order of the file format.
    pub settings: Vec<Setting>,
    /// What was accepted but is not modelled or does not matter, one sentence each.
    pub notes: Vec<String>,
    /// Redis directives that were read and used, as `name value`.
    pub directives_used: Vec<String>,
    /// Redis directives that are not modelled.
    pub directives_not_modelled: Vec<String>,
}

/// One setting as resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted name, `redis.appendfsync`.
    pub key: String,
    /// Value as a scenario would write it.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a setting came from; later ones override earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Built-in default.
    Default,
    /// Default of the server's version.
    Version,
    /// The model file.
    Model,
    /// The scenario: file and line.
    Scenario(String, usize),
    /// An INFO dump.
    Info(PathBuf),
    /// The redis.conf: file and line.
    RedisConf(PathBuf, usize),
    /// A command-line flag.
    Flag(String),
}

/// The keys of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Number of keys in the keyspace the clients address, ≥ 1.
    pub keys: u64,
    /// All keys exist at the start; otherwise none does.
    pub prefilled: bool,
    /// Length of a key \[bytes\].
    pub key_size: u32,
    /// Length of a value \[bytes\].
    pub value_size: Dist,
    /// Share of the keys that carry a TTL at the start, 0 to 1.
    pub ttl_share: f64,
    /// Time to live of the keys that carry one at the start; none: they are never due.
    pub ttl: Option<ttl::Ttl>,
    /// RSS over used_memory at the start, ≥ 1.
    pub fragmentation: f64,
    /// Streams that the stream commands address, beside the keys, ≥ 1.
    pub streams: u64,
    /// Entries of each at the start.
    pub stream_entries: u64,
}

/// One group of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name, unique in the scenario.
    pub name: String,
    /// How requests come.
    pub source: Source,
    /// Connections, ≥ 1.
    pub connections: u32,
    /// Commands a client sends in one write, ≥ 1.
    pub pipeline: u32,
    /// Commands with their shares, which add up to 1.
    pub mix: Vec<(Command, f64)>,
    /// Which keys.
    pub keys: KeyPopularity,
    /// Length of a key \[bytes\].
    pub key_size: u32,
    /// Length of a value \[bytes\].
    pub value_size: Dist,
    /// Every client write is followed by WAIT or WAITAOF.
    pub wait: Option<replicas::WaitSpec>,
    /// Operations of several steps instead of single commands; `mix` is empty then, and rates are of operations.
    pub pattern: Option<Box<pattern::Pattern>>,
    /// Time to live that its SETs give instead of one fixed by the command.
    pub ttl: Option<ttl::Ttl>,
}

/// How the requests of a group come.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// At their own times, whatever the server does. `pipeline` commands come together.
    Open {
        /// Command rate over time: (from, commands a second), first from 0, piecewise constant; 0 is a pause.
        schedule: Vec<(Nanos, f64)>,
        /// How arrivals are spread.
        arrivals: Arrivals,
    },
    /// Each connection sends `pipeline` commands when the replies to the previous ones have come.
    Closed {
        /// Think time before the next send \[ns\].
        think: Dist,
    },
}

/// How open-loop arrivals are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Exponential gaps.
    Poisson,
    /// Equal gaps.
    Uniform,
    /// Groups of `size` client writes at one instant, the groups in a Poisson process.
    Bursts {
        /// Client writes in a burst, ≥ 1.
        size: u32,
    },
}

/// Which keys a group addresses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyPopularity {
    /// All alike.
    Uniform,
    /// Zipf: rank r has weight r^−s, s > 0.
    Zipf {
        /// Exponent.
        s: f64,
    },
    /// `share` of requests go to the first `keys` keys, the others to the rest.
    Hot {
        /// Share of requests, 0 to 1.
        share: f64,
        /// Number of hot keys, ≥ 1.
        keys: u64,
    },
    /// One after the other, from the first again after the last.
    Sequential,
    /// Always the same key.
    Single,
    /// The sub-keys `key:hash(writer) % N` of one key, all alike.
    Split {
        /// Sub-keys on this server, ≥ 1.
        keys: u64,
        /// Servers the sub-keys are spread over, this one among them, ≥ 1.
        servers: u32,
    },
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedEvent {
    /// When.
    pub at: Nanos,
    /// Whom it concerns; none outside of a cluster.
    pub node: Option<cluster::NodeChoice>,
    /// What.
    pub action: Action,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// BGSAVE by command.
    Bgsave,
    /// SAVE by command: blocks until done.
    Save,
    /// BGREWRITEAOF by command.
    Bgrewriteaof,
    /// CONFIG SET of one modelled, changeable setting: the whole configuration after it, and its text.
    ConfigSet {
        /// `name value` as written.
        text: String,
        /// The configuration from then on.
        config: Box<RedisConfig>,
    },
    /// Another program writes to the disk.
    ForeignWriter {
        /// Rate \[bytes/s\].
        bytes_per_second: f64,
        /// Until when.
        until: Nanos,
    },
    /// The host stops everything.
    Freeze {
        /// For how long.
        span: Nanos,
    },
    /// The server dies and starts again, its data loaded from disk.
    Crash {
        /// The machine dies (else only the process).
        machine: bool,
        /// From death to serving again \[ns\].
        restart: Nanos,
    },
    /// The disk starts failing: every write(2) gets ENOSPC.
    DiskFull {
        /// Until when.
        until: Nanos,
    },
    /// Every fdatasync fails with EIO.
    FsyncFails {
        /// Until when.
        until: Nanos,
    },
    /// Something about replicas.
    Replica(replicas::ReplicaAction),
}

/// Length and seed of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// Simulated time after the warm-up's start, warm-up included \[ns\].
    pub duration: Nanos,
    /// Requests that arrive before this are simulated but not counted \[ns\].
    pub warmup: Nanos,
    /// The warm-up is still to be found (`auto`); until then `warmup` is the default.
    pub warmup_auto: bool,
    /// Seed of all randomness.
    pub seed: u64,
    /// Window lengths over which quantiles are also taken \[ns\], each a multiple of 1 s.
    pub windows: Vec<Nanos>,
    /// Row length of the timeline \[ns\].
    pub interval: Nanos,
    /// Simulate an open loop that the server cannot keep up with.
    pub allow_overload: bool,
    /// Main-thread blocks at least this long are listed as stalls \[ns\].
    pub stall_threshold: Nanos,
}

/// State of the server when the run begins.
#[derive(Clone, Debug, PartialEq)]
pub struct StartState {
    /// Keyspace changes since the last save.
    pub changes_since_save: u64,
    /// Age of the last save \[ns\].
    pub last_save_age: Nanos,
    /// Size of the AOF after its last rewrite \[bytes\]; none: the size a rewrite would give.
    pub aof_base_size: Option<u64>,
    /// Size of the AOF \[bytes\]; none: the base size.
    pub aof_current_size: Option<u64>,
    /// used_memory \[bytes\]; none: from the keys.
    pub used_memory: Option<u64>,
    /// used_memory_rss \[bytes\]; none: from used_memory and fragmentation.
    pub used_memory_rss: Option<u64>,
}
