//! Runs of the scenario at one value after another, each made once and kept: replications 1, 2, 3 … of every value see the
//! same random world. Number 0 is left to `run`: it begins just after a save even where the others begin anywhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::length::{Length, whole_cycles};
use super::point::{Point, Run};
use super::trial;
use super::unknown::Unknown;
use crate::experiment::objective::Objective;
use crate::experiment::{Assignment, Pool, Template};
use crate::observe::result::RunResult;
use crate::observe::tail;
use crate::pilot;
use crate::scenario::problem::Problems;
use crate::scenario::{Scenario, Source};
use crate::sim::{RunOptions, SimError};
use crate::stats::bisect::Series;
use crate::stats::estimate::SECTIONS;

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
        let mut scenario = self.template.with(&assignments)?;
        if self.length.given.is_none() {
            let measured = scenario.run.duration - scenario.run.warmup;
            scenario.run.duration = scenario.run.warmup + measured * whole_cycles(&scenario);
        }
        Ok(scenario)
    }

    /// Makes what is missing of the first `replications` runs of every value that can be carried.
    ///
    /// # Errors
    /// When the caller wants to stop, or a value cannot be had.
    pub fn observe(&mut self, values: &[f64], replications: usize) -> Result<(), Stop> {
        self.try_out(values)?;
        let mut scenarios = Vec::new();
        for &value in values {
            let point = self.point(value);
            let missing = point.runs()..if point.overloaded { 0 } else { replications };
            if !missing.is_empty() {
                (self.begins)(value, missing.len());
                scenarios.push((value, self.scenario(value).map_err(Stop::Invalid)?, missing));
            }
        }
        let each = scenarios.iter().flat_map(|(value, scenario, missing)| {
            missing.clone().map(move |index| (*value, scenario, index))
        });
        let work: Vec<(f64, &Scenario, usize)> = each.collect();
        let done = self.pool.map(work.len(), |index| {
            let (_, scenario, run) = work[index];
            self.run(scenario, run as u64 + 1)
        });
        for ((value, ..), run) in work.iter().zip(done) {
            let point = self.points.entry(value.to_bits()).or_default();
            match run {
                Ok(run) => {
                    (self.requests, self.runs) = (self.requests + run.requests, self.runs + 1);
                    point.add(run);
                }
                Err(SimError::Overload { .. }) => point.overloaded = true,
                Err(SimError::Stopped) => return Err(Stop::Interrupted),
            }
        }
        Ok(())
    }

    /// Marks those values without runs that a short run shows to be far too much.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn try_out(&mut self, values: &[f64]) -> Result<(), Stop> {
        let mut new = Vec::new();
        for &value in values {
            if !self.points.contains_key(&value.to_bits()) {
                let scenario = self.scenario(value).map_err(Stop::Invalid)?;
                let is_told = self.length.random_phase && !is_closed(&scenario);
                new.push((value, scenario, is_told));
            }
        }
        let requests = AtomicU64::new(0);
        let tried = self.pool.map(new.len(), |index| match &new[index] {
            (_, scenario, true) => {
                trial::falls_behind(scenario, &|s, options| self.short(s, options, &requests))
            }
            _ => Ok(false),
        });
        self.requests += requests.into_inner();
        for ((value, ..), behind) in new.into_iter().zip(tried) {
            let overloaded = behind.map_err(|_| Stop::Interrupted)?;
            self.points.entry(value.to_bits()).or_default().overloaded = overloaded;
        }
        Ok(())
    }

    /// How far short runs of each value are beyond the objectives numbered in `set`: the worst, as a score; none where they
    /// do not tell.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn taste(&mut self, values: &[f64], set: &[usize]) -> Result<Vec<Option<f64>>, Stop> {
        self.try_out(values)?;
        let objectives: Vec<Objective> = set.iter().map(|&index| self.objectives[index].clone()).collect();
        let scenarios: Result<Vec<Scenario>, Problems> =
            values.iter().map(|&value| self.scenario(value)).collect();
        let scenarios = scenarios.map_err(Stop::Invalid)?;
        let requests = AtomicU64::new(0);
        let tasted = self.pool.map(values.len(), |index| {
            if self.point(values[index]).overloaded {
                return Ok(Some(f64::INFINITY));
            }
            let simulate = |s: &Scenario, options: &RunOptions| self.short(s, options, &requests);
            match trial::taste(&scenarios[index], &objectives, &simulate) {
                Ok(scores) => Ok(scores.into_iter().flatten().max_by(f64::total_cmp)),
                Err(SimError::Overload { .. }) => Ok(Some(f64::INFINITY)),
                Err(SimError::Stopped) => Err(Stop::Interrupted),
            }
        });
        self.requests += requests.into_inner();
        tasted.into_iter().collect()
    }

    fn short(
        &self,
        scenario: &Scenario,
        options: &RunOptions,
        requests: &AtomicU64,
    ) -> Result<RunResult, SimError> {
        let result = self.simulate(scenario, options)?;
        requests.fetch_add(result.requests, Ordering::Relaxed);
        Ok(result)
    }

    fn simulate(&self, scenario: &Scenario, options: &RunOptions) -> Result<RunResult, SimError> {
        if (self.go_on)() {
            pilot::simulate(scenario, options, &mut |_| (self.go_on)())
        } else {
            Err(SimError::Stopped)
        }
    }

    fn run(&self, scenario: &Scenario, replication: u64) -> Result<Run, SimError> {
        let random_phase = self.length.random_phase;
        let options = RunOptions { replication, random_phase, sections: SECTIONS, ..RunOptions::default() };
        let result = self.simulate(scenario, &options)?;
        let connections = scenario.workloads.iter().map(|group| u64::from(group.connections)).sum();
        let closed = is_closed(scenario).then_some(connections);
        let behind = closed.is_none() && tail::is_overloaded(&result);
        Ok(Run::of(self.objectives, result, closed, behind))
    }

    /// What the runs of a value say of some of the objectives.
    pub fn series(&self, value: f64, set: &[usize]) -> Vec<Series> {
        let point = self.point(value);
        set.iter().map(|&index| point.series(index, &self.objectives[index])).collect()
    }

    /// Whether no run of any value measured `objective`.
    pub fn measures_nothing(&self, objective: usize) -> bool {
        let mut runs = self.points.values().flat_map(Point::all).peekable();
        runs.peek().is_some() && runs.all(|run| !run.measures(objective))
    }

    /// The runs of a value.
    pub fn point(&self, value: f64) -> &Point {
        &self.points[&value.to_bits()]
    }

    /// Every value with runs or more load than can be carried, rising.
    pub fn values(&self) -> Vec<f64> {
        let told = self.points.iter().filter(|(_, point)| point.runs() > 0 || point.overloaded);
        told.map(|(&bits, _)| f64::from_bits(bits)).collect()
    }

    /// Whether short runs tell anything: not of what happens at a time.
    pub fn has_short_runs(&self) -> bool {
        self.length.random_phase
    }

    /// What the unknown is laid over a scenario with: for the price that a cause stands for.
    pub fn is_solved_for(&self, settings: &[Assignment]) -> bool {
        let own = self.unknown.settings();
        settings.iter().any(|setting| own.contains(&setting.key.as_str()))
    }
}

fn is_closed(scenario: &Scenario) -> bool {
    scenario.workloads.iter().all(|group| matches!(group.source, Source::Closed { .. }))
}
