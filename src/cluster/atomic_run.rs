//! Atomic migrations under way: `CLUSTER MIGRATESLOTS` of Valkey 9, `CLUSTER MIGRATION IMPORT` of Redis 8.4, each job
//! from its handshake to the instant at which its slots change their owner.
//!
//! What source and target decide is in `atomic_move.rs`, what it costs them in `sim/atomic_calls.rs`; here is what goes
//! between them. A move is as many jobs as it has pairs of source and target, one after the other: so `valkey-cli
//! --cluster-use-atomic-slot-migration` asks for them, and a Redis target imports one at a time. Left out: the period
//! at which redis-cli looks whether a job has ended; several jobs of a Valkey source in one fork.
//! What is on its way meanwhile is in `atomic_flow.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::atomic_move::{ACK_PERIOD, Action, AtomicFailure, AtomicMove, AtomicSetting, Stage};
use super::reshard_plan::SlotMove;
use super::world::{Task, World};
use crate::redis::slot_export::{Fed, NoChild};
use crate::sim::atomic_calls::{Origin, Piece, SlotCall, SlotReport, Ticket};
use crate::sim::member::{Asker, Call};
use crate::units::{MILLISECOND, Nanos};

/// A source that could not fork tries again with its cron (`clusterCron`, ten times a second).
const FORK_AGAIN: Nanos = 100 * MILLISECOND;

/// What happens to a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum SlotEvent {
    /// A node has done its part.
    Told(SlotReport),
    /// Source and target are connected.
    Connected,
    /// The source may fork.
    Fork,
    /// The child has the next piece.
    Child,
    /// The source's cron may have noticed that the child has gone.
    Noticed,
    /// The source knows that a piece was taken.
    Credit(Piece),
    /// The target has the whole snapshot, and its peer knows.
    SnapshotDone,
    /// The target acknowledges (Redis).
    Ack,
    /// The source hears how many bytes were applied.
    Acked(u64),
    /// The source is asked to let go (Valkey).
    Asked,
    /// A pause, or the patience of a target, ends.
    Deadline,
    /// A failed job begins again.
    Again,
}

/// The jobs of a move.
pub(super) struct AtomicRun {
    waiting: VecDeque<(usize, usize, Vec<u16>)>,
    job: Option<Job>,
    attempt: u32,
    /// Length of all pauses \[ns\].
    pub(super) paused: Nanos,
    /// Commands of redis-cli.
    pub(super) commands: u64,
    pub(super) slots: u32,
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

/// One job.
pub(super) struct Job {
    pub(super) run: AtomicMove,
    pub(super) slots: Arc<Vec<u16>>,
    pub(super) from: usize,
    pub(super) to: usize,
    /// Places of keys in the slots, by class.
    pub(super) positions: Vec<u64>,
    /// Keys that the child has not written.
    pub(super) left: u64,
    /// What the child has written and not got rid of.
    pub(super) ready: Option<Piece>,
    pub(super) child_at: Nanos,
    pub(super) stretch: f64,
    pub(super) link_at: Nanos,
    /// Pieces of the snapshot and of the stream on their way.
    pub(super) on_way: [u32; 2],
    /// Keys and bytes of the snapshot.
    pub(super) copied: u64,
    pub(super) snapshot_bytes: u64,
    /// Bytes of the stream that were handed to the connection, and that were applied.
    pub(super) sent: u64,
    pub(super) applied: u64,
    /// Written and not sent; kept at the target.
    pub(super) unsent: Fed,
    pub(super) kept: Fed,
    /// Keys that have changed hands.
    pub(super) moved: Option<u64>,
    /// The mark waits to be sent.
    pub(super) mark: bool,
    pub(super) noticed: bool,
    pub(super) streams: bool,
    pub(super) drained: bool,
}

impl AtomicRun {
    /// The jobs that make up `plan`.
    pub(super) fn new(plan: &[SlotMove]) -> Self {
        let mut waiting: VecDeque<(usize, usize, Vec<u16>)> = VecDeque::new();
        for step in plan {
            match waiting.iter_mut().find(|job| (job.0, job.1) == (step.from, step.to)) {
                Some(job) => job.2.push(step.slot),
                None => waiting.push_back((step.from, step.to, vec![step.slot])),
            }
        }
        AtomicRun { waiting, job: None, attempt: 0, paused: 0, commands: 0, slots: 0, keys: 0, bytes: 0 }
    }

