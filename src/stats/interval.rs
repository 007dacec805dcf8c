//! A mean or a quantile of dependent values with its 95 % interval, from sections of one run or of several.
//!
//! What a run says of a quantile is a share: of its requests, `1 − q` took longer than the pooled quantile. The share that
//! did so in each section gives a series of deviations, and the long-run variance of that series gives the interval of the
//! share, which the pooled distribution turns into one of the quantile (Woodruff 1952; for simulations Chen and Kelton 2006,
//! "Quantile and tolerance-interval estimation in simulation"). A density is never estimated, so steps and gaps in the
//! distribution, which stalls make, do no harm.
//!
//! The long-run variance is the mean square of the first few cosine transforms of the series, the ones slower than the
//! memory of the queue (Müller 2007; Lazarus, Lewis, Stock and Watson 2018, "HAR inference"). They are nearly independent
//! whatever the dependence within a section or between neighbours, and what recurs in step, as forks do, is faster than
//! they are and rightly adds nothing. If the slower half of them is larger than the faster, the memory is too long for the
//! number, and half of it is left: as sections are put together until neighbours are independent in Sequest.
//!
//! From [`ENOUGH_REPLICATIONS`] replications on these alone are compared: they are independent by construction.

use serde::{Deserialize, Serialize};

use super::student;

/// Coverage that is aimed at.
pub const LEVEL: f64 = 0.95;
/// Replications from which sections within them are not needed.
pub const ENOUGH_REPLICATIONS: usize = 8;
/// Cosine transforms of all replications together.
const COSINES: usize = 16;
/// Fewest of one replication that are halved.
const COSINES_MIN: usize = 4;
/// Quantile 0.9 of the normal distribution: how much more the slow half may be.
const SLOW_HALF_Z: f64 = 1.2816;

/// A value with its interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value; none if there is too little data for one.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Independent pieces of evidence the interval rests on: degrees of freedom and one.
    pub batches: u32,
    /// Why the value or the interval is missing.
    pub reason: Option<String>,
}

impl Estimate {
    /// No value, because of `reason`.
    pub fn missing(reason: impl Into<String>) -> Self {
        Estimate { reason: Some(reason.into()), ..Estimate::default() }
    }

    /// A value without an interval, because of `reason`.
    pub fn bare(value: f64, reason: impl Into<String>) -> Self {
        Estimate { value: Some(value), reason: Some(reason.into()), ..Estimate::default() }
    }

    /// Half the width of the interval over the value; none without an interval or at 0.
    pub fn relative_half_width(&self) -> Option<f64> {
        let (value, low, high) = (self.value?, self.low?, self.high?);
        (value != 0.0).then(|| 0.5 * (high - low) / value.abs())
    }
}

/// One section: how much of something, and out of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Numerator: sum of values, requests beyond a quantile, forks …
    pub sum: f64,
    /// Denominator: requests, seconds …
    pub of: f64,
}

/// A ratio and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// All numerators over all denominators.
    pub value: f64,
    /// Half the width of its 95 % interval.
    pub half_width: f64,
    /// Degrees of freedom behind that.
    pub df: u32,
}

/// The ratio of sums over all sections of all replications, each a list in order of time.
///
/// None if the denominators are 0, or the sections too few for a variance: 6 of one replication, or two replications.
/// For means, rates and shares; a numerator that is not a sum over time (a maximum) has no business here.
pub fn ratio(replications: &[Vec<Part>]) -> Option<Ratio> {
    let (sum, of) =
        replications.iter().flatten().fold((0.0, 0.0), |(s, o), part| (s + part.sum, o + part.of));
    let value = sum / of;
    // Deviations from the common ratio: their sum is 0.
    let deviations: Vec<Vec<f64>> = replications
        .iter()
        .map(|parts| parts.iter().map(|part| part.sum - value * part.of).collect())
        .collect();
    let (variance, df) = long_run_variance(&deviations)?;
    let sections: usize = deviations.iter().map(Vec::len).sum();
    let standard_error = libm::sqrt(variance * sections as f64) / of;
    let half_width = student::two_sided(df, LEVEL) * standard_error;
    (of > 0.0).then_some(Ratio { value, half_width, df })
}

