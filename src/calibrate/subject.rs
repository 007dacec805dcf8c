//! The subject of measurement: what every calibration workload is asked of.
//!
//! A real server (`live/`) and the simulator ([`Simulated`](super::simulated::Simulated)) both answer, so that designs
//! and fits are tested on a machine whose prices are known.

use crate::redis::version::Version;

/// Why a measurement gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// The server, or the way to it.
    #[error("{0}")]
    Server(String),
    /// One measurement gave nothing; others may.
    #[error("{0}")]
    Nothing(String),
    /// A file or system call of the machine itself.
    #[error("{0}: {1}")]
    Host(String, std::io::Error),
    /// The simulated server refused.
    #[error("{0}")]
    Simulation(String),
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

/// What a measurement gives.
pub type Result<T> = std::result::Result<T, CalibrateError>;

/// The server that a workload runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `appendonly yes`, `appendfsync no`: the write(2) of every pass without fsyncs beside it.
    pub aof: bool,
    /// One replica is attached and in step.
    pub replica: bool,
    /// Keys it holds, all of them strings.
    pub keys: u64,
    /// Bytes of each value.
    pub value: u32,
}

/// A closed loop of two batches of connections, one written while the other is served: the thread never sleeps, and
/// how many clients a pass has is known. Sent by a client that spins.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// The server.
    pub setting: Setting,
    /// One command in a scenario's notation, on keys drawn alike from all.
    pub command: &'static str,
    /// Bytes of the values it carries.
    pub value: u32,
    /// Only the first so many keys are addressed.
    pub among: Option<u64>,
    /// Connections of a batch.
    pub clients: u32,
    /// Commands of a connection's write.
    pub pipeline: u32,
    /// Commands in all, about.
    pub commands: u64,
}

/// What rounds took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// CPU time of the main thread \[ns\].
    pub cpu: f64,
    /// Passes of the event loop.
    pub passes: f64,
    /// Reads of clients, as many writes to them.
    pub clients: f64,
    /// Commands.
    pub commands: f64,
    /// Minor faults of the main thread.
    pub faults: f64,
    /// Of the keys addressed, share that was there.
    pub found: f64,
}

/// One connection that sends SETs at equal gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Paced {
    /// The server.
    pub setting: Setting,
    /// Time between two commands \[ns\].
    pub gap: u64,
    /// Commands.
    pub commands: u64,
}

/// What paced commands took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PacedSpent {
    /// CPU time of the main thread a command \[ns\].
    pub cpu: f64,
    /// Mean time between two commands as it was \[ns\].
    pub gap: f64,
    /// Median from the beginning of the client's write(2) to the reply being readable \[ns\].
    pub round: f64,
}

/// How a child writes the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// BGSAVE without compression.
    Rdb,
    /// BGSAVE with LZF, of values that it cannot shorten.
    RdbCompressed,
    /// BGREWRITEAOF without preamble.
    Aof,
}

/// What a fork and its child took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Forked {
    /// Main-thread time of fork(2) \[ns\].
    pub fork: f64,
    /// Memory of the parent \[bytes\].
    pub rss: f64,
    /// Time of the child's work \[ns\]: its CPU where that is known, else its duration. None if it was not waited for.
    pub child: Option<f64>,
}

/// SETs on random keys before a fork, just after it, and after the child is gone; two-batch rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shared {
    /// The server.
    pub setting: Setting,
    /// SETs of each part.
    pub commands: u64,
}

/// What they took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SharedSpent {
    /// No page is shared.
    pub before: Spent,
    /// Pages are copied.
    pub during: Spent,
    /// Pages are only protected.
    pub after: Spent,
    /// Pages that hold the keys.
    pub pages: f64,
}

/// Many keys that were due at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expired {
    /// CPU time of the active expire cycle \[ns\].
    pub cpu: f64,
    /// Keys it deleted.
    pub keys: f64,
}

/// MIGRATEs in a row, each of so many strings, from one server to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// Keys of a MIGRATE.
    pub keys: u32,
    /// Bytes of a value, which compression (on, as by default) does not shorten.
    pub value: u32,
    /// MIGRATEs.
    pub calls: u32,
}

/// What a MIGRATE took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moved {
    /// CPU time of the source's main thread \[ns\].
    pub source: f64,
    /// The same of the target's.
    pub target: f64,
}

/// What is measured.
pub trait Subject {
    /// Version of the server.
    fn version(&self) -> Version;
    /// Its name and version for people.
    fn name(&self) -> String;
    /// Why workloads with this setting cannot run; none if they can.
    fn refuses(&self, setting: &Setting) -> Option<String>;
    /// Why it cannot be made to fork; none if it can.
    fn refuses_fork(&self) -> Option<String>;
    /// Why keys cannot be moved to another server of its kind; none if they can.
    fn refuses_moves(&self) -> Option<String>;
    /// Moves keys.
    ///
    /// # Errors
    /// As the subject.
    fn moves(&mut self, moves: &Moves) -> Result<Moved>;
    /// Rounds of SET on a node of a cluster of one, which has all slots.
    ///
    /// # Errors
    /// As the subject.
    fn rounds_of_node(&mut self, rounds: &Rounds) -> Result<Spent>;
    /// Runs rounds.
    ///
    /// # Errors
    /// As the subject.
    fn rounds(&mut self, rounds: &Rounds) -> Result<Spent>;
    /// A closed loop of the load generator, spinning: time of its thread a round, which is the reply to a connection and
    /// its next write \[ns\].
    ///
    /// # Errors
    /// As the subject.
    fn client_rounds(&mut self, rounds: &Rounds) -> Result<f64>;
    /// Runs paced commands.
    ///
    /// # Errors
    /// As the subject.
    fn paced(&mut self, paced: &Paced) -> Result<PacedSpent>;
    /// Main-thread time of one idle pass with its timer at `hz` 500, waking up in it \[ns\].
    ///
    /// # Errors
    /// As the subject.
    fn idle_tick(&mut self) -> Result<f64>;
    /// Forks with the keys of `setting`, and waits for the child if asked.
    ///
    /// # Errors
    /// As the subject.
    fn fork(&mut self, setting: &Setting, writing: Writing, wait: bool) -> Result<Forked>;
    /// Runs SETs around a fork.
    ///
    /// # Errors
    /// As the subject.
    fn shared(&mut self, shared: &Shared) -> Result<SharedSpent>;
    /// Lets `keys` keys with values of 100 B expire at one instant, without AOF.
    ///
    /// # Errors
    /// As the subject.
    fn expire(&mut self, keys: u64) -> Result<Expired>;
}
