//! Sobol indices: the share of a result's variance that each dimension has.
//!
//! Of the first order: what is left out when the dimension alone is known. Total: what remains when all others are
//! known. Their difference is its part in interactions.
//!
//! Method: two tables A and B of N points each, and for each dimension A with that column taken from B (Saltelli,
//! Annoni, Azzini, Campolongo, Ratto and Tarantola, Computer Physics Communications 181, 2010), N (k + 2) points in
//! all. Total indices are Jansen's mean squares of differences (Computer Physics Communications 117, 1999), those of
//! the first order are the paper's own (its table 2), which are exactly 0 for a dimension that does nothing. A and B
//! are the halves of one scrambled Sobol sequence. Intervals are percentiles of 500 resamples of the rows: an
//! independent sample's, and so rather wide for a Sobol sequence.

use crate::experiment::design::cube::{Cube, SOBOL_DIMENSIONS_MAX, SOBOL_POINTS_MAX};
use crate::rng::{StreamId, Streams, Uniform};
use crate::stats::paired::Interval;

/// Dimensions that a sequence has room for.
pub const DIMENSIONS_MAX: usize = SOBOL_DIMENSIONS_MAX / 2;
/// Rows that a sequence has room for.
pub const ROWS_MAX: u64 = SOBOL_POINTS_MAX;
/// Resamples behind an interval.
const RESAMPLES: usize = 500;
/// Share of resamples beyond each end of an interval.
const BEYOND: f64 = 0.025;

/// The points of an analysis.
#[derive(Clone, Debug)]
pub struct Rows {
    rows: usize,
    dimensions: usize,
    seed: u64,
}

/// What an analysis says of one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Index {
    /// First-order index, with its interval of 95 % confidence.
    pub first: Interval,
    /// Total index.
    pub total: Interval,
}

/// Results of one row: of A, of B, and of A with each column from B.
#[derive(Clone, Debug)]
struct Row {
    a: f64,
    b: f64,
    mixed: Vec<f64>,
}

impl Rows {
    /// `rows` rows, at most [`ROWS_MAX`] and best a power of two, of `dimensions` dimensions, at most [`DIMENSIONS_MAX`].
    pub fn new(rows: usize, dimensions: usize, seed: u64) -> Rows {
        Rows { rows, dimensions, seed }
    }

    /// Points of one row.
    pub fn length(&self) -> usize {
        self.dimensions + 2
    }

    /// All points: of each row that of A, that of B, and A with the first column from B, the second, ….
    pub fn points(&self) -> Vec<Vec<f64>> {
        let cube = Cube::sobol(self.seed);
        let row = |row: usize| {
            let at = |dimension: usize| cube.at(row as u64, dimension);
            let a: Vec<f64> = (0..self.dimensions).map(at).collect();
            let b: Vec<f64> = (self.dimensions..2 * self.dimensions).map(at).collect();
            let mixed: Vec<Vec<f64>> = (0..self.dimensions)
                .map(|dimension| {
                    let mut mixed = a.clone();
                    mixed[dimension] = b[dimension];
                    mixed
                })
                .collect();
            [a, b].into_iter().chain(mixed)
        };
        (0..self.rows).flat_map(row).collect()
    }

    /// The indices of each dimension from a result for each point. A row with a point that has none is left out; none
    /// if fewer than two rows are left, or if the result never varies.
    pub fn indices(&self, results: &[Option<f64>]) -> Option<Vec<Index>> {
        let row = |results: &[Option<f64>]| {
            let results = results.iter().copied().collect::<Option<Vec<f64>>>()?;
            Some(Row { a: results[0], b: results[1], mixed: results[2..].to_vec() })
        };
        let rows: Vec<Row> = results.chunks(self.length()).filter_map(row).collect();
        let all: Vec<usize> = (0..rows.len()).collect();
        let estimates = estimate(&rows, &all, self.dimensions).filter(|_| rows.len() >= 2)?;
        let mut random = Streams::new(self.seed, 0).open(StreamId::Resampling, 0);
        let mut resamples: Vec<Vec<(f64, f64)>> = vec![Vec::with_capacity(RESAMPLES); self.dimensions];
        for _ in 0..RESAMPLES {
            let chosen: Vec<usize> = all.iter().map(|_| random.below(rows.len() as u64) as usize).collect();
            // A resample of one row over and over has no variance to share out.
            let Some(again) = estimate(&rows, &chosen, self.dimensions) else { continue };
            again.into_iter().zip(&mut resamples).for_each(|(pair, own)| own.push(pair));
        }
        let index = |(value, own): ((f64, f64), Vec<(f64, f64)>)| Index {
            first: interval(value.0, own.iter().map(|pair| pair.0).collect()),
            total: interval(value.1, own.iter().map(|pair| pair.1).collect()),
        };
        Some(estimates.into_iter().zip(resamples).map(index).collect())
    }
}

/// First-order and total index of each dimension from the chosen rows; none without variance.
fn estimate(rows: &[Row], chosen: &[usize], dimensions: usize) -> Option<Vec<(f64, f64)>> {
    let mean = |of: &dyn Fn(&Row) -> f64| {
        chosen.iter().map(|&row| of(&rows[row])).sum::<f64>() / chosen.len() as f64
    };
    let both = mean(&|row| (row.a + row.b) / 2.0);
    let variance = mean(&|row| ((row.a - both).powi(2) + (row.b - both).powi(2)) / 2.0);
    if variance <= 0.0 {
        return None;
    }
    // What is multiplied is taken from the mean of all results, which costs no bias and spares most of the scatter.
    let all = mean(&|row| (row.a + row.b + row.mixed.iter().sum::<f64>()) / (dimensions + 2) as f64);
    let pair = |dimension: usize| {
        let first = mean(&|row| (row.b - all) * (row.mixed[dimension] - row.a));
        let total = mean(&|row| (row.a - row.mixed[dimension]).powi(2) / 2.0);
        (first / variance, total / variance)
    };
    Some((0..dimensions).map(pair).collect())
}

