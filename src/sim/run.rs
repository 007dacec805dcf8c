//! One run from a scenario to its result.

use super::blaming::Blaming;
use super::kinds::kinds;
use super::member::{Fate, Member, Seat};
use super::replicas;
use super::start_phase::at_random_phase;
use super::turn::Probe;
use super::waiting::Waiting;
use crate::cause::Cause;
use crate::client::group::{ClientGroup, Unit};
use crate::client::replies::{self, Reply};
use crate::cost_model::CostModel;
use crate::curve::Curve;
use crate::math::Factor;
use crate::noise::HostNoise;
use crate::observe::recorder::Recorder;
use crate::observe::result::{ChildRow, Counters, Errors, MemoryUse, RunResult, TimelineRow};
use crate::observe::sections::{self, Mark, Recurring};
use crate::observe::spent::GroupSpent;
use crate::redis::child::Child;
use crate::redis::plan::{GroupPlan, plans};
use crate::redis::server::Server;
use crate::rng::{StreamId, Streams};
use crate::scenario::{Scenario, TimedEvent, Workload};
use crate::units::{KIB, NEVER, Nanos};

/// read(2) of one client a turn: `PROTO_IOBUF_LEN`.
const READ_BYTES: u64 = 16 * KIB;
/// The same from 7.0 on: the query buffer is allocated greedily, twice that, and the read takes all of it.
const GREEDY_READ_BYTES: u64 = 32 * KIB;
/// Turns between two reports of progress.
const PROGRESS_TURNS: u32 = 1 << 15;
/// Commands between two, where turns are long: a server that cannot keep up.
const PROGRESS_COMMANDS: u64 = 1 << 22;

