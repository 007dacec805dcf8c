//! Distributions of sizes and durations. Each sample takes exactly one uniform number, so that two scenarios
//! that differ in a parameter stay in step under the same seed.

use crate::math::{ln, normal_quantile, whole};
use crate::rng::Uniform;

/// A distribution of a non-negative quantity (bytes, nanoseconds; the owner says which).
#[derive(Clone, Debug, PartialEq)]
pub enum Dist {
    /// Always the same value.
    Fixed(f64),
    /// Uniform between `low` and `high`, low ≤ high.
    Uniform {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Exponential with the given mean > 0.
    Exponential {
        /// Mean.
        mean: f64,
    },
    /// Lognormal with the given mean > 0 and squared coefficient of variation > 0 (variance / mean²).
    Lognormal {
        /// Mean.
        mean: f64,
        /// Squared coefficient of variation.
        scv: f64,
    },
    /// Quantile function through points (probability, value), linear between them in value and in
    /// ln(1 − probability), which keeps a tail given by its p99, p99.9 … straight on a log scale.
    ///
    /// Probabilities and values do not fall; the first probability is 0 and the last below 1 (beyond it the
    /// last value is returned).
    Quantiles(Vec<(f64, f64)>),
    /// The values of a histogram: (cumulative probability, value) with rising probabilities, last one 1.
    Empirical(Vec<(f64, f64)>),
}

impl Dist {
    /// One sample.
    #[inline]
    pub fn sample(&self, stream: &mut impl Uniform) -> f64 {
        self.quantile(stream.unit())
    }

    /// The value below which a share `u` (0 < u < 1) of samples falls.
    pub fn quantile(&self, u: f64) -> f64 {
        match self {
            Dist::Fixed(value) => *value,
            Dist::Uniform { low, high } => low + (high - low) * u,
            Dist::Exponential { mean } => -mean * ln(1.0 - u),
            Dist::Lognormal { mean, scv } => {
                let variance = libm::log1p(*scv);
                mean * libm::exp(variance.sqrt() * normal_quantile(u) - 0.5 * variance)
            }
            Dist::Quantiles(points) => {
                let next = points.partition_point(|point| point.0 <= u);
                let Some(&(p1, v1)) = points.get(next) else { return points[points.len() - 1].1 };
                let (p0, v0) = points[next.saturating_sub(1)];
                let depth = |p: f64| -ln(1.0 - p);
                let share = (depth(u) - depth(p0)) / (depth(p1) - depth(p0));
                v0 + (v1 - v0) * share.clamp(0.0, 1.0)
            }
            Dist::Empirical(points) => {
                let next = points.partition_point(|point| point.0 < u);
                points[next.min(points.len() - 1)].1
            }
        }
    }

    /// Mean of the distribution.
    pub fn mean(&self) -> f64 {
        match self {
            Dist::Fixed(value) => *value,
            Dist::Uniform { low, high } => 0.5 * (low + high),
            Dist::Exponential { mean } | Dist::Lognormal { mean, .. } => *mean,
            Dist::Quantiles(points) => {
                // ∫ of v(u) du with v linear in d = −ln(1 − u): by parts over each piece.
                let mut sum = 0.0;
                for pair in points.windows(2) {
                    let ((p0, v0), (p1, v1)) = (pair[0], pair[1]);
                    let (d0, d1) = (-ln(1.0 - p0), -ln(1.0 - p1));
                    if d1 > d0 {
                        let slope = (v1 - v0) / (d1 - d0);
                        sum += v0 * (1.0 - p0) - v1 * (1.0 - p1) + slope * (p1 - p0);
                    }
                }
                let last = points[points.len() - 1];
                sum + last.1 * (1.0 - last.0)
            }
            Dist::Empirical(points) => {
                let mut before = 0.0;
                points.iter().fold(0.0, |sum, &(p, value)| {
                    let share = p - before;
                    before = p;
                    sum + share * value
                })
            }
        }
    }