fn interval(value: f64, mut resampled: Vec<f64>) -> Interval {
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled.get((share * (resampled.len() - 1) as f64).round() as usize);
    let end = |share: f64| if resampled.is_empty() { value } else { *at(share).unwrap_or(&value) };
    Interval { value, low: end(BEYOND), high: end(1.0 - BEYOND) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::Moments;
    use std::f64::consts::PI;

    /// Ishigami and Homma 1990 with a = 7 and b = 0.1, over the unit cube.
    fn ishigami(point: &[f64]) -> f64 {
        let x: Vec<f64> = point.iter().map(|u| PI * (2.0 * u - 1.0)).collect();
        libm::sin(x[0]) + 7.0 * libm::sin(x[1]).powi(2) + 0.1 * x[2].powi(4) * libm::sin(x[0])
    }

    /// First-order and total indices of it.
    fn ishigami_indices() -> [(f64, f64); 3] {
        let (a, b) = (7.0f64, 0.1f64);
        let one = 0.5 * (1.0 + b * PI.powi(4) / 5.0).powi(2);
        let (two, both) = (a * a / 8.0, 8.0 * b * b * PI.powi(8) / 225.0);
        let variance = one + two + both;
        [(one, one + both), (two, two), (0.0, both)]
            .map(|(first, total)| (first / variance, total / variance))
    }

    const G: [f64; 8] = [0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0];

    /// Saltelli and Sobol's g-function.
    fn sobol_g(point: &[f64]) -> f64 {
        point.iter().zip(G).map(|(x, a)| ((4.0 * x - 2.0).abs() + a) / (1.0 + a)).product()
    }

    fn sobol_g_indices() -> Vec<(f64, f64)> {
        let own = |a: f64| 1.0 / 3.0 / (1.0 + a).powi(2);
        let product: f64 = G.iter().map(|a| 1.0 + own(*a)).product();
        let index =
            |a: &f64| (own(*a) / (product - 1.0), own(*a) * product / (1.0 + own(*a)) / (product - 1.0));
        G.iter().map(index).collect()
    }

    /// How far the indices are from the truth, in standard errors of their means over 16 scramblings; the worst of
    /// them.
    fn errors_off(f: impl Fn(&[f64]) -> f64, truth: &[(f64, f64)]) -> f64 {
        let mut found: Vec<Vec<f64>> = vec![Vec::new(); 2 * truth.len()];
        for seed in 0..16 {
            let rows = Rows::new(2048, truth.len(), seed);
            let results: Vec<_> = rows.points().iter().map(|point| Some(f(point))).collect();
            let indices = rows.indices(&results).expect("it varies");
            let values = indices.iter().flat_map(|own| [own.first.value, own.total.value]);
            found.iter_mut().zip(values).for_each(|(own, value)| own.push(value));
        }
        let truth = truth.iter().flat_map(|&(first, total)| [first, total]);
        let off = |(own, truth): (&Vec<f64>, f64)| {
            let moments = Moments::of(own);
            (moments.mean - truth).abs() / moments.error()
        };
        found.iter().zip(truth).map(off).fold(0.0, f64::max)
    }

    #[test]
    fn indices_of_the_ishigami_function_are_found() {
        let off = errors_off(ishigami, &ishigami_indices());
        assert!(off < 4.0, "{off}");
    }

    #[test]
    fn indices_of_the_sobol_g_function_are_found() {
        let off = errors_off(sobol_g, &sobol_g_indices());
        assert!(off < 4.0, "{off}");
    }

    #[test]
    fn a_function_that_is_a_little_different_is_told_apart() {
        let other = |point: &[f64]| ishigami(&[point[0], point[1], 0.5 + 0.98 * (point[2] - 0.5)]);
        let off = errors_off(other, &ishigami_indices());
        assert!(off > 8.0, "{off}");
    }

    #[test]
    fn intervals_hold_the_truth_at_least_as_often_as_they_say() {
        // 600 intervals: 0.95 less four binomial standard errors. A Sobol sequence is better than they assume.
        let (mut held, mut all) = (0, 0);
        for seed in 0..100 {
            let rows = Rows::new(256, 3, seed);
            let results: Vec<_> = rows.points().iter().map(|point| Some(ishigami(point))).collect();
            for (own, truth) in rows.indices(&results).expect("it varies").iter().zip(ishigami_indices()) {
                held += usize::from((own.first.low..=own.first.high).contains(&truth.0));
                held += usize::from((own.total.low..=own.total.high).contains(&truth.1));
                all += 2;
            }
        }
        let share = held as f64 / all as f64;
        assert!(share > 0.95 - 4.0 * (0.95f64 * 0.05 / all as f64).sqrt(), "{share}");
    }

    #[test]
    fn a_row_with_a_hole_is_left_out_and_a_constant_has_no_indices() {
        let rows = Rows::new(64, 3, 1);
        let mut results: Vec<_> = rows.points().iter().map(|point| Some(ishigami(point))).collect();
        let (all, dimensions) = (rows.indices(&results).expect("it varies"), rows.length());
        results[3] = None;
        let rest = rows.indices(&results).expect("it varies");
        assert_ne!(all, rest);
        assert_eq!(
            rest[0].total.value,
            rows.indices(&results[dimensions..]).expect("it varies")[0].total.value
        );
        assert_eq!(rows.indices(&vec![Some(1.0); results.len()]), None);
        assert_eq!(rows.indices(&vec![None; results.len()]), None);
    }
}
