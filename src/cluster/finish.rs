//! The result of a cluster: that of every node, put together, and what only the whole knows.

use super::merge::{fill, merge};
use super::router::Router;
use super::world::World;
use crate::observe::cluster::{ClusterResult, ClusterView, MigrationResult, NodeResult};
use crate::observe::histogram::Histogram;
use crate::observe::result::RunResult;
use crate::redis::slot_view::{Health, NONE};
use crate::scenario::cluster::MoveAction;
use crate::sim::member::Asker;
use crate::units::NEVER;

impl World<'_> {
    /// Everybody stops; the books are checked and put together.
    pub(super) fn finish(mut self) -> RunResult {
        let horizon = self.horizon;
        for index in 0..self.nodes.len() {
            // A node that waits for another in MIGRATE waits to the end: keys that were not read are back, those that
            // were are there.
            if self.nodes[index].seat().is_parked() {
                let target = self.target_of(index as u16);
                let withdrawn = self.nodes[target].withdraw(Asker::Node(index as u16));
                self.nodes[index].resume(horizon, !withdrawn);
            }
            self.nodes[index].come_back(horizon);
            while self.nodes[index].run_until(NEVER) {}
            self.nodes[index].keep_waiting();
            self.nodes[index].tick();
            self.hear_from(index);
        }
        self.router.send_rest(horizon, &mut self.nodes);
        self.check_places();
        self.pass_windows(0);
        let at_end = self.so_far();
        let mut cluster = self.cluster_result(at_end);
        let router = &self.router;
        let warmup = self.scenario.run.warmup;
        let queued: u64 = self.nodes.iter().map(|node| node.unanswered(warmup)).sum();
        let (_, flying) = router.in_flight();
        let mut total = self.total;
        let mut parts: Vec<RunResult> = Vec::new();
        for (mut node, scenario) in self.nodes.into_iter().zip(&self.scenarios) {
            while let Some(end) = node.recorder.passed().first().map(|window| window.0) {
                node.recorder.take_passed(end).inspect(|cells| total.absorb(cells));
            }
            total.absorb(node.recorder.current());
            parts.push(node.finish(scenario));
        }
        let (scopes, _, sections) = total.finish();
        for (row, part) in cluster.nodes.iter_mut().zip(&parts) {
            fill(row, part);
        }
        let mut result = merge(parts, &cluster.nodes);
        result.timeline.retain(|_| self.timeline);
        for (row, quantiles) in result.timeline.iter_mut().zip(self.rows) {
            (row.completed, row.sojourn) = quantiles.map_or((0, None), |(n, quantiles)| (n, Some(quantiles)));
        }
        result.completed = scopes.first().map_or(0, |all| all.sojourn.count());
        result.scopes = scopes;
        result.sections.take_requests(sections);
        result.errors.connection_lost += router.lost;
        let errors = &result.errors;
        let answered = result.completed
            + errors.oom
            + errors.misconf
            + errors.noreplicas
            + errors.connection_lost
            + router.failures;
        result.requests = answered + queued + flying;
        assert_eq!(
            result.requests,
            router.measured(),
            "every request ends in one of: reply, error, still in flight"
        );
        result.scenario.clone_from(&self.scenario.name);
        result.cluster = Some(cluster);
        result
    }

    fn cluster_result(&mut self, at_end: Histogram) -> ClusterResult {
        let truth = self.truth();
        let (at_begin, at_move_end) = (self.at_begin.take(), self.at_end.take());
        let during_end = at_move_end.unwrap_or_else(|| at_end.clone());
        let begin = at_begin.unwrap_or_else(|| at_end.clone());
        let [began, ended] = self.sent_at.map(|sent| sent.unwrap_or(self.router.measured()));
        let Router { redirected, after, failed, maps, redirect_loops, .. } = &self.router;
        let [after_moved, after_ask, after_tryagain] = after.clone();
        let mut result = ClusterResult {
            redirect_loops: *redirect_loops,
            failed: *failed,
            map_refreshes: maps.counts.refreshes,
            direct: at_end.since(redirected),
            redirected: redirected.clone(),
            after_ask,
            after_moved,
            after_tryagain,
            during: during_end.since(&begin),
            after: at_end.since(&during_end),
            before: begin,
            during_requests: ended.saturating_sub(began),
            open_slots_max: self.open_slots_max,
            failovers: self.failover.rows.clone(),
            down: self.end_down(),
            ..ClusterResult::default()
        };
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let spec = &self.spec.nodes[index];
            let (keys, used) = (node.server.keyspace.keys(), node.server.used_memory());
            let member = node.seat();
            let refused = member.refused;
            result.moved += refused.moved;
            result.ask += refused.ask;
            result.tryagain += refused.tryagain;
            result.clusterdown += refused.clusterdown;
            result.crossslot += refused.crossslot;
            result.on_open_slots += member.on_open_slots;
            result.nodes.push(NodeResult {
                name: spec.name.clone(),
                slots_at_start: spec.slot_count() as u32,
                slots_at_end: truth.iter().filter(|&&owner| owner == index as u16).count() as u32,
                keys,
                used_memory: used,
                moved: refused.moved,
                ask: refused.ask,
                tryagain: refused.tryagain,
                clusterdown: refused.clusterdown,
                crossslot: refused.crossslot,
                config_writes: member.config.saves,
                config_fsyncs: member.config.fsyncs,
                failovers: self.failover.rows.iter().filter(|row| row.node == spec.name).count() as u64,
                ..NodeResult::default()
            });
        }
        let view = &self.nodes[0].seat().view;
        let of = |health| {
            let nodes = (0..self.spec.nodes.len() as u16).filter(|&node| view.health(node) == health);
            nodes.map(|node| view.owned(node)).sum()
        };
        let assigned = view.owners().iter().filter(|&&owner| owner != NONE).count() as u32;
        let names = self.spec.nodes.len() as u32;
        result.view = ClusterView {
            ok: view.is_up(),
            slots_assigned: assigned,
            slots_pfail: of(Health::PossiblyFailed),
            slots_fail: of(Health::Failed),
            known_nodes: names * (1 + self.scenario.replicas.len() as u32),
            size: result.nodes.iter().filter(|node| node.slots_at_end > 0).count() as u32,
            current_epoch: view.current_epoch(),
            my_epoch: view.epoch(0),
        };
        result.migrations = self.migrations();
        result
    }

    fn migrations(&mut self) -> Vec<MigrationResult> {
        let horizon = self.horizon;
        let open: u32 = self.nodes.iter_mut().map(|node| node.seat().view.migrating().len() as u32).sum();
        let mut results = Vec::new();
        for mover in &self.movers {
            let planned = &self.spec.moves[mover.planned];
            let ended_at = mover.ended_at.unwrap_or(horizon);
            let (mut longest, mut cause, mut place) = (0, "", 0);
            for (index, node) in self.nodes.iter().enumerate() {
                let (span, name) = node.server.main.blocks.longest_between(mover.began_at, ended_at);
                if span > longest {
                    (longest, cause, place) = (span, name, index);
                }
            }
            results.push(MigrationResult {
                kind: planned.options.kind.name(),
                action: match planned.action {
                    MoveAction::Reshard { .. } => "reshard",
                    MoveAction::Slots { .. } => "move-slots",
                    MoveAction::Rebalance { .. } => "rebalance",
                    MoveAction::Fix => "cluster-fix",
                },
                slots: mover.books.slots,
                keys: mover.books.keys,
                batches: mover.books.batches,
                round_trips: mover.books.round_trips,
                bytes: mover.books.bytes,
                start: mover.began_at,
                duration: ended_at - mover.began_at,
                running: mover.ended_at.is_none(),
                paused_ns: mover.atomic.as_ref().map_or(0, |jobs| jobs.paused_until(ended_at)),
                longest_block: longest,
                longest_block_cause: cause,
                longest_block_node: self.spec.nodes[place].name.clone(),
                failed: mover.failed.clone(),
                open_slots_left: open,
            });
        }
        results
    }
}
