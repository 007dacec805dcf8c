//! Runs of the scenario at one value after another, each made once and kept: replications 1, 2, 3 … of every value see the
//! same random world. Number 0 is left to `run`: it begins just after a save even where the others begin anywhere.

use std::collections::BTreeMap;

use super::blame::{Blame, blame};
use super::length::Length;
use super::search::ERROR;
use super::unknown::Unknown;
use crate::experiment::objective::{Objective, Pooled};
use crate::experiment::{Assignment, Pool, Template};
use crate::observe::result::RunResult;
use crate::observe::tail;
use crate::pilot;
use crate::redis::child::ChildKind;
use crate::scenario::problem::Problems;
use crate::scenario::{Scenario, Source};
use crate::sim::{RunOptions, SimError};
use crate::stats::bisect::{Series, are_few};

/// A value is tried for this part of a run first,
const TRIAL_PART: u64 = 16;
/// and is an overload if the server answers less than this share of what arrives: the queue would only grow, at a price.
const KEPT_UP: f64 = 0.9;

/// Why a search ended early.
#[derive(Debug)]
pub enum Stop {
    /// The caller wanted it.
    Interrupted,
    /// A value that the scenario cannot have.
    Invalid(Problems),
    /// No run has anything that this objective measures.
    Nothing(String),
}

/// Whether to go on, asked now and then by every thread.
pub type GoOn<'a> = &'a (dyn Fn() -> bool + Sync);
/// Told of runs before they are made: their value and their number.
pub type Begins<'a> = &'a (dyn Fn(f64, usize) + Sync);

/// What is kept of a run.
#[derive(Clone, Debug)]
struct Run {
    /// For each objective.
    margins: Vec<Option<f64>>,
    values: Vec<Option<f64>>,
    pooled: Vec<Pooled>,
    blame: Vec<Blame>,
    requests: u64,
    busy_share: f64,
    snapshots: usize,
    rewrites: usize,
}

/// The runs of one value.
#[derive(Clone, Debug, Default)]
pub struct Point {
    runs: Vec<Run>,
    /// More load than the server can carry: no run, or one that fell behind.
    pub overloaded: bool,
}

/// Where runs are made.
pub struct Lab<'a> {
    template: &'a Template,
    /// What is solved for.
    pub unknown: &'a Unknown,
    /// Everything that is measured.
    pub objectives: &'a [Objective],
    pool: &'a Pool,
    /// Laid over the template under every value.
    settings: Vec<Assignment>,
    length: &'a Length,
    go_on: GoOn<'a>,
    begins: Begins<'a>,
    /// By the bits of the value, which rise with it.
    points: BTreeMap<u64, Point>,
    /// Requests simulated.
    pub requests: u64,
    /// Runs made.
    pub runs: u64,
}

impl<'a> Lab<'a> {
    /// A lab for runs of `template` that are so long.
    pub fn new(
        template: &'a Template,
        length: &'a Length,
        (unknown, objectives): (&'a Unknown, &'a [Objective]),
        pool: &'a Pool,
        (go_on, begins): (GoOn<'a>, Begins<'a>),
    ) -> Self {
        Lab {
            template,
            unknown,
            objectives,
            pool,
            settings: length.assignments(),
            length,
            go_on,
            begins,
            points: BTreeMap::new(),
            requests: 0,
            runs: 0,
        }
    }

