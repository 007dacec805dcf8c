//! What a run says of an objective beside its margin: section by section, and to be put together with other runs.

use super::{Objective, over_windows, rows};
use crate::experiment::metric::Source;
use crate::math::normal_quantile;
use crate::observe::result::RunResult;
use crate::observe::sparse::SparseHistogram;
use crate::stats::interval::Part;
use crate::stats::paired::Moments;

/// Sojourns far below or beyond a bound say no more of where it is met than this: logarithm of a ratio.
const SCORE_MOST: f64 = 3.0;

impl Objective {
    /// Whether its margin is a ratio of sums over time, so that the sections of a run say how sure it is.
    pub fn has_parts(&self) -> bool {
        self.window.is_some() || matches!(self.metric.quantity.source, Source::Quantile(_) | Source::Mean)
    }

    /// What its margin is less of: the share that may be beyond the bound, 1 for a mean over its bound; 0 for what is no such
    /// ratio.
    pub fn allowed(&self) -> f64 {
        match (self.window, self.metric.quantity.source) {
            _ if !self.below => 0.0,
            (Some(window), _) => 1.0 - window.share,
            (None, Source::Quantile(q)) => 1.0 - q,
            (None, Source::Mean) => 1.0,
            _ => 0.0,
        }
    }

    /// Its margin in a run by section, or by window: the sum of all numerators over that of all denominators is the margin.
    /// None where it [has none](Self::has_parts), or the run nothing to measure.
    pub fn parts(&self, run: &RunResult) -> Option<Vec<Part>> {
        if let Some(window) = self.window {
            let value = self.of_window()?;
            let part =
                |row| Part { sum: f64::from(!self.keeps(value(row) as f64)) - (1.0 - window.share), of: 1.0 };
            return Some(rows(self.scope(run)?, window.length)?.map(part).collect());
        }
        let sign = if self.below { 1.0 } else { -1.0 };
        let sum = |sojourns: &SparseHistogram| match self.metric.quantity.source {
            Source::Quantile(q) => Some(sojourns.above(self.bound) - (1.0 - q) * sojourns.count() as f64),
            Source::Mean if self.bound > 0.0 => {
                Some(sojourns.sum() as f64 / self.bound - sojourns.count() as f64)
            }
            _ => None,
        };
        let sections = run.sections.sojourns(self.metric.scope.as_deref().unwrap_or("all"));
        let part = |sojourns: &SparseHistogram| {
            Some(Part { sum: sign * sum(sojourns)?, of: sojourns.count() as f64 })
        };
        sections.into_iter().map(part).collect::<Option<Vec<Part>>>().filter(|parts| !parts.is_empty())
    }

    /// How far runs with this mean `margin` and this `value` of the metric are beyond the bound, as a logarithm: 0 where they
    /// just keep it, and steadier along a setting than either, which jump at stalls. For choosing what to try, not for
    /// verdicts.
    pub fn score(&self, margin: f64, value: Option<f64>) -> f64 {
        let sign = if self.below { 1.0 } else { -1.0 };
        match (self.window, self.metric.quantity.source) {
            _ if margin == f64::INFINITY => SCORE_MOST,
            (None, Source::Quantile(q)) => sign * share_score(1.0 - q + sign * margin, 1.0 - q),
            _ => value.map_or(0.0, |value| sign * share_score(value, self.bound)),
        }
    }
}

/// Logarithm of `share` over what is `allowed`, within limits beyond which it says nothing more.
pub fn share_score(share: f64, allowed: f64) -> f64 {
    let ratio = share / allowed.max(f64::MIN_POSITIVE);
    if ratio > 0.0 { libm::log(ratio).clamp(-SCORE_MOST, SCORE_MOST) } else { -SCORE_MOST }
}

/// What is kept of runs to say a metric over all of them.
#[derive(Clone, Debug, Default)]
pub struct Pooled {
    sojourns: SparseHistogram,
    windows: Vec<f64>,
}

impl Pooled {
    /// What is kept of one run.
    pub fn of(objective: &Objective, run: &RunResult) -> Pooled {
        let mut pooled = Pooled::default();
        let Some(scope) = objective.scope(run) else { return pooled };
        if let (Some(window), Some(value)) = (objective.window, objective.of_window()) {
            pooled.windows =
                rows(scope, window.length).into_iter().flatten().map(|row| value(row) as f64).collect();
        } else if matches!(objective.metric.quantity.source, Source::Quantile(_)) {
            pooled.sojourns = SparseHistogram::from(&scope.sojourn);
        }
        pooled
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &Pooled) {
        self.sojourns.merge(&other.sojourns);
        self.windows.extend(&other.windows);
    }

    /// Windows that do not keep the objective, and all windows.
    pub fn windows(&self, objective: &Objective) -> (u64, u64) {
        let bad = self.windows.iter().filter(|&&value| !objective.keeps(value)).count();
        (bad as u64, self.windows.len() as u64)
    }

    /// Whether all windows keep the objective, so far within the bound for their spread that at least `share` of all such
    /// windows do, wrong with probability `error` at most: a tolerance limit of the normal distribution (Natrella 1963) for
    /// the logarithms of their values. It takes windows that are alike; where those with a stall are not, the limit is wide.
    pub fn is_far_within(&self, objective: &Objective, share: f64, error: f64) -> bool {
        let n = self.windows.len() as f64;
        let sign = if objective.below { 1.0 } else { -1.0 };
        let (z_share, z_error) = (normal_quantile(share), normal_quantile(1.0 - error));
        let a = 1.0 - z_error * z_error / (2.0 * (n - 1.0));
        if n < 2.0 || a <= 0.0 || objective.bound <= 0.0 {
            return false;
        }
        let b = z_share * z_share - z_error * z_error / n;
        let factor = (z_share + libm::sqrt((z_share * z_share - a * b).max(0.0))) / a;
        let beyond = |&value: &f64| sign * libm::log(value.max(1.0) / objective.bound);
        let moments = Moments::of(&self.windows.iter().map(beyond).collect::<Vec<_>>());
        moments.mean + factor * libm::sqrt(moments.variance) < 0.0 && self.windows(objective).0 == 0
    }

    /// The metric over all of them, where it is a quantile; others are means over runs, or largest values.
    pub fn value(&self, objective: &Objective) -> Option<f64> {
        match (objective.window, objective.metric.quantity.source) {
            (Some(window), _) => over_windows(self.windows.iter().copied(), window.share, objective.below),
            (None, Source::Quantile(q)) => self.sojourns.interpolated(q),
            _ => None,
        }
    }
}