    /// Length of all pauses so far, up to `now`.
    pub(super) fn paused_until(&self, now: Nanos) -> Nanos {
        self.paused + self.job.as_ref().map_or(0, |job| job.run.paused_until(now))
    }
}

impl Job {
    pub(super) fn is_valkey(&self) -> bool {
        self.run.is_valkey()
    }

    /// Nothing of the snapshot is missing at the target.
    fn is_copied(&self) -> bool {
        self.left == 0 && self.ready.is_none() && self.on_way[0] == 0
    }
}

fn described(failure: AtomicFailure) -> &'static str {
    match failure {
        AtomicFailure::Fork => "the source could not fork",
        AtomicFailure::Snapshot => "the connection was lost",
        AtomicFailure::PauseExpired => "the write pause timed out before the target had caught up",
        AtomicFailure::GrantExpired => "the write pause timed out before the target had taken over",
        AtomicFailure::NotCaughtUp => "the target did not catch up",
        AtomicFailure::OwnerChanged => "the slots are another node's",
    }
}

impl World<'_> {
    /// The next job of a move begins at `at`, or the move ends.
    pub(super) fn next_job(&mut self, at: Nanos, index: usize) {
        let version = self.scenario.redis.version;
        let spec = self.spec;
        let Some(run) = self.movers[index].atomic.as_mut() else { return };
        let Some((from, to, slots)) = run.waiting.pop_front() else { return self.end_move(at, index) };
        let max_lag = (spec.handoff_max_lag != u64::MAX).then_some(spec.handoff_max_lag);
        let setting = AtomicSetting { version, max_lag, pause_timeout: spec.write_pause_timeout };
        run.commands += 1;
        let positions = self.nodes[from].positions_of(&slots);
        run.job = Some(Job {
            run: AtomicMove::new(setting, at),
            slots: Arc::new(slots),
            from,
            to,
            positions,
            left: 0,
            ready: None,
            child_at: 0,
            stretch: 1.0,
            link_at: 0,
            on_way: [0; 2],
            copied: 0,
            snapshot_bytes: 0,
            sent: 0,
            applied: 0,
            unsent: Fed::default(),
            kept: Fed::default(),
            moved: None,
            mark: false,
            noticed: false,
            streams: false,
            drained: false,
        });
        // redis-cli's command has a way of its own.
        self.shake_hands(at + spec.link_delay, index);
    }

    fn shake_hands(&mut self, at: Nanos, index: usize) {
        let Some(run) = self.movers[index].atomic.as_mut() else { return };
        run.attempt += 1;
        let trips = u64::from(run.job.as_ref().map_or(0, |job| job.run.handshake_round_trips()));
        let ticket = Ticket { run: index, attempt: run.attempt };
        self.at(at + 2 * trips * self.spec.link_delay, Task::Slots(ticket, SlotEvent::Connected));
    }

    /// Something has happened to a job.
    pub(super) fn slots_event(&mut self, at: Nanos, ticket: Ticket, event: SlotEvent) {
        let delay = self.spec.link_delay;
        let Some(run) = self.movers[ticket.run].atomic.as_mut() else { return };
        if run.attempt != ticket.attempt {
            return;
        }
        let Some(job) = run.job.as_mut() else { return };
        let from = job.from;
        let mut action = Action::Nothing;
        match event {
            SlotEvent::Connected | SlotEvent::Fork => {
                job.run.on_connected(at);
                let fork = SlotCall::Fork(Arc::clone(&job.slots), !job.is_valkey());
                self.ask(from, at, ticket, fork);
            }
            SlotEvent::Told(SlotReport::NoChild(NoChild::Busy)) => {
                self.at(at + FORK_AGAIN, Task::Slots(ticket, SlotEvent::Fork));
            }
            SlotEvent::Told(SlotReport::NoChild(NoChild::Refused)) => action = job.run.on_forked(at, false),
            SlotEvent::Told(SlotReport::Forked(stretch)) => {
                action = job.run.on_forked(at, true);
                job.stretch = stretch;
                (job.child_at, job.link_at) = (at, at);
                job.left = self.nodes[from].keys_among(&job.positions);
                job.copied = 0;
            }
            SlotEvent::Told(SlotReport::Passed(piece)) => self.carry(at, ticket, piece),
            SlotEvent::Told(SlotReport::Fed(fed)) => job.unsent.add(fed),
            SlotEvent::Told(SlotReport::Streams) => job.streams = true,
            SlotEvent::Told(SlotReport::Paused) => job.mark = true,
            SlotEvent::Told(SlotReport::Applied(Piece { origin: Origin::Mark, .. })) => {
                action = job.run.on_mark(at);
            }
            SlotEvent::Told(SlotReport::Applied(piece)) => {
                match piece.origin {
                    Origin::Snapshot => job.copied += piece.keys,
                    Origin::Stream => job.applied += piece.fed.bytes,
                    Origin::Kept | Origin::Mark => {
                        job.applied += piece.fed.bytes;
                        self.apply_kept(at, ticket);
                    }
                }
                if piece.origin != Origin::Kept {
                    self.at(at + delay, Task::Slots(ticket, SlotEvent::Credit(piece)));
                }
            }
            SlotEvent::Told(SlotReport::Kept(piece)) => {
                job.kept.add(piece.fed);
                if job.drained {
                    // It was on its way when the target had just applied everything.
                    self.apply_kept(at, ticket);
                }
                self.at(at + delay, Task::Slots(ticket, SlotEvent::Credit(piece)));
            }
            SlotEvent::Told(SlotReport::TookOver) => return self.slots_taken(ticket),
            SlotEvent::Child => {}
            SlotEvent::Noticed => {
                if self.nodes[from].server.has_slot_child() {
                    let next = self.nodes[from].next_cron(at);
                    self.at(next, Task::Slots(ticket, SlotEvent::Noticed));
                } else {
                    job.noticed = true;
                    self.ask(from, at, ticket, SlotCall::Stream);
                }
            }
            SlotEvent::Credit(piece) => {
                job.on_way[(piece.origin != Origin::Snapshot) as usize] -= 1;
                if piece.origin == Origin::Snapshot && job.is_copied() {
                    self.at(at, Task::Slots(ticket, SlotEvent::SnapshotDone));
                }
            }
            SlotEvent::SnapshotDone => {
                action = job.run.on_snapshot_applied(at);
                if !job.is_valkey() {
                    self.apply_kept(at, ticket);
                }
            }
            SlotEvent::Ack => {
                if job.run.stage() == Stage::Streaming {
                    let applied = job.applied;
                    self.at(at + delay, Task::Slots(ticket, SlotEvent::Acked(applied)));
                    self.at(at + ACK_PERIOD, Task::Slots(ticket, SlotEvent::Ack));
                }
            }
            SlotEvent::Acked(applied) => {
                let lag = (job.sent + job.unsent.bytes).saturating_sub(applied);
                action = job.run.on_lag(at, lag, true);
            }
            SlotEvent::Asked => action = job.run.on_takeover_asked(at),
            SlotEvent::Deadline if job.moved.is_some() => {}
            SlotEvent::Deadline => action = job.run.on_time(at),
            SlotEvent::Again => {
                job.run.retry(at);
                return self.shake_hands(at, ticket.run);
            }
        }
        self.pump(at, ticket);
        self.follow_action(at, ticket, action);
        self.look_at_lag(at, ticket);
    }

    /// A Valkey source pauses when its output buffer is small enough.
    fn look_at_lag(&mut self, at: Nanos, ticket: Ticket) {
        let Some(job) = self.job_of(ticket).filter(|job| job.is_valkey() && job.streams) else { return };
        let bytes = job.unsent.bytes;
        let action = job.run.on_lag(at, bytes, true);
        self.follow_action(at, ticket, action);
    }

    pub(super) fn job_of(&mut self, ticket: Ticket) -> Option<&mut Job> {
        let run = self.movers[ticket.run].atomic.as_mut()?;
        if run.attempt == ticket.attempt { run.job.as_mut() } else { None }
    }

    pub(super) fn ask(&mut self, node: usize, at: Nanos, ticket: Ticket, call: SlotCall) {
        self.nodes[node].call(at, Asker::Cli(ticket.run), Call::Slots(ticket, call));
    }

    fn follow_action(&mut self, at: Nanos, ticket: Ticket, action: Action) {
        let delay = self.spec.link_delay;
        let Some(job) = self.job_of(ticket) else { return };
        let (from, to, slots) = (job.from, job.to, Arc::clone(&job.slots));
        match action {
            Action::Nothing => {}
            Action::PauseWrites { until } => {
                self.ask(from, at, ticket, SlotCall::Pause);
                self.at(until, Task::Slots(ticket, SlotEvent::Deadline));
            }
            Action::AskTakeover => self.at(at + delay, Task::Slots(ticket, SlotEvent::Asked)),
            Action::Grant { until } => {
                self.ask(to, at + delay, ticket, SlotCall::TakeOver(slots));
                self.at(until, Task::Slots(ticket, SlotEvent::Deadline));
            }
            Action::TakeOver => self.ask(to, at, ticket, SlotCall::TakeOver(slots)),
            Action::Done => {
                let moved = job.moved.unwrap_or(0);
                let bytes = job.snapshot_bytes + job.applied;
                let paused = job.run.books().paused;
                self.ask(from, at, ticket, SlotCall::End(Some(moved)));
                let mover = &mut self.movers[ticket.run];
                mover.failed = None;
                if let Some(run) = &mut mover.atomic {
                    run.slots += slots.len() as u32;
                    run.keys += moved;
                    run.bytes += bytes;
                    run.paused += paused;
                    run.job = None;
                }
                self.next_job(at + delay, ticket.run);
            }
            Action::Fail { again_at } => self.job_failed(at, ticket, again_at),
        }
    }

    fn job_failed(&mut self, at: Nanos, ticket: Ticket, again_at: Option<Nanos>) {
        let delay = self.spec.link_delay;
        let Some(job) = self.job_of(ticket) else { return };
        let (from, to, bytes) = (job.from, job.to, job.snapshot_bytes + job.applied);
        let copies = std::mem::take(&mut job.copied);
        let why = match job.run.stage() {
            Stage::Failed(failure) => described(failure),
            _ => "it failed",
        };
        (job.left, job.ready, job.on_way) = (0, None, [0; 2]);
        (job.snapshot_bytes, job.sent, job.applied) = (0, 0, 0);
        (job.unsent, job.kept) = (Fed::default(), Fed::default());
        (job.mark, job.noticed, job.streams, job.drained) = (false, false, false, false);
        for node in [from, to] {
            self.nodes[node].withdraw_part(ticket);
        }
        self.nodes[from].server.slot_child_exits(at, bytes, Some("the migration failed"));
        self.ask(from, at, ticket, SlotCall::End(None));
        self.ask(to, at + delay, ticket, SlotCall::Drop(copies));
        let mover = &mut self.movers[ticket.run];
        mover.failed = Some(why.to_owned());
        let Some(run) = mover.atomic.as_mut() else { return };
        run.bytes += bytes;
        run.attempt += 1;
        let next = Ticket { run: ticket.run, attempt: run.attempt };
        match again_at {
            Some(again_at) => self.at(again_at, Task::Slots(next, SlotEvent::Again)),
            None => {
                if let Some(job) = run.job.take() {
                    run.paused += job.run.books().paused;
                }
                self.end_move(at + delay, ticket.run);
            }
        }
    }

    /// Everybody has heard the claim of node `sender` at `at`: its jobs that have taken slots over are done.
    pub(super) fn claim_heard(&mut self, at: Nanos, sender: u16) {
        for index in 0..self.movers.len() {
            let Some(run) = self.movers[index].atomic.as_mut() else { continue };
            let ticket = Ticket { run: index, attempt: run.attempt };
            let taken = |job: &&mut Job| job.to == sender as usize && job.moved.is_some();
            let Some(job) = run.job.as_mut().filter(taken) else { continue };
            let action = job.run.on_ownership(at);
            self.follow_action(at, ticket, action);
        }
    }

    /// A node has died at `at`, and every job with it that has not come to its end.
    pub(super) fn jobs_died(&mut self, at: Nanos, node: u16) {
        for index in 0..self.movers.len() {
            let Some(run) = self.movers[index].atomic.as_mut() else { continue };
            let ticket = Ticket { run: index, attempt: run.attempt };
            let node = node as usize;
            let hit = |job: &&mut Job| (job.from == node || job.to == node) && job.moved.is_none();
            let Some(job) = run.job.as_mut().filter(hit) else { continue };
            let action = job.run.on_failure(at, AtomicFailure::Snapshot);
            self.follow_action(at, ticket, action);
        }
    }
}
