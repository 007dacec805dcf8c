//! The load generator: the groups of clients of a scenario against a real server, from one thread.
//!
//! Requests of an open loop have intended times that depend on the seed alone: they come from the same sources as those of
//! a simulation (`client::open`, `client::program`), so that both see the same arrivals on the same connections. A sojourn
//! counts from the intended time, so a stalled server or a late generator hides no queue; how late the generator was is
//! measured besides. One thread drives all connections: it spins, or sleeps until something is due or readable.
//!
//! What differs from a simulation: replies are those of the server, keys have names (`names.rs`), values are text that does
//! not compress, and what happens inside of the server is known as far as INFO and `/proc` tell.

use std::thread;

use crate::observe::histogram::Histogram;
use crate::observe::result::RunResult;
use crate::scenario::{Dataset, Workload};
use crate::units::Nanos;

use super::address::Address;
use super::info::Info;
use super::spawned::Spawned;

pub mod fill;
mod group;
pub mod names;
mod outcome;
pub mod plan;
mod poller;
mod questions;
mod render;
mod reply;
mod run;
pub mod sample;
mod scripts;
mod steps;
#[cfg(test)]
mod tests;
mod wire;

pub use run::drive;
pub use sample::Sample;

/// The server that is driven.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// Its process if that is on this machine: then CPU time is the scheduler's, otherwise INFO's.
    pub pid: Option<u32>,
}

impl Target {
    /// A server of our own.
    pub fn of(spawned: &Spawned) -> Self {
        Target { address: spawned.address().clone(), pid: Some(spawned.pid()) }
    }
}

/// What is sent. [`plan::of`] makes one of a scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the scenario.
    pub name: String,
    /// Groups of clients, at least one. Replicas are not waited for.
    pub groups: Vec<Workload>,
    /// The keys that groups address; with [`Plan::fill`] they are set before the clients begin.
    pub dataset: Dataset,
    /// What the server is told at a time, the words of a command.
    pub actions: Vec<(Nanos, Vec<String>)>,
    /// Length of the run, warm-up included \[ns\].
    pub duration: Nanos,
    /// Requests that are due before this are sent and not counted \[ns\].
    pub warmup: Nanos,
    /// Seed of arrivals, keys and sizes.
    pub seed: u64,
    /// Lengths of the windows over which quantiles are also taken \[ns\].
    pub windows: Vec<Nanos>,
    /// Row length of the timeline \[ns\].
    pub interval: Nanos,
    /// Spells without any reply that is due, at least this long, are listed as stalls \[ns\].
    pub stall_threshold: Nanos,
    /// What every key begins with; empty on a server of our own.
    pub prefix: String,
    /// Set the dataset's keys first.
    pub fill: bool,
    /// Spin instead of sleeping. [`spins_by_default`] says whether that makes sense here.
    pub spin: bool,
    /// Sections of the measured time for intervals; 0: none.
    pub sections: u32,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Keys set, or time passed \[ns\].
    pub done: u64,
    /// Of so many.
    pub of: u64,
    /// Requests answered so far.
    pub requests: u64,
}

/// What the generator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sets the keys of the dataset.
    Filling,
    /// Drives the clients.
    Driving,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Driven {
    /// The same shape as that of a simulation. What only a simulator knows is 0 or empty in it (`live::unknown`).
    pub result: RunResult,
    /// Intended time of a request to its bytes being handed to the operating system \[ns\], of open loops after the
    /// warm-up. A closed loop has no intended times.
    pub lateness: Histogram,
    /// The generator did not sleep.
    pub spin: bool,
    /// Time that the generator's thread spent on sending and reading over the measured time \[ns\], and client writes that it
    /// sent in it; what a spinning thread looks in vain does not count. None of a generator that sleeps.
    pub own: Option<(Nanos, u64)>,
    /// CPU time of the server's main thread over the measured time \[ns\]; none where nothing tells.
    pub server_cpu: Option<Nanos>,
    /// Replies read in the measured time.
    pub answered: u64,
    /// INFO at the start of the measured time, then once an interval (every 100 ms to 1 s), then at the end.
    pub samples: Vec<Sample>,
    /// INFO in full, after the last reply.
    pub info: Info,
}

/// A lateness of this share of the sojourn, at the median or at P99, marks a run as late.
pub const LATE_SHARE: f64 = 0.1;

impl Driven {
    /// The generator was late: more than a tenth of the median sojourn, or of its P99, was its own lateness (median or P99).
    /// None without requests that have intended times.
    pub fn is_late(&self) -> Option<bool> {
        let all = self.result.scopes.first().map(|scope| &scope.sojourn)?;
        let beyond = |q| self.lateness.quantile(q) as f64 > LATE_SHARE * all.quantile(q) as f64;
        (self.lateness.count() > 0).then(|| beyond(0.5) || beyond(0.99))
    }

    /// Share of its time in which a spinning generator sent or read; near 1 it is what limits the rate.
    pub fn busy_share(&self) -> Option<f64> {
        let measured = self.result.duration.saturating_sub(self.result.warmup).max(1);
        self.own.map(|own| own.0 as f64 / measured as f64)
    }

    /// CPU time of the server's main thread a command \[ns\].
    pub fn cpu_ns_per_command(&self) -> Option<f64> {
        let cpu = self.server_cpu.filter(|_| self.answered > 0)?;
        Some(cpu as f64 / self.answered as f64)
    }
}

/// Whether there is a core to spare for a generator that spins.
pub fn spins_by_default() -> bool {
    thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}
