//! One group of clients: its source of requests, the network in between, and the client threads that read replies.

use super::closed::ClosedLoop;
use super::jitter::Jitter;
use super::open::OpenLoop;
use super::program::{Program, Starts};
use super::replies::{Received, Reply};
use super::routed::{Routed, Sent};
use super::thread::{Thread, sleep_before_send};
use crate::cost_model::CostModel;
use crate::curve::Curve;
use crate::rng::{StreamId, Streams};
use crate::scenario::pattern::Pattern;
use crate::scenario::{Source, Workload};
use crate::units::{KIB, Nanos};

/// One write of a client: commands of one connection that arrive together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// When the client meant to send them.
    pub arrived_at: Nanos,
    /// When the server can read them.
    pub readable_at: Nanos,
    /// Number of the first command within its group.
    pub first: u64,
    /// Number of commands.
    pub commands: u32,
    /// Connection, counted over all groups.
    pub connection: u32,
    /// Group.
    pub group: u16,
    /// Slot of its key; of use in a cluster only.
    pub slot: u16,
    /// What a cluster's client knows of it; 0: nothing.
    pub ticket: u32,
    /// Of the commands, those of the read scope that a turn answered …
    pub reads: u32,
    /// … and of the write scope; the others got an error.
    pub writes: u32,
    /// Bytes of their replies.
    pub reply_bytes: u64,
}

/// Where a group's requests come from.
#[derive(Clone, Debug)]
enum Origin {
    Open(Box<OpenLoop>),
    Closed(ClosedLoop),
    Program(Box<Program>),
    Routed(Box<Routed>),
}

/// A group of clients.
#[derive(Clone, Debug)]
pub struct ClientGroup {
    index: u16,
    origin: Origin,
    pipeline: u32,
    first_connection: u32,
    /// Number of the next command.
    next_command: u64,
    /// From the intended time of a client write to its bytes at the server: waking, sending, the network.
    way_in: Nanos,
    way_again: Nanos,
    one_way: Nanos,
    jitter: Jitter,
    /// When the next client write can be read.
    next_readable_at: Nanos,
    threads: Vec<Thread>,
    thread_of: Vec<u16>,
    wakeup: Curve,
    /// What waking a sleeping client costs the server; none where clients are elsewhere or nothing.
    wake_client: Option<Curve>,
    per_reply: Nanos,
    per_send: Nanos,
    per_command: Nanos,
    /// CPU time of the client threads so far \[ns\].
    pub client_busy: Nanos,
}

impl ClientGroup {
    /// The group number `index` of a scenario; `request_bytes` is the mean length of a command on the wire.
    pub fn new(
        workload: &Workload,
        index: u16,
        first_connection: u32,
        machine: &CostModel,
        request_bytes: f64,
        streams: &Streams,
    ) -> Self {
        let connections = workload.connections;
        let threads = machine.client.threads.clamp(1, connections);
        let kib = request_bytes * workload.pipeline as f64 / KIB as f64;
        let carried = ((kib - 1.0).max(0.0) * machine.client.per_kib).round() as Nanos;
        let arrivals = streams.open(StreamId::Arrivals, index as u64);
        let origin = match &workload.source {
            Source::Open { schedule, arrivals: spread } => Origin::Open(Box::new(OpenLoop::new(
                schedule,
                *spread,
                workload.pipeline,
                connections,
                arrivals,
                streams.open(StreamId::Connections, index as u64),
            ))),
            Source::Closed { think } => {
                let client = &machine.client;
                let commands = client.per_command * workload.pipeline as u64;
                let one = client.per_reply + client.per_send + carried + commands;
                let spread = one * connections as u64 / threads as u64 + think.mean() as Nanos;
                let in_order = threads == 1 && machine.network.jitter.fixed().is_some();
                let per_send = client.per_send + carried;
                Origin::Closed(ClosedLoop::new(
                    connections,
                    threads,
                    think.clone(),
                    per_send,
                    spread,
                    in_order,
                    arrivals,
                ))
            }
        };
        let transmission = (kib * machine.network.per_kib).round() as Nanos;
        let wakeup = Curve::new(&machine.client.wakeup);
        let wakes = wakeup.at(sleep_before_send(workload, machine, threads));
        let way_in = wakes + machine.client.per_send + carried + machine.network.one_way + transmission;
        let mut group = ClientGroup {
            index,
            origin,
            pipeline: workload.pipeline,
            first_connection,
            next_command: 0,
            way_in,
            way_again: way_in - wakes,
            one_way: machine.network.one_way,
            jitter: Jitter::new(&machine.network.jitter, streams.open(StreamId::Network, index as u64)),
            next_readable_at: 0,
            threads: vec![Thread::default(); threads as usize],
            thread_of: (0..connections).map(|c| (c % threads) as u16).collect(),
            wakeup,
            wake_client: (machine.client.local && machine.cpu.wake_client.iter().any(|point| point.1 > 0))
                .then(|| Curve::new(&machine.cpu.wake_client)),
            per_reply: machine.client.per_reply,
            per_send: machine.client.per_send + carried,
            per_command: machine.client.per_command,
            client_busy: 0,
        };
        group.look_ahead();
        group
    }

