//! The question turned round: not what a scenario gives, but how much of something it can have under its objectives.
//!
//! `unknown.rs` and `range.rs` say what is solved for, `lab.rs` makes runs, `point.rs` keeps what they say of a value,
//! `trial.rs` makes short ones first, `search.rs` finds the boundary, `blame.rs` names what binds there, `without.rs` takes
//! that away. What is found holds for runs of the length that [`Length`] says.

mod blame;
mod lab;
mod length;
mod point;
mod range;
mod search;
mod trial;
mod unknown;
mod without;

use crate::cause::Cause;
use crate::stats::bisect::{self, Criterion, Series, Verdict};
use crate::stats::paired::Moments;
use crate::units::Nanos;

pub use blame::Binding;
pub use lab::{Begins, GoOn, Lab, Stop};
pub use length::Length;
pub use search::{Boundary, ERROR, Effort, Probed, VERDICT_ERROR};
use search::{Field, Search};
pub use unknown::{Direction, Unknown};
pub use without::without;

/// Values of the scan.
const SCAN: usize = 9;
/// The search for what a boundary would be without its cause is coarser: values of its scan, beyond that boundary alone.
const NEXT_SCAN: usize = 5;
/// Half the length of its interval over the value.
const NEXT_PRECISION: f64 = 0.1;
/// Its runs of a value at most.
const NEXT_REPLICATIONS: usize = 16;
/// Part of the commands that it takes at most: one in so many.
const NEXT_BUDGET: u64 = 4;
/// Runs from which their spread is shown as an interval.
const FEWEST: usize = 4;

/// The answer under one set of objectives.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The objectives, by their number in the plan.
    pub set: Vec<usize>,
    /// Which end was looked for.
    pub direction: Direction,
    /// Where the values that meet them end.
    pub reach: Reach,
    /// What binds there; none where nothing does.
    pub binding: Option<Bound>,
    /// What the boundary would be without that cause; none where no price stands for it.
    pub next: Option<Next>,
    /// Values that were tried, the easy ones first.
    pub probes: Vec<Probed>,
    /// What to know about the answer, a sentence each.
    pub warnings: Vec<String>,
}

/// How far the objectives are met.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    /// Up to here.
    Boundary(Boundary),
    /// At every value that was tried; the last of them.
    Everywhere(f64),
    /// At none; the easiest of them.
    Nowhere(f64),
}

impl Reach {
    /// The value that answers, if the objectives can be met.
    pub fn value(&self) -> Option<f64> {
        match self {
            Reach::Boundary(boundary) => Some(boundary.value),
            Reach::Everywhere(value) => Some(*value),
            Reach::Nowhere(_) => None,
        }
    }
}

/// What binds at a boundary.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The objective that fails first, by its number in the plan; none where the server cannot keep up.
    pub objective: Option<usize>,
    /// Why.
    pub binding: Binding,
    /// The longest block on the cause, where it is one \[ns\].
    pub longest: Nanos,
    /// Mean share of the time the main thread is busy where it fails.
    pub busy_share: f64,
}

/// The boundary without a cause.
#[derive(Clone, Debug)]
pub struct Next {
    /// The cause whose prices are zero.
    pub without: Cause,
    /// How far the objectives are met then.
    pub reach: Reach,
    /// What binds then.
    pub binding: Option<Bound>,
}

/// One objective at one value that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// The value.
    pub value: f64,
    /// The objective, by its number in the plan.
    pub objective: usize,
    /// Runs made.
    pub runs: usize,
    /// Its metric; none where the server cannot carry the load, or nothing was measured.
    pub measured: Option<Measured>,
    /// Whether this objective alone is met.
    pub verdict: Verdict,
    /// More load than the server can carry.
    pub overloaded: bool,
}

/// A metric at one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Its value over all runs.
    pub value: f64,
    /// Its 95 % interval by replications; none for fewer than two, and for largest values.
    pub interval: Option<(f64, f64)>,
}

