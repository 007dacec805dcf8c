//! Pings between nodes, and who takes whom for failed.
//!
//! clusterCron runs ten times a second in every node. Once a second it pings the one of five random nodes that has been
//! silent the longest; each time it pings whoever has not answered for half of cluster-node-timeout. A node whose answer
//! is overdue by cluster-node-timeout is PFAIL in the eyes of who asked. Pings and pongs carry what their sender thinks of
//! failing nodes; a primary that thinks so itself and has heard it from so many others that they are a majority marks
//! the node FAIL and tells everybody. FAIL of a primary that answers again is taken back after twice the time-out.
//!
//! Sources: cluster.c, cluster_legacy.c: `clusterCron`, `clusterProcessGossipSection`, `markNodeAsFailingIfNeeded`,
//! `clearNodeFailureIfNeeded`. Replicas are here as nodes that are pinged, and thereby put off the pings of others; their
//! own opinion counts for nothing. A message takes no time here: it is three orders of magnitude below the cron's.
//! Left out: failures of replicas, links that break without their node.

use crate::rng::{Stream, Uniform};
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};

/// Between two calls of clusterCron.
pub(super) const CRON: Nanos = 100 * MILLISECOND;
/// Calls of clusterCron from one random ping to the next.
const RANDOM_PING_EVERY: u64 = 10;
/// Nodes drawn for it.
const RANDOM_NODES: usize = 5;
/// A report of a failure holds for so many time-outs (`CLUSTER_FAIL_REPORT_VALIDITY_MULT`).
const REPORT_VALIDITY: u64 = 2;
/// FAIL is taken back after so many (`CLUSTER_FAIL_UNDO_TIME_MULT`).
const UNDO: u64 = 2;
/// Time ahead of a silence in which pings find their rhythm, beside two time-outs.
const REHEARSAL: Nanos = 3 * SECOND;

/// What a node's cron has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The first takes the second for possibly failed.
    Suspects(usize, usize),
    /// A majority does: everybody takes it for failed.
    Failed(usize),
    /// To the first the second is fine again.
    Clears(usize, usize),
}

/// What one primary knows of one node.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// `ping_sent` of a ping that waits for its pong.
    pinged_at: Nanos,
    /// `pong_received`.
    pong_at: Nanos,
    /// `data_received`.
    heard_at: Nanos,
}

/// The pings of a cluster's primaries.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    timeout: Nanos,
    primaries: usize,
    /// With replicas.
    nodes: usize,
    /// Primaries with slots: they count.
    voters: Vec<bool>,
    crons: Vec<(Nanos, u64)>,
    peers: Vec<Peer>,
    suspected: Vec<bool>,
    failed_at: Vec<Nanos>,
    /// Who has told a primary of a failing one, and when.
    reports: Vec<Vec<(usize, Nanos)>>,
    draws: Stream,
    /// Times here are later by this, so that there is a time ahead of the run's first.
    shift: Nanos,
}

impl Bus {
    /// Pings in their rhythm up to `from`. `voters`: primaries with slots; `replicas`: of each primary.
    pub(super) fn new(
        voters: Vec<bool>,
        replicas: usize,
        timeout: Nanos,
        from: Nanos,
        mut draws: Stream,
    ) -> Self {
        let primaries = voters.len();
        let nodes = primaries * (1 + replicas);
        let shift = REHEARSAL + 2 * timeout;
        let crons =
            (0..primaries).map(|_| (from + draws.below(CRON), draws.below(RANDOM_PING_EVERY))).collect();
        let never = Peer { pinged_at: NEVER, pong_at: from, heard_at: from };
        let mut bus = Bus {
            timeout,
            primaries,
            nodes,
            voters,
            crons,
            peers: vec![never; primaries * nodes],
            suspected: vec![false; primaries * primaries],
            failed_at: vec![NEVER; primaries],
            reports: vec![Vec::new(); primaries * primaries],
            draws,
            shift,
        };
        while bus.next().0 < from + shift {
            let member = bus.next().1;
            bus.cron(member, &|_| true);
        }
        bus
    }

    /// The next cron: its time here, and whose.
    fn next(&self) -> (Nanos, usize) {
        let crons = self.crons.iter().enumerate().map(|(member, cron)| (cron.0, member));
        crons.min().unwrap_or((NEVER, 0))
    }

    /// When the next cron is due.
    pub(super) fn next_at(&self) -> Nanos {
        self.next().0.saturating_sub(self.shift)
    }

    /// Does the next cron; `awake` says who can read and answer at its time. Returns whose it was and what it brought.
    pub(super) fn step(&mut self, awake: &dyn Fn(usize) -> bool) -> (usize, Vec<News>) {
        let member = self.next().1;
        (member, self.cron(member, awake))
    }

