//! Every table and key of a scenario file: one list that the reader, the suggestions and the JSON Schema share.

pub use super::cluster_keys::{CLUSTER, NODE};
pub use super::event_keys::{ACTIONS, EVENT};
use super::pattern::MAX_KEYS;
use crate::units::{Nanos, SECOND};

/// A table of the scenario file.
#[derive(Debug)]
pub struct TableSpec {
    /// Its name.
    pub name: &'static str,
    /// `[[name]]`: may stand several times.
    pub repeated: bool,
    /// Other keys than the listed ones are read elsewhere (redis.conf directives, prices).
    pub open: bool,
    /// What it holds.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when nobody gives one, as a flag would write it.
    pub default: Option<&'static str>,
    /// What it means.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A length of time within bounds, `"250us"`.
    Span(Nanos, Nanos),
    /// A size within bounds, `"64MiB"`.
    Bytes(u64, u64),
    /// A whole number within bounds, `50` or `"10M"`.
    Count(u64, u64),
    /// A number within bounds.
    Number(f64, f64),
    /// A rate, `"5000/s"`.
    Rate,
    /// A bandwidth, `"200MiB/s"`.
    Bandwidth,
    /// true or false.
    Bool,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A size, or a table with `dist`.
    SizeDist,
    /// A length of time, or a table with `dist`.
    SpanDist,
    /// The same as a time to live: with `jitter` and `align`, and of the dataset (true) with `age` beside it.
    Ttl(bool),
    /// One of [`POPULARITIES`].
    Popularity,
    /// A list of `[time, rate]`.
    Schedule,
    /// A table of commands and shares.
    Mix,
    /// A list of lengths of time.
    Spans,
    /// A table of replicas and a time-out, with `local` for WAITAOF.
    Wait(bool),
    /// The name of a built-in pattern, or a list of steps.
    Pattern,
    /// A length of time, or a table of an exponential backoff.
    Backoff,
    /// One of [`ACTIONS`].
    Action,
    /// Hash slots: `"0-5460"`, a slot, or a list of such.
    Slots,
    /// Hash slots, or how many.
    SlotsOrCount,
    /// The name of a node, or a list of names.
    Names,
    /// A table of nodes' names and numbers.
    Weights,
    /// A table of redis.conf directives.
    Directives,
    /// A table of settings and the values they take.
    Axes,
    /// A text, or a list of texts.
    Texts,
    /// Known, but refused for this reason.
    Refused(&'static str),
}

/// A choice that comes with keys of its own.
#[derive(Debug)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// Its keys, all needed unless said otherwise where it is read.
    pub keys: &'static [&'static str],
}

/// Values of `dist` in a size or a length of time.
pub const DISTS: &[Variant] = &[
    Variant { name: "fixed", keys: &["value"] },
    Variant { name: "uniform", keys: &["low", "high"] },
    Variant { name: "exponential", keys: &["mean"] },
    Variant { name: "lognormal", keys: &["mean", "scv"] },
    Variant { name: "empirical", keys: &["values"] },
];

/// Values of `dist` in `workload.keys`.
pub const POPULARITIES: &[Variant] = &[
    Variant { name: "uniform", keys: &[] },
    Variant { name: "zipf", keys: &["s"] },
    Variant { name: "hot", keys: &["share", "keys"] },
    Variant { name: "sequential", keys: &[] },
    Variant { name: "single", keys: &["sub-keys", "servers"] },
];

/// Keys of those that may be left out.
pub const OPTIONAL_KEYS: &[&str] = &["sub-keys", "servers"];

/// Ten years: longer runs are a slip of the pen.
pub(super) const SPAN_MAX: Nanos = 3650 * 86400 * SECOND;
/// Sizes of data sets and files: 1 PiB.
const BYTES_MAX: u64 = 1 << 50;
/// Redis's largest string, 512 MiB.
pub const STRING_MAX: u64 = 512 << 20;

pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { name, kind, default, doc }
}

/// `[redis]`.
pub const REDIS: TableSpec = TableSpec {
    name: "redis",
    repeated: false,
    open: true,
    doc: "Settings of the server: version, and any redis.conf directive that is modelled, under its own name.",
    keys: &[key(
        "version",
        Kind::Text,
        Some("\"7.2\""),
        "Version of the server, 2.8 to 8.x or valkey-7.2 to valkey-9.x; defaults follow it.",
    )],
};

