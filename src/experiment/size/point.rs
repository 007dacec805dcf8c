//! What is kept of the runs of one value, and what they say of an objective.

use super::blame::{Blame, blame};
use super::search::ERROR;
use crate::experiment::objective::{Objective, Pooled};
use crate::observe::result::RunResult;
use crate::observe::sections::{Section, Sections};
use crate::redis::child::ChildKind;
use crate::stats::bisect::{Series, are_few};
use crate::stats::estimate;
use crate::stats::interval::{ENOUGH_REPLICATIONS, Estimate, Part};
use crate::stats::paired::Moments;

/// What is kept of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// For each objective.
    margins: Vec<Option<f64>>,
    parts: Vec<Option<Vec<Part>>>,
    values: Vec<Option<f64>>,
    pooled: Vec<Pooled>,
    blame: Vec<Blame>,
    sections: Sections,
    /// Requests simulated.
    pub requests: u64,
    busy_share: f64,
    snapshots: usize,
    rewrites: usize,
}

impl Run {
    /// What is kept of `result`; `closed` as in [`blame`], and `behind` if it is an overload.
    pub fn of(objectives: &[Objective], mut result: RunResult, closed: Option<u64>, behind: bool) -> Run {
        let each = objectives.iter();
        let margin =
            |objective: &Objective| if behind { Some(f64::INFINITY) } else { objective.margin(&result) };
        Run {
            margins: each.clone().map(margin).collect(),
            parts: each.clone().map(|objective| objective.parts(&result)).collect(),
            values: each.clone().map(|objective| objective.value(&result)).collect(),
            pooled: each.clone().map(|objective| Pooled::of(objective, &result)).collect(),
            blame: each.map(|objective| blame(objective, &result, closed)).collect(),
            requests: result.requests,
            busy_share: busy_share(&result),
            snapshots: children(&result, ChildKind::Bgsave),
            rewrites: children(&result, ChildKind::AofRewrite),
            sections: std::mem::take(&mut result.sections),
        }
    }

    /// More load than the server can carry.
    pub fn is_overload(&self) -> bool {
        self.margins.contains(&Some(f64::INFINITY))
    }

    /// Whether it has anything that an objective measures.
    pub fn measures(&self, index: usize) -> bool {
        self.margins[index].is_some()
    }

    /// Puts its sections together, which nobody compares where there are many runs.
    fn collapse(&mut self) {
        let Some(end) = self.sections.list.last().map(|last| last.end) else { return };
        let mut list = std::mem::take(&mut self.sections.list).into_iter();
        let all = list.next().map(|first| {
            list.fold(first, |mut sum: Section, section| {
                sum.sojourns.iter_mut().zip(&section.sojourns).for_each(|(sum, part)| sum.merge(part));
                sum
            })
        });
        self.sections.list = all.into_iter().map(|all| Section { end, ..all }).collect();
    }
}

/// The runs of one value.
#[derive(Clone, Debug, Default)]
pub struct Point {
    runs: Vec<Run>,
    /// More load than the server can carry: no run, or one that fell behind.
    pub overloaded: bool,
}

impl Point {
    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Its runs.
    pub fn all(&self) -> &[Run] {
        &self.runs
    }

    /// Adds the next run.
    pub fn add(&mut self, run: Run) {
        self.overloaded |= run.is_overload();
        self.runs.push(run);
        if self.runs.len() >= ENOUGH_REPLICATIONS {
            self.runs.iter_mut().for_each(Run::collapse);
        }
    }

    /// What the runs say of objective number `index`.
    pub fn series(&self, index: usize, objective: &Objective) -> Series {
        let margins = match self.overloaded {
            true => vec![f64::INFINITY],
            // A run without anything to measure speaks neither for the objective nor against it.
            false => self.runs.iter().map(|run| run.margins[index].unwrap_or(0.0)).collect::<Vec<_>>(),
        };
        let parts: Option<Vec<Vec<Part>>> = self.runs.iter().map(|run| run.parts[index].clone()).collect();
        let margin = if margins.is_empty() { 0.0 } else { Moments::of(&margins).mean };
        let (met, unmet) = self.has_enough(index, objective);
        Series {
            criterion: objective.criterion(),
            score: objective.score(margin, self.metric(index, objective)),
            margins,
            parts: parts.unwrap_or_default(),
            allowed: objective.allowed(),
            enough_to_be_met: met,
            enough_to_be_unmet: unmet,
        }
    }

    /// The metric of an objective over all runs: of all their requests or windows, the largest, or the mean of their values.
    pub fn metric(&self, index: usize, objective: &Objective) -> Option<f64> {
        let values = self.values(index);
        let mut all = Pooled::default();
        self.runs.iter().for_each(|run| all.merge(&run.pooled[index]));
        let is_largest = objective.criterion() == crate::stats::bisect::Criterion::Every;
        let plain = || match is_largest {
            true => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            false => Moments::of(&values).mean,
        };
        all.value(objective).or_else(|| (!values.is_empty()).then(plain))
    }

    /// The values of the metric, one a run.
    pub fn values(&self, index: usize) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.values[index]).collect()
    }

    /// The metric of an objective with its interval, where sections of runs give one.
    pub fn estimate(&self, objective: &Objective) -> Option<Estimate> {
        use crate::experiment::metric::Source;
        let runs: Vec<&Sections> = self.runs.iter().map(|run| &run.sections).collect();
        let scope = objective.metric.scope.as_deref().unwrap_or("all");
        match (objective.window, objective.metric.quantity.source) {
            (None, Source::Quantile(q)) => Some(estimate::quantile(&runs, scope, q)),
            (None, Source::Mean) => Some(estimate::mean(&runs, scope)),
            _ => None,
        }
    }

    /// Whether the windows are many enough to say that few of them are bad, and that few are good; true without windows.
    fn has_enough(&self, index: usize, objective: &Objective) -> (bool, bool) {
        let Some(window) = objective.window else { return (true, true) };
        let mut all = Pooled::default();
        self.runs.iter().for_each(|run| all.merge(&run.pooled[index]));
        let (bad, number) = all.windows(objective);
        let few_bad = window.share == 1.0
            || are_few(bad, number, 1.0 - window.share, ERROR)
            || all.is_far_within(objective, window.share, ERROR);
        // Where good and bad windows are mixed, the difference between runs tells.
        (few_bad, bad < number || are_few(0, number, window.share, ERROR))
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

fn busy_share(result: &RunResult) -> f64 {
    let servers = result.cluster.as_ref().map_or(1, |cluster| cluster.nodes.len());
    result.busy_total as f64 / ((result.duration - result.warmup) as f64 * servers as f64)
}