    /// Nobody is suspected.
    pub(super) fn is_calm(&self) -> bool {
        !self.suspected.contains(&true) && self.failed_at.iter().all(|&at| at == NEVER)
    }

    /// Primaries with slots that make a majority.
    pub(super) fn quorum(&self) -> usize {
        self.voters.iter().filter(|votes| **votes).count() / 2 + 1
    }

    /// Whether a primary has a vote.
    pub(super) fn votes(&self, node: usize) -> bool {
        self.voters[node]
    }

    /// Another process serves in the place of `node` at `at`.
    pub(super) fn replaced(&mut self, node: usize, at: Nanos) {
        let at = at + self.shift;
        self.failed_at[node] = NEVER;
        for observer in 0..self.primaries {
            self.suspected[observer * self.primaries + node] = false;
            self.reports[observer * self.primaries + node].clear();
            self.peers[observer * self.nodes + node] = Peer { pinged_at: NEVER, pong_at: at, heard_at: at };
            // It knows no better of the others than that they are there.
            self.suspected[node * self.primaries + observer] = false;
        }
        for other in 0..self.nodes {
            self.peers[node * self.nodes + other] = Peer { pinged_at: NEVER, pong_at: at, heard_at: at };
        }
    }

    fn cron(&mut self, me: usize, awake: &dyn Fn(usize) -> bool) -> Vec<News> {
        let now = self.crons[me].0;
        self.crons[me].0 += CRON;
        self.crons[me].1 += 1;
        let mut news = Vec::new();
        if !awake(me) {
            return news;
        }
        let primaries = self.primaries;
        let answers = |node: usize| node >= primaries || awake(node);
        let mut asked = Vec::new();
        if self.crons[me].1.is_multiple_of(RANDOM_PING_EVERY) {
            asked.extend(self.random_node(me));
        }
        let mut suspects = Vec::new();
        for node in (0..self.nodes).filter(|&node| node != me) {
            let peer = self.peers[me * self.nodes + node];
            if peer.pinged_at != NEVER {
                if answers(node) {
                    // It has answered since.
                    asked.push(node);
                } else if now - peer.pinged_at.max(peer.heard_at) > self.timeout {
                    suspects.push(node);
                }
            } else if now - peer.pong_at > self.timeout / 2 && !asked.contains(&node) {
                asked.push(node);
            }
        }
        let (answering, silent): (Vec<usize>, Vec<usize>) =
            asked.into_iter().partition(|&node| answers(node));
        for node in silent {
            self.peers[me * self.nodes + node].pinged_at = now;
        }
        for node in suspects {
            let suspected = &mut self.suspected[me * self.primaries + node];
            if !*suspected {
                *suspected = true;
                news.push(News::Suspects(me, node));
            }
        }
        for node in answering {
            self.exchange(me, node, now, &mut news);
        }
        news
    }

    /// The node among a few that has been silent the longest.
    fn random_node(&mut self, me: usize) -> Option<usize> {
        let mut chosen: Option<usize> = None;
        for _ in 0..RANDOM_NODES {
            let node = self.draws.below(self.nodes as u64) as usize;
            let peer = &self.peers[me * self.nodes + node];
            if node == me || peer.pinged_at != NEVER {
                continue;
            }
            if chosen.is_none_or(|other| self.peers[me * self.nodes + other].pong_at > peer.pong_at) {
                chosen = Some(node);
            }
        }
        chosen
    }

    /// A ping of `me` and the pong of `node`, with what both think of others.
    fn exchange(&mut self, me: usize, node: usize, now: Nanos, news: &mut Vec<News>) {
        self.peers[me * self.nodes + node] = Peer { pinged_at: NEVER, pong_at: now, heard_at: now };
        if node >= self.primaries {
            return;
        }
        self.peers[node * self.nodes + me].heard_at = now;
        self.clear(me, node, now, news);
        self.gossip(me, node, now, news);
        self.gossip(node, me, now, news);
    }

    fn clear(&mut self, me: usize, node: usize, now: Nanos, news: &mut Vec<News>) {
        let failed_at = self.failed_at[node];
        if failed_at != NEVER {
            let undone = !self.voters[node] || now - failed_at > UNDO * self.timeout;
            if undone {
                self.failed_at[node] = NEVER;
                for observer in (0..self.primaries).filter(|&observer| observer != node) {
                    self.suspected[observer * self.primaries + node] = false;
                    news.push(News::Clears(observer, node));
                }
            }
        } else if std::mem::take(&mut self.suspected[me * self.primaries + node]) {
            news.push(News::Clears(me, node));
        }
    }

