//! A group of clients for the slow engine: every send is an event.
//!
//! Taken from the simulator: the draws of an open loop's arrivals. The rest (closed loops, the network, client threads)
//! is written anew.

use writepath::client::open::OpenLoop;
use writepath::curve::Curve;
use writepath::dist::Sampler;
use writepath::rng::{Stream, StreamId, Streams};
use writepath::scenario::{Scenario, Source};
use writepath::units::{KIB, Nanos};

/// One write of a client that the server has not answered in full.
#[derive(Clone, Copy, Debug)]
pub struct ClientWrite {
    pub arrived_at: Nanos,
    pub readable_at: Nanos,
    /// Number of its next command in its group.
    pub first: u64,
    pub commands: u32,
    /// Counted over all groups.
    pub connection: u32,
    pub group: usize,
    /// Number of the write in its group.
    pub number: u64,
}

enum Loop {
    Open(Box<OpenLoop>),
    Closed { think: Sampler, stream: Stream, missing: Vec<u32>, ties_by_connection: bool },
}

pub struct Clients {
    group: usize,
    source: Loop,
    first_connection: u32,
    connections: u32,
    pipeline: u32,
    sent: u64,
    /// Between a send and its being readable \[ns\].
    way_in: Nanos,
    one_way: Nanos,
    jitter: Sampler,
    jitter_stream: Stream,
    /// Until when each client thread is busy, and when the last reply for it comes.
    busy_until: Vec<Nanos>,
    last_reply_at: Vec<Nanos>,
    wakeup: Curve,
    wake_client: Curve,
    per_reply: Nanos,
    per_send: Nanos,
    per_command: Nanos,
    pub busy: Nanos,
}

/// A send to be scheduled: time, order among equal times, connection within the group.
pub type Send = (Nanos, u64, u32);

impl Clients {
    pub fn new(
        scenario: &Scenario,
        group: usize,
        first_connection: u32,
        bytes: f64,
        streams: &Streams,
    ) -> Self {
        let (workload, machine) = (&scenario.workloads[group], &scenario.machine);
        let stream = |id| streams.open(id, group as u64);
        let threads = machine.client.threads.clamp(1, workload.connections);
        let source = match &workload.source {
            Source::Open { schedule, arrivals } => Loop::Open(Box::new(OpenLoop::new(
                schedule,
                *arrivals,
                workload.pipeline,
                workload.connections,
                stream(StreamId::Arrivals),
                stream(StreamId::Connections),
            ))),
            Source::Closed { think } => Loop::Closed {
                think: Sampler::new(think),
                stream: stream(StreamId::Arrivals),
                missing: vec![0; workload.connections as usize],
                // One thread that always thinks as long sends in the order of its replies.
                ties_by_connection: !(threads == 1
                    && machine.network.jitter.fixed().is_some()
                    && think.fixed().is_some()),
            },
        };
        // An open loop's thread on this machine sleeps half of its gap between sends, and wakes to send.
        let wakes = match &workload.source {
            Source::Open { schedule, .. } if machine.client.local => {
                let peak = schedule.iter().map(|piece| piece.1).fold(0.0, f64::max);
                let sends = (peak / workload.pipeline as f64).max(1e-3);
                Curve::new(&machine.client.wakeup).at((0.5 * (threads as f64 * 1e9 / sends)) as Nanos)
            }
            _ => 0,
        };
        let before = wakes + machine.client.per_send;
        let kib = bytes * workload.pipeline as f64 / KIB as f64;
        Clients {
            group,
            source,
            first_connection,
            connections: workload.connections,
            pipeline: workload.pipeline,
            sent: 0,
            way_in: before + machine.network.one_way + (kib * machine.network.per_kib).round() as Nanos,
            one_way: machine.network.one_way,
            jitter: Sampler::new(&machine.network.jitter),
            jitter_stream: stream(StreamId::Network),
            busy_until: vec![0; threads as usize],
            last_reply_at: vec![0; threads as usize],
            wakeup: Curve::new(&machine.client.wakeup),
            wake_client: Curve::new(if machine.client.local { &machine.cpu.wake_client } else { &[] }),
            per_reply: machine.client.per_reply,
            per_send: machine.client.per_send,
            per_command: machine.client.per_command,
            busy: 0,
        }
    }

