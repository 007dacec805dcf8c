//! Two systems in the same random world: what differs, how sure that is, and what the pairing was worth.
//!
//! Method: the t interval of the mean of the differences, one a replication (Law, Simulation Modeling and Analysis,
//! 10.2.1). It is exact for normal differences and good for others from about ten replications on. Ratios are those of
//! geometric means: the same interval on logarithms. Several verdicts at once are held to one level by Holm's procedure
//! (1979), which needs no independence.

use super::student;

/// Mean and variance of independent values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How many there are.
    pub n: u64,
    /// Mean.
    pub mean: f64,
    /// Unbiased variance; 0 for a single value.
    pub variance: f64,
}

impl Moments {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Moments {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Moments { n: values.len() as u64, mean, variance: squares / (n - 1.0).max(1.0) }
    }

    /// Standard error of the mean.
    pub fn error(&self) -> f64 {
        (self.variance / self.n as f64).sqrt()
    }

    /// Half the width of the t interval of the mean at confidence `level` (0.95); infinite for a single value.
    pub fn half_width(&self, level: f64) -> f64 {
        match self.n {
            0 | 1 => f64::INFINITY,
            n => student::two_sided((n - 1) as u32, level) * self.error(),
        }
    }

    /// The t interval of the mean.
    pub fn interval(&self, level: f64) -> Interval {
        let half = self.half_width(level);
        Interval { value: self.mean, low: self.mean - half, high: self.mean + half }
    }

    /// Probability of a mean at least as far from 0 if the true one is 0; 0 for values that are all alike and not 0.
    fn p_value(&self) -> f64 {
        match (self.n < 2, self.mean == 0.0, self.variance == 0.0) {
            (true, ..) | (_, true, _) => 1.0,
            (_, _, true) => 0.0,
            _ => 1.0 - student::probability_within((self.n - 1) as u32, (self.mean / self.error()).abs()),
        }
    }
}

/// A number and the interval that holds the true one with the confidence asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What the replications of two systems say of one quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Replications.
    pub n: u64,
    /// Mean of A.
    pub a: f64,
    /// Mean of B.
    pub b: f64,
    /// B − A.
    pub difference: Interval,
    /// B / A of the geometric means; none unless every value is positive.
    pub ratio: Option<Interval>,
    /// Probability of such a difference if there is none in truth.
    pub p_value: f64,
    /// How many times as many replications independent streams would need for the same interval of the difference:
    /// (var A + var B) / var (B − A). None where the difference never varies.
    pub variance_reduction: Option<f64>,
    /// The same for the interval of the ratio.
    pub ratio_variance_reduction: Option<f64>,
}

impl Paired {
    /// From the values of both systems, one a replication, at confidence `level`.
    ///
    /// # Panics
    /// Unless there are equally many, at least two.
    pub fn of(a: &[f64], b: &[f64], level: f64) -> Paired {
        assert!(a.len() == b.len() && a.len() >= 2, "{} and {} replications", a.len(), b.len());
        let (moments, reduction) = differences(a, b);
        let positive = a.iter().chain(b).all(|&value| value > 0.0);
        let logs = |values: &[f64]| values.iter().map(|&value| libm::log(value)).collect::<Vec<_>>();
        let of_logs = positive.then(|| differences(&logs(a), &logs(b)));
        let ratio = of_logs.map(|(moments, _)| {
            let Interval { value, low, high } = moments.interval(level);
            Interval { value: libm::exp(value), low: libm::exp(low), high: libm::exp(high) }
        });
        Paired {
            n: moments.n,
            a: Moments::of(a).mean,
            b: Moments::of(b).mean,
            difference: moments.interval(level),
            ratio,
            p_value: moments.p_value(),
            variance_reduction: reduction,
            ratio_variance_reduction: of_logs.and_then(|(_, reduction)| reduction),
        }
    }
}

/// Moments of b − a, and (var a + var b) / var (b − a).
fn differences(a: &[f64], b: &[f64]) -> (Moments, Option<f64>) {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    let moments = Moments::of(&differences);
    let apart = Moments::of(a).variance + Moments::of(b).variance;
    (moments, (moments.variance > 0.0).then(|| apart / moments.variance))
}

