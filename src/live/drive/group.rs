//! One group of clients: what it sends next and when, and what a reply makes it do.

use crate::client::closed::ClosedLoop;
use crate::client::open::OpenLoop;
use crate::client::operation::{End, Finished, Mishaps, Outcome};
use crate::client::program::{Program, Starts};
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::observe::histogram::Histogram;
use crate::observe::patterns::{PatternResult, PatternSums};
use crate::rng::{StreamId, Streams};
use crate::scenario::{Source, Workload};
use crate::units::{MILLISECOND, NEVER, Nanos};

use super::Plan;
use super::names::Names;
use super::render::Renderer;
use super::steps::Steps;
use super::wire::{Pending, Wire};

/// A connection's first send in a closed loop follows that of the one before by this \[ns\].
const SPREAD: Nanos = 10_000;

/// What is sent in one go, and on which connection of the group.
pub struct Sent {
    /// Connection within the group.
    pub connection: u32,
    /// What is waited for.
    pub pending: Pending,
    /// It had an intended time of its own: the lateness counts.
    pub is_timed: bool,
}

/// A request whose replies have all been read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Its pending entry as it was.
    pub pending: Pending,
    /// What the last reply meant, and increments done; of steps.
    pub outcome: Outcome,
    /// Increments done.
    pub increments: u32,
}

/// Where requests come from.
enum Origin {
    Open(Box<OpenLoop>),
    Closed(ClosedLoop),
    Program(Box<Program>, Box<Steps>),
}

/// A group of clients.
pub struct Group {
    origin: Origin,
    renderer: Renderer,
    pipeline: u32,
    next_command: u64,
    /// Steps of patterns have time-outs.
    has_timers: bool,
    is_open: bool,
    sums: PatternSums,
    sojourn: Histogram,
    counted_from: Nanos,
    /// What clients had met when counting began.
    mishaps_before: Option<Mishaps>,
}

impl Group {
    /// The group number `index` of `plan`.
    ///
    /// # Errors
    /// What the server answers to SCRIPT LOAD.
    pub fn new(plan: &Plan, index: usize, streams: &Streams, control: &mut Control) -> Result<Self> {
        let group = &plan.groups[index];
        let number = index as u64;
        let arrivals = streams.open(StreamId::Arrivals, number);
        let renderer = Renderer::new(group, number, &plan.dataset, &plan.prefix, streams, control)?;
        let is_open = matches!(group.source, Source::Open { .. });
        let open = |schedule: &[(Nanos, f64)], spread| {
            let connections = streams.open(StreamId::Connections, number);
            Box::new(OpenLoop::new(
                schedule,
                spread,
                group.pipeline,
                group.connections,
                arrivals.clone(),
                connections,
            ))
        };
        let closed = |think: &crate::dist::Dist| {
            let spread = SPREAD * Nanos::from(group.connections);
            let arrivals = arrivals.clone();
            ClosedLoop::new(group.connections, 1, think.clone(), 0, spread, false, arrivals).unqueued()
        };
        let origin = match (&group.pattern, &group.source) {
            (None, Source::Open { schedule, arrivals }) => Origin::Open(open(schedule, *arrivals)),
            (None, Source::Closed { think }) => Origin::Closed(closed(think)),
            (Some(pattern), source) => {
                let starts = match source {
                    Source::Open { schedule, arrivals } => Starts::Open(open(schedule, *arrivals)),
                    Source::Closed { think } => Starts::Closed(closed(think)),
                };
                // The way to the server takes its own time here.
                let ways = vec![0; pattern.steps.len()];
                let program = Program::new(pattern, starts, 0, ways, number, streams);
                let names = Names::of_pattern(&plan.prefix, index, group.key_size, pattern.key_count);
                Origin::Program(Box::new(program), Box::new(Steps::new(pattern, names, control)?))
            }
        };
        let has_timers = group.pattern.as_ref().is_some_and(|pattern| pattern.patience.timeout.is_some());
        Ok(Group {
            origin,
            renderer,
            pipeline: group.pipeline,
            next_command: 0,
            has_timers,
            is_open,
            sums: PatternSums::default(),
            sojourn: Histogram::new(),
            counted_from: plan.warmup,
            mishaps_before: None,
        })
    }

    /// When something is to be sent next \[ns\].
    pub fn next_at(&self) -> Nanos {
        match &self.origin {
            Origin::Open(open) => open.next_at(),
            Origin::Closed(closed) => closed.next_at(),
            Origin::Program(program, _) => program.next_readable_at(),
        }
    }

    /// Longest time until it must be looked at again though nothing is due or readable \[ns\].
    pub fn patience(&self) -> Nanos {
        if self.has_timers { MILLISECOND } else { NEVER }
    }

