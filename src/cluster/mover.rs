//! redis-cli at work: what a move asks of the nodes, and how it went.

use super::atomic_run::AtomicRun;
use super::legacy_fix::{Claim, fix_open_slot};
use super::legacy_move::{LegacyMove, MoveBooks};
use super::order::{Next, Step};
use super::reshard_plan::{Rebalance, SlotMove, given_slots, rebalance, reshard};
use super::world::{Task, World};
use crate::curve::Curve;
use crate::redis::cluster_call::Answer;
use crate::redis::slot_view::NONE;
use crate::scenario::cluster::{MoveAction, MoveKind};
use crate::sim::member::{Asker, Call};
use crate::units::Nanos;

/// A move that has begun.
pub(super) struct Mover {
    /// Its place in the scenario's list.
    pub(super) planned: usize,
    pub(super) run: Option<LegacyMove>,
    /// Its jobs, if it is an atomic one.
    pub(super) atomic: Option<AtomicRun>,
    pub(super) began_at: Nanos,
    pub(super) ended_at: Option<Nanos>,
    pub(super) failed: Option<String>,
    pub(super) books: MoveBooks,
    /// When the command was sent whose reply is waited for.
    asked_at: Option<Nanos>,
    process: Process,
}

/// redis-cli's own time: it waits for replies with the library that redis-benchmark uses, at the same prices.
#[derive(Clone, Debug)]
struct Process {
    /// Waking it after a sleep.
    wakeup: Curve,
    /// Reading a reply \[ns\].
    read: Nanos,
    /// Building and sending a command \[ns\].
    send: Nanos,
}

impl World<'_> {
    /// The move number `index` begins.
    pub(super) fn begin_move(&mut self, at: Nanos, index: usize) {
        let planned = &self.spec.moves[index];
        let (action, options) = (planned.action.clone(), planned.options);
        if self.moving == 0 && self.at_begin.is_none() {
            self.at_begin = Some(self.so_far());
            self.sent_at[0] = Some(self.router.measured());
        }
        self.moving += 1;
        self.unsettle();
        let version = self.scenario.redis.version;
        let primaries = self.nodes.len();
        if options.kind == MoveKind::Atomic {
            return self.begin_jobs(at, index, &action);
        }
        let run = match &action {
            MoveAction::Fix => {
                self.plan_fix().map(|steps| LegacyMove::fix(steps, options, primaries, version))
            }
            action => self.plan(action).map(|plan| LegacyMove::new(&plan, options, primaries, version)),
        };
        let (run, failed) = match run {
            Ok(run) => (Some(run), None),
            Err(why) => (None, Some(why)),
        };
        let process = self.process();
        let books = MoveBooks::default();
        let mover = Mover {
            planned: index,
            run,
            atomic: None,
            began_at: at,
            ended_at: None,
            failed,
            books,
            asked_at: None,
            process,
        };
        self.movers.push(mover);
        self.go_on(at, self.movers.len() - 1, Answer::Ok);
    }

    /// redis-cli on a client's machine.
    fn process(&self) -> Process {
        let client = &self.scenario.machine.client;
        Process {
            wakeup: Curve::new(&client.wakeup),
            read: client.per_reply,
            send: client.per_send + client.per_command,
        }
    }

    /// The jobs of an atomic move begin.
    fn begin_jobs(&mut self, at: Nanos, index: usize, action: &MoveAction) {
        let (atomic, failed) = match self.plan(action) {
            Ok(plan) => (AtomicRun::new(&plan), None),
            Err(why) => (AtomicRun::new(&[]), Some(why)),
        };
        self.movers.push(Mover {
            planned: index,
            run: None,
            atomic: Some(atomic),
            began_at: at,
            ended_at: None,
            failed,
            books: MoveBooks::default(),
            asked_at: None,
            process: self.process(),
        });
        self.next_job(at, self.movers.len() - 1);
    }

    fn plan(&mut self, action: &MoveAction) -> Result<Vec<SlotMove>, String> {
        let owners: Vec<Option<usize>> =
            self.truth().iter().map(|&owner| (owner != NONE).then_some(owner as usize)).collect();
        let nodes = self.nodes.len();
        let plan = match action {
            MoveAction::Reshard { from, to, slots } => reshard(&owners, nodes, from, *to, *slots),
            MoveAction::Slots { slots, to } => given_slots(&owners, nodes, slots, *to),
            MoveAction::Rebalance { weights, use_empty, threshold } => {
                rebalance(&owners, nodes, weights, *use_empty, *threshold).map(|plan| match plan {
                    Rebalance::NotNeeded => Vec::new(),
                    Rebalance::Moves { moves, .. } => moves,
                })
            }
            MoveAction::Fix => Ok(Vec::new()),
        };
        plan.map_err(|error| error.to_string())
    }

    /// What fix does to each open slot, as the nodes are now.
    fn plan_fix(&mut self) -> Result<Vec<Step>, String> {
        let mut open: Vec<u16> = Vec::new();
        for node in &mut self.nodes {
            let view = &node.seat().view;
            open.extend(view.migrating().iter().chain(view.importing()).map(|&(slot, _)| slot));
        }
        open.sort_unstable();
        open.dedup();
        let mut steps = Vec::new();
        for slot in open {
            let claims = self.nodes.iter_mut().enumerate().map(|(index, node)| {
                let keys = node.keys_in(slot);
                let view = &node.seat().view;
                Claim {
                    owns: view.owner(slot) == index as u16,
                    migrating_to: view.migrating_to(slot).map(usize::from),
                    importing: view.importing_from(slot).is_some(),
                    keys,
                }
            });
            let claims: Vec<Claim> = claims.collect();
            steps.extend(fix_open_slot(slot, &claims).map_err(|error| error.to_string())?);
        }
        Ok(steps)
    }

    /// redis-cli has `answer` at `at`: what it does next.
    pub(super) fn go_on(&mut self, at: Nanos, run: usize, answer: Answer) {
        let mover = &mut self.movers[run];
        let process = &mover.process;
        let read =
            mover.asked_at.take().map_or(0, |asked_at| process.wakeup.at(at - asked_at) + process.read);
        let at = at + read;
        let next = match &mut mover.run {
            Some(program) => {
                let next = program.next(answer);
                mover.books = program.books();
                next
            }
            None => Next::Done,
        };
        match next {
            Next::Ask { node, slot, order } => {
                let sent_at = at + mover.process.send;
                mover.asked_at = Some(sent_at);
                let there_at = sent_at + self.spec.link_delay;
                self.nodes[node].call(there_at, Asker::Cli(run), Call::Order(slot, order));
            }
            Next::Pause(span) => self.at(at + span, Task::Cli(run, Answer::Ok)),
            Next::Done => self.end_move(at, run),
            Next::Failed(failure) => {
                mover.failed = Some(failure.to_string());
                self.end_move(at, run);
            }
        }
        let open: usize = self.nodes.iter_mut().map(|node| node.seat().view.migrating().len()).sum();
        self.open_slots_max = self.open_slots_max.max(open as u32);
    }

    pub(super) fn end_move(&mut self, at: Nanos, run: usize) {
        let mover = &mut self.movers[run];
        mover.ended_at = Some(at);
        if let Some(jobs) = &mover.atomic {
            let (slots, keys, bytes, round_trips) = (jobs.slots, jobs.keys, jobs.bytes, jobs.commands);
            mover.books = MoveBooks { slots, keys, bytes, round_trips, ..MoveBooks::default() };
        }
        self.moving -= 1;
        if self.moving == 0 {
            self.at_end = Some(self.so_far());
            self.sent_at[1] = Some(self.router.measured());
        }
    }
}