/// Answers for each of the `sets` of objectives.
///
/// # Errors
/// As the lab.
pub fn solve(lab: &mut Lab<'_>, sets: &[Vec<usize>], effort: &Effort) -> Result<Vec<Answer>, Stop> {
    // What the scenario refuses is refused before the first run.
    let (low, high) = lab.unknown.range;
    for end in [low, high] {
        lab.scenario(end).map_err(Stop::Invalid)?;
    }
    sets.iter().map(|set| solve_one(lab, set, effort)).collect()
}

fn solve_one(lab: &mut Lab<'_>, set: &[usize], effort: &Effort) -> Result<Answer, Stop> {
    let field = Field { range: lab.unknown.range, scan: SCAN, direction: lab.unknown.direction };
    let (search, reach, mut binding) = bounded(lab, set, effort, &field)?;
    let (mut next, mut warnings) = (None, search.warnings);
    if let Some(Bound { binding: Binding::Cause(cause), .. }) = binding {
        next = without_it(lab, set, cause, effort, (search.direction, &reach))?;
        if next.as_ref().is_some_and(|next| !is_beyond(&next.reach, &reach, search.direction)) {
            let name = cause.name();
            warnings.push(format!(
                "blocks on {name} are long enough to bind, but without them the answer is the same"
            ));
            binding.iter_mut().for_each(|bound| (bound.binding, bound.longest) = (Binding::Queueing, 0));
            next = None;
        }
    }
    warnings.extend(unseen(lab, &reach));
    Ok(Answer {
        set: set.to_vec(),
        direction: search.direction,
        reach,
        binding,
        next,
        probes: search.probes,
        warnings,
    })
}

/// What recurs in the scenario and did not in the runs at the answer, which says nothing of it then.
fn unseen(lab: &Lab<'_>, reach: &Reach) -> Option<String> {
    let at = match reach {
        Reach::Boundary(boundary) => boundary.unmet,
        Reach::Everywhere(value) | Reach::Nowhere(value) => *value,
    };
    let redis = lab.scenario(at).ok()?.redis;
    let (snapshots, rewrites) = lab.point(at).children();
    let rewrites_recur = redis.appendonly && redis.auto_aof_rewrite_percentage > 0;
    let missing = [
        (!redis.save.is_empty() && snapshots == 0).then_some("snapshot"),
        (rewrites_recur && rewrites == 0).then_some("AOF rewrite"),
    ];
    let missing: Vec<&str> = missing.into_iter().flatten().collect();
    let remedy = "the answer leaves its stalls out; a longer --duration has some";
    let is_told = !missing.is_empty() && lab.point(at).runs() > 0;
    let shown = lab.unknown.text(at);
    is_told.then(|| format!("no {} ended in the runs at {shown}: {remedy}", missing.join(" and no ")))
}

/// Whether `next` lets more through than `reach`: by more than the interval of that, or at all.
fn is_beyond(next: &Reach, reach: &Reach, direction: Direction) -> bool {
    match (next, reach) {
        (Reach::Nowhere(_), _) => matches!(reach, Reach::Nowhere(_)),
        (Reach::Everywhere(_), _) | (_, Reach::Nowhere(_)) => true,
        (Reach::Boundary(next), Reach::Boundary(boundary)) => match direction {
            Direction::Largest => next.value > boundary.high,
            Direction::Smallest => next.value < boundary.low,
        },
        (Reach::Boundary(_), Reach::Everywhere(_)) => false,
    }
}

/// A search with what binds at its end.
fn bounded(
    lab: &mut Lab<'_>,
    set: &[usize],
    effort: &Effort,
    field: &Field,
) -> Result<(Search, Reach, Option<Bound>), Stop> {
    let search = search::search(lab, set, effort, field)?;
    let (easiest, hardest) = (search.probes[0].value, search.probes[search.probes.len() - 1].value);
    let any_unmet = search.probes.iter().any(|probe| probe.verdict == Verdict::Unmet);
    let (reach, fails_at) = match search.found {
        Some(boundary) => (Reach::Boundary(boundary), Some(boundary.unmet)),
        None if any_unmet => (Reach::Nowhere(easiest), Some(easiest)),
        None => (Reach::Everywhere(hardest), None),
    };
    let binding = fails_at.map(|value| bound(lab, set, value));
    Ok((search, reach, binding))
}

