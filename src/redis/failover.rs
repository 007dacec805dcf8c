//! Events of replicas, and a change of the primary.
//!
//! Redis: `replicationUnsetMaster` and `shiftReplicationId` (a promoted replica keeps the old id as its second),
//! `replicationSetMaster` (the old primary follows). Who decides, Sentinel or Cluster, and how long that takes, is
//! the event's affair. Left out: writes that other clients send to a new primary behind a partition before it heals.

use super::backlog::Backlog;
use super::link::LinkState;
use super::server::Server;
use crate::observe::replicas::FailoverRow;
use crate::scenario::replicas::ReplicaAction;
use crate::units::{NEVER, Nanos, format_span};

/// A replica that could take its primary's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the list.
    pub index: usize,
    /// Replicas of the same primary that are ahead of it (`clusterGetSlaveRank`).
    pub rank: u32,
    /// Since when it has no connection to the primary; [`NEVER`] if it has one.
    pub apart_since: Nanos,
}

impl Server {
    /// An event of the scenario; returns how long nobody serves.
    pub fn act_on_replicas(&mut self, action: ReplicaAction) -> Option<Nanos> {
        let now = self.main.now;
        self.settle_replicas(now);
        match action {
            ReplicaAction::Stop(index) => self.stop_replica(index),
            ReplicaAction::Start(index) => self.start_replica(index),
            ReplicaAction::Stall(index, until) => {
                self.note_replica(
                    index,
                    "replica-stall",
                    format!("for {}", format_span(until.saturating_sub(now))),
                );
                let link = &mut self.replication.links[index];
                link.pause(now, until);
                self.replication.pending = true;
            }
            ReplicaAction::Disconnect(index, until) => {
                self.note_replica(
                    index,
                    "replica-disconnect",
                    format!("for {}", format_span(until.saturating_sub(now))),
                );
                let link = &mut self.replication.links[index];
                link.block(now, until);
                if link.state.is_connected() {
                    link.stats.dropped_at.push(now);
                    self.disconnect(index);
                } else {
                    self.schedule_psync(index);
                }
            }
            ReplicaAction::Partition(until) => {
                self.main.blocks.note(
                    now,
                    "partition",
                    format!("for {}", format_span(until.saturating_sub(now))),
                );
                for index in 0..self.replication.links.len() {
                    if self.replication.links[index].spec.of.is_none() {
                        self.replication.links[index].block(now, until);
                        if self.replication.links[index].asks_at != NEVER {
                            self.schedule_psync(index);
                        }
                    }
                }
            }
            ReplicaAction::PartitionEnds { elected } => {
                self.main.blocks.note(now, "partition-ends", String::new());
                if elected.is_some() {
                    self.fail_over(None);
                }
            }
            ReplicaAction::Failover { to, outage } => {
                let happened = self.fail_over(to);
                self.replication.update_wake();
                return happened.then_some(outage);
            }
        }
        self.replication.update_wake();
        None
    }

    /// The primary dies: its replicas get nothing more of what is on its way.
    pub fn cut_replicas(&mut self) {
        let now = self.main.now;
        self.settle_replicas(now);
        for link in self.replication.links.iter_mut().filter(|link| link.spec.of.is_none()) {
            link.node.cut(now);
        }
    }

    /// Replicas that could take over at `now`, as far as their data go, in the order of the list.
    pub fn candidates(&mut self, now: Nanos) -> Vec<Candidate> {
        let replication = &mut self.replication;
        let own: Vec<usize> = (0..replication.links.len())
            .filter(|&index| replication.links[index].spec.of.is_none())
            .collect();
        let held: Vec<(usize, u64)> =
            own.iter().map(|&index| (index, replication.links[index].holds(now))).collect();
        held.iter()
            .filter_map(|&(index, offset)| {
                let link = &replication.links[index];
                let usable = link.stopped_at.is_none()
                    && !link.is_stale(now)
                    && replication.leads_to(link.replid, offset);
                let apart_since = if link.state.is_connected() {
                    Some(NEVER)
                } else {
                    link.stats.dropped_at.last().copied()
                };
                let rank = held.iter().filter(|other| other.1 > offset).count() as u32;
                usable.then_some(Candidate { index, rank, apart_since: apart_since? })
            })
            .collect()
    }

    fn note_replica(&mut self, index: usize, what: &'static str, more: String) {
        let detail = format!("{} {more}", self.replication.links[index].spec.name);
        self.main.blocks.note(self.main.now, what, detail.trim_end().to_owned());
    }

    /// SIGSTOP: the kernel keeps the connection and fills its buffers; nobody reads.
    fn stop_replica(&mut self, index: usize) {
        let now = self.main.now;
        self.note_replica(index, "replica-stop", String::new());
        let link = &mut self.replication.links[index];
        if link.stopped_at.is_some() {
            return;
        }
        link.stopped_at = Some(now);
        if link.state == LinkState::Online || link.state == LinkState::Disconnected {
            link.asks_at = NEVER;
            link.pause(now, NEVER);
        } else {
            link.sync.next_at = NEVER;
        }
    }

