//! From repeats on both sides to a verdict.
//!
//! A difference is a pass or a miss only where the machine could have told them apart. What cannot be told is the largest
//! of three: what the machine's gaps do to the figure (`noise.rs`), half the range of the repeats, and half the 95 %
//! interval of a difference between repeats and simulated runs if both vary as the simulated runs do (Student's t). While that is within the tolerance, the tolerance decides; beyond it, a difference that is smaller than
//! the noise is `not distinguishable`, which is not a pass, and a larger one a miss.
//!
//! Counts have a statistical tolerance instead: the standard error of the difference of both means, from the variance that
//! the simulated runs have among themselves, at least that of a Poisson count. Noise is part of that already.

use serde::{Deserialize, Serialize};

use super::metric::Tolerance;
use crate::stats::interval::{LEVEL, of_replications};
use crate::stats::student::two_sided;

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Within the tolerance, and the machine would have shown otherwise.
    #[serde(rename = "pass")]
    Pass,
    /// Beyond the tolerance, and beyond the noise.
    #[serde(rename = "miss")]
    Miss,
    /// The noise is larger than the tolerance and than the difference.
    #[serde(rename = "not distinguishable")]
    NotDistinguishable,
    /// There is nothing to compare.
    #[serde(rename = "skipped")]
    Skipped,
}

impl Verdict {
    /// Its name in tables, files and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Miss => "miss",
            Verdict::NotDistinguishable => "not distinguishable",
            Verdict::Skipped => "skipped",
        }
    }
}

/// A value and where others lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Median of repeats, or mean of simulated runs.
    pub value: f64,
    /// Lowest repeat, or lower end of the 95 % interval.
    pub low: f64,
    /// Highest repeat, or upper end.
    pub high: f64,
}

impl Spread {
    /// Median and range of repeats; none without any.
    pub fn of_repeats(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let value = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Some(Spread { value, low, high })
    }

    /// Mean and 95 % interval of simulated runs; none without any.
    pub fn of_simulated(values: &[f64]) -> Option<Spread> {
        let estimate = of_replications(values);
        let value = estimate.value?;
        Some(Spread { value, low: estimate.low.unwrap_or(value), high: estimate.high.unwrap_or(value) })
    }

