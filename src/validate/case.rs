//! What is run on both sides: a scenario, and what is looked at in it.
//!
//! Which figures a scenario has, and what a real server must be made to do besides serving its load, follows from the
//! scenario itself, so that a user's own one is treated as those of the standard set.

use super::metric::Figure;
use crate::experiment::{Assignment, Template};
use crate::scenario::problem::Problems;
use crate::scenario::replicas::ReplicaSpec;
use crate::scenario::{Action, Scenario, Source};

/// One thing to run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, unique in a set.
    pub name: String,
    /// The mechanism that it is about: what `--only` names.
    pub mechanism: String,
    /// The scenario before it is resolved.
    pub template: Template,
    /// What this case changes in it.
    pub settings: Vec<Assignment>,
    /// Its rate is this share of what the server can do, which is measured first.
    pub load: Option<Load>,
    /// It is part of the quick set.
    pub quick: bool,
}

/// A rate that depends on the server.
#[derive(Clone, Debug)]
pub struct Load {
    /// Share of the capacity, 0 to 1.
    pub share: f64,
    /// What measures the capacity: clients that wait for their replies, under the same settings of the server.
    pub capacity: Box<Case>,
}

/// What happens besides the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing, or replicas that are in step.
    Nothing,
    /// A child is forked: by BGSAVE or BGREWRITEAOF.
    Child,
    /// Keys come due.
    Storm,
    /// The load itself runs operations of several steps.
    Pattern,
    /// A replica attaches.
    Resync,
    /// Slots move.
    Reshard,
}

impl Case {
    /// The scenario, with `more` settings over its own.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn resolve(&self, more: &[Assignment]) -> Result<Scenario, Problems> {
        let settings: Vec<Assignment> = self.settings.iter().chain(more).cloned().collect();
        self.template.with(&settings)
    }
}

/// A setting.
pub fn assign(key: &str, value: &str) -> Assignment {
    Assignment { key: key.to_owned(), value: value.to_owned() }
}

/// What happens besides the load of `scenario`.
pub fn beside(scenario: &Scenario) -> Beside {
    let forks = |action: &Action| matches!(action, Action::Bgsave | Action::Bgrewriteaof);
    let attaches = |replica: &ReplicaSpec| replica.attach.is_some();
    match scenario {
        _ if scenario.cluster.is_some() => Beside::Reshard,
        _ if scenario.workloads.iter().any(|group| group.pattern.is_some()) => Beside::Pattern,
        _ if scenario.replicas.iter().any(attaches) => Beside::Resync,
        _ if scenario.events.iter().any(|event| forks(&event.action)) => Beside::Child,
        _ if scenario.dataset.ttl.is_some() => Beside::Storm,
        _ => Beside::Nothing,
    }
}

/// The figures that make sense for `scenario`.
pub fn figures(scenario: &Scenario) -> Vec<Figure> {
    use Figure::*;
    let is_closed = |source: &Source| matches!(source, Source::Closed { .. });
    let closed = scenario.workloads.iter().any(|group| is_closed(&group.source));
    let rewrites = scenario.events.iter().any(|event| event.action == Action::Bgrewriteaof);
    let own: &[Figure] = match beside(scenario) {
        // Where something happens, quantiles of the whole run only say how long it was.
        Beside::Child if rewrites => &[Cpu, P50, StallHeight, Child, EndStall],
        Beside::Child => &[Cpu, P50, StallHeight, StallDrain, Delayed, Child, CowSlowdown],
        Beside::Storm => &[Storm, CycleShare, Slice],
        Beside::Pattern => &[Cpu, P50, WithoutTtl, IncrementsLost],
        Beside::Resync => &[Cpu, P50, StallHeight, Child, Resync],
        Beside::Reshard => &[P50, Reshard, Migrate, KeysMoved, Moved, Asked],
        Beside::Nothing => &[Cpu, P50, P99],
    };
    let rate: f64 = scenario.workloads.iter().map(|group| rate(&group.source)).sum();
    let is_clear = |figure: &Figure| *figure != CowSlowdown || rate >= COW_RATE;
    // The throughput of an open loop is the rate that was asked for.
    closed.then_some(Throughput).into_iter().chain(own.iter().copied().filter(is_clear)).collect()
}

/// Commands a second from which half a second beside a fork tells what copied pages cost: of fewer, how many share a turn
/// differs more.
const COW_RATE: f64 = 16_000.0;

/// Commands a second of an open loop at its start; none of a closed one.
fn rate(source: &Source) -> f64 {
    match source {
        Source::Open { schedule, .. } => schedule.first().map_or(0.0, |piece| piece.1),
        Source::Closed { .. } => 0.0,
    }
}
