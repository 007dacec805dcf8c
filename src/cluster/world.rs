//! Several servers under one clock, with their clients and whoever moves slots.
//!
//! Every node is simulated as a server alone is. Whoever is furthest behind goes ahead, until the first moment at which
//! something of another node could reach it: the time a reply takes to a client and the client's next request to a node,
//! or the time between two nodes. While nobody asks the wrong node and nobody waits for replies, nodes have nothing to
//! say to one another, and each goes ahead alone.

mod setup;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::atomic_run::SlotEvent;
use super::failover::{Failover, silence_from};
use super::hosts::Hosts;
use super::ledger::Ledger;
use super::mover::Mover;
use super::router::{ClientTask, Node, Router};
use crate::client::slot_counts::SlotCounts;
use crate::observe::histogram::Histogram;
use crate::observe::recorder::{Recorder, RowQuantiles};
use crate::redis::cluster_call::Answer;
use crate::redis::slot_view::NONE;
use crate::scenario::Scenario;
use crate::scenario::cluster::ClusterSpec;
use crate::sim::atomic_calls::Ticket;
use crate::sim::member::{Asker, Call, Told};
use crate::sim::run::Progress;
use crate::slots::SLOTS;
use crate::units::{NEVER, Nanos, SECOND};

/// Requests that are sent ahead while nodes have nothing to say to one another: few enough to stay in the first cache.
const SENT_AHEAD: f64 = 512.0;
/// How often it is looked at whether every map is right.
const LOOKS_EVERY: Nanos = SECOND;

/// Something that happens at a time, outside all nodes.
pub(super) enum Task {
    /// A move begins.
    Begin(usize),
    /// redis-cli has a reply, or a pause is over.
    Cli(usize, Answer),
    /// A MIGRATE has waited long enough: the source, and the number of its wait.
    GiveUp(u16, u64),
    /// Keys are on the target.
    Arrived(u16),
    /// Clients do something.
    Client(ClientTask),
    /// All others hear a node's claim.
    Hear(u16),
    /// Something happens to an atomic migration.
    Slots(Ticket, SlotEvent),
    /// A node has died.
    Died(u16),
    /// Are all maps right by now?
    Look,
    /// A node's clusterCron.
    Cron,
    /// Does a node still wait in that MIGRATE?
    Watch(u16, u64),
    /// A silent node comes back, if it is still that silence.
    Return(u16, u64),
    /// A dead process refuses connections.
    Refuse(u16, u64),
    /// A replica of that node asks for votes.
    Elect(u16, u64, usize),
    /// An election has led to nothing.
    Again(u16, u64),
    /// A vote for a replica of that node arrives, of that round.
    Voted(u16, u32),
    /// A replaced primary is back.
    Follows(u16, u64, usize),
    /// Nodes on one machine learn of one another.
    Hosts,
}

/// A cluster that runs.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) spec: &'a ClusterSpec,
    pub(super) nodes: Vec<Node>,
    pub(super) router: Router,
    pub(super) movers: Vec<Mover>,
    pub(super) total: Recorder,
    /// What was answered in each row of the timeline.
    pub(super) rows: Vec<Option<RowQuantiles>>,
    pub(super) timeline: bool,
    /// Node scenarios, for the results.
    pub(super) scenarios: Vec<Scenario>,
    tasks: BTreeMap<(Nanos, u64), Task>,
    next_task: u64,
    /// Number of each node's latest MIGRATE.
    waits: Vec<u64>,
    /// Target of each node's latest MIGRATE.
    pub(super) targets: Vec<u16>,
    /// Moves that run.
    pub(super) moving: u32,
    /// Requests may meet the wrong node.
    pub(super) unsettled: bool,
    looking: bool,
    lookahead: Nanos,
    stride: Nanos,
    pub(super) horizon: Nanos,
    /// Sojourns when the first move began, and when the last ended.
    pub(super) at_begin: Option<Histogram>,
    pub(super) at_end: Option<Histogram>,
    /// Requests sent until then.
    pub(super) sent_at: [Option<u64>; 2],
    pub(super) open_slots_max: u32,
    pub(super) ledger: Ledger,
    pub(super) counts: Arc<SlotCounts>,
    pub(super) failover: Failover,
    pub(super) hosts: Hosts,
}

impl<'a> World<'a> {
    /// Something is to happen at `at`.
    pub(super) fn at(&mut self, at: Nanos, task: Task) {
        self.tasks.insert((at, self.next_task), task);
        self.next_task += 1;
    }

    /// Time of the next thing outside the nodes.
    fn next_task_at(&self) -> Nanos {
        self.tasks.first_key_value().map_or(NEVER, |(key, _)| key.0)
    }

