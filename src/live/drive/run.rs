//! The loop of the generator: send what is due, read what has come, look at the clock.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::live::info::Info;
use crate::live::pin::Pinned;
use crate::live::process::MainThread;
use crate::observe::histogram::Histogram;
use crate::observe::recorder::Recorder;
use crate::observe::result::{Errors, EventRow, TimelineRow};
use crate::rng::Streams;
use crate::sim::kinds::kinds;
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};

use super::group::{self, Done, Group};
use super::outcome::{self, Measured};
use super::poller::Poller;
use super::questions::Asked;
use super::sample::Sample;
use super::wire::{Buffer, Wire};
use super::{Driven, Phase, Plan, Progress, Target, fill};
use crate::client::operation::Outcome;

/// Client writes sent in one go before replies are looked at again.
const BURST: u32 = 16;
/// From setting up to the first intended time.
const LEAD: Duration = Duration::from_millis(5);
/// How long the last replies may take.
const PATIENCE: Nanos = 10 * SECOND;
/// How long replies are waited for when a run ends early.
const ENDING: Nanos = SECOND;
/// Between two calls of `progress` \[ns\].
const PROGRESS: Nanos = 100 * MILLISECOND;
/// Longest sleep, so that an interrupt is noticed \[ns\].
const LONGEST_SLEEP: Nanos = 50 * MILLISECOND;
/// Least time between two samples of INFO \[ns\].
const SAMPLE_LEAST: Nanos = 100 * MILLISECOND;
/// Events kept; more are counted.
const EVENTS_MAX: usize = 100_000;

/// Fills the dataset if the plan says so, then drives the server for the length of the plan and waits for the last replies.
/// `progress` is called now and then; it returns false to stop.
///
/// # Errors
/// [`LiveError::Lost`] when the server dies or is silent, [`LiveError::Refused`] for an error answer that no scenario
/// expects, [`LiveError::Interrupted`].
pub fn drive(target: &Target, plan: &Plan, progress: &mut dyn FnMut(Progress) -> bool) -> Result<Driven> {
    fill::fill(&target.address, plan, progress)?;
    let mut control = Control::connect(&target.address)?;
    let version = control.version()?;
    let mut driver = Driver::new(target, plan, &mut control)?;
    let pinned = Pinned::to_last_core();
    let ended = driver.run(plan, progress);
    drop(pinned);
    if ended.is_err() {
        // What is under way may still be executed: whoever cleans up comes after it.
        let _ = driver.drain(ENDING);
    }
    ended?;
    let info = control.info("everything")?;
    Ok(driver.finish(plan, version, info))
}

pub(super) struct Driver<'t> {
    pub(super) target: &'t Target,
    /// Time 0 of the run.
    pub(super) start: Instant,
    poller: Poller,
    buffer: Buffer,
    /// Connections of all groups, one group after the other, then the one for questions.
    pub(super) wires: Vec<Wire>,
    groups: Vec<Group>,
    /// First connection of each group, and the end.
    firsts: Vec<usize>,
    /// Group of each connection.
    owners: Vec<u16>,
    recorder: Recorder,
    lateness: Histogram,
    rows: Vec<TimelineRow>,
    pub(super) samples: Vec<Sample>,
    pub(super) asked: VecDeque<Asked>,
    pub(super) next_sample_at: Nanos,
    pub(super) sample_every: Nanos,
    pub(super) next_action: usize,
    events: Vec<EventRow>,
    events_dropped: u64,
    errors: Errors,
    /// Requests that were due after the warm-up; replies read in the measured time; replies read at all.
    arrived: u64,
    answered: u64,
    replies: u64,
    /// Client writes sent.
    sent: u64,
    last_reply_at: Nanos,
    spin: bool,
    /// Time of passes that sent or read something, and client writes, of the measured time.
    own: (Nanos, u64),
    pub(super) main_thread: Option<MainThread>,
    warmup: Nanos,
    horizon: Nanos,
    stall_threshold: Nanos,
}

