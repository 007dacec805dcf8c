//! Closed loop: each connection sends again when its replies have come and it has thought.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::dist::{Dist, Sampler};
use crate::rng::Stream;
use crate::units::{NEVER, Nanos};

/// A closed-loop source of client writes.
#[derive(Clone, Debug)]
pub struct ClosedLoop {
    think: Sampler,
    stream: Stream,
    queue: Queue,
    /// Commands of each connection that wait for their reply.
    outstanding: Vec<u32>,
}

/// Connections that will send, by time.
#[derive(Clone, Debug)]
enum Queue {
    /// Sends are made in order of time: one client thread and a fixed think time.
    Fifo(VecDeque<(Nanos, u32)>),
    /// In any order; equal times by connection.
    Heap(BinaryHeap<Reverse<(Nanos, u32)>>),
}

impl ClosedLoop {
    /// `connections` connections, the first sends spread over `spread`; `in_order` promises that sends are made
    /// in order of time.
    pub fn new(connections: u32, think: Dist, spread: Nanos, in_order: bool, stream: Stream) -> Self {
        let first = (0..connections).map(|c| (spread * c as u64 / connections as u64, c));
        let queue = if in_order && think.fixed().is_some() {
            Queue::Fifo(first.collect())
        } else {
            Queue::Heap(first.map(Reverse).collect())
        };
        ClosedLoop { think: Sampler::new(&think), stream, queue, outstanding: vec![0; connections as usize] }
    }

    /// Time of the next send; [`NEVER`] when all connections wait.
    #[inline(always)]
    pub fn next_at(&self) -> Nanos {
        match &self.queue {
            Queue::Fifo(queue) => queue.front().map_or(NEVER, |send| send.0),
            Queue::Heap(heap) => heap.peek().map_or(NEVER, |send| send.0.0),
        }
    }

    /// Time of the send after the next; 0 when it is not known without work.
    #[inline(always)]
    pub fn second_at(&self) -> Nanos {
        match &self.queue {
            Queue::Fifo(queue) => queue.get(1).map_or(NEVER, |send| send.0),
            Queue::Heap(heap) => {
                if heap.len() < 2 {
                    NEVER
                } else {
                    0
                }
            }
        }
    }

    /// Takes the next send of `pipeline` commands: its connection.
    #[inline(always)]
    pub fn take(&mut self, pipeline: u32) -> u32 {
        let send = match &mut self.queue {
            Queue::Fifo(queue) => queue.pop_front(),
            Queue::Heap(heap) => heap.pop().map(|send| send.0),
        };
        let connection = send.expect("a send is due").1;
        self.outstanding[connection as usize] = pipeline;
        connection
    }

    /// `commands` replies have been read on `connection`; when none is missing it sends again after thinking.
    #[inline(always)]
    pub fn replied(&mut self, connection: u32, commands: u32, client_ready_at: Nanos) {
        let left = &mut self.outstanding[connection as usize];
        *left -= commands;
        if *left == 0 {
            let at = client_ready_at + self.think.sample(&mut self.stream);
            match &mut self.queue {
                // At the start a first send may lie further ahead.
                Queue::Fifo(queue) if queue.back().is_some_and(|last| last.0 > at) => {
                    queue.insert(queue.partition_point(|send| send.0 <= at), (at, connection));
                }
                Queue::Fifo(queue) => queue.push_back((at, connection)),
                Queue::Heap(heap) => heap.push(Reverse((at, connection))),
            }
        }
    }
}
