//! Which cause carries what is beyond the bound of an objective.

use crate::cause::Cause;
use crate::experiment::metric::Source;
use crate::experiment::objective::Objective;
use crate::observe::result::RunResult;
use crate::observe::sparse::SparseHistogram;
use crate::observe::tail;
use crate::units::Nanos;

/// Share of the requests beyond a bound that blocks must explain for their cause to be named.
const EXPLAINS: f64 = 0.5;
/// A block of this share of the bound is most of it for the request whose turn it came in.
const OWN: f64 = 0.9;

/// What makes an objective fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Blocks of the main thread on this cause.
    Cause(Cause),
    /// Ordinary work and waiting for it.
    Queueing,
    /// The server cannot keep up at all.
    Overload,
    /// Something that takes no time of the main thread: memory, what a crash loses.
    NoCause,
}

impl Binding {
    /// Its word in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Binding::Cause(cause) => cause.name(),
            Binding::Queueing => "queueing",
            Binding::Overload => "overload",
            Binding::NoCause => "none",
        }
    }
}

/// How much of what is beyond a bound each cause carries.
#[derive(Clone, Debug, Default)]
pub struct Blame {
    /// By `Cause as usize`; empty where causes have no part in it.
    weights: Vec<f64>,
    /// All there is to explain.
    beyond: f64,
    /// Longest block by cause \[ns\].
    longest: Vec<Nanos>,
}

impl Blame {
    /// Adds another run's.
    pub fn add(&mut self, other: &Blame) {
        self.beyond += other.beyond;
        self.weights.resize(other.weights.len().max(self.weights.len()), 0.0);
        self.weights.iter_mut().zip(&other.weights).for_each(|(mine, theirs)| *mine += theirs);
        self.longest.resize(Cause::COUNT, 0);
        self.longest.iter_mut().zip(&other.longest).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
    }

    /// The one that carries most of it.
    pub fn binding(&self) -> Binding {
        if self.weights.is_empty() {
            return Binding::NoCause;
        }
        let total: f64 = self.weights.iter().sum();
        let most = Cause::ALL.into_iter().max_by(|a, b| {
            self.weights[*a as usize]
                .total_cmp(&self.weights[*b as usize])
                .then((*b as usize).cmp(&(*a as usize)))
        });
        match most.filter(|_| total > 0.0 && total >= EXPLAINS * self.beyond) {
            Some(cause) => Binding::Cause(cause),
            None => Binding::Queueing,
        }
    }

    /// The longest block on `cause` \[ns\].
    pub fn longest(&self, cause: Cause) -> Nanos {
        self.longest.get(cause as usize).copied().unwrap_or(0)
    }
}

/// Whom a run blames for what is beyond the bound of `objective`; `closed` as in [`tail::delayed_beyond`].
pub fn blame(objective: &Objective, run: &RunResult, closed: Option<u64>) -> Blame {
    let mut blame = Blame { longest: vec![0; Cause::COUNT], ..Blame::default() };
    run.blocks.iter().for_each(|blocks| blame.longest[blocks.cause as usize] = blocks.longest);
    match (objective.metric.quantity.source, objective.metric.quantity.name) {
        (Source::Quantile(_), _) => of_requests(&mut blame, objective, run, closed),
        (Source::Max, _) | (_, "longest-stall") => {
            blame.weights = blame.longest.iter().map(|&span| span as f64).collect();
            // The longest block makes the longest sojourn if it is as long as most of the bound.
            blame.beyond = objective.bound;
        }
        (_, "busy") => blame.weights = run.busy.iter().map(|&span| span as f64).collect(),
        // What makes a mean long is waiting: blocks are a small part of it wherever queues are stable.
        (Source::Mean, _) => blame.weights = vec![0.0; Cause::COUNT],
        (Source::Run(_), _) => {}
    }
    blame
}

fn of_requests(blame: &mut Blame, objective: &Objective, run: &RunResult, closed: Option<u64>) {
    let scope = objective.metric.scope.as_deref().unwrap_or("all");
    let Some(scope) = run.scopes.iter().find(|candidate| candidate.name == scope) else { return };
    let bound = objective.bound as Nanos;
    let beyond = bound.saturating_sub(scope.sojourn.quantile(0.5));
    blame.weights = vec![0.0; Cause::COUNT];
    for blocks in &run.blocks {
        let own = tail::own_requests(blocks, (OWN * objective.bound) as Nanos);
        blame.weights[blocks.cause as usize] = tail::delayed_beyond(run, blocks, beyond, closed) + own;
    }
    // Blocks delay the requests of all scopes alike.
    let share = scope.sojourn.count() as f64 / run.completed.max(1) as f64;
    blame.weights.iter_mut().for_each(|weight| *weight *= share);
    blame.beyond = SparseHistogram::from(&scope.sojourn).above(objective.bound);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_forks(share: f64, beyond: f64) -> Blame {
        let mut weights = vec![0.0; Cause::COUNT];
        weights[Cause::Fork as usize] = share * beyond;
        Blame { weights, beyond, ..Blame::default() }
    }

    #[test]
    fn a_cause_binds_when_it_carries_half_of_all_runs_together() {
        let mut blame = of_forks(0.8, 10.0);
        assert_eq!(blame.binding(), Binding::Cause(Cause::Fork));
        blame.add(&of_forks(0.0, 10.0));
        assert_eq!(blame.binding(), Binding::Queueing, "8 of 20");
        blame.add(&of_forks(1.0, 20.0));
        assert_eq!(blame.binding(), Binding::Cause(Cause::Fork), "28 of 40");
        assert_eq!(Blame::default().binding(), Binding::NoCause);
    }
}
