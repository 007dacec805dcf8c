//! Clients that run operations of several dependent steps.
//!
//! An operation begins as a single request of its group would; each further step is decided when the reply to the
//! one before has been read. What was sent and not yet answered is a request here: an operation has one, or
//! several after time-outs, of which only the newest is waited for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::closed::ClosedLoop;
use super::keys::KeySampler;
use super::open::OpenLoop;
use super::operation::{End, Finished, Mishaps, Operation, Outcome, Request, Sent};
use super::patience::Timers;
use super::slab::{Slab, Ticket};
use crate::rng::{Numbered, StreamId, Streams, Uniform};
use crate::scenario::pattern::{MAX_STEPS, Pattern, When};
use crate::units::{NEVER, Nanos};

/// Owners of [`StreamId::Pattern`] beyond this draw whether a client dies.
const DEATHS: u64 = 1 << 32;

/// When operations begin.
#[derive(Clone, Debug)]
pub enum Starts {
    /// At their own times.
    Open(Box<OpenLoop>),
    /// When the one before has ended and the client has thought.
    Closed(ClosedLoop),
    /// All waiting clients at one instant.
    Released {
        /// Connections that wait.
        waiting: VecDeque<u32>,
        /// The instant; [`NEVER`] while it is not known.
        at: Nanos,
    },
}

/// The operations of a group of clients.
#[derive(Clone, Debug)]
pub struct Program {
    pattern: Pattern,
    starts: Starts,
    /// From the start of an operation to its bytes at the server.
    first_way: Nanos,
    /// From deciding on a step to its bytes at the server, by step.
    ways: Vec<Nanos>,
    /// (readable, order of sending, request) of what is under way.
    sends: BinaryHeap<Reverse<(Nanos, u64, u32)>>,
    sequence: u64,
    operations: Slab<Operation>,
    requests: Slab<Request>,
    timers: Timers,
    keys: KeySampler,
    draws: Numbered,
    deaths: Numbered,
    begun: u64,
    /// Operations that ended since they were last taken away.
    pub finished: Vec<Finished>,
    /// What clients met beside.
    pub mishaps: Mishaps,
}

impl Program {
    /// The program of group number `index`.
    pub fn new(
        pattern: &Pattern,
        starts: Starts,
        first_way: Nanos,
        ways: Vec<Nanos>,
        index: u64,
        streams: &Streams,
    ) -> Self {
        Program {
            pattern: pattern.clone(),
            starts,
            first_way,
            ways,
            sends: BinaryHeap::new(),
            sequence: 0,
            operations: Slab::default(),
            requests: Slab::default(),
            timers: Timers::new(pattern.patience.clone(), streams.open(StreamId::Retry, index)),
            keys: KeySampler::new(pattern.keys, pattern.key_count),
            draws: Numbered::new(streams, StreamId::Pattern, index),
            deaths: Numbered::new(streams, StreamId::Pattern, index + DEATHS),
            begun: 0,
            finished: Vec::new(),
            mishaps: Mishaps::default(),
        }
    }

    /// Intended time of the next start.
    fn next_start_at(&self) -> Nanos {
        match &self.starts {
            Starts::Open(open) => open.next_at(),
            Starts::Closed(closed) => closed.next_at(),
            Starts::Released { waiting, at } => {
                if waiting.is_empty() {
                    NEVER
                } else {
                    *at
                }
            }
        }
    }

    /// When the next step can be read.
    pub fn next_readable_at(&self) -> Nanos {
        let send = self.sends.peek().map_or(NEVER, |top| top.0.0);
        send.min(self.next_start_at().saturating_add(self.first_way))
    }

    /// Commands of a step.
    pub fn commands_of(&self, step: usize) -> u32 {
        self.pattern.steps[step].commands()
    }

    /// Intended time of the step that can be read next.
    pub fn next_arrival_at(&self) -> Nanos {
        let start = self.next_start_at();
        match self.sends.peek() {
            Some(&Reverse((readable_at, _, request)))
                if readable_at <= start.saturating_add(self.first_way) =>
            {
                self.requests.peek(request).map_or(start, |request| request.sent_at)
            }
            _ => start,
        }
    }