    /// The same with more laid over it, without any run yet.
    pub fn with(&self, more: Vec<Assignment>) -> Lab<'a> {
        let settings = self.settings.iter().cloned().chain(more).collect();
        Lab { settings, points: BTreeMap::new(), requests: 0, runs: 0, ..*self }
    }

    /// The scenario at `value`.
    ///
    /// # Errors
    /// Problems of the scenario with this value.
    pub fn scenario(&self, value: f64) -> Result<Scenario, Problems> {
        let assignments: Vec<Assignment> =
            self.settings.iter().cloned().chain(self.unknown.assignments(value)).collect();
        self.template.with(&assignments)
    }

    /// Makes what is missing of the first `replications` runs of every value.
    ///
    /// # Errors
    /// When the caller wants to stop, or a value cannot be had.
    pub fn observe(&mut self, values: &[f64], replications: usize) -> Result<(), Stop> {
        let mut scenarios = Vec::new();
        for &value in values {
            let point = self.points.entry(value.to_bits()).or_default();
            if !point.overloaded && point.runs.len() < replications {
                scenarios.push((value, self.scenario(value).map_err(Stop::Invalid)?));
            }
        }
        self.try_out(&scenarios)?;
        let mut work = Vec::new();
        for (value, scenario) in &scenarios {
            let point = self.point(*value);
            let missing = point.runs.len()..if point.overloaded { 0 } else { replications };
            if !missing.is_empty() {
                (self.begins)(*value, missing.len());
                work.extend(missing.map(|index| (*value, scenario, index as u64 + 1)));
            }
        }
        let done = self.pool.map(work.len(), |index| {
            let (_, scenario, replication) = work[index];
            self.run(scenario, replication)
        });
        for ((value, ..), run) in work.iter().zip(done) {
            let point = self.points.entry(value.to_bits()).or_default();
            match run {
                Ok(run) => {
                    (self.requests, self.runs) = (self.requests + run.requests, self.runs + 1);
                    point.overloaded |= run.margins.contains(&Some(f64::INFINITY));
                    point.runs.push(run);
                }
                Err(SimError::Overload { .. }) => point.overloaded = true,
                Err(SimError::Stopped) => return Err(Stop::Interrupted),
            }
        }
        Ok(())
    }

    /// Marks those values without runs that a short run shows to be far too much.
    fn try_out(&mut self, scenarios: &[(f64, Scenario)]) -> Result<(), Stop> {
        let is_new = |(value, _): &&(f64, Scenario)| self.point(*value).runs.is_empty();
        let new: Vec<&(f64, Scenario)> = scenarios.iter().filter(is_new).collect();
        let tried = self.pool.map(new.len(), |index| self.falls_behind(&new[index].1));
        for (&(value, _), behind) in new.into_iter().zip(tried) {
            let overloaded = match behind {
                Err(SimError::Stopped) => return Err(Stop::Interrupted),
                Err(SimError::Overload { .. }) => true,
                Ok(behind) => behind,
            };
            self.points.entry(value.to_bits()).or_default().overloaded = overloaded;
        }
        Ok(())
    }

    /// Whether a short run under this load falls far behind. What happens at a time is not told from a short run.
    fn falls_behind(&self, scenario: &Scenario) -> Result<bool, SimError> {
        if is_closed(scenario) || !self.length.random_phase {
            return Ok(false);
        }
        let mut trial = scenario.clone();
        trial.run.duration /= TRIAL_PART;
        (trial.run.warmup, trial.run.windows) = (0, Vec::new());
        let result = self.simulate(&trial, &RunOptions { replication: 1, ..RunOptions::default() })?;
        Ok(tail::is_overloaded(&result) && (result.completed as f64) < KEPT_UP * result.requests as f64)
    }

    fn simulate(&self, scenario: &Scenario, options: &RunOptions) -> Result<RunResult, SimError> {
        if (self.go_on)() {
            pilot::simulate(scenario, options, &mut |_| (self.go_on)())
        } else {
            Err(SimError::Stopped)
        }
    }

    fn run(&self, scenario: &Scenario, replication: u64) -> Result<Run, SimError> {
        let options =
            RunOptions { replication, random_phase: self.length.random_phase, ..RunOptions::default() };
        let result = self.simulate(scenario, &options)?;
        let closed = is_closed(scenario);
        let connections = scenario.workloads.iter().map(|group| u64::from(group.connections)).sum();
        let closed = closed.then_some(connections);
        let behind = closed.is_none() && tail::is_overloaded(&result);
        let each = self.objectives.iter();
        let margin =
            |objective: &Objective| if behind { Some(f64::INFINITY) } else { objective.margin(&result) };
        Ok(Run {
            margins: each.clone().map(margin).collect(),
            values: each.clone().map(|objective| objective.value(&result)).collect(),
            pooled: each.clone().map(|objective| Pooled::of(objective, &result)).collect(),
            blame: each.map(|objective| blame(objective, &result, closed)).collect(),
            requests: result.requests,
            busy_share: busy_share(&result),
            snapshots: children(&result, ChildKind::Bgsave),
            rewrites: children(&result, ChildKind::AofRewrite),
        })
    }

    /// What the runs of a value say of some of the objectives.
    pub fn series(&self, value: f64, set: &[usize]) -> Vec<Series> {
        let point = self.point(value);
        let margins = |objective: usize| match point.overloaded {
            true => vec![f64::INFINITY],
            // A run without anything to measure speaks neither for the objective nor against it.
            false => point.runs.iter().map(|run| run.margins[objective].unwrap_or(0.0)).collect(),
        };
        let series = |&objective: &usize| Series {
            criterion: self.objectives[objective].criterion(),
            margins: margins(objective),
            enough: point.has_enough(objective, &self.objectives[objective]),
        };
        set.iter().map(series).collect()
    }

    /// Whether no run of any value measured `objective`.
    pub fn measures_nothing(&self, objective: usize) -> bool {
        let mut runs = self.points.values().flat_map(|point| &point.runs).peekable();
        runs.peek().is_some() && runs.all(|run| run.margins[objective].is_none())
    }

    /// The runs of a value.
    pub fn point(&self, value: f64) -> &Point {
        &self.points[&value.to_bits()]
    }

    /// Every value with runs, rising.
    pub fn values(&self) -> Vec<f64> {
        self.points.keys().map(|&bits| f64::from_bits(bits)).collect()
    }

    /// What the unknown is laid over a scenario with: for the price that a cause stands for.
    pub fn is_solved_for(&self, settings: &[Assignment]) -> bool {
        let own = self.unknown.settings();
        settings.iter().any(|setting| own.contains(&setting.key.as_str()))
    }
}