    /// Half its width.
    pub fn half(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// A comparison that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The real server, or whatever stands for it.
    pub measured: Spread,
    /// The simulator.
    pub simulated: Spread,
    /// Simulated over measured; none where nothing was measured.
    pub ratio: Option<f64>,
    /// A smaller difference means nothing, in the figure's unit.
    pub noise: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// Judges repeats of a measurement against simulated runs; `gaps` is what the machine's own gaps do to the figure.
///
/// None without a value on both sides.
pub fn judge(measured: &[f64], simulated: &[f64], tolerance: Tolerance, gaps: f64) -> Option<Judged> {
    let middle = Spread::of_repeats(measured)?;
    let predicted = Spread::of_simulated(simulated)?;
    let chance = match simulated.len() {
        1 => 0.0,
        runs => two_sided(runs as u32 - 1, LEVEL) * error(variance(simulated), measured.len(), runs),
    };
    let noise = gaps.max(middle.half()).max(chance);
    let is_met = |met: bool| if met { Verdict::Pass } else { Verdict::Miss };
    let by_noise = |allowed: f64| {
        let difference = (predicted.value - middle.value).abs();
        match noise > allowed {
            true if difference <= noise => Verdict::NotDistinguishable,
            _ => is_met(is_within(middle.value, predicted.value, tolerance)),
        }
    };
    let verdict = match tolerance {
        Tolerance::Relative(share) => by_noise(share * middle.value.abs()),
        Tolerance::Factor(factor) => by_noise((factor - 1.0) * middle.value.abs()),
        Tolerance::StandardErrors(allowed) => is_met(counts_agree(measured, simulated, allowed)),
    };
    let ratio = (middle.value != 0.0).then(|| predicted.value / middle.value);
    Some(Judged { measured: middle, simulated: predicted, ratio, noise, verdict })
}

/// Whether a prediction is within a tolerance of what was measured.
fn is_within(measured: f64, simulated: f64, tolerance: Tolerance) -> bool {
    match tolerance {
        Tolerance::Relative(share) => (simulated - measured).abs() <= share * measured.abs(),
        Tolerance::Factor(factor) => simulated <= factor * measured && simulated * factor >= measured,
        Tolerance::StandardErrors(_) => false,
    }
}

/// Whether the means of two sets of counts are within `allowed` standard errors of their difference.
fn counts_agree(measured: &[f64], simulated: &[f64], allowed: f64) -> bool {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (real, predicted) = (mean(measured), mean(simulated));
    // Both together, so that nothing in the few runs of one side is not taken for nothing ever.
    let all = measured.iter().chain(simulated).sum::<f64>() / (measured.len() + simulated.len()) as f64;
    let variance = variance(simulated).max(all);
    (real - predicted).abs() <= allowed * error(variance, measured.len(), simulated.len())
}

/// Variance of runs among themselves; 0 of a single one.
fn variance(runs: &[f64]) -> f64 {
    let mean = runs.iter().sum::<f64>() / runs.len().max(1) as f64;
    let squares: f64 = runs.iter().map(|value| (value - mean) * (value - mean)).sum();
    squares / (runs.len().max(2) - 1) as f64
}

/// Standard error of the difference between the means of so many runs on each side, if all have that variance.
fn error(variance: f64, measured: usize, simulated: usize) -> f64 {
    libm::sqrt(variance * (1.0 / measured as f64 + 1.0 / simulated as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Tolerance = Tolerance::Relative(0.1);

    fn verdict(measured: &[f64], simulated: &[f64], tolerance: Tolerance, gaps: f64) -> Verdict {
        judge(measured, simulated, tolerance, gaps).expect("values on both sides").verdict
    }

    #[test]
    fn the_tolerance_counts_from_what_was_measured_and_holds_at_its_border() {
        for (simulated, wanted) in
            [(110.0, Verdict::Pass), (110.1, Verdict::Miss), (90.0, Verdict::Pass), (89.9, Verdict::Miss)]
        {
            assert_eq!(verdict(&[100.0], &[simulated], TENTH, 0.0), wanted, "{simulated}");
        }
    }

    #[test]
    fn a_factor_is_the_same_up_and_down() {
        let factor = Tolerance::Factor(1.5);
        for (simulated, wanted) in
            [(150.0, Verdict::Pass), (151.0, Verdict::Miss), (66.7, Verdict::Pass), (66.0, Verdict::Miss)]
        {
            assert_eq!(verdict(&[100.0], &[simulated], factor, 0.0), wanted, "{simulated}");
        }
    }

    #[test]
    fn a_difference_below_the_noise_is_no_pass_once_the_noise_is_beyond_the_tolerance() {
        // Noise within the tolerance: the tolerance decides.
        assert_eq!(verdict(&[100.0], &[105.0], TENTH, 10.0), Verdict::Pass);
        assert_eq!(verdict(&[100.0], &[111.0], TENTH, 10.0), Verdict::Miss);
        // Beyond it: even equal values prove nothing, and only what exceeds the noise is a miss.
        assert_eq!(verdict(&[100.0], &[100.0], TENTH, 10.1), Verdict::NotDistinguishable);
        assert_eq!(verdict(&[100.0], &[130.0], TENTH, 30.0), Verdict::NotDistinguishable);
        assert_eq!(verdict(&[100.0], &[130.1], TENTH, 30.0), Verdict::Miss);
    }

    #[test]
    fn repeats_and_simulated_intervals_are_noise_as_well() {
        // Repeats from 70 to 130: 30 either way.
        assert_eq!(verdict(&[70.0, 100.0, 130.0], &[125.0], TENTH, 0.0), Verdict::NotDistinguishable);
        assert_eq!(verdict(&[99.0, 100.0, 101.0], &[125.0], TENTH, 0.0), Verdict::Miss);
        let judged = judge(&[100.0], &[80.0, 140.0], TENTH, 0.0).expect("values");
        // Student's t of one degree of freedom, a variance of 1800, one run beside two.
        assert!((judged.noise - 12.706 * (1800.0_f64 * 1.5).sqrt()).abs() < 0.1, "{judged:?}");
        assert_eq!(judged.verdict, Verdict::NotDistinguishable);
        // Of seven degrees of freedom: eight runs of variance 900 x 8/7.
        let runs = [70.0, 130.0].repeat(4);
        let judged = judge(&[100.0], &runs, TENTH, 0.0).expect("values");
        let wanted = 2.3646 * (900.0_f64 * 8.0 / 7.0 * 9.0 / 8.0).sqrt();
        assert!((judged.noise - wanted).abs() < 0.01, "{judged:?}");
    }

    #[test]
    fn counts_are_held_to_the_variance_of_the_simulated_runs() {
        let errors = Tolerance::StandardErrors(3.0);
        // Variance 100 among four runs of mean 30; one measured: 3 × 10 × √(5/4) = 33.5.
        let simulated =
            [20.0, 40.0, 30.0 - 75.0_f64.sqrt() / 1.224_744_871, 30.0 + 75.0_f64.sqrt() / 1.224_744_871];
        let variance: f64 = simulated.iter().map(|x| (x - 30.0) * (x - 30.0)).sum::<f64>() / 3.0;
        assert!((variance - 100.0).abs() < 1e-6, "{variance}");
        assert_eq!(verdict(&[63.5], &simulated, errors, 0.0), Verdict::Pass);
        assert_eq!(verdict(&[63.6], &simulated, errors, 0.0), Verdict::Miss);
    }

    #[test]
    fn counts_vary_at_least_as_poisson() {
        let errors = Tolerance::StandardErrors(3.0);
        // 100 in each of four runs, x in one: (x − 100)² = 9 × (400 + x) / 5 × 5/4 at x = 134.7.
        assert_eq!(verdict(&[134.0], &[100.0; 4], errors, 0.0), Verdict::Pass);
        assert_eq!(verdict(&[135.0], &[100.0; 4], errors, 0.0), Verdict::Miss);
        // Nothing in four runs is not nothing ever, but not three in the fifth either.
        assert_eq!(verdict(&[0.0], &[0.0; 4], errors, 0.0), Verdict::Pass);
        assert_eq!(verdict(&[2.0], &[0.0; 4], errors, 0.0), Verdict::Pass);
        assert_eq!(verdict(&[3.0], &[0.0; 4], errors, 0.0), Verdict::Miss);
    }

    #[test]
    fn a_median_of_an_even_number_lies_between() {
        assert_eq!(
            Spread::of_repeats(&[4.0, 1.0, 3.0, 2.0]),
            Some(Spread { value: 2.5, low: 1.0, high: 4.0 })
        );
        assert_eq!(Spread::of_repeats(&[]), None);
        assert_eq!(judge(&[], &[1.0], TENTH, 0.0), None);
        assert_eq!(judge(&[1.0], &[], TENTH, 0.0), None);
    }

    #[test]
    fn without_anything_measured_there_is_no_ratio() {
        let judged = judge(&[0.0], &[0.0], Tolerance::StandardErrors(3.0), 0.0).expect("values");
        assert_eq!(judged.ratio, None);
        assert_eq!(judge(&[50.0], &[40.0], TENTH, 0.0).expect("values").ratio, Some(0.8));
    }
}
