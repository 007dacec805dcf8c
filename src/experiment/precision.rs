//! As many replications as a wanted precision takes.

use std::fmt;
use std::ops::Range;

use super::amount::width;
use super::metric::Metric;
use super::outcome::Outcome;
use crate::stats::interval::LEVEL;
use crate::stats::paired::Moments;
use crate::stats::sequential::{FIRST, Look, Width, next_look};

/// A metric and how precisely it is wanted: `p99=5%`, `p99=1ms`.
#[derive(Clone, Debug)]
pub struct Goal {
    /// What.
    pub metric: Metric,
    /// Half width of its interval.
    pub width: Width,
}

impl Goal {
    /// Reads `[SCOPE:]NAME=WIDTH`; a width in percent is a share of the value, any other is in the metric's unit.
    ///
    /// # Errors
    /// What is wrong and what is expected.
    pub fn parse(text: &str) -> Result<Goal, String> {
        let Some((metric, wanted)) = text.split_once('=') else {
            return Err(format!("{text:?} names no precision\n  write for example \"{text}=5%\""));
        };
        let metric = Metric::parse(metric)?;
        let width = width(wanted, metric.quantity.unit)?;
        Ok(Goal { metric, width })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Width::Relative(share) => write!(f, "{} to {} %", self.metric, 100.0 * share),
            Width::Absolute(width) => {
                write!(f, "{} to {}", self.metric, self.metric.quantity.unit.show(width))
            }
        }
    }
}

/// When to stop adding replications.
#[derive(Clone, Debug)]
pub enum Stopping {
    /// After this many.
    After(u64),
    /// When every goal is met, or after `budget` replications.
    When {
        /// What is wanted, at least one.
        goals: Vec<Goal>,
        /// Most replications, ≥ 2.
        budget: u64,
    },
}

/// How far a goal is.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The goal.
    pub goal: Goal,
    /// The interval at the end; none when there is no value.
    pub look: Option<Look>,
    /// Whether it is met.
    pub met: bool,
    /// Replications it takes, as it looks at the end; those there are when it is met, none without a value.
    pub projected: Option<u64>,
}

/// Replications, and how far each goal is.
#[derive(Clone, Debug)]
pub struct Replicated<T> {
    /// One a replication.
    pub values: Vec<T>,
    /// In the order of the goals; empty for a fixed number of replications.
    pub goals: Vec<Reached>,
}

impl<T> Replicated<T> {
    /// The goal that takes most replications, if any is not met.
    pub fn slowest(&self) -> Option<&Reached> {
        let open = self.goals.iter().filter(|reached| !reached.met);
        // One without a value is behind all others.
        open.max_by_key(|reached| reached.projected.unwrap_or(u64::MAX))
    }
}

impl Stopping {
    /// Adds replications until it is time to stop. `run` gives those of a range of numbers, `look` the interval of a metric
    /// after some of them.
    ///
    /// When it looks depends on what it saw and on nothing else, so that results do not depend on the number of threads.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn replicate<T, E>(
        &self,
        mut run: impl FnMut(Range<u64>) -> Result<Vec<T>, E>,
        look: impl Fn(&[T], &Metric) -> Option<Look>,
    ) -> Result<Replicated<T>, E> {
        let (goals, budget) = match self {
            Stopping::After(n) => return Ok(Replicated { values: run(0..*n)?, goals: Vec::new() }),
            Stopping::When { goals, budget } => (goals, *budget),
        };
        let mut values = Vec::new();
        let mut n = FIRST.min(budget);
        loop {
            values.extend(run(values.len() as u64..n)?);
            let reached = |goal: &Goal| {
                let look = look(&values, &goal.metric);
                let met = look.is_some_and(|look| goal.width.is_met(look));
                let projected = look.map(|look| goal.width.projected(look, n));
                Reached { goal: goal.clone(), look, met, projected }
            };
            let reached: Vec<Reached> = goals.iter().map(reached).collect();
            if n >= budget || reached.iter().all(|reached| reached.met) {
                return Ok(Replicated { values, goals: reached });
            }
            let projected = reached.iter().map(|reached| reached.projected.unwrap_or(u64::MAX)).max();
            n = next_look(n, projected.unwrap_or(n)).min(budget);
        }
    }
}

