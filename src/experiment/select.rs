//! The best of several scenarios under one metric, each run as often as it takes to tell.
//!
//! Every replication is the same random world for all of them. Values enter the procedure of `stats/selection.rs` as they
//! are when the smallest difference that matters is absolute, and as logarithms when it is a share: the best is then the
//! one with the best geometric mean, and values of a tail are much nearer to normal ones.

use std::ops::Range;

use super::metric::{Better, Metric};
use super::outcome::Outcome;
use super::replications::Failed;
use crate::stats::interval::LEVEL;
use crate::stats::selection::Selection;
use crate::stats::sequential::{FIRST, Width};

/// Replications of each scenario that is left, from one look at the threads' results to the next.
const ROUND: u64 = 4;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Race {
    /// What to be best in.
    pub metric: Metric,
    /// The smallest difference that matters.
    pub delta: Width,
    /// Most replications of a scenario, ≥ [`FIRST`].
    pub budget: u64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SelectError {
    /// A run gave no result.
    #[error("{}", .0.error)]
    Failed(Failed),
    /// A scenario has no value of the metric.
    #[error("replication {replication} has no value of it")]
    NoValue {
        /// Number of the scenario.
        scenario: usize,
        /// Number of the replication.
        replication: u64,
    },
    /// A share of 0 is no difference.
    #[error("replication {replication} has a value of 0, of which no share is a difference")]
    NotPositive {
        /// Number of the scenario.
        scenario: usize,
        /// Number of the replication.
        replication: u64,
    },
}

impl SelectError {
    /// Number of the scenario it is about.
    pub fn scenario(&self) -> usize {
        match self {
            SelectError::Failed(failed) => failed.scenario,
            SelectError::NoValue { scenario, .. } | SelectError::NotPositive { scenario, .. } => *scenario,
        }
    }
}

/// How a scenario fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Mean of the metric, the geometric one when the difference that matters is a share.
    pub mean: f64,
    /// Replications that counted.
    pub replications: u64,
    /// The scenario that was ahead of it by enough; none while it is in the race.
    pub beaten_by: Option<usize>,
}

/// How the race went.
#[derive(Clone, Debug, PartialEq)]
pub struct Raced {
    /// By number of the scenario.
    pub standings: Vec<Standing>,
    /// The winner; none when the budget ended before.
    pub best: Option<usize>,
    /// Replications of those that stayed longest.
    pub replications: u64,
    /// Replications of those that were run, some perhaps after the decision.
    pub simulated: u64,
    /// Replications after which it is decided at the latest.
    pub at_most: u64,
    /// Runs in all, those included that were under way when their scenario went.
    pub runs: u64,
}

impl Race {
    /// Runs `scenarios` scenarios against one another. `run` gives the outcomes of a range of replications of those whose
    /// numbers it gets, in their order; the metric's value is the first of each outcome.
    ///
    /// # Errors
    /// A run that failed, a value that is missing or cannot be used.
    ///
    /// # Panics
    /// If nothing is better about the metric, or with less than two scenarios.
    pub fn run(
        &self,
        scenarios: usize,
        mut run: impl FnMut(&[usize], Range<u64>) -> Result<Vec<Vec<Outcome>>, Failed>,
    ) -> Result<Raced, SelectError> {
        assert!(self.metric.quantity.better != Better::Neither && scenarios >= 2, "{}", self.metric);
        let everyone: Vec<usize> = (0..scenarios).collect();
        let mut values = |who: &[usize], range: Range<u64>| -> Result<Vec<Vec<f64>>, SelectError> {
            let outcomes = run(who, range).map_err(SelectError::Failed)?;
            who.iter().zip(outcomes).map(|(&scenario, own)| self.scores(scenario, &own)).collect()
        };
        let mut selection = Selection::new(&values(&everyone, 0..FIRST)?, 1.0 - LEVEL, self.zone());
        let (mut runs, mut simulated) = (FIRST * scenarios as u64, FIRST);
        while selection.best().is_none() && selection.replications() < self.budget {
            let left = selection.left();
            let from = selection.replications();
            let until = (from + ROUND).min(self.budget);
            let round = values(&left, from..until)?;
            runs += left.len() as u64 * (until - from);
            simulated = until;
            for replication in 0..(until - from) as usize {
                // Who goes in the middle of a round takes no part in the rest of it.
                let still = selection.left();
                if still.len() == 1 {
                    break;
                }
                let own = left.iter().zip(&round).filter(|(index, _)| still.contains(index));
                selection.add(&own.map(|(_, own)| own[replication]).collect::<Vec<_>>());
            }
        }
        Ok(self.raced(&selection, scenarios, (runs, simulated)))
    }