    /// From now on the group runs operations of several steps; `step_bytes` are the lengths of the steps.
    pub fn follow(
        mut self,
        pattern: &Pattern,
        step_bytes: &[u64],
        machine: &CostModel,
        streams: &Streams,
    ) -> Self {
        let send = |bytes: &u64| {
            let transmission = (*bytes as f64 / KIB as f64 * machine.network.per_kib).round() as Nanos;
            self.per_send + self.one_way + transmission
        };
        let ways: Vec<Nanos> = step_bytes.iter().map(send).collect();
        let starts = match self.origin {
            Origin::Open(open) => Starts::Open(open),
            _ if pattern.released => {
                Starts::Released { waiting: (0..self.thread_of.len() as u32).collect(), at: 0 }
            }
            Origin::Closed(closed) => Starts::Closed(closed.unqueued()),
            Origin::Program(_) | Origin::Routed(_) => unreachable!("a group has one program"),
        };
        let program = Program::new(pattern, starts, self.way_in, ways, self.index as u64, streams);
        self.origin = Origin::Program(Box::new(program));
        self.look_ahead();
        self
    }

    /// The operations of several steps that the group runs.
    #[inline(always)]
    pub fn program(&mut self) -> Option<&mut Program> {
        match &mut self.origin {
            Origin::Program(program) => Some(program),
            _ => None,
        }
    }

    /// Runs `work` with the group's program, if it has one, and looks what can be read next.
    pub fn with_program<T>(&mut self, work: impl FnOnce(&mut Program) -> T) -> Option<T> {
        let done = self.program().map(work);
        if done.is_some() {
            self.look_ahead();
        }
        done
    }

    /// The reply to a step, which [`receive`](Self::receive) has counted, was read at `read_at`.
    pub fn step_answered(&mut self, connection: u32, request: u32, read_at: Nanos) {
        let thread = self.thread_of[(connection - self.first_connection) as usize] as usize;
        // As in a closed loop: the next send is meant when its turn comes.
        let ready_at = (self.threads[thread].free_at - self.per_send).max(read_at);
        self.with_program(|program| program.answered(request, read_at, ready_at));
    }

    /// Takes the next step of an operation.
    fn take_step(&mut self) -> Unit {
        let Origin::Program(program) = &mut self.origin else { unreachable!("only of a program") };
        let sent = program.take();
        let commands = program.commands_of(sent.step);
        self.next_command += commands as u64;
        self.look_ahead();
        Unit {
            arrived_at: sent.arrived_at,
            readable_at: sent.readable_at,
            first: sent.request as u64,
            commands,
            connection: self.first_connection + sent.connection,
            group: self.index,
            ..Unit::default()
        }
    }

    /// From now on requests come one by one from a cluster's router.
    pub fn routed(mut self) -> Self {
        self.origin = Origin::Routed(Box::default());
        self.pipeline = 1;
        self.look_ahead();
        self
    }

