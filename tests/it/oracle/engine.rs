//! A slow, obvious engine: one calendar holds every send, every arrival of bytes and every phase of the server's turn.
//!
//! It shares the server's mechanisms (what a command, a flush, serverCron or a child does and costs) with the simulator,
//! and nothing of how the simulator runs ahead through a turn: connections have queues of their own, a phase is an event
//! at the time it begins, and a sleeping server is woken by the events themselves.

use std::collections::VecDeque;

use writepath::cause::Cause;
use writepath::curve::Curve;
use writepath::math::Factor;
use writepath::noise::HostNoise;
use writepath::observe::result::{ChildRow, Counters, Loss};
use writepath::redis::aof::Flushed;
use writepath::redis::server::Server;
use writepath::redis::{
    plan::{GroupPlan, plans},
    work::Work,
};
use writepath::rng::{StreamId, Streams};
use writepath::scenario::Scenario;
use writepath::sim::Replied;
use writepath::units::{KIB, Nanos};

use super::calendar::{Calendar, Rank};
use super::clients::{ClientWrite, Clients, Send};

/// What must be the same.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub replied: Vec<Replied>,
    pub busy: [Nanos; Cause::COUNT],
    pub counters: Counters,
    pub children: Vec<ChildRow>,
    pub loss: Loss,
}

/// Events.
enum Event {
    Send {
        group: usize,
        connection: u32,
    },
    Write {
        group: usize,
        connection: u32,
    },
    Readable(ClientWrite),
    /// Replies reach a client: those of these records.
    Arrive {
        group: usize,
        connection: u32,
        commands: u32,
        think: Option<Nanos>,
        records: std::ops::Range<usize>,
    },
    /// serverCron is due: wakes a server that sleeps.
    TimerDue,
    /// Phases of a turn.
    Rest,
    Poll,
    Execute,
    Cron,
    Flush,
    Reply,
}

/// Commands of one client write that this turn answers.
struct Part {
    write: ClientWrite,
    commands: u32,
    reply_bytes: u64,
    service: Nanos,
}

/// The turn that is going on.
#[derive(Default)]
struct Turn {
    polled_at: Nanos,
    executed_at: Nanos,
    flushed_at: Nanos,
    work: Work,
    /// By connection, in the order of execution.
    served: Vec<Vec<Part>>,
}

pub struct Engine<'a> {
    pub(super) scenario: &'a Scenario,
    calendar: Calendar<Event>,
    pub(super) server: Server,
    plans: Vec<GroupPlan>,
    clients: Vec<Clients>,
    /// Bytes a read takes.
    read_bytes: f64,
    /// By connection: what is readable.
    sockets: Vec<VecDeque<ClientWrite>>,
    pub(super) noise: HostNoise,
    wakeup: Curve,
    transmission: Factor,
    turn: Turn,
    /// Since when the server sleeps.
    asleep_since: Option<Nanos>,
    pub(super) next_event: usize,
    client_load: (Nanos, Nanos),
    replied: Vec<Replied>,
    /// Replies that no client has yet.
    on_their_way: usize,
}

impl<'a> Engine<'a> {
    pub fn new(scenario: &'a Scenario) -> Self {
        let machine = &scenario.machine;
        let streams = Streams::new(scenario.run.seed, 0);
        let (server, maps) = Server::new(scenario, &streams);
        let version = scenario.redis.version;
        let plans = plans(&scenario.workloads, &scenario.dataset, maps, version, machine, &streams);
        let mut clients = Vec::new();
        let mut connections = 0;
        for (group, workload) in scenario.workloads.iter().enumerate() {
            let bytes = plans[group].mean_request_bytes();
            clients.push(Clients::new(scenario, group, connections, bytes, &streams));
            connections += workload.connections;
        }
        Engine {
            scenario,
            calendar: Calendar::new(),
            server,
            plans,
            clients,
            read_bytes: if version.has(7, 0) { 32768.0 } else { 16384.0 },
            sockets: vec![VecDeque::new(); connections as usize],
            noise: HostNoise::new(&machine.noise, streams.open(StreamId::HostNoise, 0)),
            wakeup: Curve::new(&machine.cpu.wakeup),
            transmission: Factor::new(machine.network.per_kib / KIB as f64),
            turn: Turn::default(),
            asleep_since: None,
            next_event: 0,
            client_load: (0, 0),
            replied: Vec::new(),
            on_their_way: 0,
        }
    }

