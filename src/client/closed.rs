//! Closed loop: each connection sends again when its replies have come and it has thought.
//!
//! A client thread does one thing after the other, in the order in which they came up: reading a reply, then,
//! behind the replies that have come meanwhile, writing the next requests (an event loop like that of
//! redis-benchmark, whose clock also starts with the write). What is due to be written waits here; it is put into
//! the thread's queue when something later in time is, so that order holds without a calendar.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::thread::Thread;
use crate::dist::{Dist, Sampler};
use crate::rng::Stream;
use crate::units::{NEVER, Nanos};

/// A closed-loop source of client writes.
#[derive(Clone, Debug)]
pub struct ClosedLoop {
    think: Sampler,
    stream: Stream,
    /// One for each client thread; a single one where every connection has a thread of its own, since nothing
    /// waits there.
    lanes: Vec<Lane>,
    /// Connections have their own threads.
    alone: bool,
    per_send: Nanos,
    /// Commands of each connection that wait for their reply.
    outstanding: Vec<u32>,
    /// Lane and time of the next send.
    next: (usize, Nanos),
}

/// What one client thread is to write.
#[derive(Clone, Debug)]
struct Lane {
    /// In the thread's queue: when each write begins, and the connection.
    ready: VecDeque<(Nanos, u32)>,
    pending: Pending,
}

/// Connections that will want to send, by the time at which they will.
#[derive(Clone, Debug)]
enum Pending {
    /// They come up in order of time: a fixed think time and no jitter.
    Fifo(VecDeque<(Nanos, u32)>),
    /// Nearly so, a fixed think time with jitter: in order of time; equal times by connection.
    Sorted(VecDeque<(Nanos, u32)>),
    /// In any order; equal times by connection.
    Heap(BinaryHeap<Reverse<(Nanos, u32)>>),
}