    fn raced(&self, selection: &Selection, scenarios: usize, (runs, simulated): (u64, u64)) -> Raced {
        let standing = |scenario| {
            let gone = selection.gone(scenario);
            Standing {
                mean: self.value(selection.mean(scenario)),
                replications: gone.map_or(selection.replications(), |gone| gone.0),
                beaten_by: gone.map(|gone| gone.1),
            }
        };
        Raced {
            standings: (0..scenarios).map(standing).collect(),
            best: selection.best(),
            replications: selection.replications(),
            simulated,
            at_most: selection.at_most(),
            runs,
        }
    }

    /// The smallest difference that matters, among scores.
    fn zone(&self) -> f64 {
        match self.delta {
            Width::Relative(share) => libm::log1p(share),
            Width::Absolute(width) => width,
        }
    }

    /// Values so that less is better and a difference is a difference.
    fn scores(&self, scenario: usize, outcomes: &[Outcome]) -> Result<Vec<f64>, SelectError> {
        let score = |outcome: &Outcome| {
            let replication = outcome.replication;
            let value = outcome.values[0].ok_or(SelectError::NoValue { scenario, replication })?;
            match self.delta {
                Width::Relative(_) if value <= 0.0 => Err(SelectError::NotPositive { scenario, replication }),
                Width::Relative(_) => Ok(self.sign() * libm::log(value)),
                Width::Absolute(_) => Ok(self.sign() * value),
            }
        };
        outcomes.iter().map(score).collect()
    }

    /// The value that has this score.
    fn value(&self, score: f64) -> f64 {
        match self.delta {
            Width::Relative(_) => libm::exp(self.sign() * score),
            Width::Absolute(_) => self.sign() * score,
        }
    }

    fn sign(&self) -> f64 {
        if self.metric.quantity.better == Better::Higher { -1.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    fn race(metric: &str, delta: Width, budget: u64) -> Race {
        Race { metric: Metric::parse(metric).expect("a metric"), delta, budget }
    }

    /// Outcomes with means 100, 110, 150, and half of the noise shared.
    fn outcomes(who: &[usize], range: Range<u64>) -> Vec<Vec<Outcome>> {
        let value = |scenario: usize, replication: u64| {
            let streams = Streams::new(4, replication);
            let (shared, own) = (
                streams.open(StreamId::Keys, 9).unit(),
                streams.open(StreamId::Keys, scenario as u64).unit(),
            );
            [100.0, 110.0, 150.0][scenario] + 10.0 * (shared + own - 1.0)
        };
        let outcome = |scenario, replication| Outcome {
            replication,
            seed: 4,
            requests: 1000,
            values: vec![Some(value(scenario, replication))],
        };
        who.iter().map(|&scenario| range.clone().map(|r| outcome(scenario, r)).collect()).collect()
    }

    #[test]
    fn the_best_wins_and_those_far_behind_cost_little() {
        for delta in [Width::Absolute(0.1), Width::Relative(0.001)] {
            let raced =
                race("p99", delta, 1000).run(3, |who, range| Ok(outcomes(who, range))).expect("values");
            assert_eq!(raced.best, Some(0), "{delta:?}");
            assert_eq!(raced.standings[2].beaten_by, Some(0));
            assert!(2 * raced.standings[2].replications < raced.standings[1].replications, "{raced:?}");
            assert!((raced.standings[0].mean - 100.0).abs() < 3.0, "{raced:?}");
            assert!(raced.runs < 3 * raced.simulated && raced.runs > 2 * raced.replications, "{raced:?}");
        }
        let most =
            race("throughput", Width::Relative(0.05), 1000).run(3, |who, range| Ok(outcomes(who, range)));
        assert_eq!(most.expect("values").best, Some(2));
    }

    #[test]
    fn a_budget_ends_it_undecided() {
        let equal = |who: &[usize], range: Range<u64>| Ok(outcomes(&vec![0; who.len()], range));
        let noisy = |who: &[usize], range: Range<u64>| {
            let mut all: Vec<Vec<Outcome>> = equal(who, range)?;
            all[0].iter_mut().for_each(|own| own.values[0] = own.values[0].map(|value| 200.0 - value));
            Ok(all)
        };
        let raced = race("p99", Width::Absolute(0.01), 30).run(2, noisy).expect("values");
        assert_eq!((raced.best, raced.replications, raced.runs), (None, 30, 60));
        assert!(raced.at_most > 30);
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        let zero = |who: &[usize], range: Range<u64>| {
            let mut all = outcomes(who, range);
            all[1][3].values[0] = Some(0.0);
            Ok(all)
        };
        let error = race("p99", Width::Relative(0.05), 100).run(2, zero).expect_err("a zero");
        assert_eq!(error, SelectError::NotPositive { scenario: 1, replication: 3 });
        assert!(race("p99", Width::Absolute(5.0), 100).run(2, zero).is_ok());
        let none = |who: &[usize], range: Range<u64>| {
            let mut all = outcomes(who, range);
            all[0][2].values[0] = None;
            Ok(all)
        };
        let error = race("p99", Width::Absolute(5.0), 100).run(2, none).expect_err("a hole");
        assert_eq!((error.scenario(), error.to_string()), (0, "replication 2 has no value of it".to_owned()));
    }
}