    /// Runs `work` with what a router has sent here, if one does, and looks what can be read next.
    #[inline(always)]
    pub fn with_routed<T>(&mut self, work: impl FnOnce(&mut Routed) -> T) -> Option<T> {
        let Origin::Routed(routed) = &mut self.origin else { return None };
        let done = work(routed);
        self.look_ahead();
        Some(done)
    }

    /// Adds a request that a router sends. Those who add some then look what can be read next, by
    /// [`with_routed`](Self::with_routed).
    #[inline(always)]
    pub fn push_routed(&mut self, sent: Sent) {
        if let Origin::Routed(routed) = &mut self.origin {
            routed.push(sent);
        }
    }

    /// Requests that a router has sent and nobody has taken: intended time and ticket.
    pub fn queued(&self) -> impl Iterator<Item = (Nanos, u32)> + '_ {
        let routed = if let Origin::Routed(routed) = &self.origin { Some(routed) } else { None };
        routed.into_iter().flat_map(|routed| routed.iter().map(|sent| (sent.arrived_at, sent.ticket)))
    }

    /// From the intended time of a client write to its bytes at the server.
    pub fn way_in(&self) -> Nanos {
        self.way_in
    }

    /// The same of a client that is awake.
    pub fn way_again(&self) -> Nanos {
        self.way_again
    }

    /// Of a way in of length `way`, the time of the client: sending, and waking up before where it slept.
    pub fn client_in(&self, way: Nanos) -> Nanos {
        let wakes = if way == self.way_in { self.way_in - self.way_again } else { 0 };
        (self.per_send + wakes).min(way)
    }

    /// A client's time to read the replies of one connection \[ns\].
    pub fn per_reply(&self) -> Nanos {
        self.per_reply + self.per_command
    }

    /// Intended time of the next client write.
    #[inline(always)]
    pub fn next_arrival_at(&self) -> Nanos {
        match &self.origin {
            Origin::Open(open) => open.next_at(),
            Origin::Closed(closed) => closed.next_at(),
            Origin::Program(program) => program.next_arrival_at(),
            Origin::Routed(routed) => routed.next_arrival_at(),
        }
    }

    /// When the next client write can be read.
    #[inline(always)]
    pub fn next_readable_at(&self) -> Nanos {
        self.next_readable_at
    }

    /// The next client write may be another one now. Bytes of one link do not overtake one another, so what is
    /// readable next is readable after what was before.
    #[inline(always)]
    fn look_ahead(&mut self) {
        self.next_readable_at = match &self.origin {
            Origin::Program(program) => program.next_readable_at(),
            Origin::Routed(routed) => routed.next_readable_at(),
            _ => self.next_arrival_at().saturating_add(self.way_in),
        };
    }

    /// Commands of a client write.
    #[inline(always)]
    pub fn pipeline(&self) -> u32 {
        self.pipeline
    }

    /// Takes the next client write.
    #[inline(always)]
    pub fn take(&mut self) -> Unit {
        if let Origin::Program(_) = self.origin {
            return self.take_step();
        }
        let mut unit = Unit { commands: self.pipeline, group: self.index, ..Unit::default() };
        self.take_into(&mut unit);
        unit
    }

    /// The same where there is no program: `unit` becomes the next client write in all in which they differ.
    #[inline(always)]
    pub fn take_into(&mut self, unit: &mut Unit) {
        unit.readable_at = self.next_readable_at;
        match &mut self.origin {
            Origin::Open(open) => {
                unit.arrived_at = open.next_at();
                unit.connection = self.first_connection + open.take();
                self.next_readable_at = open.next_at().saturating_add(self.way_in);
                unit.first = self.next_command;
                self.next_command += self.pipeline as u64;
            }
            Origin::Routed(routed) => {
                let sent = routed.take();
                (unit.arrived_at, unit.first) = (sent.arrived_at, sent.number);
                (unit.slot, unit.ticket) = (sent.slot, sent.ticket);
                unit.connection = self.first_connection + sent.connection;
                self.next_readable_at = routed.next_readable_at();
                self.next_command += 1;
            }
            _ => self.take_closed(unit),
        }
    }

    /// The same of a closed loop: apart, so that the choice between the others is two comparisons.
    #[inline(never)]
    fn take_closed(&mut self, unit: &mut Unit) {
        let Origin::Closed(closed) = &mut self.origin else { unreachable!("programs take steps") };
        unit.arrived_at = closed.next_at();
        unit.connection = self.first_connection + closed.take(self.pipeline, &mut self.threads);
        unit.first = self.next_command;
        self.next_command += self.pipeline as u64;
        self.look_ahead();
    }

    /// Commands of client writes taken so far.
    pub fn commands_taken(&self) -> u64 {
        self.next_command
    }

    /// Replies to `commands` commands of `connection` left the server at `sent_at`; returns when they came, and a client
    /// thread begins to read them. A closed loop sends again after that.
    #[inline(always)]
    pub fn receive(&mut self, connection: u32, commands: u32, sent_at: Nanos) -> Received {
        let connection = connection - self.first_connection;
        let number = self.thread_of[connection as usize] as usize;
        let came_at = sent_at + self.one_way + self.jitter.next();
        let read = self.per_reply + self.per_command * commands as u64;
        let thread = &mut self.threads[number];
        if let Origin::Closed(closed) = &mut self.origin {
            let here_at = thread.takes(came_at);
            closed.catch_up(connection, here_at, &mut self.threads);
            let read_at = self.threads[number].read(here_at, read, &self.wakeup);
            self.client_busy += read;
            if closed.replied(connection, commands, read_at + read, &self.threads) {
                self.client_busy += self.per_send;
            }
            self.look_ahead();
            return Received { came_at, read_at };
        }
        let read_at = thread.reads_and_sends(came_at, (read, self.per_send), &self.wakeup);
        self.client_busy += read + self.per_send;
        match &mut self.origin {
            Origin::Routed(routed) if routed.tells => {
                routed.replies.push((connection, commands, read_at + read));
            }
            _ => {}
        }
        Received { came_at, read_at }
    }

    /// Whether nothing waits for what clients do with replies, so that they may [read them later](Self::read_all).
    pub fn reads_later(&self) -> bool {
        let tells = match &self.origin {
            Origin::Open(_) => false,
            Origin::Closed(_) | Origin::Program(_) => true,
            Origin::Routed(routed) => routed.tells,
        };
        !tells && self.wake_client.is_none()
    }

    /// What [`receive`](Self::receive) does for each of `replies`, to `commands` commands, in their order; `seen` is told of
    /// each as it is now, when it left the server, and when it came.
    #[inline(never)]
    pub fn read_all(
        &mut self,
        replies: &mut [Reply],
        commands: u32,
        mut seen: impl FnMut(&Reply, Nanos, Nanos),
    ) {
        let read = self.per_reply + self.per_command * commands as u64;
        let ClientGroup { first_connection, one_way, per_send, threads, thread_of, jitter, wakeup, .. } =
            self;
        for reply in replies.iter_mut() {
            let left_at = reply.at;
            let came_at = left_at + *one_way + jitter.next();
            let number = thread_of[(reply.connection - *first_connection) as usize];
            reply.at = threads[number as usize].reads_and_sends(came_at, (read, *per_send), wakeup);
            seen(reply, left_at, came_at);
        }
        self.client_busy += replies.len() as u64 * (read + self.per_send);
    }

    /// What the write(2) of a reply at `now` costs the server beyond its price, if it wakes the client's thread.
    #[inline(always)]
    pub fn wake_cost(&mut self, connection: u32, now: Nanos) -> Nanos {
        let Some(cost) = &self.wake_client else { return 0 };
        let connection = connection - self.first_connection;
        if let Origin::Closed(closed) = &mut self.origin {
            closed.catch_up(connection, now, &mut self.threads);
        }
        let thread = &self.threads[self.thread_of[connection as usize] as usize];
        cost.at(now.saturating_sub(thread.free_at))
    }

    /// Whether requests wait for replies before more come.
    pub fn is_closed(&self) -> bool {
        match &self.origin {
            Origin::Open(_) => false,
            Origin::Closed(_) => true,
            Origin::Program(program) => program.is_closed(),
            Origin::Routed(_) => false,
        }
    }
}
