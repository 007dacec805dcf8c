//! `[[event]]`: its actions and their keys.

use super::keys::{Kind, SPAN_MAX, TableSpec, Variant, key};

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
    Variant {
        name: "reshard",
        keys: &["from", "to", "slots", "method", "pipeline", "timeout", "pause", "replace"],
    },
    Variant {
        name: "move-slots",
        keys: &["slots", "to", "method", "pipeline", "timeout", "pause", "replace"],
    },
    Variant {
        name: "rebalance",
        keys: &[
            "weights",
            "use-empty-primaries",
            "threshold",
            "method",
            "pipeline",
            "timeout",
            "pause",
            "replace",
        ],
    },
    Variant { name: "cluster-fix", keys: &["method", "pipeline", "timeout", "pause", "replace"] },
];

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
            "failover: the replica that takes over; the most advanced one if not given. reshard, move-slots: the node \
             that gets the slots.",
        ),
        key(
            "elect",
            Kind::Span(0, SPAN_MAX),
            Some("15s"),
            "partition: after this long the replicas choose a primary of their own (cluster-node-timeout, which in a \
             cluster is the default).",
        ),
        key("node", Kind::Text, None, "In a cluster: the node it happens to, or \"all\"."),
        key("from", Kind::Names, None, "reshard: nodes that give slots, or \"all\" others."),
        key(
            "slots",
            Kind::SlotsOrCount,
            None,
            "reshard: how many slots. move-slots: which, \"0-99\" or a list of such.",
        ),
        key("weights", Kind::Weights, None, "rebalance: weights of nodes, 1 if not given; 0 empties a node."),
        key("use-empty-primaries", Kind::Bool, Some("false"), "rebalance: nodes without slots get some."),
        key(
            "threshold",
            Kind::Number(0.0, 100.0),
            Some("2"),
            "rebalance: nothing moves unless a node is off by more, in per cent.",
        ),
        key(
            "method",
            Kind::Choice(&["legacy", "atomic"]),
            Some("legacy"),
            "SETSLOT and MIGRATE, key by key; or the server's own migration (Valkey 9.0, Redis 8.4 on).",
        ),
        key(
            "pipeline",
            Kind::Count(1, 1_000_000),
            Some("10"),
            "Legacy: keys in one MIGRATE (redis-cli --cluster-pipeline).",
        ),
        key(
            "timeout",
            Kind::Span(1_000_000, SPAN_MAX),
            Some("60s"),
            "Legacy: time-out of MIGRATE (redis-cli --cluster-timeout), in whole milliseconds.",
        ),
        key("pause", Kind::Span(0, SPAN_MAX), Some("0s"), "Legacy: pause between two slots."),
        key(
            "replace",
            Kind::Bool,
            Some("false"),
            "Legacy: MIGRATE with REPLACE (redis-cli --cluster-replace).",
        ),
    ],
};
