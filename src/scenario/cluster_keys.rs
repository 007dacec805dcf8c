//! `[cluster]` and `[[node]]`: their keys, and what to say to options of redis-cli among a move's keys.

use super::keys::{Kind, SPAN_MAX, TableSpec, key};

/// Most primaries: the servers' own documentation names 1000 nodes as the size clusters are built for.
pub const MAX_NODES: u64 = 1000;

/// `[cluster]`.
pub const CLUSTER: TableSpec = TableSpec {
    name: "cluster",
    repeated: false,
    open: false,
    doc: "A cluster: several servers with the settings of [redis], each with the replicas of [[replica]].",
    keys: &[
        key(
            "primaries",
            Kind::Count(1, MAX_NODES),
            None,
            "Primaries that own all slots, dealt out as redis-cli --cluster create does; or list them as [[node]].",
        ),
        key("empty-primaries", Kind::Count(0, MAX_NODES), Some("0"), "Further primaries without slots."),
        key(
            "client",
            Kind::Choice(&[
                "redis-py",
                "go-redis",
                "jedis",
                "lettuce",
                "no-ask",
                "ask-as-moved",
                "no-map",
                "slot-by-slot",
            ]),
            Some("redis-py"),
            "How clients follow redirects: a library; no-ask takes ASK for an error, ask-as-moved for MOVED, no-map has \
             no map of slots (a simple proxy), slot-by-slot has one that MOVED alone changes, a slot each.",
        ),
        key(
            "client-processes",
            Kind::Count(1, 1000),
            Some("4"),
            "Client processes, each with its own map of slots; connections are dealt out to them.",
        ),
        key(
            "hash-tags",
            Kind::Count(1, 1_000_000_000_000),
            None,
            "Keys carry one of so many hash tags, as many keys to each; no hash tags if not given.",
        ),
        key(
            "hosts",
            Kind::Count(1, MAX_NODES),
            None,
            "Machines the primaries are dealt out to in turn; each has its own if not given.",
        ),
        key(
            "link-delay",
            Kind::Span(0, SPAN_MAX),
            None,
            "One way between nodes, and from redis-cli to a node; the model's network.one-way if not given.",
        ),
        key(
            "link-bandwidth",
            Kind::Bandwidth,
            None,
            "Bandwidth between nodes; that of the model's network.per-kib if not given.",
        ),
    ],
};

/// `[[node]]`.
pub const NODE: TableSpec = TableSpec {
    name: "node",
    repeated: true,
    open: false,
    doc: "A primary of the cluster, instead of cluster.primaries.",
    keys: &[
        key("name", Kind::Text, None, "Name of the node, unique; default node-1, node-2 …"),
        key(
            "slots",
            Kind::Slots,
            None,
            "Slots it owns at the start, \"0-5460\" or a list of such, \"\" for none. If no node gives any, they are \
             dealt out to the nodes without this key; else a node without it is empty.",
        ),
        key(
            "model",
            Kind::Text,
            None,
            "Name or path of its machine's model, without the single prices of [machine].",
        ),
        key(
            "host",
            Kind::Count(1, MAX_NODES),
            None,
            "Number of the machine it runs on: nodes with the same number share its cores and its disk.",
        ),
        key("redis", Kind::Directives, None, "Directives of this node over those of [redis]."),
    ],
};

/// Options of `redis-cli --cluster` as people copy them into a move: (option without `cluster-`, what to write).
const REDIS_CLI: &[(&str, &str)] = &[
    ("pipeline", "write pipeline = 10"),
    ("timeout", "write timeout = \"60s\""),
    ("threshold", "write threshold = 2"),
    ("from", "write from = \"node-1\", a list of names, or \"all\""),
    ("to", "write to = \"node-2\""),
    ("slots", "write slots = 500"),
    ("weight", "write weights = { node-4 = 0 }"),
    ("use-empty-masters", "write use-empty-primaries = true"),
    ("use-empty-primaries", "write use-empty-primaries = true"),
    ("replace", "write replace = true"),
    ("yes", "take it out: nothing asks for confirmation"),
    ("simulate", "take it out: a run moves slots only in the simulation"),
];

/// What to say to an option of redis-cli among an event's keys that is none of them: a line each.
pub fn redis_cli_option(key: &str) -> Option<Vec<String>> {
    let plain = key.trim_start_matches('-').replace('_', "-");
    let plain = plain.strip_prefix("cluster-").unwrap_or(&plain);
    if plain == "migration-barrier" {
        return Some(vec![
            "--cluster-migration-barrier does not exist in redis-cli; the server's cluster-migration-barrier is about \
             replicas that move to primaries without any, not about keys"
                .to_owned(),
            "pipeline (--cluster-pipeline) is what bounds the keys of one MIGRATE: write pipeline = 10".to_owned(),
        ]);
    }
    let known = REDIS_CLI.iter().find(|(option, _)| *option == plain)?;
    Some(vec![known.1.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::super::event_keys::EVENT;
    use super::*;

    #[test]
    fn options_of_redis_cli_are_known_by_all_their_spellings() {
        for key in ["cluster-pipeline", "--cluster-pipeline", "cluster_pipeline"] {
            assert_eq!(redis_cli_option(key), Some(vec!["write pipeline = 10".to_owned()]), "{key}");
        }
        for key in ["cluster-migration-barrier", "migration-barrier", "--cluster-migration-barrier"] {
            assert!(redis_cli_option(key).is_some_and(|lines| lines[0].contains("does not exist")), "{key}");
        }
        assert_eq!(redis_cli_option("pipelin"), None);
        // What is advised is a key of the event, or to leave it out.
        for (option, advice) in REDIS_CLI.iter().filter(|(_, advice)| advice.starts_with("write ")) {
            let key = advice.trim_start_matches("write ").split(' ').next().unwrap_or_default();
            assert!(EVENT.key(key).is_some(), "{option}: {key}");
        }
    }
}