    /// SIGCONT.
    fn start_replica(&mut self, index: usize) {
        let now = self.main.now;
        self.note_replica(index, "replica-start", String::new());
        let link = &mut self.replication.links[index];
        let Some(stopped_at) = link.stopped_at.take() else { return };
        let loading = link.stale.filter(|stale| stale.1 != NEVER && stale.1 > stopped_at);
        if let Some((offset, until)) = loading {
            link.stale = Some((offset, until + (now - stopped_at)));
        }
        match link.state {
            LinkState::Online => {
                link.resume(now);
                link.node.pause(now, loading.map_or(now, |stale| stale.1 + (now - stopped_at)));
                self.replication.pending = true;
            }
            LinkState::Disconnected => {
                link.resume(now);
                self.schedule_psync(index);
            }
            LinkState::Loading => link.sync.next_at = link.stale.map_or(now, |stale| stale.1),
            LinkState::WaitBgsaveStart => {}
            LinkState::WaitBgsaveEnd | LinkState::SendBulk => {
                // A transfer goes on, for all that share the pipe.
                for other in &mut self.replication.links {
                    if other.state == LinkState::WaitBgsaveEnd
                        && self.child.as_ref().is_some_and(|c| c.to_replicas)
                    {
                        other.sync.next_at = now;
                    }
                }
                let link = &mut self.replication.links[index];
                if link.state == LinkState::SendBulk {
                    link.sync.next_at = now;
                }
            }
        }
    }

    /// A replica becomes the primary; false when there is none to.
    ///
    /// Clients and data go with it: the run continues with the new primary under the same load and settings. The
    /// old one takes the promoted replica's place in the list and follows: in part if it has nothing that the new
    /// one lacks.
    fn fail_over(&mut self, to: Option<usize>) -> bool {
        let now = self.main.now;
        let replication = &mut self.replication;
        let own: Vec<usize> = (0..replication.links.len())
            .filter(|&index| replication.links[index].spec.of.is_none())
            .collect();
        let held: Vec<(usize, u64)> = own
            .iter()
            .filter_map(|&index| {
                let (id, stale) = (replication.links[index].replid, replication.links[index].is_stale(now));
                let offset = replication.links[index].holds(now);
                (!stale && replication.leads_to(id, offset)).then_some((index, offset))
            })
            .collect();
        // Only who has a part of the present stream, and all of his data, may take over.
        let furthest = || held.iter().rev().max_by_key(|(_, offset)| *offset).map(|(index, _)| *index);
        let chosen = match to {
            Some(index) => held.iter().any(|(other, _)| *other == index).then_some(index),
            None => furthest(),
        };
        let Some(index) = chosen else {
            self.main.blocks.note(now, "failover-refused", "no replica with data of its own".into());
            return false;
        };
        let taken = held.iter().find(|(other, _)| *other == index).map_or(0, |(_, offset)| *offset);
        let (old_id, old_offset) = (replication.replid, replication.offset);
        let bytes_lost = old_offset - taken;
        let knot = replication.history.at(taken);
        let lost = self.loss.acknowledged().saturating_sub(knot.changes);
        let row = FailoverRow {
            at: now,
            to: replication.links[index].spec.name.clone(),
            bytes_lost,
            acknowledged_writes_lost: lost,
        };
        let detail = format!("{}: {lost} acknowledged writes lost, {bytes_lost} bytes", row.to);
        self.main.blocks.note(now, "failover", detail);
        replication.failovers.push(row);
        replication.links[index].stats.lost += lost;
        (replication.replid, replication.second) = (old_id + 1, Some((old_id, taken + 1)));
        for other in own {
            // Told to follow another, a replica drops what is still on its way from the old one.
            self.replication.links[other].node.cut(now);
            if self.replication.links[other].state.is_connected() {
                self.disconnect(other);
            }
        }
        let size = self.config.replication.repl_backlog_size;
        let replication = &mut self.replication;
        replication.backlog =
            Some(Backlog::full(self.config.version, size, taken, replication.links[index].base));
        replication.rewind(taken, now, self.changes);
        replication.pending = false;
        replication.select_due = true;
        // Replicas of replicas that are ahead of the new stream wait for their parent's next synchronisation.
        for link in replication.links.iter_mut().filter(|link| link.spec.of.is_some()) {
            if link.node.sent > taken {
                let held = link.holds(now).min(taken);
                link.stale = Some((held, NEVER));
                link.node.restart_at(taken, now);
                link.forget_acks(taken);
            }
        }
        let link = &mut replication.links[index];
        link.node.restart_at(old_offset, now);
        link.node.resume(now);
        (link.replid, link.stale, link.stopped_at) = (old_id, None, None);
        self.schedule_psync(index);
        self.replication.update_feed(&self.config, &self.prices);
        self.refresh_good_replicas();
        true
    }

    /// The primary's process has died: its replicas lose their links, and the next process has another id and no
    /// backlog.
    pub(super) fn replication_crashed(&mut self) {
        if self.replication.links.is_empty() {
            return;
        }
        self.settle_replicas(self.main.now);
        for index in 0..self.replication.links.len() {
            if self.replication.links[index].state.is_connected() {
                self.disconnect(index);
            }
        }
        let replication = &mut self.replication;
        (replication.replid, replication.second, replication.backlog) = (replication.replid + 1, None, None);
        replication.pending = false;
        replication.update_feed(&self.config, &self.prices);
        replication.update_wake();
    }
}