/// `[dataset]`.
pub const DATASET: TableSpec = TableSpec {
    name: "dataset",
    repeated: false,
    open: false,
    doc: "The keys of the server.",
    keys: &[
        key("keys", Kind::Count(1, 1_000_000_000_000), Some("1M"), "Number of keys the clients address."),
        key("memory", Kind::Bytes(1024, BYTES_MAX), None, "Memory of all keys instead of their number."),
        key("key-size", Kind::Bytes(1, STRING_MAX), Some("20B"), "Length of a key."),
        key("value-size", Kind::SizeDist, Some("100B"), "Length of a value."),
        key("prefilled", Kind::Bool, Some("true"), "All keys exist at the start; otherwise none does."),
        key(
            "ttl-share",
            Kind::Number(0.0, 1.0),
            Some("0"),
            "Share of the keys that carry a TTL at the start; 1 with dataset.ttl.",
        ),
        key(
            "streams",
            Kind::Count(1, 1_000_000_000),
            Some("1k"),
            "Streams that XADD and its like address, keys of their own beside the others.",
        ),
        key(
            "stream-entries",
            Kind::Count(0, 1_000_000_000),
            Some("0"),
            "Entries of each stream at the start.",
        ),
        key("ttl", Kind::Ttl(true), None, "Time to live of those keys; without it they are never due."),
        key("fragmentation", Kind::Number(1.0, 10.0), Some("1.1"), "RSS over used_memory at the start."),
    ],
};

/// `[[workload]]`.
pub const WORKLOAD: TableSpec = TableSpec {
    name: "workload",
    repeated: true,
    open: false,
    doc: "A group of clients.",
    keys: &[
        key("name", Kind::Text, None, "Name of the group, unique; default workload-1, workload-2 …"),
        key(
            "loop",
            Kind::Choice(&["open", "closed"]),
            Some("open"),
            "Requests at their own times, or after replies.",
        ),
        key("rate", Kind::Rate, None, "Open loop: commands a second of the whole group."),
        key("schedule", Kind::Schedule, None, "Open loop: rates over time instead of one rate."),
        key(
            "schedule-csv",
            Kind::Text,
            None,
            "Open loop: the schedule as a CSV file with time_s,rate_per_s.",
        ),
        key(
            "arrivals",
            Kind::Choice(&["poisson", "uniform", "bursts"]),
            Some("poisson"),
            "Open loop: how arrivals are spread.",
        ),
        key("burst-size", Kind::Count(1, 1_000_000), None, "Arrivals in bursts: client writes in a burst."),
        key("think", Kind::SpanDist, Some("0s"), "Closed loop: pause before the next send."),
        key("connections", Kind::Count(1, 1_000_000), Some("50"), "Connections of the group."),
        key("pipeline", Kind::Count(1, 1_000_000), Some("1"), "Commands a client sends in one write."),
        key(
            "operation",
            Kind::Text,
            Some("SET"),
            "The one command of the group, for example SET or \"MSET 10\".",
        ),
        key("mix", Kind::Mix, None, "Several commands with shares that add up to 1, instead of one."),
        key("keys", Kind::Popularity, Some("uniform"), "Which keys the group addresses."),
        key("key-size", Kind::Bytes(1, STRING_MAX), None, "Length of a key, if not the dataset's."),
        key("value-size", Kind::SizeDist, None, "Length of a value, if not the dataset's."),
        key("ttl", Kind::Ttl(false), None, "Time to live that every SET of the group gives its key."),
        key(
            "wait",
            Kind::Wait(false),
            None,
            "Every client write is followed by WAIT, whose reply completes it.",
        ),
        key("waitaof", Kind::Wait(true), None, "The same with WAITAOF (7.2 on)."),
        key(
            "pattern",
            Kind::Pattern,
            None,
            "Operations of several dependent steps on one key instead of operation or mix: a built-in one, or a list \
             of steps. A rate is then one of operations.",
        ),
        key("pattern-keys", Kind::Count(1, MAX_KEYS), Some("1"), "Pattern: its keys, beside the dataset."),
        key(
            "window",
            Kind::Span(1_000_000, SPAN_MAX),
            Some("60s"),
            "Pattern: the time to live its key gets.",
        ),
        key("limit", Kind::Count(1, 1_000_000_000), None, "Pattern: increments a rate limiter lets through."),
        key(
            "client-death",
            Kind::Number(0.0, 1.0),
            Some("0"),
            "Pattern: probability that a client dies between the steps of an operation.",
        ),
        key(
            "release",
            Kind::Choice(&["expiry"]),
            None,
            "Pattern, closed loop: all clients start one operation at the instant the key expires.",
        ),
        key("timeout", Kind::Span(1, SPAN_MAX), None, "Pattern: a client waits so long for a step's reply."),
        key("retries", Kind::Count(0, 1000), Some("0"), "Pattern: times a step is sent again."),
        key(
            "retry-backoff",
            Kind::Backoff,
            Some("0s"),
            "Pattern: pause before a retry; a table makes it exponential.",
        ),
        key(
            "retry-budget",
            Kind::Number(0.0, 100.0),
            None,
            "Pattern: retries are at most this share of the operations.",
        ),
    ],
};