/// Which of several null hypotheses fall so that none falls wrongly with probability 1 − `alpha` (Holm 1979).
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]).then(i.cmp(&j)));
    let mut falls = vec![false; p_values.len()];
    let left = (1..=order.len()).rev();
    for (index, _) in order.iter().zip(left).take_while(|&(&i, left)| p_values[i] <= alpha / left as f64) {
        falls[*index] = true;
    }
    falls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normal_quantile;
    use crate::rng::{Stream, StreamId, Streams, Uniform};

    const TRIALS: usize = 4000;
    const REPLICATIONS: usize = 8;
    /// Weight of what both systems share, and of each one's own.
    const SHARED: f64 = 3.0;
    const OWN: f64 = 1.0;

    fn normal(stream: &mut Stream) -> f64 {
        normal_quantile(stream.unit())
    }

    /// Replications of two systems with means 10 and 10 + `shift`, values exponentiated when `log`.
    fn pairs(stream: &mut Stream, shift: f64) -> (Vec<f64>, Vec<f64>) {
        (0..REPLICATIONS)
            .map(|_| {
                let shared = SHARED * normal(stream);
                let mut own = |mean: f64| mean + shared + OWN * normal(stream);
                (own(10.0), own(10.0 + shift))
            })
            .unzip()
    }

    /// Share of trials in which `holds`, beside `expected`, in standard errors of a binomial.
    fn errors_off(expected: f64, mut holds: impl FnMut(&mut Stream) -> bool) -> f64 {
        let mut stream = Streams::new(11, 0).open(StreamId::Arrivals, 0);
        let share = (0..TRIALS).filter(|_| holds(&mut stream)).count() as f64 / TRIALS as f64;
        (share - expected) / (expected * (1.0 - expected) / TRIALS as f64).sqrt()
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        for level in [0.8, 0.95] {
            let covers = |stream: &mut Stream, factor: f64| {
                let (a, b) = pairs(stream, 0.7);
                let Interval { value, low, high } = Paired::of(&a, &b, level).difference;
                let stretched = |end: f64| value + factor * (end - value);
                (stretched(low)..=stretched(high)).contains(&0.7)
            };
            assert!(errors_off(level, |stream| covers(stream, 1.0)).abs() < 4.0, "{level}");
            // An interval 10 % too short is noticed.
            assert!(errors_off(level, |stream| covers(stream, 0.9)) < -4.0, "{level}");
        }
    }

    #[test]
    fn a_variance_is_of_the_sample() {
        let moments = Moments::of(&[1.0, 2.0, 6.0]);
        assert_eq!((moments.mean, moments.variance), (3.0, 7.0));
    }

    #[test]
    fn the_interval_of_a_ratio_is_that_of_geometric_means() {
        let covers = |stream: &mut Stream| {
            let (a, b) = pairs(stream, 0.7);
            let exp = |values: Vec<f64>| values.into_iter().map(libm::exp).collect::<Vec<_>>();
            let ratio = Paired::of(&exp(a), &exp(b), 0.95).ratio.expect("positive values");
            (ratio.low..=ratio.high).contains(&libm::exp(0.7))
        };
        assert!(errors_off(0.95, covers).abs() < 4.0);
        assert_eq!(Paired::of(&[0.0, 1.0], &[1.0, 2.0], 0.95).ratio, None);
    }

    #[test]
    fn a_difference_is_seen_wrongly_as_often_as_allowed() {
        let seen = |stream: &mut Stream| {
            let (a, b) = pairs(stream, 0.0);
            Paired::of(&a, &b, 0.95).p_value <= 0.05
        };
        assert!(errors_off(0.05, seen).abs() < 4.0);
    }

    #[test]
    fn the_variance_reduction_is_what_the_shared_part_makes() {
        let mut stream = Streams::new(12, 0).open(StreamId::Arrivals, 0);
        let (a, b): (Vec<_>, Vec<_>) = (0..5000)
            .flat_map(|_| {
                let (a, b) = pairs(&mut stream, 0.7);
                a.into_iter().zip(b)
            })
            .unzip();
        let expected = (SHARED * SHARED + OWN * OWN) / (OWN * OWN);
        let reduction = Paired::of(&a, &b, 0.95).variance_reduction.expect("it varies");
        // The relative error of a variance of n normal values is sqrt(2/n); of the quotient at most twice that.
        let error = 2.0 * (2.0 / a.len() as f64).sqrt() * expected;
        assert!((reduction - expected).abs() < 4.0 * error, "{reduction} against {expected}");
    }

    #[test]
    fn what_never_varies_is_certain() {
        let same = Paired::of(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.95);
        assert_eq!((same.p_value, same.variance_reduction), (1.0, None));
        let shifted = Paired::of(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0], 0.95);
        assert_eq!((shifted.p_value, shifted.difference.low, shifted.difference.high), (0.0, 1.0, 1.0));
    }

    #[test]
    fn holm_goes_down_in_steps() {
        assert_eq!(holm(&[0.03, 0.01, 0.04], 0.05), [false, true, false]);
        assert_eq!(holm(&[0.02, 0.01, 0.04], 0.05), [true, true, true]);
        assert_eq!(holm(&[0.02, 0.017, 0.001], 0.05), [true, true, true]);
        assert_eq!(holm(&[0.06, 0.001, 0.001], 0.05), [false, true, true]);
        assert!(holm(&[], 0.05).is_empty());
    }
}
