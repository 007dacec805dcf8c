//! Which key a request addresses: ranks drawn by popularity, without a table of keys.

use crate::math::ln;
use crate::rng::Uniform;
use crate::scenario::KeyPopularity;

/// Draws key ranks: 0 is the most popular key.
#[derive(Clone, Debug)]
pub struct KeySampler {
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Single,
    Uniform { keys: u64 },
    Hot { share: f64, hot: u64, rest: u64 },
    Sequential { keys: u64 },
    Zipf(Zipf),
}

impl KeySampler {
    /// Draws among `keys` keys, 1 to 10^12, as `popularity` says. As many hot keys as keys, or more, are
    /// uniform.
    pub fn new(popularity: KeyPopularity, keys: u64) -> Self {
        let keys = keys.max(1);
        let shape = match popularity {
            KeyPopularity::Single => Shape::Single,
            KeyPopularity::Hot { share, keys: hot } if hot < keys && hot > 0 => {
                Shape::Hot { share, hot, rest: keys - hot }
            }
            KeyPopularity::Uniform | KeyPopularity::Hot { .. } => Shape::Uniform { keys },
            KeyPopularity::Split { keys: own, .. } => Shape::Uniform { keys: own.clamp(1, keys) },
            KeyPopularity::Sequential => Shape::Sequential { keys },
            KeyPopularity::Zipf { s } => Shape::Zipf(Zipf::new(s, keys)),
        };
        KeySampler { shape }
    }

    /// Rank of the key of request `number`. Takes one random number; Zipf sometimes more.
    #[inline(always)]
    pub fn draw(&self, number: u64, stream: &mut impl Uniform) -> u64 {
        match &self.shape {
            Shape::Single => 0,
            Shape::Uniform { keys } => stream.below(*keys),
            Shape::Hot { share, hot, rest } => {
                let u = stream.unit();
                if u < *share {
                    ((u / *share * *hot as f64) as u64).min(*hot - 1)
                } else {
                    *hot + (((u - *share) / (1.0 - *share) * *rest as f64) as u64).min(*rest - 1)
                }
            }
            Shape::Sequential { keys } => number % keys,
            Shape::Zipf(zipf) => zipf.draw(stream),
        }
    }
}

/// Exponents nearer to 1 than this are taken as 1.
pub(super) const HARMONIC: f64 = 1e-12;
/// Exponents nearer to 1 than this go through log1p; farther away ln z / (1 − s), with z rounded to 2^-53, is
/// right to 1e-12.
const NEAR_HARMONIC: f64 = 1e-4;

/// e^y for |y| < 700; relative error below 1e-13.
///
/// Splits y = k·ln 2 + r with |r| ≤ ½ ln 2 and sums the Taylor series of e^r to the 12th power. Without table
/// or branch, several times faster than libm's, which is the larger part of a draw.
#[inline(always)]
fn exp(y: f64) -> f64 {
    // Adding and taking away 1.5 · 2^52 rounds to a whole number; its low bits are that number.
    const ROUND: f64 = 6755399441055744.0;
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let shifted = y * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (y - k * LN_2_HIGH) - k * LN_2_LOW;
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = (1.0 + r) + r2 * (1.0 / 2.0 + r * (1.0 / 6.0));
    let middle = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let high = (1.0 / 40320.0 + r * (1.0 / 362880.0))
        + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0) + r2 * (1.0 / 479001600.0));
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    (low + r4 * (middle + r4 * high)) * power
}

/// How the integral of x^−s is inverted.
#[derive(Clone, Copy, Debug)]
enum Inverse {
    /// s = 1: points are ln x.
    Exp,
    /// s near 1: points are (x^(1−s) − 1) / (1 − s).
    Log1p,
    /// Points are x^(1−s): no cancellation, however far the tail.
    Power,
}

/// Exact Zipf on 1..=n by rejection-inversion.
///
/// Source: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
/// distributions", ACM TOMACS 6(3), 1996. The hat is the integral of x^−s over unit intervals around each
/// rank.
#[derive(Clone, Debug)]
struct Zipf {
    n: f64,
    /// 1 − s.
    d: f64,
    inverse_d: f64,
    inverse: Inverse,
    /// Point of the far end, x = n + ½.
    far: f64,
    /// From there to the near end, where exactly the weight of rank 1 is left of 1½.
    span: f64,
    /// Ranks at most this far above their x are accepted without a test.
    squeeze: f64,
}

impl Zipf {
    fn new(s: f64, keys: u64) -> Self {
        let d = 1.0 - s;
        let inverse = match d.abs() {
            d if d < HARMONIC => Inverse::Exp,
            d if d < NEAR_HARMONIC => Inverse::Log1p,
            _ => Inverse::Power,
        };
        let n = keys as f64;
        let mut zipf = Zipf { n, d, inverse_d: 1.0 / d, inverse, far: 0.0, span: 0.0, squeeze: 0.0 };
        zipf.far = zipf.point(n + 0.5);
        zipf.span = zipf.left_of(1.0) - zipf.far;
        zipf.squeeze = 2.0 - zipf.position(zipf.left_of(2.0));
        zipf
    }

    /// The point of x: an increasing function of the integral (decreasing for [`Inverse::Power`] with s > 1).
    fn point(&self, x: f64) -> f64 {
        match self.inverse {
            Inverse::Exp => libm::log(x),
            Inverse::Log1p => libm::expm1(self.d * libm::log(x)) / self.d,
            Inverse::Power => libm::pow(x, self.d),
        }
    }