/// `[[replica]]`.
pub const REPLICA: TableSpec = TableSpec {
    name: "replica",
    repeated: true,
    open: false,
    doc: "A replica of the server; in a cluster, of every primary.",
    keys: &[
        key("name", Kind::Text, None, "Name of the replica, unique; default replica-1, replica-2 …"),
        key(
            "of",
            Kind::Text,
            None,
            "The replica it follows, named further up; the server itself if not given.",
        ),
        key("delay", Kind::Span(0, SPAN_MAX), Some("100us"), "One way of its link, each way alike."),
        key("bandwidth", Kind::Bandwidth, Some("1GiB/s"), "Bandwidth of its link."),
        key(
            "socket-buffer",
            Kind::Bytes(64 << 10, 1 << 30),
            Some("4MiB"),
            "Send buffer of the server and receive buffer of the replica together.",
        ),
        key("apply", Kind::Span(0, SPAN_MAX), None, "Time to apply one command, if not the server's own."),
        key("load", Kind::Bandwidth, None, "Speed of loading a snapshot, if not a SET's time a key."),
        key(
            "attach",
            Kind::Span(0, SPAN_MAX),
            None,
            "When it first connects; in step from the start if not given.",
        ),
        key(
            "appendonly",
            Kind::Bool,
            Some("false"),
            "It has an AOF under everysec, which WAITAOF may count.",
        ),
        key("fsync", Kind::Span(0, SPAN_MAX), Some("5ms"), "Length of one of its fdatasyncs."),
    ],
};

/// `[machine]`.
pub const MACHINE: TableSpec = TableSpec {
    name: "machine",
    repeated: false,
    open: true,
    doc: "What the machine charges: a model, and single prices of it as dotted keys (fork.per-gib = \"12ms\").",
    keys: &[key("model", Kind::Text, Some("cloud-vm"), "Name or path of the model.")],
};

/// `[run]`.
pub const RUN: TableSpec = TableSpec {
    name: "run",
    repeated: false,
    open: false,
    doc: "Length and seed of the run, and what is recorded of it.",
    keys: &[
        key("duration", Kind::Span(1, SPAN_MAX), Some("1h"), "Simulated time, warm-up included."),
        key(
            "warmup",
            Kind::Span(0, SPAN_MAX),
            None,
            "Requests before this are not counted; 60s from 10 min on, else 0s.",
        ),
        key("seed", Kind::Count(0, u64::MAX), Some("1"), "Seed of all randomness."),
        key(
            "windows",
            Kind::Spans,
            None,
            "Windows over which quantiles are also taken; 10s, 60s, 1h as far as they fit.",
        ),
        key("interval", Kind::Span(SECOND / 1000, SPAN_MAX), Some("1s"), "Row length of the timeline."),
        key(
            "allow-overload",
            Kind::Bool,
            Some("false"),
            "Simulate an open loop the server cannot keep up with.",
        ),
        key(
            "stall-threshold",
            Kind::Span(1, SPAN_MAX),
            Some("1ms"),
            "Blocks of the main thread at least this long are stalls.",
        ),
    ],
};

/// `[start]`.
pub const START: TableSpec = TableSpec {
    name: "start",
    repeated: false,
    open: false,
    doc: "State of the server when the run begins.",
    keys: &[
        key("changes-since-save", Kind::Count(0, u64::MAX), Some("0"), "Changes since the last save."),
        key("last-save-age", Kind::Span(0, SPAN_MAX), Some("0s"), "Age of the last save."),
        key("aof-base-size", Kind::Bytes(0, BYTES_MAX), None, "Size of the AOF after its last rewrite."),
        key("aof-current-size", Kind::Bytes(0, BYTES_MAX), None, "Size of the AOF."),
        key("used-memory", Kind::Bytes(0, BYTES_MAX), None, "used_memory, if not from the keys."),
        key("used-memory-rss", Kind::Bytes(0, BYTES_MAX), None, "used_memory_rss, if not from used_memory."),
    ],
};

/// `[sweep]`.
pub const SWEEP: TableSpec = TableSpec {
    name: "sweep",
    repeated: false,
    open: false,
    doc: "What `writepath sweep` varies, as its flags say it; a single run leaves it out.",
    keys: &[
        key(
            "vary",
            Kind::Axes,
            None,
            "Settings and their values: a list, or a range as text (\"1000/s..100000/s:9:log\"). A setting \"a~b\" \
             moves together with b.",
        ),
        key(
            "design",
            Kind::Choice(&["grid", "lhs", "sobol", "random"]),
            Some("grid"),
            "Every combination of the values, a Latin hypercube, a scrambled Sobol sequence, or random points.",
        ),
        key("points", Kind::Count(1, 1_000_000_000), None, "Number of points, of every design but a grid."),
        key("exclude", Kind::Texts, None, "Points to leave out: \"redis.hz>100 and workload.rate<1000/s\"."),
        key("seed", Kind::Count(0, u64::MAX), Some("1"), "Seed of the points of every design but a grid."),
        key("replications", Kind::Count(1, 1_000_000), None, "Runs of each point."),
    ],
};

/// All tables in the order of the file.
pub const TABLES: &[&TableSpec] =
    &[&REDIS, &DATASET, &WORKLOAD, &REPLICA, &CLUSTER, &NODE, &EVENT, &MACHINE, &RUN, &START, &SWEEP];

impl TableSpec {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The table of that name.
pub fn table(name: &str) -> Option<&'static TableSpec> {
    TABLES.iter().find(|table| table.name == name).copied()
}