    /// Takes what is due: its bytes go behind those that wait on `wire`, which is given its connection. `now` is when a
    /// closed loop begins to send.
    pub fn send(&mut self, now: Nanos, wires: &mut [Wire]) -> Sent {
        let (connection, arrived_at, is_timed) = match &mut self.origin {
            Origin::Open(open) => {
                let arrived_at = open.next_at();
                (open.take(), arrived_at, true)
            }
            Origin::Closed(closed) => (closed.take(self.pipeline, &mut []), now, false),
            Origin::Program(program, steps) => {
                let sent = program.take();
                let rank = u64::from(program.key_of(sent.request));
                let wire = &mut wires[sent.connection as usize];
                steps.render(sent.step, rank, &mut wire.out);
                let replies = steps.replies(sent.step);
                if sent.arrived_at >= self.counted_from {
                    self.sums.commands += u64::from(replies);
                    self.mishaps_before.get_or_insert(program.mishaps);
                }
                let pending = Pending {
                    arrived_at: sent.arrived_at,
                    sent_at: now,
                    number: sent.request.into(),
                    left: replies,
                    replies,
                };
                wire.pending.push_back(pending);
                let is_timed = self.is_open && sent.step == 0;
                return Sent { connection: sent.connection, pending, is_timed };
            }
        };
        let wire = &mut wires[connection as usize];
        for number in self.next_command..self.next_command + u64::from(self.pipeline) {
            self.renderer.render(number, &mut wire.out);
        }
        let (number, replies) = (self.next_command, self.pipeline);
        self.next_command += u64::from(self.pipeline);
        let pending = Pending { arrived_at, sent_at: now, number, left: replies, replies };
        wire.pending.push_back(pending);
        Sent { connection, pending, is_timed }
    }

    /// Whether the reply that `pending` waits for next is one of a writing command.
    pub fn is_write(&mut self, pending: &Pending) -> bool {
        match &mut self.origin {
            Origin::Program(program, steps) => steps.is_write(program.step_of(pending.number as u32)),
            _ => self.renderer.is_write(pending.number + u64::from(pending.replies - pending.left)),
        }
    }

    /// Whether replies are looked into.
    pub fn has_steps(&self) -> bool {
        matches!(self.origin, Origin::Program(..))
    }

    /// What the last reply to a step means.
    pub fn outcome(&mut self, pending: &Pending, last: &[u8]) -> (Outcome, u32) {
        match &mut self.origin {
            Origin::Program(program, steps) => steps.read(program.step_of(pending.number as u32), last),
            _ => (Outcome::Ok, 0),
        }
    }

    /// All replies of a request have been read at `read_at`.
    pub fn answered(&mut self, connection: u32, done: &Done, read_at: Nanos) {
        match &mut self.origin {
            Origin::Open(_) => {}
            Origin::Closed(closed) => {
                closed.replied(connection, done.pending.replies, read_at, &[]);
            }
            Origin::Program(program, _) => {
                let request = done.pending.number as u32;
                program.executed(request, done.outcome, done.increments);
                program.answered(request, read_at, read_at);
            }
        }
        self.count_finished();
    }

    /// Time-outs up to `now` go off.
    pub fn time_passes(&mut self, now: Nanos) {
        if self.has_timers
            && let Origin::Program(program, _) = &mut self.origin
        {
            program.time_passes(now);
            self.count_finished();
        }
    }

    fn count_finished(&mut self) {
        let Origin::Program(program, _) = &mut self.origin else { return };
        for finished in program.finished.drain(..) {
            if finished.started_at >= self.counted_from {
                count(&finished, &mut self.sums, &mut self.sojourn);
            }
        }
    }

    /// Requests of open loops that were due before `end` and never sent.
    pub fn unsent_before(&mut self, end: Nanos) -> u64 {
        let Origin::Open(open) = &mut self.origin else { return 0 };
        let mut unsent = 0;
        while open.next_at() < end {
            if open.next_at() >= self.counted_from {
                unsent += u64::from(self.pipeline);
            }
            open.take();
        }
        unsent
    }

    /// What became of operations of several steps, as far as clients saw.
    pub fn pattern_result(self, group: &Workload) -> Option<PatternResult> {
        let Origin::Program(program, _) = self.origin else { return None };
        let pattern = group.pattern.as_ref()?;
        let mut sums = self.sums;
        let before = self.mishaps_before.unwrap_or_default();
        sums.timeouts = program.mishaps.timeouts - before.timeouts;
        sums.retries = program.mishaps.retries - before.retries;
        sums.increments_unseen = program.mishaps.unseen_increments - before.unseen_increments;
        Some(PatternResult {
            name: pattern.name.clone(),
            group: group.name.clone(),
            limit: pattern.limit,
            window: pattern.window(),
            sums,
            sets_max: 0,
            bare_max: 0,
            keys_at_end: (0, 0),
            sojourn: self.sojourn,
        })
    }
}

fn count(finished: &Finished, sums: &mut PatternSums, sojourn: &mut Histogram) {
    sums.operations += 1;
    sums.retried += u64::from(finished.retries > 0);
    sums.increments_acked += u64::from(finished.increments);
    match finished.end {
        End::Done => sojourn.record(finished.ended_at - finished.started_at),
        End::Refused => sums.refused += 1,
        End::TimedOut => sums.timed_out += 1,
        End::ClientDied => sums.died += 1,
    }
    sums.failed += u64::from(finished.end != End::Done);
}

/// The server's refusal of a command in the middle of a run, in the shape of other errors.
pub fn refused(address: &crate::live::address::Address, answer: &str) -> LiveError {
    LiveError::Refused {
        address: address.to_string(),
        command: "a command of the workload".to_owned(),
        answer: answer.to_owned(),
    }
}