/// The mean over replications of the metric number `index`, with the half width of its t interval.
///
/// None when some replication has no value.
pub fn mean_look(outcomes: &[Outcome], index: usize) -> Option<Look> {
    let values: Option<Vec<f64>> = outcomes.iter().map(|outcome| outcome.values[index]).collect();
    let moments = values.filter(|values| !values.is_empty()).map(|values| Moments::of(&values))?;
    Some(Look { value: moments.mean, half_width: moments.half_width(LEVEL) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    fn goal(text: &str) -> Goal {
        Goal::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn goals_are_relative_or_in_the_unit_of_the_metric() {
        assert_eq!(goal("p99=5%").width, Width::Relative(0.05));
        assert_eq!(goal("write:p99=1ms").width, Width::Absolute(1e6));
        assert_eq!(goal("busy=0.01").width, Width::Absolute(0.01));
        assert_eq!(
            (goal("p99=5%").to_string(), goal("p99=1ms").to_string()),
            ("p99 to 5 %".into(), "p99 to 1.00 ms".into())
        );
        for (text, said) in [
            ("p99", "p99=5%"),
            ("p9=5%", "did you mean"),
            ("p99=5", "no unit"),
            ("p99=0%", "above 0"),
            ("p99=x%", "no share"),
        ] {
            let error = Goal::parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    /// Uniform numbers around 1 whose intervals have to become `width` narrow.
    fn replicate(width: f64, budget: u64, calls: &mut Vec<Range<u64>>) -> Replicated<f64> {
        let mut stream = Streams::new(3, 0).open(StreamId::Arrivals, 0);
        let stopping = Stopping::When {
            goals: vec![
                Goal { width: Width::Relative(0.5), ..goal("p50=1%") },
                Goal { width: Width::Absolute(width), ..goal("p99=1ms") },
            ],
            budget,
        };
        let run = |range: Range<u64>| {
            calls.push(range.clone());
            Ok::<_, ()>(range.map(|_| 0.5 + stream.unit()).collect())
        };
        let look = |values: &[f64], _: &Metric| {
            let moments = Moments::of(values);
            Some(Look { value: moments.mean, half_width: moments.half_width(LEVEL) })
        };
        stopping.replicate(run, look).expect("it cannot fail")
    }

    #[test]
    fn replications_are_added_until_every_goal_is_met() {
        let mut calls = Vec::new();
        let done = replicate(0.05, 10_000, &mut calls);
        assert!(done.slowest().is_none() && done.goals.iter().all(|reached| reached.met));
        // 1.96² / 12 / 0.05² = 128.
        assert!((110..170).contains(&done.values.len()), "{}", done.values.len());
        assert_eq!(calls[0], 0..10);
        assert!(calls.windows(2).all(|pair| pair[0].end == pair[1].start), "{calls:?}");
        let last = calls.last().expect("a call");
        let before = Moments::of(&done.values[..last.start as usize]);
        assert!(before.half_width(LEVEL) > 0.05, "it did not stop before the last look");
    }

    #[test]
    fn a_budget_ends_it_and_names_the_slow_goal_with_what_it_would_take() {
        let done = replicate(0.01, 100, &mut Vec::new());
        assert_eq!(done.values.len(), 100);
        let slow = done.slowest().expect("it is not met");
        assert_eq!(slow.goal.metric.to_string(), "p99");
        // 1.96² / 12 / 0.01² = 3201.
        let projected = slow.projected.expect("a number");
        assert!((2200..4400).contains(&projected), "{projected}");
    }
}