    /// Does what comes next; false at the end.
    pub(super) fn step(&mut self) -> bool {
        let (mut first, mut index, mut second) = (NEVER, 0, NEVER);
        for (place, node) in self.nodes.iter().enumerate() {
            let at = node.next_turn_at();
            if at < first {
                (second, first, index) = (first, at, place);
            } else if at < second {
                second = at;
            }
        }
        let task_at = self.next_task_at();
        let coupled = self.unsettled || self.router.is_closed();
        if first.min(task_at) >= self.router.sent_until && self.router.sent_until < self.horizon {
            let mut until = first.min(task_at);
            if coupled {
                // What the first of them meets may change where the others go.
                until = until.min(self.router.next_readable_at());
            }
            let until = until.max(self.router.sent_until);
            // Maps may change after a task: nothing beyond it is sent by those of today.
            let ahead = if coupled { 0 } else { task_at.saturating_sub(until).min(self.stride) };
            let until = until.saturating_add(ahead.max(self.lookahead));
            self.router.send_until(until.min(self.horizon), &mut self.nodes);
            return true;
        }
        if task_at <= first && task_at < self.horizon {
            let ((at, _), task) = self.tasks.pop_first().expect("there is one");
            self.act(at, task);
            self.check_places();
            return true;
        }
        if first >= self.horizon {
            return false;
        }
        let mut limit = self.router.sent_until.min(task_at).min(self.horizon);
        if coupled {
            limit = limit.min(second.saturating_add(self.lookahead)).max(first + 1);
        }
        self.nodes[index].run_until(limit);
        let now = self.nodes[index].server.main.now;
        if now > limit.saturating_add(silence_from(self.spec.node_timeout)) {
            self.was_long(index, limit);
        }
        self.hear_from(index);
        true
    }

    /// Target of the latest MIGRATE of node `source`.
    pub(super) fn target_of(&self, source: u16) -> usize {
        self.targets[source as usize] as usize
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        let simulated = self.nodes.iter().map(|node| node.server.main.now).min().unwrap_or(0);
        Progress { simulated, duration: self.horizon, requests: self.router.requests() }
    }

    /// What node `index` has told.
    pub(super) fn hear_from(&mut self, index: usize) {
        self.router.collect(&mut self.nodes[index]);
        self.pass_windows(index);
        if self.nodes[index].seat().told.is_empty() {
            return;
        }
        let sender = index as u16;
        let told = std::mem::take(&mut self.nodes[index].seat().told);
        for told in told {
            match told {
                Told::Redirected(unit, verdict, read_at) => {
                    self.unsettle();
                    self.router.redirected(sender, &unit, verdict, read_at);
                }
                Told::Lost(unit, at) => {
                    self.unsettle();
                    self.router.lost(sender, &unit, at);
                }
                Told::AskingDone(unit, read_at) => {
                    self.router.asking_done(&unit, read_at, &mut self.nodes);
                }
                Told::Settled(unit, read_at) => self.router.settled(&unit, read_at),
                Told::Answered(unit, read_at) => self.router.answered(&unit, read_at),
                Told::Answer(asker, answer, at) => {
                    if let Asker::Cli(run) = asker {
                        self.at(at, Task::Cli(run, answer));
                    }
                }
                Told::Sent { to, parcel, at, gives_up_at } => {
                    self.waits[index] += 1;
                    self.targets[index] = to;
                    self.at(gives_up_at, Task::GiveUp(sender, self.waits[index]));
                    self.watch_migrate(index, at, self.waits[index]);
                    self.nodes[to as usize].call(at, Asker::Node(sender), Call::Restore(parcel));
                }
                Told::Restored(source, at) => self.at(at, Task::Arrived(source)),
                Told::Map(fetch, owners, at) => self.at(at, Task::Client(ClientTask::Map(fetch, owners))),
                Told::Slots(ticket, report, at) => self.at(at, Task::Slots(ticket, SlotEvent::Told(report))),
                Told::Died(at) => self.at(at, Task::Died(sender)),
                Told::Claims(at) => self.at(at, Task::Hear(sender)),
                Told::Vacant(slot, to, vacant) => {
                    self.nodes[to as usize].take_vacant(slot, &vacant);
                    self.hear_from(to as usize);
                }
                Told::Gathers(slot) => self.gather(slot, sender),
                Told::Silent(silence) => self.falls_silent(index, silence),
                Told::Voted(node, round, at) => self.at(at, Task::Voted(node, round)),
            }
        }
        self.plan_clients();
    }

    /// What clients will do is among the things that happen at a time.
    fn plan_clients(&mut self) {
        let mut todo = std::mem::take(&mut self.router.todo);
        todo.drain(..).for_each(|(at, task)| self.at(at, Task::Client(task)));
        self.router.todo = todo;
    }

    /// Node `to` gets the places of `slot` without a key from all others.
    fn gather(&mut self, slot: u16, to: u16) {
        for index in (0..self.nodes.len()).filter(|&index| index != to as usize) {
            self.nodes[index].give_vacant(slot, to);
            self.hear_from(index);
        }
    }