/// What a run is asked to do beside its scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Keep the timeline.
    pub timeline: bool,
    /// Replication: another set of random streams under the same seed.
    pub replication: u64,
    /// Cut the measured time into about so many sections, at most [`SECTIONS_MAX`](sections::SECTIONS_MAX); 0: none.
    pub sections: u32,
    /// Begin at a random phase of what recurs (saves, rewrites, timers), another in each replication; the first, number
    /// 0, begins as the scenario says all the same.
    pub random_phase: bool,
    /// Blame every request's time on what took it.
    pub blame: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Simulated time so far.
    pub simulated: Nanos,
    /// Simulated time in all.
    pub duration: Nanos,
    /// Requests so far.
    pub requests: u64,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimError {
    /// An open loop asks for more than the server can do.
    #[error("offered load is {offered:.2}: the queue grows without end")]
    Overload {
        /// Offered load, ≥ 1.
        offered: f64,
        /// Commands a second that the main thread can carry.
        capacity_per_s: f64,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
}

/// Everything a run works with.
pub struct Simulation<P> {
    pub(crate) server: Server,
    pub(crate) groups: Vec<ClientGroup>,
    pub(crate) plans: Vec<GroupPlan>,
    pub(crate) recorder: Recorder,
    pub(super) noise: HostNoise,
    pub(super) wakeup: Curve,
    /// What passes before that, if anything does.
    pub(super) rouse: Option<Curve>,
    pub(super) probe: P,
    /// Commands one read takes at most, by group.
    pub(super) read_cap: Vec<u32>,
    /// Transmission \[ns/byte\].
    pub(super) transmission: Factor,
    pub(super) horizon: Nanos,
    pub(super) warmup: Nanos,
    pub(super) events: Vec<TimedEvent>,
    pub(super) next_event: usize,
    pub(super) special_at: Nanos,
    /// A turn that has executed its commands after this has more to do: a timer, a gap, a window's end.
    pub(super) due_at: Nanos,
    pub(super) measuring: bool,
    pub(super) measured_from_at: Nanos,
    pub(super) busy_before: [Nanos; Cause::COUNT],
    /// Units of this turn, and units left for the next.
    pub(super) units: Vec<Unit>,
    pub(super) backlog: Vec<Unit>,
    pub(super) order: Vec<(u32, Unit)>,
    /// Replies on their way to clients who read them later.
    pub(super) replies: Vec<Reply>,
    /// Service of each unit of this turn, when a probe watches.
    pub(super) services: Vec<Nanos>,
    /// By connection: the last turn that saw it, and its place in an arranged turn; by place: what its read takes.
    pub(super) last_turn: Vec<u32>,
    pub(super) place: Vec<u32>,
    pub(super) room: Vec<u32>,
    pub(super) turns: u32,
    /// Commands answered or refused.
    pub(super) answered: u64,
    pub(super) errors: Errors,
    pub(super) rows: Vec<TimelineRow>,
    /// What had been counted at the end of each section.
    pub(super) marks: Vec<Mark>,
    /// What the commands of each group took, and the copy-on-write faults already in it.
    pub(super) spent: Vec<GroupSpent>,
    pub(super) faults_spent: f64,
    pub(super) row_busy: [Nanos; Cause::COUNT],
    pub(super) row_cycles: u64,
    pub(super) row_expired: u64,
    pub(super) client_busy: Nanos,
    pub(super) client_load_at: Nanos,
    /// Some group runs operations of several steps.
    pub(super) patterned: bool,
    pub(super) waiting: Waiting,
    /// A turn that would begin at or after this is left for later.
    pub(super) limit: Nanos,
    /// When somebody's call can be read, or a node goes on after waiting for another.
    pub(super) control_at: Nanos,
    /// In a node that looks at its units: what the turn did with each.
    pub(super) fates: Vec<Fate>,
    /// What a node of a cluster has beside.
    pub(crate) member: Option<Box<Member>>,
    /// Where requests' time went, if somebody asks.
    pub(super) blame: Option<Box<Blaming>>,
}

/// Simulates `scenario`. `progress` is called now and then; it returns false to stop.
pub fn run(
    scenario: &Scenario,
    options: &RunOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    run_probed(scenario, options, &mut (), progress)
}

/// The same, watched by `probe`, which changes nothing.
pub fn run_probed<P: Probe>(
    scenario: &Scenario,
    options: &RunOptions,
    probe: &mut P,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<RunResult, SimError> {
    let mut simulation = Simulation::new(scenario, options, probe, None);
    let offered = super::predict::offered_load(scenario, &simulation.plans);
    if let Some(load) = offered.filter(|load| load.offered >= 1.0 && !scenario.run.allow_overload) {
        return Err(SimError::Overload { offered: load.offered, capacity_per_s: load.capacity_per_s });
    }
    let (mut countdown, mut due_at) = (PROGRESS_TURNS, PROGRESS_COMMANDS);
    while simulation.turn() {
        countdown -= 1;
        if countdown == 0 || simulation.answered >= due_at {
            (countdown, due_at) = (PROGRESS_TURNS, simulation.answered + PROGRESS_COMMANDS);
            if !progress(simulation.progress()) {
                return Err(SimError::Stopped);
            }
        }
    }
    let mut result = simulation.finish(scenario);
    if !options.timeline {
        result.timeline.clear();
    }
    Ok(result)
}

impl<P: Probe> Simulation<P> {
    /// The server of `scenario` and its clients. In a cluster `seat` says which node it is.
    pub(crate) fn new(scenario: &Scenario, options: &RunOptions, probe: P, seat: Option<Seat>) -> Self {
        let machine = &scenario.machine;
        let streams = Streams::new(scenario.run.seed, options.replication);
        let own = seat.as_ref().map_or(streams, |seat| streams.of_node(seat.index as u64));
        let positions = seat.as_ref().map(|seat| &seat.keys[..]);
        let (server, maps) = if options.random_phase && options.replication > 0 {
            at_random_phase(scenario, &own, positions)
        } else {
            Server::with_positions(scenario, &own, positions)
        };
        let version = scenario.redis.version;
        let mut plans = plans(&scenario.workloads, &scenario.dataset, maps, version, machine, &streams);
        if seat.is_some() {
            plans.iter_mut().for_each(|plan| plan.look_up_slots(machine.cluster.slot_lookup));
        }
        let mut first = 0;
        let groups: Vec<ClientGroup> = scenario
            .workloads
            .iter()
            .zip(&plans)
            .enumerate()
            .map(|(index, (workload, plan))| {
                let group = clients(workload, index as u16, first, machine, plan, &own);
                first += workload.connections;
                if seat.is_some() { group.routed() } else { group }
            })
            .collect();
        let connections = first as usize;
        let read = if version.has(7, 0) { GREEDY_READ_BYTES } else { READ_BYTES };
        let read_cap = plans.iter().map(|plan| plan.read_cap(read)).collect();
        let kinds: Vec<_> = scenario.workloads.iter().map(kinds).collect();
        // What quiet stretches passed on to replicas is settled at each row, and sections end where rows do: rows are made
        // with or without a reader.
        let rows = options.timeline || options.sections > 0 || !scenario.replicas.is_empty();
        let interval = rows.then_some(scenario.run.interval);
        let (run, warmup) = (&scenario.run, scenario.run.warmup);
        let mut simulation = Simulation {
            server,
            groups,
            plans,
            // Rows are what a replica's quiet stretches are settled at: more of them would change their rounding.
            recorder: Recorder::new(&kinds, connections, warmup, &run.windows, interval).with_sections(
                options.sections,
                run.duration,
                scenario.replicas.is_empty(),
            ),
            marks: Vec::new(),
            noise: HostNoise::new(&machine.noise, own.open(StreamId::HostNoise, 0)),
            wakeup: Curve::new(&machine.cpu.wakeup),
            rouse: (machine.network.wake_server.iter().any(|point| point.1 > 0))
                .then(|| Curve::new(&machine.network.wake_server)),
            probe,
            read_cap,
            transmission: Factor::new(machine.network.per_kib / KIB as f64),
            horizon: run.duration,
            warmup,
            events: scenario.events.clone(),
            next_event: 0,
            special_at: 0,
            due_at: 0,
            measuring: warmup == 0,
            measured_from_at: 0,
            busy_before: [0; Cause::COUNT],
            units: Vec::with_capacity(1024),
            backlog: Vec::with_capacity(1024),
            order: Vec::new(),
            replies: Vec::with_capacity(2 * replies::BATCH),
            services: Vec::new(),
            last_turn: vec![0; connections],
            place: vec![0; connections],
            room: vec![0; connections],
            turns: 0,
            answered: 0,
            errors: Errors::default(),
            rows: Vec::new(),
            spent: vec![GroupSpent::default(); scenario.workloads.len()],
            faults_spent: 0.0,
            row_busy: [0; Cause::COUNT],
            row_cycles: 0,
            row_expired: 0,
            client_busy: 0,
            client_load_at: 0,
            patterned: scenario.workloads.iter().any(|group| group.pattern.is_some()),
            waiting: Waiting::new(&scenario.workloads, connections),
            limit: NEVER,
            control_at: NEVER,
            fates: Vec::new(),
            member: seat.map(|seat| Box::new(Member::new(seat))),
            blame: None,
        };
        if options.blame {
            simulation.begin_blame(None);
        }
        if simulation.probe.wants_turns() {
            simulation.server.main.blocks.journal = Some(Box::default());
        }
        simulation.update_special();
        simulation
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        Progress { simulated: self.server.main.now, duration: self.horizon, requests: self.answered }
    }

    /// Checks every book and puts the result together.
    pub(crate) fn finish(mut self, scenario: &Scenario) -> RunResult {
        self.tick();
        self.show_turn(true);
        let end = self.server.main.now;
        self.server.aof.settle(end, &self.server.disk, &mut self.server.loss);
        self.server.note_memory();
        self.server.check();
        let patterns = self.finish_patterns();
        let (in_flight, in_flight_counted) = self.in_flight();
        let taken: u64 = self.groups.iter().map(ClientGroup::commands_taken).sum();
        assert_eq!(taken, self.answered + in_flight, "requests arrived = answered + in flight");
        let end_mark = self.mark();
        self.server.counters = end_mark.counters;
        let info = self.info(scenario);
        let hot_key = self.hot_key(scenario);
        let memory = MemoryUse {
            used_bytes: self.server.used_memory(),
            rss_bytes_max: self.server.rss_max,
            cow_bytes_max: self.server.cow_max,
            rewrite_buffer_bytes_max: self.server.rewrite.buffer_max,
            bytes_per_key: self.server.keyspace.bytes_per_key(),
        };
        let blame = self.blame.as_mut().map(|blame| blame.rows.finish());
        let replication = replicas::result(&mut self.server);
        let mut server = self.server;
        let expiry = server.expiry_result();
        let (events, events_dropped, stalls, blocks) = server.main.blocks.finish();
        let (scopes, closed_loop_view, mut sections) = self.recorder.finish();
        sections::fill(&mut sections.list, &self.marks, &end_mark);
        if !sections.list.is_empty() {
            sections.recurring = recurring(&server.children, server.child.as_ref(), end);
        }
        let completed = scopes.first().map_or(0, |all| all.sojourn.count());
        let errors = self.errors;
        RunResult {
            scenario: scenario.name.clone(),
            version: server.config.version,
            model: scenario.machine.name.clone(),
            seed: scenario.run.seed,
            duration: scenario.run.duration,
            warmup: scenario.run.warmup,
            requests: completed
                + errors.oom
                + errors.misconf
                + errors.noreplicas
                + errors.connection_lost
                + in_flight_counted,
            completed,
            errors,
            scopes,
            closed_loop_view,
            busy: end_mark.busy,
            busy_total: end_mark.busy.iter().sum(),
            stalls,
            events,
            events_dropped,
            blocks,
            timeline: self.rows,
            counters: server.counters,
            loss: server.loss.finish(end),
            children: server.children,
            memory,
            spent: scenario.workloads.iter().map(|group| group.name.clone()).zip(self.spent).collect(),
            hot_key,
            streams: server.streams.map(|streams| streams.used(server.config.version)),
            replication,
            expiry,
            info,
            patterns,
            cluster: None,
            sections,
            blame,
        }
    }

    /// What has been counted since measuring began.
    pub(super) fn mark(&self) -> Mark {
        let server = &self.server;
        let busy = std::array::from_fn(|cause| server.main.busy[cause] - self.busy_before[cause]);
        let counters = Counters { cow_faults: server.cow.faults(), ..server.counters };
        Mark { counters, busy, stalls: server.main.blocks.long() }
    }

    /// Commands that arrived before the end and were not answered; and how many of them after the warm-up.
    fn in_flight(&mut self) -> (u64, u64) {
        let mut units = std::mem::take(&mut self.backlog);
        for group in &mut self.groups {
            while group.next_arrival_at() < self.horizon {
                units.push(group.take());
            }
        }
        let (executed, held) = self.waiting.in_flight();
        units.extend(held);
        let counted = units.iter().chain(executed).filter(|unit| unit.arrived_at >= self.warmup);
        let counted = counted.map(|unit| unit.commands as u64).sum();
        (units.iter().map(|unit| unit.commands as u64).sum(), counted)
    }

    /// Requests of clients that arrived from `since` on, were not answered, and are no redirected ones.
    pub(crate) fn unanswered(&self, since: Nanos) -> u64 {
        let (executed, held) = self.waiting.in_flight();
        let units = self.backlog.iter().chain(executed).chain(held);
        let units = units.map(|unit| (unit.arrived_at, unit.ticket));
        let queued = self.groups.iter().flat_map(|group| group.queued());
        units.chain(queued).filter(|&(at, ticket)| ticket == 0 && at >= since).count() as u64
    }
}

/// Children of the measured time, and the one that runs at its end.
fn recurring(ended: &[ChildRow], running: Option<&Child>, end: Nanos) -> Vec<Recurring> {
    let ended = ended.iter().map(|child| Recurring {
        kind: child.kind,
        start: child.start,
        end: child.start + child.fork + child.duration,
    });
    let running = running.map(|child| Recurring { kind: child.kind.name(), start: child.start, end });
    ended.chain(running).collect()
}

/// The clients of one group.
fn clients(
    workload: &Workload,
    index: u16,
    first_connection: u32,
    machine: &CostModel,
    plan: &GroupPlan,
    streams: &Streams,
) -> ClientGroup {
    let group = |bytes| ClientGroup::new(workload, index, first_connection, machine, bytes, streams);
    match (&workload.pattern, &plan.pattern) {
        (Some(pattern), Some(steps)) => {
            let bytes = steps.step_bytes();
            group(bytes[0] as f64).follow(pattern, &bytes, machine, streams)
        }
        _ => group(plan.mean_request_bytes()),
    }
}