    /// The sends that need no reply before them.
    pub fn first_sends(&self) -> Vec<Send> {
        match &self.source {
            Loop::Open(open) => vec![(open.next_at(), 0, 0)],
            Loop::Closed { think, .. } => {
                // Spread over one round of a client thread.
                let work = self.per_reply + self.per_send + self.per_command * self.pipeline as u64;
                let threads = self.busy_until.len() as u64;
                let spread = work * self.connections as u64 / threads + think.mean() as Nanos;
                let at = |connection: u32| spread * connection as u64 / self.connections as u64;
                (0..self.connections).map(|c| (at(c), self.tie(c), c)).collect()
            }
        }
    }

    fn tie(&self, connection: u32) -> u64 {
        match self.source {
            Loop::Closed { ties_by_connection: true, .. } => connection as u64,
            _ => 0,
        }
    }

    /// A client wants to write at `now`: when it begins to, its thread having done what came up before, and an order
    /// among equal times. An open loop also says when the next one wants to.
    pub fn send(&mut self, now: Nanos, connection: u32) -> (Send, Option<Send>) {
        match &mut self.source {
            Loop::Open(open) => {
                let connection = open.take();
                ((now, 0, connection), Some((open.next_at(), 0, 0)))
            }
            Loop::Closed { missing, .. } => {
                assert_eq!(missing[connection as usize], 0, "it has all its replies");
                missing[connection as usize] = self.pipeline;
                let thread = connection as usize % self.busy_until.len();
                let starts_at = now.max(self.busy_until[thread]);
                self.busy_until[thread] = starts_at + self.per_send;
                ((starts_at, thread as u64, connection), None)
            }
        }
    }

    /// A client begins to write at `now`.
    pub fn write(&mut self, now: Nanos, connection: u32) -> ClientWrite {
        let write = ClientWrite {
            arrived_at: now,
            readable_at: now + self.way_in,
            first: self.sent * self.pipeline as u64,
            commands: self.pipeline,
            connection: self.first_connection + connection,
            group: self.group,
            number: self.sent,
        };
        self.sent += 1;
        write
    }

    /// What a write(2) at `now` costs the server more, for waking the thread of `connection`: it is awake while it
    /// works, and from the moment at which the first of several replies is on its way.
    pub fn wake_cost(&self, connection: u32, now: Nanos) -> Nanos {
        let thread = (connection - self.first_connection) as usize % self.busy_until.len();
        let awake_until = self.busy_until[thread].max(self.last_reply_at[thread]);
        self.wake_client.at(now.saturating_sub(awake_until))
    }

    /// `commands` replies on `connection` leave the server at `out_at`: when they come, and how long the client will
    /// think before it sends again; none while replies of the pipeline are missing, or in an open loop.
    ///
    /// A client thread takes replies in the order in which the server sent them.
    pub fn replied(&mut self, connection: u32, commands: u32, out_at: Nanos) -> (Nanos, Option<Nanos>) {
        let connection = connection - self.first_connection;
        let thread = connection as usize % self.busy_until.len();
        let here_at = out_at + self.one_way + self.jitter.sample(&mut self.jitter_stream);
        self.last_reply_at[thread] = self.last_reply_at[thread].max(here_at);
        self.busy += self.per_reply + self.per_command * commands as u64;
        let think = match &mut self.source {
            Loop::Open(_) => None,
            Loop::Closed { think, stream, missing, .. } => {
                missing[connection as usize] -= commands;
                (missing[connection as usize] == 0).then(|| think.sample(stream))
            }
        };
        let sends = think.is_some() || matches!(self.source, Loop::Open(_));
        self.busy += if sends { self.per_send } else { 0 };
        (self.last_reply_at[thread], think)
    }

    /// Replies are here at `now`: when they are read, and the send that follows a `think` time. A thread does one
    /// thing after the other, in the order in which they came up.
    pub fn receive(
        &mut self,
        connection: u32,
        commands: u32,
        think: Option<Nanos>,
        now: Nanos,
    ) -> (Nanos, Option<Send>) {
        let connection = connection - self.first_connection;
        let threads = self.busy_until.len();
        let tie = self.tie(connection);
        let busy_until = &mut self.busy_until[connection as usize % threads];
        let read_at = if now > *busy_until { now + self.wakeup.at(now - *busy_until) } else { *busy_until };
        let done_at = read_at + self.per_reply + self.per_command * commands as u64;
        *busy_until = done_at;
        if matches!(self.source, Loop::Open(_)) {
            *busy_until += self.per_send;
        }
        (read_at, think.map(|think| (done_at + think, tie, connection)))
    }
}