    /// Takes the step that can be read next; timers before it go off first.
    pub fn take(&mut self) -> Sent {
        self.timers_before_next();
        let start = self.next_start_at();
        let first_readable_at = start.saturating_add(self.first_way);
        if self.sends.peek().is_none_or(|top| top.0.0 > first_readable_at) {
            return self.begin(start);
        }
        let Reverse((readable_at, _, number)) = self.sends.pop().expect("a step is under way");
        let request = self.requests.at(number).expect("it is not answered before it is read");
        Sent {
            arrived_at: request.sent_at,
            readable_at,
            request: number,
            step: request.step as usize,
            connection: request.connection,
        }
    }

    /// An operation begins: its first step is read at once by the caller.
    fn begin(&mut self, at: Nanos) -> Sent {
        let connection = match &mut self.starts {
            Starts::Open(open) => open.take(),
            Starts::Closed(closed) => closed.take(1, &mut []),
            Starts::Released { waiting, at } => {
                let connection = waiting.pop_front().expect("a client waits");
                if waiting.is_empty() {
                    *at = NEVER;
                }
                connection
            }
        };
        let number = self.begun;
        self.begun += 1;
        self.timers.operation_begins();
        let key = self.keys.draw(number, &mut self.draws.of(number)) as u32;
        let operation = self.operations.insert(Operation {
            key,
            connection,
            started_at: at,
            request: Ticket::default(),
            step: 0,
            tries: 0,
            retries: 0,
            survived: self.pattern.client_death == 0.0,
            increments: 0,
            number,
            outcomes: [Outcome::None; MAX_STEPS],
        });
        let request = self.request(operation, 0, at);
        Sent { arrived_at: at, readable_at: at + self.first_way, request: request.place, step: 0, connection }
    }

    /// Notes a step of an operation as sent at `at`, and starts its timer.
    fn request(&mut self, ticket: Ticket, step: u8, at: Nanos) -> Ticket {
        let operation = self.operations.get_mut(ticket).expect("it runs");
        let gives_up_at = self.timers.gives_up_at(at);
        let request = self.requests.insert(Request {
            operation: ticket,
            step,
            key: operation.key,
            connection: operation.connection,
            sent_at: at,
            gives_up_at,
            outcome: Outcome::None,
            increments: 0,
        });
        (operation.step, operation.request) = (step, request);
        self.timers.start(gives_up_at, request);
        request
    }

    /// Sends a step of an operation at `at`.
    fn send(&mut self, ticket: Ticket, step: u8, at: Nanos) {
        let request = self.request(ticket, step, at);
        self.sequence += 1;
        self.sends.push(Reverse((at + self.ways[step as usize], self.sequence, request.place)));
    }

    /// Key of a request.
    pub fn key_of(&mut self, request: u32) -> u32 {
        self.requests.at(request).expect("it is not answered").key
    }

    /// Step of a request.
    pub fn step_of(&mut self, request: u32) -> usize {
        self.requests.at(request).expect("it is not answered").step as usize
    }

    /// The server has executed a request, with so many increments.
    pub fn executed(&mut self, request: u32, outcome: Outcome, increments: u32) {
        let request = self.requests.at(request).expect("it is not answered");
        (request.outcome, request.increments) = (outcome, increments);
    }

    /// The connection died before a request was executed.
    pub fn refused(&mut self, request: u32) {
        self.executed(request, Outcome::Error, 0);
    }

