//! redis-cli at work: what a move asks of the nodes, and how it went.

use super::legacy_fix::{Claim, fix_open_slot};
use super::legacy_move::{LegacyMove, MoveBooks};
use super::order::{Next, Step};
use super::reshard_plan::{Rebalance, SlotMove, given_slots, rebalance, reshard};
use super::world::{Task, World};
use crate::redis::cluster_call::Answer;
use crate::redis::slot_view::NONE;
use crate::scenario::cluster::MoveAction;
use crate::sim::member::{Asker, Call};
use crate::units::Nanos;

/// A move that has begun.
pub(super) struct Mover {
    /// Its place in the scenario's list.
    pub(super) planned: usize,
    pub(super) run: Option<LegacyMove>,
    pub(super) began_at: Nanos,
    pub(super) ended_at: Option<Nanos>,
    pub(super) failed: Option<String>,
    pub(super) books: MoveBooks,
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
        let books = MoveBooks::default();
        self.movers.push(Mover { planned: index, run, began_at: at, ended_at: None, failed, books });
        self.go_on(at, self.movers.len() - 1, Answer::Ok);
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
            // Keys that have left their owner are where it sends them.
            let moved = self.nodes.iter_mut().find_map(|node| {
                let leaving = node.seat().leaving().iter().find(|leaving| leaving.slot == slot)?;
                Some((leaving.moved(), node.seat().view.migrating_to(slot)?))
            });
            let claims: Vec<Claim> = self
                .nodes
                .iter_mut()
                .enumerate()
                .map(|(index, node)| {
                    let member = node.seat();
                    let left = member.leaving().iter().find(|leaving| leaving.slot == slot);
                    let arrived = moved.filter(|&(_, to)| to as usize == index).map_or(0, |moved| moved.0);
                    Claim {
                        owns: member.view.owner(slot) == index as u16,
                        migrating_to: member.view.migrating_to(slot).map(usize::from),
                        importing: member.view.importing_from(slot).is_some(),
                        keys: left.map_or(arrived, |leaving| leaving.left()),
                    }
                })
                .collect();
            steps.extend(fix_open_slot(slot, &claims).map_err(|error| error.to_string())?);
        }
        Ok(steps)
    }

    /// redis-cli has `answer` at `at`: what it does next.
    pub(super) fn go_on(&mut self, at: Nanos, run: usize, answer: Answer) {
        let mover = &mut self.movers[run];
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
                let there_at = at + self.spec.link_delay;
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

    fn end_move(&mut self, at: Nanos, run: usize) {
        self.movers[run].ended_at = Some(at);
        self.moving -= 1;
        if self.moving == 0 {
            self.at_end = Some(self.so_far());
            self.sent_at[1] = Some(self.router.measured());
        }
    }
}
