//! Which settings and prices a metric depends on.
//!
//! [`morris`] screens many dimensions with few runs; [`sobol`] shares the variance out among fewer. Both are
//! functions of results at points of the unit cube. Here points become settings, and runs become results: the means
//! of a few replications, the same ones at every point, so that what differs between two points is what the settings
//! make.

pub mod morris;
pub mod sobol;

use super::design::Space;
use super::metric::Metric;
use super::prices::Prices;
use super::template::Assignment;
use super::variants::{Answer, Variants};
use morris::{Effect, Trajectories};
use sobol::{Index, Rows};

/// How dimensions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Elementary effects along trajectories.
    Morris,
    /// Shares of the variance.
    Sobol,
}

/// What varies: settings, then prices.
#[derive(Clone, Debug)]
pub struct Dimensions {
    space: Option<Space>,
    prices: Option<Prices>,
}

/// A dimension by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The setting that leads it, or the price.
    pub name: String,
    /// It is a price of the machine, drawn as [`Prices`] does.
    pub is_price: bool,
}

/// What an analysis found.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// How.
    pub method: Method,
    /// Trajectories of Morris, rows of Sobol.
    pub samples: usize,
    /// Replications of each point.
    pub replications: u64,
    /// Points evaluated, in the unit cube; those of the first sample in order, then those of the next.
    pub points: Vec<Vec<f64>>,
    /// Points that could not run.
    pub failed: usize,
    /// Why, of the first of them.
    pub reason: Option<String>,
    /// What was varied.
    pub dimensions: Vec<Dimension>,
    /// What was found of each metric.
    pub metrics: Vec<OfMetric>,
}

/// What an analysis found of one metric.
#[derive(Clone, Debug)]
pub struct OfMetric {
    /// The metric.
    pub metric: Metric,
    /// Its value at each point: the mean of the replications, none where there is none.
    pub results: Vec<Option<f64>>,
    /// Trajectories or rows left out because a point of theirs has no value.
    pub dropped: usize,
    /// One for each dimension; none if too few were left, or the metric never varies.
    pub findings: Option<Vec<Finding>>,
}

/// What is said of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// By Morris.
    Effect(Effect),
    /// By Sobol.
    Index(Index),
}

/// Points of a method.
enum Plan {
    Morris(Trajectories),
    Sobol(Rows),
}

impl Method {
    /// Its name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Method::Morris => "morris",
            Method::Sobol => "sobol",
        }
    }

    /// Trajectories or rows when nobody says how many.
    pub fn default_samples(self) -> usize {
        match self {
            Method::Morris => 10,
            Method::Sobol => 256,
        }
    }
}

impl Dimensions {
    /// Settings and prices, at least one dimension between them.
    pub fn new(space: Option<Space>, prices: Option<Prices>) -> Dimensions {
        Dimensions { space, prices }
    }

    /// Each of them.
    pub fn list(&self) -> Vec<Dimension> {
        let settings = self.space.iter().flat_map(Space::dimensions);
        let settings = settings.map(|name| Dimension { name: name.to_owned(), is_price: false });
        let prices = self.prices.iter().flat_map(Prices::ranges);
        let prices = prices.map(|range| Dimension { name: range.name.clone(), is_price: true });
        settings.chain(prices).collect()
    }

    /// The settings at a point of the unit cube.
    fn at(&self, point: &[f64]) -> Vec<Assignment> {
        let settings = self.space.as_ref().map_or(0, |space| space.dimensions().len());
        let of_space = self.space.iter().flat_map(|space| space.at(&point[..settings]));
        let of_prices = self.prices.iter().flat_map(|prices| prices.at(&point[settings..]));
        of_space.chain(of_prices).collect()
    }
}

/// Runs an analysis over `dimensions` of the scenario of `variants`, `samples` ≥ 2; none if it was stopped.
pub fn analyse(
    variants: &Variants<'_>,
    dimensions: &Dimensions,
    method: Method,
    samples: usize,
    seed: u64,
) -> Option<Analysis> {
    let list = dimensions.list();
    let plan = match method {
        Method::Morris => Plan::Morris(Trajectories::new(samples, list.len(), seed)),
        Method::Sobol => Plan::Sobol(Rows::new(samples, list.len(), seed)),
    };
    let points = match &plan {
        Plan::Morris(trajectories) => trajectories.points(),
        Plan::Sobol(rows) => rows.points(),
    };
    let answers = variants.run(points.len(), |point| dimensions.at(&points[point]))?;
    let metrics = variants.metrics.iter().enumerate();
    let metrics = metrics.map(|(index, metric)| plan.of_metric(metric, means(&answers, index))).collect();
    Some(Analysis {
        method,
        samples,
        replications: variants.replications,
        failed: answers.iter().filter(|answer| answer.is_err()).count(),
        reason: answers.iter().find_map(|answer| answer.clone().err()),
        dimensions: list,
        points,
        metrics,
    })
}

impl Plan {
    fn of_metric(&self, metric: &Metric, results: Vec<Option<f64>>) -> OfMetric {
        let (length, findings) = match self {
            Plan::Morris(trajectories) => {
                let effects = trajectories.effects(&results);
                (trajectories.length(), effects.map(|list| list.into_iter().map(Finding::Effect).collect()))
            }
            Plan::Sobol(rows) => {
                let indices = rows.indices(&results);
                (rows.length(), indices.map(|list| list.into_iter().map(Finding::Index).collect()))
            }
        };
        let dropped = results.chunks(length).filter(|own| own.contains(&None)).count();
        OfMetric { metric: metric.clone(), results, dropped, findings }
    }
}

/// The mean of a metric over the replications of each point.
fn means(answers: &[Answer], metric: usize) -> Vec<Option<f64>> {
    let mean = |answer: &Answer| {
        let values = answer.as_ref().ok()?[metric].as_ref()?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    answers.iter().map(mean).collect()
}