/// What fails at `value`: the objective that is furthest beyond its bound for its noise.
fn bound(lab: &Lab<'_>, set: &[usize], value: f64) -> Bound {
    let point = lab.point(value);
    let busy_share = point.busy_share();
    if point.overloaded {
        return Bound { objective: None, binding: Binding::Overload, longest: 0, busy_share };
    }
    let beyond = |series: &Series| {
        let moments = Moments::of(&series.margins);
        moments.mean / (moments.error() + f64::MIN_POSITIVE)
    };
    let series = lab.series(value, set);
    let worst =
        (0..set.len()).max_by(|&a, &b| beyond(&series[a]).total_cmp(&beyond(&series[b])).then(b.cmp(&a)));
    let objective = set[worst.unwrap_or(0)];
    let blame = point.blame(objective);
    let binding = blame.binding();
    let longest = if let Binding::Cause(cause) = binding { blame.longest(cause) } else { 0 };
    Bound { objective: Some(objective), binding, longest, busy_share }
}

/// The same search with the prices of `cause` at zero, beyond the boundary; none where no price stands for it, or it is
/// what is solved for.
fn without_it(
    lab: &mut Lab<'_>,
    set: &[usize],
    cause: Cause,
    effort: &Effort,
    (direction, reach): (Direction, &Reach),
) -> Result<Option<Next>, Stop> {
    let Some(prices) = without(cause).filter(|prices| !lab.is_solved_for(prices)) else { return Ok(None) };
    let effort = Effort {
        precision: effort.precision.max(NEXT_PRECISION),
        replications: effort.replications.min(NEXT_REPLICATIONS),
        budget: effort.budget / NEXT_BUDGET,
    };
    let (least, most) = lab.unknown.range;
    let range = match (reach, direction) {
        (Reach::Boundary(boundary), Direction::Largest) => (boundary.low, most),
        (Reach::Boundary(boundary), Direction::Smallest) => (least, boundary.high),
        _ => (least, most),
    };
    let mut free = lab.with(prices);
    let field = Field { range, scan: NEXT_SCAN, direction: Some(direction) };
    let (_, reach, binding) = bounded(&mut free, set, &effort, &field)?;
    lab.requests += free.requests;
    lab.runs += free.runs;
    Ok(Some(Next { without: cause, reach, binding }))
}

/// Every objective at every value that was tried, by rising value.
pub fn curve(lab: &Lab<'_>) -> Vec<CurvePoint> {
    let objectives = 0..lab.objectives.len();
    let values = lab.values().into_iter();
    values
        .flat_map(|value| objectives.clone().map(move |objective| (value, objective)))
        .map(|(value, objective)| {
            let point = lab.point(value);
            CurvePoint {
                value,
                objective,
                runs: point.runs(),
                measured: if point.overloaded { None } else { measured(lab, objective, value) },
                verdict: bisect::verdict(&lab.series(value, &[objective]), VERDICT_ERROR),
                overloaded: point.overloaded,
            }
        })
        .collect()
}

/// The metric of an objective over all runs of a value, with its interval: from the sections of the runs for a quantile or a
/// mean (`stats/METHOD.md`); otherwise the spread of the runs about what they give together (sectioning, Nakayama 2014).
fn measured(lab: &Lab<'_>, index: usize, value: f64) -> Option<Measured> {
    let objective = &lab.objectives[index];
    let point = lab.point(value);
    let value = point.metric(index, objective)?;
    let interval = match point.estimate(objective) {
        Some(estimate) => estimate.low.zip(estimate.high),
        None if objective.criterion() == Criterion::Every || point.runs() < FEWEST => None,
        None => {
            let half = Moments::of(&point.values(index)).half_width(1.0 - ERROR);
            Some(((value - half).max(0.0), value + half))
        }
    };
    Some(Measured { value, interval })
}