    /// The value, when every sample is the same.
    pub fn fixed(&self) -> Option<f64> {
        match self {
            Dist::Fixed(value) => Some(*value),
            _ => None,
        }
    }
}

/// Steps of a sampler's table.
const STEPS: usize = 4096;
/// Steps at either end where the distribution itself is asked: a table would blur its tails.
const TAIL_STEPS: usize = 8;

/// A distribution prepared for the hot loop: one table look-up a sample, exact in the tails.
///
/// Between the tails the quantile function is linear within each of 4096 steps.
#[derive(Clone, Debug)]
pub struct Sampler {
    fixed: Option<u64>,
    dist: Dist,
    steps: Option<Box<[f32; STEPS + 1]>>,
}

impl Sampler {
    /// Prepares `dist`.
    pub fn new(dist: &Dist) -> Self {
        let step = |i: usize| dist.quantile((i as f64 / STEPS as f64).clamp(1e-9, 1.0 - 1e-9)) as f32;
        let has_steps = !matches!(dist, Dist::Fixed(_) | Dist::Empirical(_));
        let steps = has_steps.then(|| Box::new(std::array::from_fn(step)));
        Sampler { fixed: dist.fixed().map(|value| value.round() as u64), dist: dist.clone(), steps }
    }

    /// The value, when every sample is the same.
    pub fn fixed(&self) -> Option<u64> {
        self.fixed
    }

    /// Mean of the distribution.
    pub fn mean(&self) -> f64 {
        self.dist.mean()
    }

    /// One sample as a whole number, from one uniform number; none is taken when every sample is the same.
    #[inline(always)]
    pub fn sample(&self, stream: &mut impl Uniform) -> u64 {
        match self.fixed {
            Some(value) => value,
            None => self.quantile(stream.unit()),
        }
    }

    #[inline(always)]
    fn quantile(&self, u: f64) -> u64 {
        let place = u * STEPS as f64;
        let step = place as u32 as usize;
        let steps = match &self.steps {
            Some(steps) if step.wrapping_sub(TAIL_STEPS) < STEPS - 2 * TAIL_STEPS => steps,
            _ => return self.dist.quantile(u).round() as u64,
        };
        let (low, high) = (steps[step] as f64, steps[step + 1] as f64);
        whole(low + (high - low) * (place - step as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn mean_of(dist: &Dist) -> (f64, f64) {
        let mut stream = Streams::new(7, 0).open(StreamId::ValueSizes, 0);
        let n = 400_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = dist.sample(&mut stream);
            sum += x;
            squares += x * x;
        }
        let mean = sum / n as f64;
        (mean, ((squares / n as f64 - mean * mean) / n as f64).sqrt())
    }

    #[test]
    fn a_sampler_follows_its_distribution() {
        for dist in [
            Dist::Fixed(100.0),
            Dist::Lognormal { mean: 1000.0, scv: 1.5 },
            Dist::Quantiles(vec![(0.0, 100.0), (0.5, 290.0), (0.99, 640.0), (0.999, 1700.0)]),
            Dist::Empirical(vec![(0.25, 10.0), (0.75, 20.0), (1.0, 100.0)]),
        ] {
            let sampler = Sampler::new(&dist);
            for i in 1..20_000 {
                let u = i as f64 / 20_000.0;
                let value = match sampler.fixed() {
                    Some(value) => value as f64,
                    None => sampler.quantile(u) as f64,
                };
                let exact = dist.quantile(u);
                assert!(
                    (value - exact).abs() <= 0.5 + 0.002 * exact,
                    "{dist:?} at {u}: {value} against {exact}"
                );
            }
        }
    }

    #[test]
    fn sample_means_are_the_formula_means() {
        for dist in [
            Dist::Uniform { low: 2.0, high: 5.0 },
            Dist::Exponential { mean: 3.0 },
            Dist::Lognormal { mean: 100.0, scv: 1.5 },
            Dist::Quantiles(vec![
                (0.0, 100.0),
                (0.5, 290.0),
                (0.99, 640.0),
                (0.999, 1700.0),
                (0.9999, 5400.0),
            ]),
            Dist::Empirical(vec![(0.25, 10.0), (0.75, 20.0), (1.0, 100.0)]),
        ] {
            let (mean, error) = mean_of(&dist);
            assert!((mean - dist.mean()).abs() < 4.0 * error, "{dist:?}: {mean} against {}", dist.mean());
        }
    }
}
