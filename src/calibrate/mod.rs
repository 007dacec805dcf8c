//! `calibrate`: prices of this machine and of one version of a server, measured.
//!
//! | file | what |
//! |---|---|
//! | `subject.rs` | what every workload is asked of: a real server (`live/`) or the simulator (`simulated.rs`) |
//! | `event_loop.rs`, `waking.rs`, `stream.rs`, `forking.rs` | designs and fits: the calibration workloads |
//! | `host/` | what needs no server: noise, disk, memory, facts |
//! | `fit.rs`, `bench.rs` | least squares, repeats, noisy spells |
//! | `book.rs`, `file.rs` | prices found over those of a prior; the model file |
//!
//! # Calibration workloads
//!
//! They are here and nowhere else, and none of them is used to judge predictions. All but `waking` are closed loops of
//! two batches of connections on a thread that never sleeps, or forks and storms without clients: they look at the CPU
//! time of one thing at a time, not at latencies under load. What is compared with predictions is latency, throughput
//! and duration under open loops and other mixes.
//!
//! | group | workload | prices |
//! |---|---|---|
//! | `machine` | `/proc`, `/sys` | cores, memory, caches, huge pages, overcommit, dirty limits |
//! | `noise` | spinning threads, a server's and a client's | classes of gaps |
//! | `disk` | a file that is appended to, written and synced | disk.* |
//! | `memory` | a mapping touched, moved, given back | memory.first-touch, free-per-mib, memmove-bandwidth |
//! | `loop` | rounds of PING, SET, GET, … by clients a pass, pipeline and size | cpu.turn, read, write, commands, per-kib |
//! | `waking` | one connection at fixed gaps; an idle server | cpu.wakeup, cron, network.one-way, wake-server |
//! | `aof` | rounds of SET with an AOF against without | disk.write, cpu.aof-append, aof-append-per-kib |
//! | `replica` | rounds of SET with a replica against without | cpu.replica-command, replica-write |
//! | `fork` | BGSAVE at two or three sizes | fork.base, per-gib |
//! | `cow` | SETs before, during and after a child | cow.fault, reprotect, pages-per-set |
//! | `child` | BGSAVE and BGREWRITEAOF by value size and compression | child.* |
//! | `cluster` | MIGRATEs by keys and size of value; rounds of SET on a node against without a cluster | cluster.migrate…, restore…, slot-lookup |
//! | `expire` | keys that are due at one instant | cpu.expire-key |
//!
//! # What is not told apart, and stays with the prior
//!
//! `cpu.read` and `cpu.write` have one sum, split as in the prior. Not measured: how a client is woken
//! (`cpu.wake-client`, `client.wakeup`) and its own time (`client.per-…`), which are those of another client program than
//! this one; the cluster's prices, those of streams' readers, eviction, `MULTI`, huge pages, diskless copying, freeing an
//! element, moving a bucket, looking at a key that is not due. The file says so of each.

pub mod bench;
pub mod book;
mod clients;
mod event_loop;
pub mod file;
pub mod fit;
pub mod forking;
pub mod host;
pub mod live;
pub mod moving;
pub mod report;
mod run;
pub mod simulated;
pub mod stream;
pub mod subject;
pub mod waking;

pub use run::{GROUPS, Group, Outcome, Request, calibrate};

#[cfg(test)]
mod tests;
