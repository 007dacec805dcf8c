//! A cluster as a scenario means it: its nodes, the clients' way with redirects, and what moves slots.
//!
//! Nodes are named by their place in the list. Every node is a primary with the scenario's replicas behind it.

use std::ops::RangeInclusive;

use crate::cost_model::CostModel;
use crate::redis::config::RedisConfig;
pub use crate::slots::SLOTS;
use crate::units::Nanos;

/// `[cluster]` and its `[[node]]`s.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// The primaries, at least one.
    pub nodes: Vec<NodeSpec>,
    /// How clients follow redirects.
    pub client: ClientProfile,
    /// Client processes, each with a slot map of its own; connections of a group are dealt out to them in turn, ≥ 1.
    pub processes: u32,
    /// Keys carry one of so many hash tags, `{tag}:key`, as many keys to each; none: no hash tag.
    pub tags: Option<u64>,
    /// One way of the links between nodes, and between `redis-cli` and a node \[ns\].
    pub link_delay: Nanos,
    /// Bandwidth of the links between nodes \[bytes/s\], > 0.
    pub link_bandwidth: f64,
    /// `cluster-node-timeout` \[ns\].
    pub node_timeout: Nanos,
    /// `cluster-require-full-coverage`.
    pub full_coverage: bool,
    /// `cluster-allow-reads-when-down`.
    pub reads_when_down: bool,
    /// `cluster-slot-migration-handoff-max-lag-bytes` (Redis), `slot-migration-max-failover-repl-bytes` (Valkey, where
    /// −1 is [`u64::MAX`]) \[bytes\].
    pub handoff_max_lag: u64,
    /// `cluster-slot-migration-write-pause-timeout` (Redis), `cluster-manual-failover-timeout` (Valkey) \[ns\].
    pub write_pause_timeout: Nanos,
    /// `cluster-config-save-behavior`.
    pub config_save: ConfigSave,
    /// `cluster-replica-validity-factor`; 0: replicas are always good enough to take over.
    pub validity_factor: u32,
    /// `cluster-replica-no-failover`: no replica takes over by itself.
    pub no_failover: bool,
    /// What happens to slots, in order of time.
    pub moves: Vec<TimedMove>,
}

/// One primary.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSpec {
    /// Name, unique in the scenario.
    pub name: String,
    /// Slots it owns at the start; none: an empty primary.
    pub slots: Vec<RangeInclusive<u16>>,
    /// Settings of its server.
    pub redis: RedisConfig,
    /// Prices of its machine.
    pub machine: CostModel,
    /// The machine it runs on: nodes with the same number share its cores and its disk.
    pub host: u32,
}

/// What happens when nodes.conf cannot be saved (Valkey 9.1 on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSave {
    /// The server exits.
    Sync,
    /// It goes on.
    BestEffort,
}

/// Whom an event concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChoice {
    /// One node, by its place in the list.
    One(usize),
    /// Every node.
    All,
}

/// How a client library treats redirects. The figures are in `client/redirects.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProfile {
    /// redis-py.
    RedisPy,
    /// go-redis v9.
    GoRedis,
    /// Jedis.
    Jedis,
    /// Lettuce.
    Lettuce,
    /// One that takes ASK for an unknown error.
    NoAsk,
    /// One that takes ASK for MOVED and changes its map.
    AskAsMoved,
    /// One without a slot map, which follows every redirect (a simple proxy).
    NoMap,
    /// One whose map only MOVED changes, a slot each, and which never fetches it again.
    SlotBySlot,
}

/// Something that happens to slots at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedMove {
    /// When it begins.
    pub at: Nanos,
    /// What.
    pub action: MoveAction,
    /// How keys are moved.
    pub options: MoveOptions,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum MoveAction {
    /// `redis-cli --cluster reshard`: so many slots from some nodes to one.
    Reshard {
        /// Sources; empty: all others (`--cluster-from all`).
        from: Vec<usize>,
        /// Target.
        to: usize,
        /// Number of slots.
        slots: u32,
    },
    /// Given slots to one node, one after the other, from whoever owns them.
    Slots {
        /// Slots.
        slots: Vec<RangeInclusive<u16>>,
        /// Target.
        to: usize,
    },
    /// `redis-cli --cluster rebalance`.
    Rebalance {
        /// Weight of each node (1 if not given, 0 to empty it).
        weights: Vec<f64>,
        /// Nodes without slots get some (`--cluster-use-empty-masters`).
        use_empty: bool,
        /// Moves nothing unless a node is off by more \[%\].
        threshold: f64,
    },
    /// `redis-cli --cluster fix`: open slots are closed.
    Fix,
}

