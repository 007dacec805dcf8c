//! Nodes that fall silent, the election of a replica in their place, and a cluster that is down.
//!
//! The others' pings find a silent node out (`bus.rs`). A replica that learns of FAIL waits 500 ms, up to 500 ms more,
//! and a second for every replica that is ahead of it, and asks all primaries for their votes; each saves nodes.conf
//! before it gives its own. With a majority of the primaries with slots it takes over, with the next epoch. A round
//! without a majority is repeated after four time-outs. Nodes are primaries with their replicas, so that a node goes on
//! under its own name, with the data of the replica.
//!
//! Sources: cluster.c, cluster_legacy.c: `clusterHandleSlaveFailover` (`clusterHandleReplicaFailover`),
//! `clusterSendFailoverAuthIfNeeded`, `clusterFailoverReplaceYourMaster`, `clusterUpdateState`.
//!
//! Left out: a block that is taken at once (SAVE, RESTORE of a huge value) is not cut short, its node is replaced at its
//! end. Slots that were migrating stay so at the new primary, as in Valkey 8.0 and later; before that it would not know
//! of them. A primary that was replaced in MIGRATE follows at once, not when MIGRATE returns.

use super::bus::{Bus, CRON, News};
use super::world::{Task, World};
use crate::observe::cluster::NodeFailover;
use crate::redis::nodes_conf::ConfigEvent;
use crate::redis::slot_view::Health;
use crate::rng::{Stream, Uniform};
use crate::sim::member::{Asker, Call};
use crate::sim::silence::{Silence, Why};
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};

/// Least wait of a replica ahead of its election (`clusterHandleSlaveFailover`: "Fixed delay of 500 milliseconds, let
/// FAIL msg propagate").
const ELECTION_DELAY: Nanos = 500 * MILLISECOND;
/// Random part of it.
const ELECTION_SPREAD: Nanos = 500 * MILLISECOND;
/// Wait for each replica with a greater offset.
const RANK_DELAY: Nanos = SECOND;
/// A round lasts two time-outs and at least this long; the next begins after twice as much (`auth_timeout`,
/// `auth_retry_time`).
const LEAST_ROUND: Nanos = 2 * SECOND;
/// `repl_ping_slave_period` in the rule of cluster-replica-validity-factor; the setting's default.
const REPL_PING_PERIOD: Nanos = 10 * SECOND;
/// A dead process refuses connections; looked at so often.
const REFUSES_EVERY: Nanos = MILLISECOND;
/// Pings go on for so long after the last trouble: the longest time for which a node stays down (`MAX_REJOIN_DELAY`).
const CALM: Nanos = 6 * SECOND;

/// What the world knows of a node's absence.
#[derive(Clone, Debug)]
struct Absence {
    /// Number of its latest silence: tasks of earlier ones are void.
    number: u64,
    /// When it fell silent, while it is.
    since: Option<Nanos>,
    failed_at: Option<Nanos>,
    /// Number of its latest failure.
    failure: u64,
    round: u32,
    votes: usize,
    candidate: usize,
    epoch: u64,
}

/// Failures and elections.
pub(super) struct Failover {
    bus: Option<Bus>,
    /// Cron of the bus that is in the list of tasks.
    awaited: Nanos,
    calm_since: Nanos,
    nodes: Vec<Absence>,
    draws: Stream,
    /// MIGRATEs whose reply comes when their source has been replaced.
    stray: Vec<u32>,
    down_since: Option<Nanos>,
    pub(super) down: Nanos,
    pub(super) rows: Vec<NodeFailover>,
}

/// Spans of silence below this are nobody's business.
pub(super) fn silence_from(node_timeout: Nanos) -> Nanos {
    (node_timeout / 2).max(CRON)
}

impl Failover {
    pub(super) fn new(nodes: usize, draws: Stream) -> Self {
        let absence = Absence {
            number: 0,
            since: None,
            failed_at: None,
            failure: 0,
            round: 0,
            votes: 0,
            candidate: 0,
            epoch: 0,
        };
        Failover {
            bus: None,
            awaited: NEVER,
            calm_since: 0,
            nodes: vec![absence; nodes],
            draws,
            stray: vec![0; nodes],
            down_since: None,
            down: 0,
            rows: Vec::new(),
        }
    }

