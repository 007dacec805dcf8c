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
    /// `cluster-slot-migration-handoff-max-lag-bytes` \[bytes\].
    pub handoff_max_lag: u64,
    /// `cluster-slot-migration-write-pause-timeout` (Redis), `cluster-manual-failover-timeout` (Valkey) \[ns\].
    pub write_pause_timeout: Nanos,
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