impl<'t> Driver<'t> {
    fn new(target: &'t Target, plan: &Plan, control: &mut Control) -> Result<Self> {
        let streams = Streams::new(plan.seed, 0);
        let cannot = |error| LiveError::system("wait for connections", error);
        let mut poller = Poller::new().map_err(cannot)?;
        let (mut wires, mut firsts, mut owners, mut groups) = (Vec::new(), vec![0], Vec::new(), Vec::new());
        for (index, own) in plan.groups.iter().enumerate() {
            groups.push(Group::new(plan, index, &streams, control)?);
            for _ in 0..own.connections {
                wires.push(connect(target, &mut poller, wires.len())?);
                owners.push(index as u16);
            }
            firsts.push(wires.len());
        }
        wires.push(connect(target, &mut poller, wires.len())?);
        let kinds: Vec<_> = plan.groups.iter().map(kinds).collect();
        let recorder = Recorder::new(&kinds, owners.len(), plan.warmup, &plan.windows, Some(plan.interval))
            .with_sections(plan.sections, plan.duration, true);
        let main_thread = target.pid.map(MainThread::of).filter(|thread| thread.cpu_ns().is_ok());
        Ok(Driver {
            target,
            start: Instant::now(),
            poller,
            buffer: Buffer::new(),
            wires,
            groups,
            firsts,
            owners,
            recorder,
            lateness: Histogram::new(),
            rows: Vec::new(),
            samples: Vec::new(),
            asked: VecDeque::new(),
            next_sample_at: plan.warmup,
            sample_every: plan.interval.clamp(SAMPLE_LEAST, SECOND),
            next_action: 0,
            events: Vec::new(),
            events_dropped: 0,
            errors: Errors::default(),
            arrived: 0,
            answered: 0,
            replies: 0,
            sent: 0,
            last_reply_at: 0,
            spin: plan.spin,
            own: (0, 0),
            main_thread,
            warmup: plan.warmup,
            horizon: plan.duration,
            stall_threshold: plan.stall_threshold,
        })
    }

    /// Nanoseconds of the run; 0 before it begins.
    pub(super) fn now(&self) -> Nanos {
        Instant::now().saturating_duration_since(self.start).as_nanos() as Nanos
    }

    fn run(&mut self, plan: &Plan, progress: &mut dyn FnMut(Progress) -> bool) -> Result<()> {
        self.start = Instant::now() + LEAD;
        std::thread::sleep(LEAD / 2);
        let mut next_progress_at = 0;
        let mut looked_at = 0;
        loop {
            let now = self.now();
            if now >= self.horizon {
                break;
            }
            let (began, done) = (now, (self.sent, self.replies));
            self.ask(plan, now)?;
            self.send_due(now)?;
            if now >= self.recorder.next_tick_at() {
                self.tick(now);
            }
            if now >= next_progress_at {
                next_progress_at = now + PROGRESS;
                let so_far =
                    Progress { phase: Phase::Driving, done: now, of: self.horizon, requests: self.replies };
                if !progress(so_far) {
                    return Err(LiveError::Interrupted);
                }
            }
            self.poller
                .wait(self.sleep(plan))
                .map_err(|error| LiveError::system("wait for replies", error))?;
            let now = self.now();
            // A spinning generator that was taken off its core has not seen what came meanwhile: that is no stall.
            let blind = if self.spin { now - looked_at } else { 0 };
            looked_at = now;
            self.read_ready(blind)?;
            if (self.sent, self.replies) != done && began >= self.warmup {
                self.own.0 += self.now() - began;
                self.own.1 += self.sent - done.0;
            }
            self.groups.iter_mut().for_each(|group| group.time_passes(now));
        }
        self.settle()
    }

    /// How long nothing needs to be done unless something becomes readable.
    fn sleep(&self, plan: &Plan) -> Duration {
        if self.spin {
            return Duration::ZERO;
        }
        let now = self.now();
        let groups =
            self.groups.iter().map(|group| group.next_at().min(now.saturating_add(group.patience())));
        let action = plan.actions.get(self.next_action).map_or(NEVER, |action| action.0);
        let others =
            [self.next_sample_at, action, self.horizon, self.recorder.next_tick_at(), now + LONGEST_SLEEP];
        let until = groups.chain(others).min().unwrap_or(now);
        Duration::from_nanos(until.saturating_sub(now))
    }