impl Point {
    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The metric of an objective over all runs, and the mean of its values with their spread, one a run.
    pub fn metric(&self, index: usize, objective: &Objective) -> (Option<f64>, Vec<f64>) {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.values[index]).collect();
        let mut all = Pooled::default();
        self.runs.iter().for_each(|run| all.merge(&run.pooled[index]));
        (all.value(objective), values)
    }

    /// Whether the windows are many enough to say that few of them are bad.
    fn has_enough(&self, index: usize, objective: &Objective) -> bool {
        let Some(window) = objective.window else { return true };
        let counts = self.runs.iter().map(|run| run.pooled[index].windows(objective));
        let (bad, all) = counts.fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        window.share == 1.0 || are_few(bad, all, 1.0 - window.share, ERROR)
    }

    /// Whom the runs blame for what is beyond the bound of an objective.
    pub fn blame(&self, index: usize) -> Blame {
        let mut all = Blame::default();
        self.runs.iter().for_each(|run| all.add(&run.blame[index]));
        all
    }

    /// Mean share of the time that the main thread is busy.
    pub fn busy_share(&self) -> f64 {
        self.runs.iter().map(|run| run.busy_share).sum::<f64>() / self.runs.len().max(1) as f64
    }

    /// Snapshots and AOF rewrites that ended in the runs.
    pub fn children(&self) -> (usize, usize) {
        self.runs.iter().fold((0, 0), |sum, run| (sum.0 + run.snapshots, sum.1 + run.rewrites))
    }
}

fn children(result: &RunResult, kind: ChildKind) -> usize {
    result.children.iter().filter(|child| child.kind == kind.name()).count()
}

fn is_closed(scenario: &Scenario) -> bool {
    scenario.workloads.iter().all(|group| matches!(group.source, Source::Closed { .. }))
}

fn busy_share(result: &RunResult) -> f64 {
    let servers = result.cluster.as_ref().map_or(1, |cluster| cluster.nodes.len());
    result.busy_total as f64 / ((result.duration - result.warmup) as f64 * servers as f64)
}
