//! A replica and what clients wait for, as a scenario means them.

use crate::units::Nanos;

/// One `[[replica]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaSpec {
    /// Name, unique in the scenario.
    pub name: String,
    /// The replica it follows, by its place in the list; none: the primary.
    pub of: Option<usize>,
    /// One way of its link, each way alike \[ns\].
    pub delay: Nanos,
    /// Bandwidth of its link \[bytes/s\], > 0.
    pub bandwidth: f64,
    /// Send buffer of the primary and receive buffer of the replica together \[bytes\], ≥ 64 KiB.
    pub socket_buffer: u64,
    /// Time it takes to apply one command \[ns\]; none: the primary's price of the same command.
    pub apply: Option<Nanos>,
    /// How fast it loads a snapshot \[bytes of the file/s\]; none: a key takes the time of its SET.
    pub load: Option<f64>,
    /// When it first connects; none: it is online and in step from the start.
    pub attach: Option<Nanos>,
    /// It has an AOF under everysec, which WAITAOF may count.
    pub appendonly: bool,
    /// Length of one of its fdatasyncs \[ns\].
    pub fsync: Nanos,
}

/// `wait` or `waitaof` of a group: every client write is followed by it, and its reply completes the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSpec {
    /// The primary's own AOF must have been fsynced up to the write (WAITAOF 1 …).
    pub local: bool,
    /// Replicas that must have acknowledged it.
    pub replicas: u32,
    /// Replies after this long in any case; 0: never.
    pub timeout: Nanos,
    /// WAITAOF: a replica counts when its own AOF holds the write.
    pub aof: bool,
}

/// What an event does to replicas; a replica is named by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplicaAction {
    /// Its process stops (SIGSTOP): the connection stays.
    Stop(usize),
    /// Its process goes on.
    Start(usize),
    /// Its main thread stands still until then: a fork, a slow disk, a long command.
    Stall(usize, Nanos),
    /// Its connection is reset, and none can be made until then.
    Disconnect(usize, Nanos),
    /// No packet passes between the primary and any replica until then.
    Partition(Nanos),
    /// The end of a partition; `elected`: the replicas have a primary of their own since that time.
    PartitionEnds {
        /// When they chose one; none if the partition was too short.
        elected: Option<Nanos>,
    },
    /// Another primary: a given replica or the one that is furthest, after an outage of so long.
    Failover {
        /// The replica that takes over; none: the most advanced.
        to: Option<usize>,
        /// Time during which nobody serves.
        outage: Nanos,
    },
}