impl Pending {
    #[inline(always)]
    fn first(&self) -> Option<(Nanos, u32)> {
        match self {
            Pending::Fifo(queue) | Pending::Sorted(queue) => queue.front().copied(),
            Pending::Heap(heap) => heap.peek().map(|send| send.0),
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<(Nanos, u32)> {
        match self {
            Pending::Fifo(queue) | Pending::Sorted(queue) => queue.pop_front(),
            Pending::Heap(heap) => heap.pop().map(|send| send.0),
        }
    }

    #[inline(always)]
    fn push(&mut self, at: Nanos, connection: u32) {
        match self {
            // At the start a first send may lie further ahead.
            Pending::Fifo(queue) if queue.back().is_some_and(|last| last.0 > at) => {
                queue.insert(queue.partition_point(|send| send.0 <= at), (at, connection));
            }
            Pending::Fifo(queue) => queue.push_back((at, connection)),
            Pending::Sorted(queue) => {
                // Few of those that are there come later.
                let later = queue.iter().rev().take_while(|send| **send > (at, connection)).count();
                queue.insert(queue.len() - later, (at, connection));
            }
            Pending::Heap(heap) => heap.push(Reverse((at, connection))),
        }
    }
}

impl ClosedLoop {
    /// `connections` connections on `threads` client threads, the first sends spread over `spread`; `in_order`
    /// promises that with a fixed think time sends come up in order of time.
    pub(crate) fn new(
        connections: u32,
        threads: u32,
        think: Dist,
        per_send: Nanos,
        spread: Nanos,
        in_order: bool,
        stream: Stream,
    ) -> Self {
        let alone = threads == connections && connections > 1;
        let lane = Lane {
            ready: VecDeque::new(),
            pending: match think.fixed() {
                Some(_) if in_order => Pending::Fifo(VecDeque::new()),
                Some(_) => Pending::Sorted(VecDeque::new()),
                None => Pending::Heap(BinaryHeap::new()),
            },
        };
        let mut closed = ClosedLoop {
            think: Sampler::new(&think),
            stream,
            lanes: vec![lane; if alone { 1 } else { threads as usize }],
            alone,
            per_send,
            outstanding: vec![0; connections as usize],
            next: (0, NEVER),
        };
        for connection in 0..connections {
            let lane = closed.lane_of(connection);
            let at = spread * connection as u64 / connections as u64;
            closed.lanes[lane].pending.push(at, connection);
        }
        closed.look_ahead(&vec![Thread::default(); threads as usize]);
        closed
    }

    /// The same for clients that time their sends themselves: nothing waits for a thread here.
    pub(crate) fn unqueued(mut self) -> Self {
        let mut heap = BinaryHeap::new();
        for lane in &mut self.lanes {
            heap.extend(std::iter::from_fn(|| lane.pending.pop()).map(Reverse));
        }
        self.lanes = vec![Lane { ready: VecDeque::new(), pending: Pending::Heap(heap) }];
        self.alone = true;
        self.look_ahead(&[]);
        self
    }

    /// Time of the next send; [`NEVER`] when all connections wait.
    #[inline(always)]
    pub fn next_at(&self) -> Nanos {
        self.next.1
    }

    /// Takes the next send of `pipeline` commands: its connection.
    #[inline(always)]
    pub(crate) fn take(&mut self, pipeline: u32, threads: &mut [Thread]) -> u32 {
        let lane = self.next.0;
        if self.lanes[lane].ready.is_empty() {
            self.write_next(lane, threads);
        }
        let connection = self.lanes[lane].ready.pop_front().expect("a send is due").1;
        self.outstanding[connection as usize] = pipeline;
        self.look_ahead(threads);
        connection
    }

    /// What came up until `until` on the thread of `connection` enters the thread's queue: it is ahead of what
    /// comes later.
    #[inline(always)]
    pub(super) fn catch_up(&mut self, connection: u32, until: Nanos, threads: &mut [Thread]) {
        if self.alone {
            return;
        }
        let lane = self.lane_of(connection);
        while self.lanes[lane].pending.first().is_some_and(|send| send.0 <= until) {
            self.write_next(lane, threads);
        }
    }

    /// `commands` replies have been read on `connection`, by `read_at`; true when none is missing, and it sends
    /// again after thinking.
    #[inline(always)]
    pub(crate) fn replied(
        &mut self,
        connection: u32,
        commands: u32,
        read_at: Nanos,
        threads: &[Thread],
    ) -> bool {
        let left = &mut self.outstanding[connection as usize];
        *left -= commands;
        let complete = *left == 0;
        if complete {
            let at = read_at + self.think.sample(&mut self.stream);
            let lane = self.lane_of(connection);
            self.lanes[lane].pending.push(at, connection);
        }
        self.look_ahead(threads);
        complete
    }

    #[inline(always)]
    fn lane_of(&self, connection: u32) -> usize {
        if self.alone { 0 } else { connection as usize % self.lanes.len() }
    }

    /// When the first pending send of `lane` would begin.
    #[inline(always)]
    fn start(&self, lane: usize, at: Nanos, threads: &[Thread]) -> Nanos {
        if self.alone { at } else { at.max(threads[lane].free_at) }
    }

    /// The first pending send of `lane` enters its thread's queue.
    #[inline(always)]
    fn write_next(&mut self, lane: usize, threads: &mut [Thread]) {
        let Some((at, connection)) = self.lanes[lane].pending.pop() else { return };
        let start = self.start(lane, at, threads);
        let thread = if self.alone { connection as usize } else { lane };
        if let Some(thread) = threads.get_mut(thread) {
            thread.free_at = start + self.per_send;
        }
        self.lanes[lane].ready.push_back((start, connection));
    }

    /// The next send may be another one now.
    #[inline(always)]
    fn look_ahead(&mut self, threads: &[Thread]) {
        self.next = (0, NEVER);
        for lane in 0..self.lanes.len() {
            let at = match (self.lanes[lane].ready.front(), self.lanes[lane].pending.first()) {
                (Some(send), _) => send.0,
                (None, Some(send)) => self.start(lane, send.0, threads),
                (None, None) => NEVER,
            };
            if at < self.next.1 {
                self.next = (lane, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    #[test]
    fn sends_come_up_in_order_of_time_and_then_of_connection() {
        let mut stream = Streams::new(4, 0).open(StreamId::Network, 0);
        let mut both = [Pending::Sorted(VecDeque::new()), Pending::Heap(BinaryHeap::new())];
        let mut now = 0;
        for _ in 0..20_000 {
            now += stream.below(3);
            let (at, connection) = (now + stream.below(40), stream.below(50) as u32);
            both.iter_mut().for_each(|pending| pending.push(at, connection));
            for _ in 0..stream.below(3) {
                let [sorted, heap] = &mut both;
                assert_eq!((sorted.first(), sorted.pop()), (heap.first(), heap.pop()));
            }
        }
    }
}