/// Options of `redis-cli --cluster`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MoveOptions {
    /// The mechanism.
    pub kind: MoveKind,
    /// Keys in one MIGRATE (`--cluster-pipeline`), ≥ 1.
    pub pipeline: u32,
    /// Time-out of MIGRATE (`--cluster-timeout`) \[ns\].
    pub timeout: Nanos,
    /// Pause between two slots, as an operator's script makes it \[ns\].
    pub pause: Nanos,
    /// MIGRATE with REPLACE (`--cluster-replace`).
    pub replace: bool,
}

/// How the keys of a slot get to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveKind {
    /// SETSLOT and MIGRATE, key by key.
    Legacy,
    /// The server's own: CLUSTER MIGRATESLOTS (Valkey 9), CLUSTER MIGRATION IMPORT (Redis 8.4).
    Atomic,
}

impl ClusterSpec {
    /// The owner of each slot at the start, by the node's place in the list.
    pub fn owners(&self) -> Vec<Option<u16>> {
        let mut owners = vec![None; SLOTS];
        for (index, node) in self.nodes.iter().enumerate() {
            for slot in node.slots.iter().cloned().flatten() {
                owners[usize::from(slot)] = Some(index as u16);
            }
        }
        owners
    }
}

impl NodeSpec {
    /// Number of slots it owns at the start.
    pub fn slot_count(&self) -> usize {
        self.slots.iter().map(|range| range.len()).sum()
    }
}

impl ClientProfile {
    /// Every profile under the name a scenario gives it.
    pub const ALL: [(&'static str, ClientProfile); 8] = [
        ("redis-py", ClientProfile::RedisPy),
        ("go-redis", ClientProfile::GoRedis),
        ("jedis", ClientProfile::Jedis),
        ("lettuce", ClientProfile::Lettuce),
        ("no-ask", ClientProfile::NoAsk),
        ("ask-as-moved", ClientProfile::AskAsMoved),
        ("no-map", ClientProfile::NoMap),
        ("slot-by-slot", ClientProfile::SlotBySlot),
    ];

    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }
}

impl MoveKind {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            MoveKind::Legacy => "legacy",
            MoveKind::Atomic => "atomic",
        }
    }
}

/// The slots of each of `nodes` primaries, 1 to [`SLOTS`], as `redis-cli --cluster create` deals them: a cursor of single precision
/// that is rounded (`clusterManagerCommandCreate`, redis-cli.c).
pub fn dealt(nodes: usize) -> Vec<RangeInclusive<u16>> {
    let per_node = SLOTS as f32 / nodes as f32;
    let (mut first, mut cursor) = (0, 0.0_f32);
    let mut ranges = Vec::with_capacity(nodes);
    for index in 0..nodes {
        let mut last = (cursor + per_node - 1.0).round() as usize;
        if last > SLOTS || index + 1 == nodes {
            last = SLOTS - 1;
        }
        let last = last.max(first);
        ranges.push(first as u16..=last as u16);
        first = last + 1;
        cursor += per_node;
    }
    ranges
}

/// Slots as `CLUSTER NODES` lists them, `0-5460 7000`; empty for none.
pub fn slots_text(ranges: &[RangeInclusive<u16>]) -> String {
    let range = |range: &RangeInclusive<u16>| match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(" ")
}

/// Ascending slots as ranges.
pub fn ranges(slots: impl Iterator<Item = u16>) -> Vec<RangeInclusive<u16>> {
    let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
            _ => ranges.push(slot..=slot),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dealt_as_redis_cli_deals_them() {
        assert_eq!(dealt(1), vec![0..=16383]);
        assert_eq!(dealt(3), vec![0..=5460, 5461..=10922, 10923..=16383]);
        assert_eq!(dealt(4), vec![0..=4095, 4096..=8191, 8192..=12287, 12288..=16383]);
        for nodes in 1..=1000 {
            let ranges = dealt(nodes);
            assert_eq!(ranges.len(), nodes);
            assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), SLOTS);
            assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 == *pair[1].start()));
        }
    }

    #[test]
    fn slots_are_written_as_ranges() {
        let ranges = ranges([1, 2, 3, 7, 9, 10].into_iter());
        assert_eq!(ranges, vec![1..=3, 7..=7, 9..=10]);
        assert_eq!(slots_text(&ranges), "1-3 7 9-10");
    }
}