    pub fn run(mut self) -> Outcome {
        for group in 0..self.clients.len() {
            for send in self.clients[group].first_sends() {
                self.schedule_send(group, send);
            }
        }
        self.next_phase(Event::Rest);
        let end = self.scenario.run.duration;
        while let Some((at, event)) = self.calendar.next() {
            let over = match event {
                Event::Send { group, connection } => self.send(at, group, connection),
                Event::Write { group, connection } => self.write(at, group, connection),
                Event::Arrive { group, connection, commands, think, records } => {
                    self.arrive(at, group, (connection, commands, think), records);
                    false
                }
                Event::Readable(write) => {
                    self.sockets[write.connection as usize].push_back(write);
                    self.wake(at)
                }
                Event::TimerDue if self.server.cron_at <= at => self.wake(at),
                Event::TimerDue => false,
                phase => {
                    assert_eq!(at, self.server.main.now, "phases begin when the one before ends");
                    self.phase(phase)
                }
            };
            if over {
                break;
            }
        }
        // Replies that were on their way are still read.
        while self.on_their_way > 0 {
            match self.calendar.next() {
                Some((at, Event::Send { group, connection })) => _ = self.send(at, group, connection),
                Some((at, Event::Arrive { group, connection, commands, think, records })) => {
                    self.arrive(at, group, (connection, commands, think), records);
                }
                event => assert!(event.is_some(), "replies are scheduled"),
            }
        }
        self.server.main.sleep(end);
        let now = self.server.main.now;
        self.server.aof.settle(now, &self.server.disk, &mut self.server.loss);
        self.server.check();
        Outcome {
            replied: self.replied,
            busy: self.server.main.busy,
            counters: Counters { cow_faults: self.server.cow.faults(), ..self.server.counters },
            children: self.server.children,
            loss: self.server.loss.finish(now),
        }
    }

    fn schedule_send(&mut self, group: usize, (at, order, connection): Send) {
        self.calendar.add(at, Rank::Send, order, Event::Send { group, connection });
    }

    fn send(&mut self, now: Nanos, group: usize, connection: u32) -> bool {
        let ((at, order, connection), next) = self.clients[group].send(now, connection);
        self.calendar.add(at, Rank::Write, order, Event::Write { group, connection });
        next.into_iter().for_each(|send| self.schedule_send(group, send));
        false
    }

    fn write(&mut self, now: Nanos, group: usize, connection: u32) -> bool {
        let write = self.clients[group].write(now, connection);
        self.calendar.add(write.readable_at, Rank::Readable, group as u64, Event::Readable(write));
        false
    }

    /// Replies are here at `now`: connection, commands, and the think time if they complete a pipeline.
    fn arrive(
        &mut self,
        now: Nanos,
        group: usize,
        replies: (u32, u32, Option<Nanos>),
        records: std::ops::Range<usize>,
    ) {
        let (connection, commands, think) = replies;
        let (read_at, send) = self.clients[group].receive(connection, commands, think, now);
        send.into_iter().for_each(|send| self.schedule_send(group, send));
        self.replied[records].iter_mut().for_each(|record| record.read_at = read_at);
        self.on_their_way -= 1;
    }

    fn next_phase(&mut self, phase: Event) {
        self.calendar.add(self.server.main.now, Rank::Server, 0, phase);
    }

    /// A sleeping server begins to wake at `at`; true when the run ends before.
    fn wake(&mut self, at: Nanos) -> bool {
        let Some(since) = self.asleep_since.take() else { return false };
        if at >= self.scenario.run.duration {
            return true;
        }
        let slept = self.server.main.sleep(at);
        assert_eq!(slept, at - since);
        self.begin_turn(slept);
        false
    }

    fn begin_turn(&mut self, slept: Nanos) {
        let woken_at = self.server.main.now;
        if slept > 0 {
            self.server.main.charge(Cause::WakeUp, self.wakeup.at(slept));
        }
        self.besides(woken_at, slept);
        self.next_phase(Event::Poll);
    }

    fn phase(&mut self, phase: Event) -> bool {
        match phase {
            Event::Rest => return self.rest(),
            Event::Poll => self.poll(),
            Event::Execute => self.execute(),
            Event::Cron => self.cron(),
            Event::Flush => self.flush(),
            Event::Reply => self.reply(),
            _ => unreachable!("no phase"),
        }
        false
    }

    /// Nothing is left to do; the next turn begins at once when something waits. True at the end of the run.
    fn rest(&mut self) -> bool {
        let now = self.server.main.now;
        if now >= self.scenario.run.duration {
            return true;
        }
        let waits = self.sockets.iter().any(|socket| !socket.is_empty());
        if waits || self.server.cron_at <= now {
            self.begin_turn(0);
        } else {
            self.asleep_since = Some(now);
            self.calendar.add(self.server.cron_at, Rank::Server, 0, Event::TimerDue);
        }
        false
    }

