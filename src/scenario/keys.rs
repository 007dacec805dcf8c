//! Every table and key of a scenario file: one list that the reader, the suggestions and the JSON Schema share.

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
    /// One of [`ACTIONS`].
    Action,
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
    Variant { name: "single", keys: &[] },
];

/// Values of `event.do`, with the other keys of the event. `CONFIG SET` is followed by name and value.
pub const ACTIONS: &[Variant] = &[
    Variant { name: "BGSAVE", keys: &[] },
    Variant { name: "SAVE", keys: &[] },
    Variant { name: "BGREWRITEAOF", keys: &[] },
    Variant { name: "CONFIG SET", keys: &[] },
    Variant { name: "foreign-writer", keys: &["rate", "until", "for"] },
    Variant { name: "freeze", keys: &["for"] },
    Variant { name: "crash", keys: &["kind", "restart"] },
    Variant { name: "disk-full", keys: &["for"] },
    Variant { name: "fsync-fails", keys: &["for"] },
    Variant { name: "replica-stop", keys: &["replica"] },
    Variant { name: "replica-start", keys: &["replica"] },
    Variant { name: "replica-stall", keys: &["replica", "for"] },
    Variant { name: "replica-disconnect", keys: &["replica", "for"] },
    Variant { name: "partition", keys: &["for", "elect"] },
    Variant { name: "failover", keys: &["to", "restart"] },
];

/// Tables that are known, but refused for a reason.
pub const REFUSED_TABLES: &[(&str, &str)] =
    &[("cluster", "a cluster is not modelled yet; take [cluster] out to simulate one server")];

/// Ten years: longer runs are a slip of the pen.
const SPAN_MAX: Nanos = 3650 * 86400 * SECOND;
/// Sizes of data sets and files: 1 PiB.
const BYTES_MAX: u64 = 1 << 50;
/// Redis's largest string, 512 MiB.
pub const STRING_MAX: u64 = 512 << 20;

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Key {
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
            "Share of the keys that carry a TTL (memory only).",
        ),
        key("fragmentation", Kind::Number(1.0, 10.0), Some("1.1"), "RSS over used_memory at the start."),
        key(
            "ttl",
            Kind::Refused("keys do not expire in this version; set dataset.ttl-share for the memory of TTLs"),
            None,
            "",
        ),
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
        key(
            "wait",
            Kind::Wait(false),
            None,
            "Every client write is followed by WAIT, whose reply completes it.",
        ),
        key("waitaof", Kind::Wait(true), None, "The same with WAITAOF (7.2 on)."),
        key(
            "pattern",
            Kind::Refused("patterns of several commands are not modelled yet; use operation or mix"),
            None,
            "",
        ),
    ],
};

/// `[[replica]]`.
pub const REPLICA: TableSpec = TableSpec {
    name: "replica",
    repeated: true,
    open: false,
    doc: "A replica of the server.",
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

/// `[[event]]`.
pub const EVENT: TableSpec = TableSpec {
    name: "event",
    repeated: true,
    open: false,
    doc: "Something that happens at a time.",
    keys: &[
        key("at", Kind::Span(0, SPAN_MAX), None, "When, counted from the start of the run."),
        key("do", Kind::Action, None, "What."),
        key("rate", Kind::Bandwidth, None, "foreign-writer: what it writes."),
        key("until", Kind::Span(1, SPAN_MAX), None, "foreign-writer: when it stops."),
        key("for", Kind::Span(1, SPAN_MAX), None, "How long it lasts."),
        key("kind", Kind::Choice(&["process", "machine"]), Some("process"), "crash: what dies."),
        key("restart", Kind::Span(0, SPAN_MAX), None, "crash, failover: from death to serving again."),
        key("replica", Kind::Text, None, "replica-…: its name."),
        key(
            "to",
            Kind::Text,
            None,
            "failover: the replica that takes over; the most advanced one if not given.",
        ),
        key(
            "elect",
            Kind::Span(0, SPAN_MAX),
            Some("15s"),
            "partition: after this long the replicas choose a primary of their own (cluster-node-timeout).",
        ),
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

/// All tables in the order of the file.
pub const TABLES: &[&TableSpec] = &[&REDIS, &DATASET, &WORKLOAD, &REPLICA, &EVENT, &MACHINE, &RUN, &START];

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