    /// A reply was read at `read_at`; the client can send again at `ready_at`.
    pub fn answered(&mut self, request: u32, read_at: Nanos, ready_at: Nanos) {
        let Some((ticket, request)) = self.requests.remove(request) else { return };
        let current = self.operations.get_mut(request.operation).is_some_and(|op| op.request == ticket);
        if !current {
            self.mishaps.unseen_increments += request.increments as u64;
            return;
        }
        if read_at > request.gives_up_at {
            // The timer went off on the way back.
            self.mishaps.unseen_increments += request.increments as u64;
            self.give_up(request.operation, request.gives_up_at);
            return;
        }
        let operation = self.operations.get_mut(request.operation).expect("looked at above");
        operation.outcomes[request.step as usize] = request.outcome;
        operation.tries = 0;
        if request.outcome == Outcome::Error {
            self.end(request.operation, End::Refused, read_at, ready_at);
            return;
        }
        operation.increments += request.increments;
        let outcomes = operation.outcomes;
        let next = (request.step as usize + 1..self.pattern.steps.len())
            .find(|&step| holds(self.pattern.steps[step].when, &outcomes));
        let Some(next) = next else {
            self.end(request.operation, End::Done, read_at, ready_at);
            return;
        };
        if !operation.survived {
            operation.survived = true;
            if self.deaths.of(operation.number).unit() < self.pattern.client_death {
                self.end(request.operation, End::ClientDied, read_at, ready_at);
                return;
            }
        }
        self.send(request.operation, next as u8, ready_at);
    }

    /// The client of an operation gives up waiting at `at`: it retries or fails.
    fn give_up(&mut self, ticket: Ticket, at: Nanos) {
        self.mishaps.timeouts += 1;
        let operation = self.operations.get_mut(ticket).expect("it runs");
        match self.timers.pause(operation.tries) {
            Some(pause) => {
                operation.tries += 1;
                operation.retries += 1;
                self.mishaps.retries += 1;
                let step = operation.step;
                self.send(ticket, step, at + pause);
            }
            None => self.end(ticket, End::TimedOut, at, at),
        }
    }

    fn end(&mut self, ticket: Ticket, end: End, ended_at: Nanos, ready_at: Nanos) {
        let (_, operation) = self.operations.remove(ticket.place).expect("it runs");
        self.finished.push(Finished {
            started_at: operation.started_at,
            ended_at,
            end,
            increments: operation.increments,
            retries: operation.retries,
        });
        match &mut self.starts {
            Starts::Open(_) => {}
            Starts::Closed(closed) => {
                closed.replied(operation.connection, 1, ready_at, &[]);
            }
            Starts::Released { waiting, .. } => waiting.push_back(operation.connection),
        }
    }

    /// Every timer up to `now` goes off. All replies that left the server by then must be known.
    pub fn time_passes(&mut self, now: Nanos) {
        while self.timers.next_at() <= now {
            self.next_timer();
        }
    }

    /// Timers before the next step can be read go off. All replies that left the server by then must be known: the
    /// server reads that step now, or has nothing else to do until it comes.
    pub fn timers_before_next(&mut self) {
        while self.timers.next_at() < NEVER && self.timers.next_at() <= self.next_readable_at() {
            self.next_timer();
        }
    }

    fn next_timer(&mut self) {
        let Some((at, ticket)) = self.timers.take() else { return };
        let Some(request) = self.requests.get_mut(ticket) else { return };
        let owner = request.operation;
        if self.operations.get_mut(owner).is_some_and(|operation| operation.request == ticket) {
            self.give_up(owner, at);
        }
    }

    /// The instant at which clients that wait for it will start; [`NEVER`] when there is none.
    pub fn release_at(&mut self, instant: Nanos) {
        if let Starts::Released { at, .. } = &mut self.starts {
            *at = instant;
        }
    }

    /// Whether clients wait for an instant to start.
    pub fn is_released(&self) -> bool {
        matches!(self.starts, Starts::Released { .. })
    }

    /// Whether operations wait for others to end.
    pub fn is_closed(&self) -> bool {
        !matches!(self.starts, Starts::Open(_))
    }

    /// Operations begun, and operations that run.
    pub fn operations(&self) -> (u64, u64) {
        (self.begun, self.operations.len() as u64)
    }
}

fn holds(when: When, outcomes: &[Outcome; MAX_STEPS]) -> bool {
    match when {
        When::Always => true,
        When::Nil(step) => outcomes[step] == Outcome::Nil,
        When::Equals(step, number) => outcomes[step] == Outcome::Value(number),
    }
}