    /// Sockets that are ready now, in the order in which they became so, and what one read takes from each.
    fn poll(&mut self) {
        self.turn = Turn { polled_at: self.server.main.now, ..Turn::default() };
        let ready_since = |socket: &VecDeque<ClientWrite>| {
            socket.front().map(|write| (write.readable_at, write.group, write.number))
        };
        let mut ready: Vec<usize> =
            (0..self.sockets.len()).filter(|&c| !self.sockets[c].is_empty()).collect();
        ready.sort_by_key(|&connection| ready_since(&self.sockets[connection]));
        for connection in ready {
            let socket = &mut self.sockets[connection];
            let group = socket[0].group;
            let mut room = ((self.read_bytes / self.plans[group].mean_request_bytes()) as u32).max(1);
            let mut parts = Vec::new();
            while room > 0 && !socket.is_empty() {
                let write = socket[0];
                let commands = write.commands.min(room);
                room -= commands;
                parts.push(Part { write, commands, reply_bytes: 0, service: 0 });
                if commands == write.commands {
                    socket.pop_front();
                } else {
                    socket[0].first += commands as u64;
                    socket[0].commands -= commands;
                }
            }
            self.turn.served.push(parts);
        }
        self.next_phase(Event::Execute);
    }

    fn execute(&mut self) {
        let (server, work) = (&mut self.server, &mut self.turn.work);
        for part in self.turn.served.iter_mut().flatten() {
            let before = *work;
            server.execute(&self.plans[part.write.group], part.write.first, part.commands, work);
            part.reply_bytes = work.reply_bytes - before.reply_bytes;
            part.service = work.cpu + work.cow + work.rehash - (before.cpu + before.cow + before.rehash);
        }
        let (pass, read) = (server.prices.cpu.turn, server.prices.cpu.read * self.turn.served.len() as u64);
        server.main.charge(Cause::EventLoop, pass);
        server.main.charge(Cause::Read, read);
        if !self.turn.served.is_empty() {
            server.executed(work);
        }
        server.wait_for_core(pass + read + work.cpu + work.cow + work.rehash);
        self.turn.executed_at = server.main.now;
        self.next_phase(Event::Cron);
    }

    fn cron(&mut self) {
        let now = self.server.main.now;
        if now >= self.server.cron_at {
            self.measure_clients(now);
            assert_eq!(self.server.cron(), Flushed::Fine);
        }
        self.host_gaps(0);
        self.next_phase(Event::Flush);
    }

    /// Cores that clients on this machine used since the last serverCron.
    fn measure_clients(&mut self, now: Nanos) {
        let busy = self.clients.iter().map(|clients| clients.busy).sum();
        let client = &self.server.prices.client;
        if client.local && now > self.client_load.1 {
            let load = (busy - self.client_load.0) as f64 / (now - self.client_load.1) as f64;
            self.server.client_load = load.min(client.threads as f64);
            self.client_load = (busy, now);
        }
    }

    fn flush(&mut self) {
        let server = &mut self.server;
        if server.config.appendonly {
            if server.config.version.has(6, 0) {
                server.aof.refresh_clock(server.main.now);
            }
            assert_eq!(server.flush(false), Flushed::Fine);
        }
        self.turn.flushed_at = server.main.now;
        self.next_phase(Event::Reply);
    }

    /// Answers the connection that was executed last; after the first one the turn is over.
    fn reply(&mut self) {
        let Some(parts) = self.turn.served.pop() else {
            let changed = self.turn.work.changed;
            if changed > 0 {
                self.server.loss.acknowledge(self.turn.flushed_at, changed);
            }
            self.server.counters.eventloop_cycles += 1;
            return self.next_phase(Event::Rest);
        };
        let bytes: u64 = parts.iter().map(|part| part.reply_bytes).sum();
        let commands = parts.iter().map(|part| part.commands).sum();
        let ClientWrite { group, connection, .. } = parts[0].write;
        let wakes = self.clients[group].wake_cost(connection, self.server.main.now);
        let cost = self.server.prices.cpu.write * (1 + bytes / 65536) + wakes;
        self.server.main.charge(Cause::Reply, cost);
        self.server.wait_for_core(cost);
        let sent_at = self.server.main.now;
        let out_at = sent_at + self.transmission.of(bytes);
        let (here_at, think) = self.clients[group].replied(connection, commands, out_at);
        let first = self.replied.len();
        self.replied.extend(parts.iter().map(|part| Replied {
            group: group as u16,
            connection,
            commands: part.commands,
            arrived_at: part.write.arrived_at,
            readable_at: part.write.readable_at,
            polled_at: self.turn.polled_at,
            executed_at: self.turn.executed_at,
            flushed_at: self.turn.flushed_at,
            sent_at,
            read_at: 0,
            service: part.service,
        }));
        let records = first..self.replied.len();
        let arrival = Event::Arrive { group, connection, commands, think, records };
        self.calendar.add(here_at, Rank::Arrive, 0, arrival);
        self.on_their_way += 1;
        self.next_phase(Event::Reply);
    }
}
