//! Blame: the sojourn of every request split by what the main thread, the network and the client did while it waited.
//!
//! The parts of a request add up to its sojourn, to the nanosecond. They are added up by slot of the histogram of
//! sojourns, so that quantile bands can be cut afterwards, at the very slots in which the printed quantiles lie.
//!
//! What goes to which part:
//!
//! - `client`: the client's thread wakes up and sends; it is busy with other replies, or wakes up, before it reads this one,
//!   or reads an earlier one first.
//! - `network`: the way to the server and back, transmission and jitter included.
//! - Stalls ([`is_stall`]) keep their cause, whatever part of them fell between the moment the request could be read
//!   and its reply; those of the same turn and of turns before alike. So does waking up the server.
//! - Of routine work, the request's own keeps its cause: a pass of the event loop, a read(2) of its connection, the execution of the
//!   commands of its client write, the write(2) of its turn to the AOF and to replicas, and that of its reply.
//! - What is left is routine work for others. It is owed to stalls as far as the server is behind because of them
//!   ([`debt`]): that share goes to their causes. The rest is `queue`.
//! - `redirect`: from the intended time to the last node that was asked being able to read the request, if it was
//!   redirected. `wait-replicas`: executed, and WAIT is not over; or the connection is blocked in an earlier WAIT.
//!   `paused`: writes are held back while slots are handed over.

pub mod debt;
pub mod life;
pub mod log;
pub mod rows;
pub mod split;

use super::histogram::{self, SLOTS};
use crate::cause::Cause;
use crate::units::Nanos;

/// Parts that are no cause of the main thread.
const BESIDE: usize = 6;
/// Shares at which bands end, and the names of those quantiles.
const EDGES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// What a request's time is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The client's thread.
    Client,
    /// The network.
    Network,
    /// Routine work for other requests.
    Queue,
    /// Other nodes were asked before.
    Redirect,
    /// WAIT or WAITAOF.
    WaitReplicas,
    /// Writes were held back while slots were handed over.
    Paused,
    /// The main thread.
    Main(Cause),
}

impl Part {
    /// Number of parts.
    pub const COUNT: usize = BESIDE + Cause::COUNT;

    /// All parts in the order of tables.
    pub fn all() -> impl Iterator<Item = Part> {
        use Part::{Client, Network, Paused, Queue, Redirect, WaitReplicas};
        let beside = [Client, Network, Queue, Redirect, WaitReplicas, Paused];
        beside.into_iter().chain(Cause::ALL.iter().map(|&cause| Part::Main(cause)))
    }

    /// Its place in that order.
    #[inline(always)]
    pub fn index(self) -> usize {
        match self {
            Part::Client => 0,
            Part::Network => 1,
            Part::Queue => 2,
            Part::Redirect => 3,
            Part::WaitReplicas => 4,
            Part::Paused => 5,
            Part::Main(cause) => BESIDE + cause as usize,
        }
    }

    /// Name in files, tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Part::Client => "client",
            Part::Network => "network",
            Part::Queue => "queue",
            Part::Redirect => "redirect",
            Part::WaitReplicas => "wait-replicas",
            Part::Paused => "paused",
            Part::Main(cause) => cause.name(),
        }
    }

    /// One line for people.
    pub fn describe(self) -> &'static str {
        match self {
            Part::Client => "the client's thread: waking up, sending, busy with other replies",
            Part::Network => "the network, there and back",
            Part::Queue => "the server's routine work for other requests",
            Part::Redirect => "nodes that were asked before the last one",
            Part::WaitReplicas => "WAIT: replicas had not acknowledged yet",
            Part::Paused => "writes were held back while slots were handed over",
            Part::Main(cause) => cause.describe(),
        }
    }
}

/// Whether time on `cause` is a stall: not the work that every turn does for its requests. What a stall delays is charged
/// to it, what waits behind it included.
#[inline(always)]
pub fn is_stall(cause: Cause) -> bool {
    !is_routine(cause) && !matches!(cause, Cause::WakeUp)
}

/// Whether time on `cause` is work that a turn does for its requests; of others' requests, it is `queue`.
#[inline(always)]
pub fn is_routine(cause: Cause) -> bool {
    use Cause::{AofWrite, Command, EventLoop, Read, ReplicaWrite, Reply};
    matches!(cause, EventLoop | Read | Command | Reply | AofWrite | ReplicaWrite)
}

/// Requests whose sojourn lies in one slot of the histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    slot: u16,
    requests: u64,
    sojourn: u128,
    /// (index of the part, time), no zero among them, by rising index.
    parts: Vec<(u8, u128)>,
}

/// Sojourns of answered requests by part, of one run or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// By rising slot.
    rows: Vec<Row>,
    max: Nanos,
}

/// Requests between two quantiles of the sojourn, and where their time went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// `min`, or the quantile beyond which its requests lie (`p50`, `p90`, `p99`, `p999`).
    pub from: &'static str,
    /// The quantile up to which they lie, or `max`.
    pub to: &'static str,
    /// That quantile \[ns\], as it is printed.
    pub to_ns: Nanos,
    /// Requests.
    pub requests: u64,
    /// Sum of their sojourns \[ns\].
    pub sojourn_ns: u128,
    /// (name of the part, time \[ns\]) in the order of parts, no zero among them; they add up to `sojourn_ns`.
    pub causes: Vec<(&'static str, u128)>,
}