    /// A reply to a MIGRATE whose source has been replaced meanwhile.
    pub(super) fn is_stray(&mut self, source: u16) -> bool {
        let stray = &mut self.stray[source as usize];
        let is = *stray > 0;
        *stray -= u32::from(is);
        is
    }
}

impl World<'_> {
    /// Node `index` says nothing for a while.
    pub(super) fn falls_silent(&mut self, index: usize, silence: Silence) {
        let absence = &mut self.failover.nodes[index];
        absence.number += 1;
        let number = absence.number;
        self.at(silence.until, Task::Return(index as u16, number));
        if silence.why == (Why::Crash { machine: false }) {
            self.at(silence.since + REFUSES_EVERY, Task::Refuse(index as u16, number));
        }
        self.watch(index, silence.since);
    }

    /// A node waits in MIGRATE: is it still there when others begin to mind?
    pub(super) fn watch_migrate(&mut self, index: usize, at: Nanos, wait: u64) {
        self.at(at + silence_from(self.spec.node_timeout), Task::Watch(index as u16, wait));
    }

    /// A node that waits in MIGRATE still does so.
    pub(super) fn still_waits(&mut self, index: usize) {
        if let Some(since) = self.nodes[index].seat().migrating_since() {
            self.watch(index, since);
        }
    }

    /// A node was in one turn for long, up to now.
    pub(super) fn was_long(&mut self, index: usize, before: Nanos) {
        self.watch(index, before);
    }

    /// Pings matter from `since` on, when node `index` fell silent.
    fn watch(&mut self, index: usize, since: Nanos) {
        let absence = &mut self.failover.nodes[index];
        if absence.failed_at.is_none() {
            absence.since = Some(since);
        }
        if self.failover.bus.is_none() {
            let voters = self.nodes.iter_mut().enumerate().map(|(node, other)| {
                let view = &other.seat().view;
                view.owned(node as u16) > 0
            });
            let voters: Vec<bool> = voters.collect();
            let replicas = self.scenario.replicas.len();
            let draws = self.failover.draws.clone();
            // Another silence has other random numbers.
            self.failover.draws.unit();
            let bus = Bus::new(voters, replicas, self.spec.node_timeout, since, draws);
            self.failover.bus = Some(bus);
            self.failover.calm_since = since;
            self.await_cron();
        }
        self.failover.calm_since = self.failover.calm_since.max(since);
    }

    fn await_cron(&mut self) {
        if let Some(bus) = &self.failover.bus {
            self.failover.awaited = bus.next_at();
            self.at(self.failover.awaited, Task::Cron);
        }
    }

    /// The next clusterCron.
    pub(super) fn cluster_cron(&mut self, at: Nanos) {
        let Some(mut bus) = self.failover.bus.take() else { return };
        let awake: Vec<bool> = self
            .nodes
            .iter_mut()
            .map(|node| !node.seat().is_parked() && node.server.main.now <= at + CRON)
            .collect();
        let (member, news) = bus.step(&|node| awake[node]);
        let calm = bus.is_calm() && awake.iter().all(|awake| *awake);
        self.failover.bus = Some(bus);
        for news in news {
            match news {
                News::Suspects(observer, node) => self.opinion(observer, node, Health::PossiblyFailed, at),
                News::Clears(observer, node) => {
                    self.failover.nodes[node].failed_at = None;
                    self.opinion(observer, node, Health::Reachable, at);
                }
                News::Failed(node) => self.failed(node, at),
            }
        }
        if awake[member] {
            self.update_state(member, at);
        }
        if !calm {
            self.failover.calm_since = at;
        }
        if at > self.failover.calm_since + CALM {
            self.failover.bus = None;
            self.failover.nodes.iter_mut().for_each(|absence| absence.since = None);
        } else {
            self.await_cron();
        }
    }

    /// `observer` thinks so of `node` from `at` on.
    fn opinion(&mut self, observer: usize, node: usize, health: Health, at: Nanos) {
        let member = self.nodes[observer].seat();
        member.view.set_health(node as u16, health);
        if health != Health::PossiblyFailed {
            member.config.note(ConfigEvent::NodeState);
        }
        self.unsettle();
        self.update_state(observer, at);
    }

    fn update_state(&mut self, node: usize, at: Nanos) {
        if self.nodes[node].seat().view.update_state(at) {
            let up = self.nodes[node].seat().view.is_up();
            let state = if up { "ok" } else { "fail" };
            self.nodes[node].server.main.blocks.note(at, "cluster-state", state.to_owned());
            self.unsettle();
        }
        self.note_down(at);
    }

    /// Books the time in which some node takes the cluster for down.
    pub(super) fn note_down(&mut self, at: Nanos) {
        let down = self.nodes.iter_mut().any(|node| !node.seat().view.is_up());
        match (down, self.failover.down_since) {
            (true, None) => self.failover.down_since = Some(at),
            (false, Some(since)) => {
                self.failover.down += at - since;
                self.failover.down_since = None;
            }
            _ => {}
        }
    }

    /// A majority takes `node` for failed.
    fn failed(&mut self, node: usize, at: Nanos) {
        for observer in (0..self.nodes.len()).filter(|&observer| observer != node) {
            self.opinion(observer, node, Health::Failed, at + self.spec.link_delay);
        }
        let absence = &mut self.failover.nodes[node];
        absence.failed_at = Some(at);
        absence.failure += 1;
        let number = absence.failure;
        self.nodes[node].server.main.blocks.note(at, "cluster-fail", String::new());
        self.plan_election(node, number, at + self.spec.link_delay);
    }

    /// A replica that knows at `at` that its primary has failed prepares for an election.
    fn plan_election(&mut self, node: usize, number: u64, at: Nanos) {
        if self.spec.no_failover {
            return;
        }
        let timeout = self.spec.node_timeout;
        let oldest = REPL_PING_PERIOD + timeout * u64::from(self.spec.validity_factor);
        let silent_since = self.failover.nodes[node].since.unwrap_or(at);
        let mut first: Option<(Nanos, usize)> = None;
        for candidate in self.nodes[node].server.candidates(at) {
            let waits = ELECTION_DELAY
                + self.failover.draws.below(ELECTION_SPREAD)
                + RANK_DELAY * u64::from(candidate.rank);
            // The election begins with a clusterCron of the replica.
            let begins_at = at + waits + self.failover.draws.below(CRON);
            let age = (begins_at - candidate.apart_since.min(silent_since)).saturating_sub(timeout);
            let valid = self.spec.validity_factor == 0 || age <= oldest;
            if valid && first.is_none_or(|(other, _)| begins_at < other) {
                first = Some((begins_at, candidate.index));
            }
        }
        match first {
            Some((at, replica)) => self.at(at, Task::Elect(node as u16, number, replica)),
            None => {
                let blocks = &mut self.nodes[node].server.main.blocks;
                blocks.note(at, "failover-refused", "no replica can take over".to_owned());
            }
        }
    }

    /// The replica number `replica` of `node` asks for votes.
    pub(super) fn elect(&mut self, node: usize, number: u64, replica: usize, at: Nanos) {
        let epochs = self.nodes.iter_mut().map(|node| node.seat().view.current_epoch());
        let epoch = epochs.max().unwrap_or(0) + 1;
        let absence = &mut self.failover.nodes[node];
        if absence.failure != number || absence.failed_at.is_none() {
            return;
        }
        absence.round += 1;
        (absence.votes, absence.candidate, absence.epoch) = (0, replica, epoch);
        let round = absence.round;
        let there_at = at + self.spec.link_delay;
        for voter in 0..self.nodes.len() {
            let votes = self.failover.bus.as_ref().is_some_and(|bus| bus.votes(voter));
            if votes && voter != node {
                self.nodes[voter].call(there_at, Asker::Node(node as u16), Call::Vote(node as u16, round));
            }
        }
        let length = (2 * self.spec.node_timeout).max(LEAST_ROUND);
        self.at(at + 2 * length, Task::Again(node as u16, number));
    }

    /// The next round, if the last one has led to nothing.
    pub(super) fn elect_again(&mut self, node: usize, number: u64, at: Nanos) {
        let absence = &self.failover.nodes[node];
        if absence.failure == number && absence.failed_at.is_some() {
            self.plan_election(node, number, at);
        }
    }

    /// A vote for the replica of `node` arrives.
    pub(super) fn voted(&mut self, node: usize, round: u32, at: Nanos) {
        let Some(bus) = &self.failover.bus else { return };
        let absence = &mut self.failover.nodes[node];
        if absence.round != round || absence.failed_at.is_none() {
            return;
        }
        absence.votes += 1;
        if absence.votes >= bus.quorum() {
            self.take_over(node, at);
        }
    }

    /// The elected replica serves in the place of `node`.
    fn take_over(&mut self, node: usize, at: Nanos) {
        let absence = &mut self.failover.nodes[node];
        let replica = absence.candidate;
        if self.nodes[node].server.candidates(at).iter().all(|candidate| candidate.index != replica) {
            return;
        }
        let epoch = absence.epoch;
        let since = absence.since.unwrap_or(at);
        let failed_at = absence.failed_at.take().unwrap_or(at);
        absence.number += 1;
        absence.round += 1;
        absence.since = None;
        let number = absence.number;
        let silence = self.nodes[node].seat().silent;
        if self.nodes[node].seat().migrating_since().is_some() {
            let target = self.targets[node] as usize;
            // What the target has read is there; the reply finds nobody.
            let withdrawn = self.nodes[target].withdraw(Asker::Node(node as u16));
            self.nodes[node].resume(at, !withdrawn);
            self.failover.stray[node] += u32::from(!withdrawn);
        }
        let lost = self.nodes[node].take_over(at, replica);
        if let Some(silence) = silence {
            self.at(silence.until, Task::Follows(node as u16, number, replica));
        }
        let member = self.nodes[node].seat();
        member.view.win(epoch);
        member.config.note(ConfigEvent::Failover);
        let serves_at = self.nodes[node].server.main.now;
        let mut row = NodeFailover {
            node: self.spec.nodes[node].name.clone(),
            at: since,
            detected_after: failed_at - since,
            unavailable: serves_at.saturating_sub(since),
            lost,
        };
        row.unavailable = row.unavailable.max(row.detected_after);
        self.failover.rows.push(row);
        if let Some(bus) = &mut self.failover.bus {
            bus.replaced(node, at);
        }
        let heard_at = at + self.spec.link_delay;
        self.at(heard_at, Task::Hear(node as u16));
        for observer in (0..self.nodes.len()).filter(|&observer| observer != node) {
            self.opinion(observer, node, Health::Reachable, heard_at);
        }
        self.hear_from(node);
    }

    /// A silent node is back by itself.
    pub(super) fn comes_back(&mut self, index: usize, number: u64, at: Nanos) {
        if self.failover.nodes[index].number == number && self.nodes[index].seat().silent.is_some() {
            self.nodes[index].come_back(at);
            self.hear_from(index);
        }
    }

    /// A primary that was replaced is back, and follows.
    pub(super) fn follows(&mut self, index: usize, number: u64, replica: usize) {
        if self.failover.nodes[index].number == number {
            self.nodes[index].old_primary_returns(replica);
        }
    }

    /// A dead process refuses who connects.
    pub(super) fn refuse(&mut self, index: usize, number: u64, at: Nanos) {
        if self.failover.nodes[index].number == number && self.nodes[index].seat().silent.is_some() {
            self.nodes[index].refuse_arrivals(at);
            self.at(at + REFUSES_EVERY, Task::Refuse(index as u16, number));
            self.hear_from(index);
        }
    }

    /// The time the cluster was down, up to the end of the run.
    pub(super) fn end_down(&mut self) -> Nanos {
        let open = self.failover.down_since.map_or(0, |since| self.horizon.saturating_sub(since));
        self.failover.down + open
    }
}