    /// Sends what is due, a little at a time, so that replies are not left waiting.
    fn send_due(&mut self, mut now: Nanos) -> Result<()> {
        for index in 0..self.groups.len() {
            let mut burst = 0;
            while burst < BURST
                && self.groups[index].next_at() <= now
                && self.groups[index].next_at() < self.horizon
            {
                let (first, end) = (self.firsts[index], self.firsts[index + 1]);
                let sent = self.groups[index].send(now, &mut self.wires[first..end]);
                if sent.pending.arrived_at >= self.warmup {
                    self.arrived += u64::from(sent.pending.replies);
                    if sent.is_timed {
                        self.lateness.record(self.now().saturating_sub(sent.pending.arrived_at));
                    }
                }
                self.flush(first + sent.connection as usize)?;
                self.sent += 1;
                burst += 1;
                now = self.now();
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, wire: usize) -> Result<()> {
        self.wires[wire].flush().map_err(|error| self.lost(error))
    }

    fn lost(&self, source: io::Error) -> LiveError {
        LiveError::Lost { address: self.target.address.to_string(), doing: "the workload".to_owned(), source }
    }

    /// Reads what has come on every connection that became ready. For `blind` \[ns\] nobody had looked.
    fn read_ready(&mut self, blind: Nanos) -> Result<()> {
        let ready: Vec<usize> = self.poller.ready().collect();
        for wire in ready {
            self.flush(wire)?;
            // The reply is here: reading it is the client's own time.
            let now = self.now();
            let mut buffer = std::mem::replace(&mut self.buffer, Buffer::empty());
            let any = self.wires[wire].fill(&mut buffer);
            self.buffer = buffer;
            if !any.map_err(|error| self.lost(error))? {
                continue;
            }
            if wire + 1 == self.wires.len() {
                self.take_answers()?;
            } else {
                self.take_replies(wire, now, blind)?;
            }
        }
        Ok(())
    }

    /// Takes every whole reply on a connection of a group.
    fn take_replies(&mut self, wire: usize, now: Nanos, blind: Nanos) -> Result<()> {
        let owner = usize::from(self.owners[wire]);
        let connection = (wire - self.firsts[owner]) as u32;
        let counts = now < self.horizon;
        let (mut reads, mut writes) = (0, 0);
        loop {
            let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, "the bytes are no replies");
            let (address, group) = (&self.target.address, &mut self.groups[owner]);
            let own = &mut self.wires[wire];
            let Some(pending) = own.pending.front().copied() else { break };
            let doing = || "the workload".to_owned();
            let reply = own.reply().map_err(malformed).map_err(|source| LiveError::Lost {
                address: address.to_string(),
                doing: doing(),
                source,
            })?;
            let Some(reply) = reply else { break };
            let is_last = pending.left == 1;
            let mut done = Done { pending, outcome: Outcome::Ok, increments: 0 };
            let is_error = reply.first() == Some(&b'-');
            if is_error {
                let answer = super::reply::error(reply).unwrap_or_default();
                let is_counted = counts && pending.arrived_at >= self.warmup;
                // An operation of several steps may be about errors: it counts as failed.
                if !count_error(&mut self.errors, &answer, is_counted) && !group.has_steps() {
                    return Err(group::refused(address, &answer));
                }
                done.outcome = Outcome::Error;
            }
            if is_last && group.has_steps() {
                (done.outcome, done.increments) = group.outcome(&pending, reply);
            }
            if !is_error {
                *(if group.is_write(&pending) { &mut writes } else { &mut reads }) += 1;
            }
            own.pending[0].left -= 1;
            self.replies += 1;
            self.answered += u64::from(counts && now >= self.warmup);
            if is_last {
                own.pending.pop_front();
                self.note_silence(pending.sent_at, now, blind);
                self.record(wire, owner, pending.arrived_at, (reads, writes), now);
                (reads, writes) = (0, 0);
                self.groups[owner].answered(connection, &done, now);
            }
        }
        if let Some(pending) = self.wires[wire].pending.front().copied() {
            self.record(wire, owner, pending.arrived_at, (reads, writes), now);
        }
        Ok(())
    }

    fn record(
        &mut self,
        wire: usize,
        owner: usize,
        arrived_at: Nanos,
        (reads, writes): (u32, u32),
        now: Nanos,
    ) {
        if reads + writes == 0 || now >= self.horizon {
            return;
        }
        let connection = wire as u32;
        let unit = crate::client::group::Unit { arrived_at, connection, reads, writes, ..Default::default() };
        self.recorder.answered(owner, &unit, now);
    }

    /// A spell without a reply although one was due, and which is not our own absence.
    fn note_silence(&mut self, sent_at: Nanos, now: Nanos, blind: Nanos) {
        let since = sent_at.max(self.last_reply_at);
        let span = now.saturating_sub(since).saturating_sub(blind);
        self.last_reply_at = now;
        if span >= self.stall_threshold && since >= self.warmup && now < self.horizon {
            self.note(EventRow { at: since, span, cause: "silence", detail: String::new() });
        }
    }

    pub(super) fn note(&mut self, event: EventRow) {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event);
        } else {
            self.events_dropped += 1;
        }
    }

    fn tick(&mut self, now: Nanos) {
        let rows = &mut self.rows;
        self.recorder.tick(now, |at, quantiles| {
            let (completed, sojourn) = quantiles.map_or((0, None), |(n, all)| (n, Some(all)));
            rows.push(TimelineRow { at, completed, sojourn, child: "none", ..TimelineRow::default() });
        });
    }

    /// After the end of the run: the last sample, and every reply that is still missing, so that nothing is executed later.
    fn settle(&mut self) -> Result<()> {
        self.ask_info(self.horizon)?;
        self.drain(PATIENCE)?;
        self.tick(self.horizon);
        Ok(())
    }

    /// Reads every reply that is still missing, for at most `patience` \[ns\]. Operations of several steps go no further.
    fn drain(&mut self, patience: Nanos) -> Result<()> {
        let until = self.now() + patience;
        self.horizon = self.horizon.min(self.now());
        while self.wires.iter().any(|wire| !wire.pending.is_empty()) || !self.asked.is_empty() {
            if self.now() > until {
                let reason = format!("replies are missing {} s after the end", patience / SECOND);
                return Err(self.lost(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            self.poller
                .wait(Duration::from_nanos(LONGEST_SLEEP))
                .map_err(|error| LiveError::system("wait for replies", error))?;
            self.read_ready(0)?;
        }
        Ok(())
    }

    fn finish(mut self, plan: &Plan, version: crate::redis::version::Version, info: Info) -> Driven {
        let unsent: u64 = self.groups.iter_mut().map(|group| group.unsent_before(self.horizon)).sum();
        let patterns = self
            .groups
            .into_iter()
            .zip(&plan.groups)
            .filter_map(|(group, own)| group.pattern_result(own))
            .collect();
        let (scopes, closed_loop_view, sections) = self.recorder.finish();
        outcome::assemble(
            plan,
            Measured {
                version,
                scopes,
                closed_loop_view,
                sections,
                patterns,
                requests: self.arrived + unsent,
                answered: self.answered,
                errors: self.errors,
                events: self.events,
                events_dropped: self.events_dropped,
                rows: self.rows,
                samples: self.samples,
                lateness: self.lateness,
                spin: self.spin,
                own: self.spin.then_some(self.own),
                info,
            },
        )
    }
}

/// Another connection to the server, logged in and waited for.
fn connect(target: &Target, poller: &mut Poller, index: usize) -> Result<Wire> {
    let stream = Control::connect(&target.address)?.into_stream();
    let wire = Wire::over(stream).map_err(|error| LiveError::system("set up a connection", error))?;
    poller.add(wire.fd(), index).map_err(|error| LiveError::system("wait for a connection", error))?;
    Ok(wire)
}

/// Counts an error that a scenario may be about; false for others.
fn count_error(errors: &mut Errors, answer: &str, counts: bool) -> bool {
    let counter = match answer.split(' ').next() {
        Some("OOM") => &mut errors.oom,
        Some("MISCONF") => &mut errors.misconf,
        Some("NOREPLICAS") => &mut errors.noreplicas,
        _ => return false,
    };
    *counter += u64::from(counts);
    true
}