impl Band {
    /// The parts, largest first; equal ones in the order of parts.
    pub fn by_size(&self) -> Vec<(&'static str, u128)> {
        let mut causes = self.causes.clone();
        causes.sort_by_key(|&(_, ns)| std::cmp::Reverse(ns));
        causes
    }

    /// Time on the part of that name \[ns\].
    pub fn of(&self, name: &str) -> u128 {
        self.causes.iter().find(|cause| cause.0 == name).map_or(0, |cause| cause.1)
    }

    /// Share of the sojourn that went to the part of that name, 0 to 1.
    pub fn share(&self, name: &str) -> f64 {
        if self.sojourn_ns == 0 { 0.0 } else { self.of(name) as f64 / self.sojourn_ns as f64 }
    }

    /// Mean sojourn of its requests \[ns\]; 0 without any.
    pub fn mean_ns(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.sojourn_ns as f64 / self.requests as f64 }
    }
}

impl Blame {
    /// Number of requests.
    pub fn requests(&self) -> u64 {
        self.rows.iter().map(|row| row.requests).sum()
    }

    /// All requests as one band, from `min` to `max`.
    pub fn whole(&self) -> Band {
        self.band(("min", 0), ("max", SLOTS))
    }

    /// The bands up to P50, P50 to P90, P90 to P99, P99 to P99.9, and beyond. A band ends with the slot (one part in 1024) of
    /// the histogram in which its quantile lies, so that its number of requests is about its share of all; where two
    /// quantiles lie in one slot, the second band is empty.
    pub fn bands(&self) -> Vec<Band> {
        let total = self.requests();
        let mut from = ("min", 0);
        let mut bands = Vec::with_capacity(EDGES.len() + 1);
        for (name, share) in EDGES {
            let to = (name, self.slot_of(share, total).map_or(from.1, |slot| slot + 1));
            bands.push(self.band(from, to));
            from = to;
        }
        bands.push(self.band(from, ("max", SLOTS)));
        bands
    }

    /// The slot in which the quantile `q` lies, by the rule of [`Histogram::quantiles`](histogram::Histogram::quantiles).
    fn slot_of(&self, q: f64, total: u64) -> Option<usize> {
        let rank = ((q * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        let row = self.rows.iter().find(|row| {
            seen += row.requests;
            seen >= rank
        });
        row.map(|row| row.slot as usize)
    }

    /// Requests of slots from `from` up to, not with, `to`.
    ///
    /// # Panics
    /// If their parts do not add up.
    fn band(&self, from: (&'static str, usize), to: (&'static str, usize)) -> Band {
        let mut parts = [0u128; Part::COUNT];
        let (mut requests, mut sojourn_ns) = (0, 0);
        let within = |row: &&Row| (from.1..to.1).contains(&(row.slot as usize));
        for row in self.rows.iter().filter(within) {
            requests += row.requests;
            sojourn_ns += row.sojourn;
            row.parts.iter().for_each(|&(part, ns)| parts[part as usize] += ns);
        }
        assert_eq!(parts.iter().sum::<u128>(), sojourn_ns, "parts of {} to {}", from.0, to.0);
        let to_ns = match to.1 {
            SLOTS => self.max,
            0 => 0,
            end => histogram::middle(end - 1).min(self.max),
        };
        let causes = Part::all().map(|part| (part.name(), parts[part.index()])).filter(|part| part.1 > 0);
        Band { from: from.0, to: to.0, to_ns, requests, sojourn_ns, causes: causes.collect() }
    }

    /// (slot's middle value \[ns\], requests) by rising value: the histogram that the rows make.
    pub fn slots(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.rows.iter().map(|row| (histogram::middle(row.slot as usize).min(self.max), row.requests))
    }

    /// Adds the requests of another run, or of another node.
    pub fn merge(&mut self, other: &Blame) {
        let (mut mine, mut theirs) =
            (std::mem::take(&mut self.rows).into_iter().peekable(), other.rows.iter().peekable());
        loop {
            match (mine.peek().map(|row| row.slot), theirs.peek().map(|row| row.slot)) {
                (Some(a), Some(b)) if a == b => {
                    let (a, b) = (mine.next().expect("peeked"), theirs.next().expect("peeked"));
                    self.rows.push(a.plus(b));
                }
                (Some(a), b) if b.is_none_or(|b| a < b) => self.rows.extend(mine.next()),
                (_, Some(_)) => self.rows.extend(theirs.next().cloned()),
                (_, None) => break,
            }
        }
        self.max = self.max.max(other.max);
    }
}

impl Row {
    fn plus(&self, other: &Row) -> Row {
        let mut parts = [0u128; Part::COUNT];
        self.parts.iter().chain(&other.parts).for_each(|&(part, ns)| parts[part as usize] += ns);
        Row {
            slot: self.slot,
            requests: self.requests + other.requests,
            sojourn: self.sojourn + other.sojourn,
            parts: sparse(&parts),
        }
    }
}

/// The parts that are not zero.
fn sparse(parts: &[u128; Part::COUNT]) -> Vec<(u8, u128)> {
    let parts = parts.iter().enumerate().filter(|(_, ns)| **ns > 0);
    parts.map(|(part, &ns)| (part as u8, ns)).collect()
}
