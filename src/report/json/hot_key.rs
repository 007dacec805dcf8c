//! The `hot_key` object of the JSON output.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::hot_key::{HotKeyUse, Rates};

/// What limits writes to a hot key, and what sub-keys would give.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HotKeyOutput {
    /// Group of clients it is about.
    pub group: String,
    /// Its commands.
    pub operation: String,
    /// Its pipeline.
    pub pipeline: u32,
    /// Share of its keys that lie in the CPU's cache.
    pub cache_hit_share: f64,
    /// Shares of the busy main thread in this run.
    pub busy_share: HotKeyShares,
    /// The largest part of a command's cost to a thread that is never idle: `system-calls`, `command` or `aof`.
    pub limit: &'static str,
    /// That cost, in ns.
    pub cost_ns: HotKeyCost,
    /// Writes a second in this run, those of all servers.
    pub writes_per_s: f64,
    /// Reads a second of the key, or of the sum of its sub-keys, in this run.
    pub reads_per_s: f64,
    /// Sub-keys compared.
    pub sub_keys: u64,
    /// Servers compared.
    pub servers: u64,
    /// Main-thread time of a read on a server, in ns.
    pub read_ns: HotKeyReads,
    /// Most writes a second of one key on one server beside those reads.
    pub one_key_per_s: HotKeyRates,
    /// The same of random keys of a large keyspace.
    pub random_keys_per_s: HotKeyRates,
    /// The same of the sub-keys on one server.
    pub sub_keys_one_server_per_s: HotKeyRates,
    /// The same of the sub-keys on all servers together.
    pub sub_keys_servers_per_s: HotKeyRates,
}

/// Shares of the busy main thread.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HotKeyShares {
    /// Event loop, wake-ups, read(2) and write(2) of sockets.
    pub system_calls: f64,
    /// Parsing and executing commands.
    pub command: f64,
    /// The AOF: appends, write(2), waiting for the disk.
    pub aof: f64,
    /// Everything else.
    pub other: f64,
}

/// Cost of a command to a thread that is never idle, in ns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HotKeyCost {
    /// Its share of passes, reads and writes.
    pub system_calls: f64,
    /// Parsing and executing.
    pub command: f64,
    /// The AOF.
    pub aof: f64,
}

/// Main-thread time of one read, in ns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HotKeyReads {
    /// Of one key.
    pub one_key: f64,
    /// Of all sub-keys on one server.
    pub sub_keys_one_server: f64,
    /// Of the sub-keys of one of the servers.
    pub sub_keys_servers: f64,
}

/// Commands a second.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HotKeyRates {
    /// At this run's pipeline.
    pub pipeline_as_run: f64,
    /// At a pipeline of 16.
    pub pipeline_16: f64,
}

impl From<Rates> for HotKeyRates {
    fn from(rates: Rates) -> Self {
        HotKeyRates { pipeline_as_run: rates.as_run, pipeline_16: rates.pipelined }
    }
}

impl From<&HotKeyUse> for HotKeyOutput {
    fn from(used: &HotKeyUse) -> Self {
        let [system_calls, command, aof, other] = used.shares;
        let cost = &used.cost;
        HotKeyOutput {
            group: used.group.clone(),
            operation: used.operation.clone(),
            pipeline: used.pipeline,
            cache_hit_share: used.in_cache,
            busy_share: HotKeyShares { system_calls, command, aof, other },
            limit: cost.largest(),
            cost_ns: HotKeyCost { system_calls: cost.system_calls, command: cost.command, aof: cost.aof },
            writes_per_s: used.writes_per_s,
            reads_per_s: used.reads_per_s,
            sub_keys: used.sub_keys,
            servers: used.servers,
            read_ns: HotKeyReads {
                one_key: used.read_ns[0],
                sub_keys_one_server: used.read_ns[1],
                sub_keys_servers: used.read_ns[2],
            },
            one_key_per_s: used.one_key.into(),
            random_keys_per_s: used.random_keys.into(),
            sub_keys_one_server_per_s: used.sub_keys_one_server.into(),
            sub_keys_servers_per_s: used.sub_keys_servers.into(),
        }
    }
}