    /// `listener` hears what `sender` thinks of the others.
    fn gossip(&mut self, sender: usize, listener: usize, now: Nanos, news: &mut Vec<News>) {
        if !self.voters[sender] {
            return;
        }
        for node in (0..self.primaries).filter(|&node| node != sender && node != listener) {
            let fails = self.suspected[sender * self.primaries + node];
            let reports = &mut self.reports[listener * self.primaries + node];
            reports.retain(|report| report.0 != sender);
            if !fails {
                continue;
            }
            reports.push((sender, now));
            reports.retain(|report| now - report.1 <= REPORT_VALIDITY * self.timeout);
            let agree = reports.len() + usize::from(self.voters[listener]);
            let suspects = self.suspected[listener * self.primaries + node];
            if suspects && self.failed_at[node] == NEVER && agree >= self.quorum() {
                self.failed_at[node] = now;
                news.push(News::Failed(node));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    const TIMEOUT: Nanos = 15 * SECOND;
    const AT: Nanos = 7 * SECOND + 42 * MILLISECOND;

    /// Node 0 of `primaries` is silent from [`AT`] until `back`: every piece of news with its time, for `span`.
    fn news(primaries: usize, replicas: usize, back: Nanos, span: Nanos, seed: u64) -> Vec<(Nanos, News)> {
        let draws = Streams::new(seed, 0).open(StreamId::ClusterBus, 0);
        let mut bus = Bus::new(vec![true; primaries], replicas, TIMEOUT, AT, draws);
        let mut all = Vec::new();
        while bus.next_at() < AT + span {
            let at = bus.next_at();
            let (_, news) = bus.step(&|node| node != 0 || at >= back);
            all.extend(news.into_iter().map(|news| (at, news)));
        }
        all
    }

    /// A ping is due half a time-out after the last answer, at the next cron; its answer is overdue a time-out later.
    /// From there a majority needs its members to hear of one another, for which half a time-out is always enough.
    #[test]
    fn a_silent_node_is_suspected_and_failed_within_the_bounds_of_the_pings() {
        for (primaries, replicas) in [(3, 1), (3, 0), (5, 1), (16, 1)] {
            for seed in 0..20 {
                let all = news(primaries, replicas, NEVER, 3 * TIMEOUT, seed);
                let failed: Vec<Nanos> =
                    all.iter().filter(|news| news.1 == News::Failed(0)).map(|news| news.0 - AT).collect();
                let suspects: Vec<Nanos> = all
                    .iter()
                    .filter(|news| matches!(news.1, News::Suspects(_, 0)))
                    .map(|news| news.0 - AT)
                    .collect();
                assert_eq!((failed.len(), suspects.len()), (1, primaries - 1));
                for &after in &suspects {
                    assert!(after > TIMEOUT && after <= TIMEOUT * 3 / 2 + 3 * CRON, "{after}");
                }
                let quorum = primaries / 2;
                assert!(failed[0] >= suspects[quorum - 1], "{failed:?} {suspects:?}");
                assert!(failed[0] <= 2 * TIMEOUT + 5 * CRON, "{failed:?}");
            }
        }
    }

    #[test]
    fn a_minority_fails_nobody() {
        let all = news(2, 1, NEVER, 3 * TIMEOUT, 1);
        assert!(matches!(all[..], [(_, News::Suspects(1, 0))]), "{all:?}");
    }

    #[test]
    fn who_answers_in_time_is_not_suspected() {
        assert_eq!(news(3, 1, AT + TIMEOUT, 2 * TIMEOUT, 1), []);
    }

    #[test]
    fn failure_is_taken_back_after_two_time_outs() {
        let all = news(3, 0, AT + 2 * TIMEOUT, 6 * TIMEOUT, 3);
        let failed = all.iter().find(|news| news.1 == News::Failed(0)).expect("it failed").0;
        let cleared: Vec<Nanos> =
            all.iter().filter(|news| matches!(news.1, News::Clears(_, 0))).map(|news| news.0).collect();
        assert_eq!(cleared.len(), 2);
        let span = cleared[0] - failed;
        assert!(span > 2 * TIMEOUT && span <= 2 * TIMEOUT + TIMEOUT / 2 + 2 * CRON, "{span}");
    }

    #[test]
    fn a_new_primary_ends_the_suspicion() {
        let draws = Streams::new(1, 0).open(StreamId::ClusterBus, 0);
        let mut bus = Bus::new(vec![true; 3], 1, TIMEOUT, 0, draws);
        while bus.failed_at[0] == NEVER {
            bus.step(&|node| node != 0);
        }
        assert!(!bus.is_calm() && bus.quorum() == 2 && bus.votes(1));
        bus.replaced(0, bus.next_at());
        assert!(bus.is_calm());
    }
}
