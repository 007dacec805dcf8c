//! Pending events by time, then rank, then an order of their own, then that of scheduling.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use writepath::units::Nanos;

/// Events of equal time: clients want to send, replies come, clients begin to write, bytes become readable, then the
/// server moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Send,
    Arrive,
    Write,
    Readable,
    Server,
}

/// A calendar of events `E`.
pub struct Calendar<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
}

struct Entry<E> {
    key: (Nanos, Rank, u64, u64),
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<E> Calendar<E> {
    pub fn new() -> Self {
        Calendar { heap: BinaryHeap::new(), scheduled: 0 }
    }

    /// Schedules `event`; `order` breaks ties of time and rank.
    pub fn add(&mut self, at: Nanos, rank: Rank, order: u64, event: E) {
        self.scheduled += 1;
        self.heap.push(Reverse(Entry { key: (at, rank, order, self.scheduled), event }));
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(Nanos, E)> {
        self.heap.pop().map(|entry| (entry.0.key.0, entry.0.event))
    }
}