    /// The point that has the weight of `rank` between itself and rank + ½.
    fn left_of(&self, rank: f64) -> f64 {
        let weight = libm::pow(rank, self.d - 1.0);
        match self.inverse {
            Inverse::Power => self.point(rank + 0.5) - self.d * weight,
            _ => self.point(rank + 0.5) - weight,
        }
    }

    /// x of a point.
    #[inline(always)]
    fn position(&self, point: f64) -> f64 {
        match self.inverse {
            Inverse::Exp => exp(point),
            Inverse::Log1p => exp(libm::log1p(self.d * point) * self.inverse_d),
            Inverse::Power => exp(ln(point.max(f64::MIN_POSITIVE)) * self.inverse_d),
        }
    }

    #[inline(never)]
    fn draw(&self, stream: &mut impl Uniform) -> u64 {
        loop {
            let point = self.far + stream.unit() * self.span;
            let x = self.position(point);
            // x is at least 0.5, but for rounding, and below 2^53.
            let rank = ((x + 0.5) as i64 as f64).max(1.0).min(self.n);
            if rank - x <= self.squeeze || self.accepts(rank, point) {
                return rank as i64 as u64 - 1;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn accepts(&self, rank: f64, point: f64) -> bool {
        // As `left_of`, with a cheaper power: right to 1e-12, which moves no probability one could measure.
        let bound = match self.inverse {
            Inverse::Power => exp(self.d * ln(rank + 0.5)) - self.d * exp((self.d - 1.0) * ln(rank)),
            _ => self.left_of(rank),
        };
        if matches!(self.inverse, Inverse::Power) && self.d < 0.0 { point <= bound } else { point >= bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn counts(popularity: KeyPopularity, keys: u64, draws: u64) -> Vec<f64> {
        let mut stream = Streams::new(11, 0).open(StreamId::Keys, 0);
        let sampler = KeySampler::new(popularity, keys);
        let mut counts = vec![0.0; keys as usize];
        for number in 0..draws {
            counts[sampler.draw(number, &mut stream) as usize] += 1.0;
        }
        counts
    }

    fn zipf_chi_square(drawn_s: f64, expected_s: f64, keys: u64) -> f64 {
        let draws = 400_000;
        let weight = |rank: u64| libm::pow(rank as f64, -expected_s);
        let total: f64 = (1..=keys).map(weight).sum();
        let counts = counts(KeyPopularity::Zipf { s: drawn_s }, keys, draws);
        let terms = counts.iter().zip(1..).map(|(count, rank)| {
            let expected = draws as f64 * weight(rank) / total;
            (count - expected) * (count - expected) / expected
        });
        // Chi-square has mean n − 1 and variance 2 (n − 1): the number of standard deviations above the mean.
        let freedom = (keys - 1) as f64;
        (terms.sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn zipf_ranks_have_their_exact_probabilities() {
        for s in [0.1, 0.5, 0.99, 1.0, 1.01, 1.2, 2.0] {
            for keys in [2, 10, 100] {
                let deviation = zipf_chi_square(s, s, keys);
                assert!(deviation < 4.0, "s = {s}, {keys} keys: {deviation}");
            }
        }
    }

    #[test]
    fn the_chi_square_sees_an_exponent_that_is_two_percent_off() {
        assert!(zipf_chi_square(1.0, 1.02, 100) > 10.0);
    }

    #[test]
    fn extreme_exponents_stay_among_the_keys() {
        let mut stream = Streams::new(3, 0).open(StreamId::Keys, 0);
        for s in [1e-6, 1.0 - 1e-13, 1.0 + 1e-10, 5.0, 40.0] {
            for keys in [1, 2, 1_000_000_000_000] {
                let sampler = KeySampler::new(KeyPopularity::Zipf { s }, keys);
                assert!((0..2000).all(|_| sampler.draw(0, &mut stream) < keys), "s = {s}, {keys} keys");
            }
        }
    }

    #[test]
    fn exp_agrees_with_libm() {
        let mut y = -699.0;
        while y < 699.0 {
            assert!((exp(y) / libm::exp(y) - 1.0).abs() < 1e-13, "exp({y})");
            y += 0.0137;
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn other_popularities_are_what_they_say() {
        let within = |count: f64, draws: f64, p: f64| {
            let error = (draws * p * (1.0 - p)).sqrt();
            assert!((count - draws * p).abs() <= 4.0 * error, "{count} against {}", draws * p);
        };
        let draws = 200_000;
        for count in counts(KeyPopularity::Uniform, 10, draws) {
            within(count, draws as f64, 0.1);
        }
        let hot = counts(KeyPopularity::Hot { share: 0.9, keys: 3 }, 13, draws);
        for (rank, &count) in hot.iter().enumerate() {
            within(count, draws as f64, if rank < 3 { 0.3 } else { 0.01 });
        }
        for share in [0.0, 1.0] {
            let hot = counts(KeyPopularity::Hot { share, keys: 1 }, 2, 1000);
            assert_eq!(hot[0], 1000.0 * share);
        }
        assert_eq!(counts(KeyPopularity::Single, 3, 5), [5.0, 0.0, 0.0]);
        assert_eq!(counts(KeyPopularity::Sequential, 3, 7), [3.0, 2.0, 2.0]);
    }
}
