//! A metric with both of its uncertainties: sampling by replications, the machine by draws of its prices.

use super::design::cube::Cube;
use super::metric::Metric;
use super::prices::Prices;
use super::uncertainty::{Flips, Spread, flips, spread};
use super::variants::{Answer, Variants};
use crate::stats::interval::LEVEL;
use crate::stats::paired::{Interval, Moments, Paired};

/// Replications of each draw: two tell what the draw makes of a metric from what the run does.
pub const DRAW_REPLICATIONS: u64 = 2;
/// Replications under the model's own prices.
pub const OWN_REPLICATIONS: u64 = 8;
/// Draws when nobody says how many.
pub const DRAWS: u64 = 40;

/// What is not known of each metric.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Names of the prices that were drawn.
    pub prices: Vec<String>,
    /// Draws.
    pub draws: u64,
    /// Draws that could not run.
    pub failed: usize,
    /// Why, of the first of them.
    pub reason: Option<String>,
    /// One for each metric that every run has, in their order.
    pub metrics: Vec<Uncertain>,
}

/// A metric and its uncertainties.
#[derive(Clone, Debug)]
pub struct Uncertain {
    /// The metric.
    pub metric: Metric,
    /// Mean over replications under the model's own prices, with the interval that sampling leaves.
    pub sampling: Interval,
    /// What the unknown prices make of it; none if too few draws could run.
    pub machine: Option<Spread>,
}

/// The draws of `prices`: a Latin hypercube with a dimension for each.
pub fn shares(prices: &Prices, draws: u64, seed: u64) -> Vec<Vec<f64>> {
    let dimensions = prices.ranges().len();
    let cube = Cube::latin(draws, dimensions, seed);
    (0..draws).map(|draw| (0..dimensions).map(|price| cube.at(draw, price)).collect()).collect()
}

/// Runs the scenario of `variants` under its own prices and under `draws` draws of `prices`. `variants.replications`
/// is not looked at: see [`OWN_REPLICATIONS`] and [`DRAW_REPLICATIONS`]. None if it was stopped.
pub fn machine(variants: &Variants<'_>, prices: &Prices, draws: u64, seed: u64) -> Option<Machine> {
    let own = Variants { replications: OWN_REPLICATIONS, ..*variants }.run(1, |_| Vec::new())?;
    let shares = shares(prices, draws, seed);
    let drawn = Variants { replications: DRAW_REPLICATIONS, ..*variants };
    let answers = drawn.run(shares.len(), |draw| prices.at(&shares[draw]))?;
    let uncertain = |(index, metric): (usize, &Metric)| {
        let values = own[0].as_ref().ok()?[index].as_ref()?;
        Some(Uncertain {
            metric: metric.clone(),
            sampling: Moments::of(values).interval(LEVEL),
            machine: of_draws(&shares, &answers, index),
        })
    };
    Some(Machine {
        prices: prices.ranges().iter().map(|range| range.name.clone()).collect(),
        draws,
        failed: answers.iter().filter(|answer| answer.is_err()).count(),
        reason: answers.iter().find_map(|answer| answer.clone().err()),
        metrics: variants.metrics.iter().enumerate().filter_map(uncertain).collect(),
    })
}

/// Whether the difference B − A of each metric holds whatever the prices of the machine are, of two scenarios on the
/// same one: its paired interval under the model's own prices over [`OWN_REPLICATIONS`], beside those under each draw
/// over as many replications as `a` says, at least [`DRAW_REPLICATIONS`].
///
/// None for a metric that a run lacks. Draws in which one of the two cannot run are left out. None at all if it was
/// stopped.
pub fn differences(
    a: &Variants<'_>,
    b: &Variants<'_>,
    prices: &Prices,
    draws: u64,
    seed: u64,
) -> Option<Vec<Option<Flips>>> {
    let shares = shares(prices, draws, seed);
    let sides = [a, b].map(|side| {
        let own = Variants { replications: OWN_REPLICATIONS, ..*side }.run(1, |_| Vec::new())?;
        let replications = a.replications.max(DRAW_REPLICATIONS);
        let drawn = Variants { replications, ..*side }.run(shares.len(), |draw| prices.at(&shares[draw]))?;
        Some((own, drawn))
    });
    let [Some((own_a, drawn_a)), Some((own_b, drawn_b))] = sides else { return None };
    let of_metric = |metric: usize| {
        let own = difference(&own_a[0], &own_b[0], metric)?;
        let drawn = drawn_a.iter().zip(&drawn_b).filter_map(|(a, b)| difference(a, b, metric));
        Some(flips(&own, &drawn.collect::<Vec<_>>(), LEVEL))
    };
    Some((0..a.metrics.len()).map(of_metric).collect())
}

/// The paired interval of B − A.
fn difference(a: &Answer, b: &Answer, metric: usize) -> Option<Interval> {
    let values = |answer: &'_ Answer| answer.as_ref().ok()?[metric].clone();
    Some(Paired::of(&values(a)?, &values(b)?, LEVEL).difference)
}

fn of_draws(shares: &[Vec<f64>], answers: &[Answer], metric: usize) -> Option<Spread> {
    let draw = |(shares, answer): (&Vec<f64>, &Answer)| {
        (shares.clone(), answer.as_ref().ok().and_then(|values| values[metric].clone()))
    };
    spread(&shares.iter().zip(answers).map(draw).collect::<Vec<_>>())
}