/// Long-run variance of the deviations by section, and its degrees of freedom.
fn long_run_variance(replications: &[Vec<f64>]) -> Option<(f64, u32)> {
    let number = replications.len();
    let shortest = replications.iter().map(Vec::len).min()?;
    if shortest == 0 {
        return None;
    }
    // What replications differ by: sums, scaled to one section. One degree of freedom went to the common ratio.
    let between = |deviations: &Vec<f64>| {
        let sum: f64 = deviations.iter().sum();
        sum * sum / deviations.len() as f64
    };
    let between: f64 = replications.iter().map(between).sum();
    let cosines =
        if number >= ENOUGH_REPLICATIONS { 0 } else { COSINES.div_ceil(number).min(3 * shortest / 8) };
    let spectrum: Vec<f64> =
        (1..=cosines).map(|index| replications.iter().map(|z| cosine(z, index)).sum()).collect();
    let kept = slow_enough(&spectrum, number);
    let df = number - 1 + number * kept;
    // Two sections' worth says nothing; neither do all alike zeros.
    if df == 0 || number == 1 && kept < 2 {
        return None;
    }
    let variance = (between + spectrum[..kept].iter().sum::<f64>()) / df as f64;
    Some((variance, effective_df(replications, df)))
}

/// Square of the cosine transform number `index` of `series`: mean the long-run variance, one degree of freedom.
fn cosine(series: &[f64], index: usize) -> f64 {
    let n = series.len() as f64;
    let angle = std::f64::consts::PI * index as f64 / n;
    let sum: f64 = series.iter().enumerate().map(|(i, z)| z * libm::cos(angle * (i as f64 + 0.5))).sum();
    2.0 / n * sum * sum
}

/// How many of the transforms are slow enough to be alike: halved until the slower half is not clearly larger.
fn slow_enough(spectrum: &[f64], replications: usize) -> usize {
    let mut kept = spectrum.len();
    while kept * replications >= 2 * COSINES_MIN && kept >= 2 {
        let half = kept / 2;
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (slow, fast) = (mean(&spectrum[..half]), mean(&spectrum[half..kept]));
        // Fisher's z: the logarithm of a ratio of two variances is about normal.
        let limit = libm::exp(SLOW_HALF_Z * 2.0 / libm::sqrt((half * replications) as f64));
        if slow <= limit * fast {
            break;
        }
        kept = half;
    }
    kept
}

/// Fewer degrees of freedom where a few sections make most of the variance: a few stalls are a few observations.
fn effective_df(replications: &[Vec<f64>], df: usize) -> u32 {
    let all = || replications.iter().flatten();
    let number = all().count() as f64;
    let squares: f64 = all().map(|z| z * z).sum();
    let fourths: f64 = all().map(|z| z * z * z * z).sum();
    let kurtosis = if squares > 0.0 { number * fourths / (squares * squares) } else { 3.0 };
    let effective = 1.0 / (1.0 / df as f64 + (kurtosis - 3.0).max(0.0) / number);
    (libm::floor(effective + 1e-9) as u32).max(1)
}

