//! What limits writes to a hot key, and what sub-keys would give.

/// What one command costs a main thread that is never idle, by kind \[ns\].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SaturatedCost {
    /// Passes of the event loop, read(2) and write(2) of sockets.
    pub system_calls: f64,
    /// Parsing and executing.
    pub command: f64,
    /// Append to the AOF buffer, write(2) of the AOF and, under `always`, its fdatasync.
    pub aof: f64,
}

impl SaturatedCost {
    /// The sum \[ns\].
    pub fn total(&self) -> f64 {
        self.system_calls + self.command + self.aof
    }

    /// Name of the largest part.
    pub fn largest(&self) -> &'static str {
        if self.command >= self.system_calls && self.command >= self.aof {
            "command"
        } else if self.system_calls >= self.aof {
            "system-calls"
        } else {
            "aof"
        }
    }
}

/// Writes a second at the run's pipeline and at a pipeline of 16.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// At the pipeline of the run \[1/s\].
    pub as_run: f64,
    /// At a pipeline of 16 \[1/s\].
    pub pipelined: f64,
}

/// Analysis of the first group whose keys are single, split or hot.
#[derive(Clone, Debug, PartialEq)]
pub struct HotKeyUse {
    /// The group.
    pub group: String,
    /// Its commands as written, those that write if any does.
    pub operation: String,
    /// Its pipeline.
    pub pipeline: u32,
    /// Share of its keys that lie in the CPU's cache, 0 to 1.
    pub in_cache: f64,
    /// Shares of the busy main thread in the run: system calls, command, AOF, everything else.
    pub shares: [f64; 4],
    /// What a command costs a thread that is never idle, at the run's pipeline.
    pub cost: SaturatedCost,
    /// Writes a second of this group's key or keys over the run, of all servers.
    pub writes_per_s: f64,
    /// Reads a second of the key, or of the sum of its sub-keys, over the run.
    pub reads_per_s: f64,
    /// Sub-keys compared: the run's, or 16.
    pub sub_keys: u64,
    /// Servers compared: the run's, or one a sub-key.
    pub servers: u64,
    /// Main-thread time of one such read on a server: of one key, of all sub-keys, of a server's sub-keys \[ns\].
    pub read_ns: [f64; 3],
    /// Most writes a second of one key on one server, beside the reads.
    pub one_key: Rates,
    /// The same of random keys of a keyspace that is larger than the cache.
    pub random_keys: Rates,
    /// The same of the sub-keys on one server.
    pub sub_keys_one_server: Rates,
    /// The same of the sub-keys on `servers` servers together.
    pub sub_keys_servers: Rates,
}