    fn act(&mut self, at: Nanos, task: Task) {
        match task {
            Task::Begin(index) => self.begin_move(at, index),
            Task::Cli(run, answer) => self.go_on(at, run, answer),
            Task::GiveUp(source, wait) => {
                let parked = self.nodes[source as usize].seat().is_parked();
                if parked && self.waits[source as usize] == wait {
                    let target = self.targets[source as usize] as usize;
                    // A target that has read the keys answers, if late.
                    if self.nodes[target].withdraw(Asker::Node(source)) {
                        self.nodes[source as usize].resume(at, false);
                    }
                }
            }
            Task::Arrived(source) if self.failover.is_stray(source) => {}
            Task::Arrived(source) => self.nodes[source as usize].resume(at, true),
            Task::Client(task) => {
                self.router.act(at, task, &mut self.nodes);
                self.plan_clients();
            }
            Task::Hear(sender) => {
                let view = &self.nodes[sender as usize].seat().view;
                let epoch = view.epoch(sender);
                let slots: Vec<u16> = (0..SLOTS as u16).filter(|&slot| view.owner(slot) == sender).collect();
                for index in (0..self.nodes.len()).filter(|&index| index != sender as usize) {
                    let view = &self.nodes[index].seat().view;
                    let news: Vec<u16> =
                        slots.iter().copied().filter(|&slot| view.owner(slot) != sender).collect();
                    self.nodes[index].hear(sender, epoch, &news);
                    self.hear_from(index);
                }
                self.claim_heard(at, sender);
            }
            Task::Slots(ticket, event) => self.slots_event(at, ticket, event),
            Task::Died(node) => self.jobs_died(at, node),
            Task::Look => {
                self.looking = false;
                self.settle(at);
            }
            Task::Cron => self.cluster_cron(at),
            Task::Watch(source, wait) => {
                if self.waits[source as usize] == wait {
                    self.still_waits(source as usize);
                }
            }
            Task::Return(index, number) => self.comes_back(index as usize, number, at),
            Task::Refuse(index, number) => self.refuse(index as usize, number, at),
            Task::Elect(node, number, replica) => self.elect(node as usize, number, replica, at),
            Task::Again(node, number) => self.elect_again(node as usize, number, at),
            Task::Voted(node, round) => self.voted(node as usize, round, at),
            Task::Hosts => self.look_at_hosts(at),
            Task::Follows(node, number, replica) => self.follows(node as usize, number, replica),
        }
    }

    /// Requests may meet the wrong node from now on.
    pub(super) fn unsettle(&mut self) {
        if !self.unsettled {
            self.unsettled = true;
            let tells_all = self.router.waits_for_all();
            self.nodes.iter_mut().for_each(|node| node.seat().watches = true);
            self.nodes.iter_mut().for_each(|node| node.seat().tells_all = tells_all);
            self.router.told_from(self.nodes.iter().map(|node| node.server.main.now).max().unwrap_or(0));
        }
        if !self.looking {
            self.looking = true;
            let now = self.nodes.iter().map(|node| node.server.main.now).max().unwrap_or(0);
            self.at(now + LOOKS_EVERY, Task::Look);
        }
    }

    /// Nobody asks the wrong node any more when every map has been right for a while.
    fn settle(&mut self, at: Nanos) {
        let truth = self.truth();
        let right = self.moving == 0
            && !self.router.is_busy()
            && self.router.changed_at + LOOKS_EVERY < at
            && !truth.contains(&NONE)
            && self.nodes.iter_mut().all(|node| node.seat().view.is_calm())
            && self.nodes.iter_mut().all(|node| node.seat().view.owners() == truth)
            && self.router.maps.stale(&truth) == 0;
        if right {
            self.unsettled = false;
            self.nodes.iter_mut().for_each(|node| node.seat().watches = false);
            self.nodes.iter_mut().for_each(|node| node.seat().tells_all = false);
        } else {
            self.looking = true;
            self.at(at + LOOKS_EVERY, Task::Look);
        }
    }

    /// Who says of each slot that it is its own.
    pub(super) fn truth(&mut self) -> Vec<u16> {
        let mut truth = vec![NONE; SLOTS];
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let owners = node.seat().view.owners();
            truth
                .iter_mut()
                .zip(owners)
                .filter(|(_, owner)| **owner == index as u16)
                .for_each(|(entry, owner)| *entry = *owner);
        }
        truth
    }

    /// Windows that every node has closed are closed for all together.
    pub(super) fn pass_windows(&mut self, index: usize) {
        if self.nodes[index].recorder.passed().is_empty() {
            return;
        }
        loop {
            let ends = self.nodes.iter().map(|node| node.recorder.passed().first().map(|window| window.0));
            // In the order of time; a node that has not come so far keeps the others waiting.
            let Some(Some(end)) = ends.min_by_key(|end| end.unwrap_or(0)) else { return };
            for node in &mut self.nodes {
                if let Some(cells) = node.recorder.take_passed(end) {
                    self.total.absorb(&cells);
                    node.recorder.recycle(cells);
                }
            }
            let rows = &mut self.rows;
            self.total.tick(end, |_, quantiles| rows.push(quantiles));
        }
    }

    /// Sojourns of all nodes so far.
    pub(super) fn so_far(&self) -> Histogram {
        let mut all = Histogram::new();
        self.nodes.iter().for_each(|node| node.recorder.add_all_to(&mut all));
        all
    }
}