/// Mean of values of independent replications with its interval by Student's t; without one from fewer than two.
pub fn of_replications(values: &[f64]) -> Estimate {
    let number = values.len() as f64;
    if values.is_empty() {
        return Estimate::missing("no replication has a value");
    }
    let mean = values.iter().sum::<f64>() / number;
    if values.len() < 2 {
        return Estimate::bare(mean, "an interval needs two replications");
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let df = values.len() as u32 - 1;
    let half = student::two_sided(df, LEVEL) * libm::sqrt(squares / (number - 1.0) / number);
    Estimate {
        value: Some(mean),
        low: Some(mean - half),
        high: Some(mean + half),
        batches: df + 1,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams, Uniform};

    /// Sections of a series with lag-1 correlation `phi`, mean 10 and variance 1, of `replications`.
    fn series(seed: u64, replications: usize, sections: usize, phi: f64) -> Vec<Vec<Part>> {
        let mut stream = Streams::new(seed, 0).open(StreamId::Arrivals, 0);
        let mut normal = || crate::math::normal_quantile(stream.unit());
        let step = (1.0 - phi * phi).sqrt();
        (0..replications)
            .map(|_| {
                let mut z = normal();
                let mut next = || {
                    z = phi * z + step * normal();
                    Part { sum: 10.0 + z, of: 1.0 }
                };
                (0..sections).map(|_| next()).collect()
            })
            .collect()
    }

    /// Share of trials whose interval, `factor` times as long, holds the mean.
    fn coverage(replications: usize, sections: usize, phi: f64, factor: f64) -> f64 {
        let trials = 4000;
        let covers = |seed| {
            let ratio = ratio(&series(seed, replications, sections, phi)).expect("enough sections");
            (ratio.value - 10.0).abs() <= ratio.half_width * factor
        };
        (0..trials).filter(|&seed| covers(seed)).count() as f64 / trials as f64
    }

    /// Four standard errors of a coverage of 95 % in 4000 trials.
    const TOLERANCE: f64 = 0.0138;

    #[test]
    fn intervals_of_independent_sections_cover_as_often_as_they_say() {
        for (replications, sections) in [(1, 64), (3, 20), (7, 8), (8, 1), (20, 16)] {
            let coverage = coverage(replications, sections, 0.0, 1.0);
            assert!((coverage - LEVEL).abs() < TOLERANCE, "{replications} x {sections}: {coverage}");
        }
    }

    #[test]
    fn the_check_sees_intervals_that_are_a_fifth_too_short() {
        for (replications, sections) in [(1, 64), (3, 20), (7, 8), (8, 1), (20, 16)] {
            let coverage = coverage(replications, sections, 0.0, 0.8);
            assert!(coverage < LEVEL - TOLERANCE, "{replications} x {sections}: {coverage}");
        }
    }

    #[test]
    fn dependent_sections_are_seen_through() {
        // Variance of the mean 3 times that of independent sections: intervals for those would cover in 74 %.
        let coverage = coverage(1, 64, 0.5, 1.0);
        assert!(coverage > 0.9 && coverage < LEVEL + TOLERANCE, "{coverage}");
        let coverage = self::coverage(8, 16, 0.5, 1.0);
        assert!((coverage - LEVEL).abs() < TOLERANCE, "{coverage}");
    }

    #[test]
    fn what_recurs_in_step_adds_nothing() {
        // A stall every 3 sections, 21 times: its number is not random.
        let parts: Vec<Part> = (0..63).map(|i| Part { sum: (i % 3 == 1) as u8 as f64, of: 1.0 }).collect();
        let periodic = ratio(&[parts]).expect("enough sections");
        assert!(periodic.half_width < 0.02 * periodic.value, "{periodic:?}");
    }

    #[test]
    fn a_few_spikes_count_as_few() {
        let spikes: Vec<Part> = (0..64).map(|i| Part { sum: (i % 11 == 5) as u8 as f64, of: 1.0 }).collect();
        assert!(ratio(&[spikes]).expect("enough sections").df <= 7);
        let df = |seed| ratio(&series(seed, 1, 64, 0.0)).expect("enough sections").df;
        assert!((0..100).map(df).sum::<u32>() > 1200, "even sections count for nearly all they are");
    }

    #[test]
    fn too_few_sections_give_nothing() {
        let parts = |number| vec![Part { sum: 1.0, of: 2.0 }; number];
        assert_eq!(ratio(&[]), None);
        assert_eq!(ratio(&[parts(5)]), None);
        assert_eq!(ratio(&[parts(9), parts(0)]), None);
        assert_eq!(ratio(&[parts(6)]).map(|ratio| ratio.value), Some(0.5));
        assert_eq!(ratio(&[parts(1), parts(1)]).map(|ratio| ratio.df), Some(1));
        assert_eq!(ratio(&[vec![Part { sum: 1.0, of: 0.0 }; 64]]), None);
    }

    #[test]
    fn replications_give_the_interval_of_students_t() {
        let estimate = of_replications(&[1.0, 2.0, 3.0]);
        let half = 4.302_652_73 / 3f64.sqrt();
        assert!((estimate.high.expect("an interval") - 2.0 - half).abs() < 1e-8, "{estimate:?}");
        assert_eq!((estimate.value, estimate.batches), (Some(2.0), 3));
        assert_eq!(of_replications(&[7.0]).high, None);
        assert_eq!(of_replications(&[]).value, None);
    }
}
