use super::*;
use crate::rng::{Numbered, StreamId, Streams, Uniform};

/// Trials of a coverage.
const TRIALS: u64 = 2000;
/// Probability with which an interval must cover.
const WANTED: f64 = 0.95;
/// Probes of a search at most.
const PROBES: usize = 32;
/// Those that may be close to the crossing.
const CLOSE: f64 = 8.0;

/// A line through `zero` with noise of standard deviation `noise`; part of it is common to all positions, as under common
/// random numbers.
struct Line {
    zero: f64,
    noise: f64,
    common: f64,
    skewed: bool,
    whole: bool,
    draws: Numbered,
    observed: usize,
}

impl Line {
    fn new(trial: u64, zero: f64, noise: f64, common: f64) -> Self {
        let draws = Numbered::new(&Streams::new(7, trial), StreamId::Crash, 0);
        Line { zero, noise, common, skewed: false, whole: false, draws, observed: 0 }
    }

    /// Mean 0 and variance 1: normal by Box and Muller, or exponential.
    fn draw(&self, n: u64) -> f64 {
        let mut draws = self.draws.of(n);
        let long = -crate::math::ln(draws.unit());
        if self.skewed {
            long - 1.0
        } else {
            (2.0 * long).sqrt() * libm::cos(std::f64::consts::TAU * draws.unit())
        }
    }
}

impl Curve for Line {
    type Stop = std::convert::Infallible;

    fn observe(&mut self, at: f64, observations: usize) -> Result<Vec<Series>, Self::Stop> {
        self.observed += observations;
        let own = (1.0 - self.common * self.common).sqrt();
        let margin = |n: usize| {
            let noise = self.common * self.draw(n as u64) + own * self.draw(at.to_bits() ^ n as u64);
            at - self.zero + self.noise * noise
        };
        Ok(vec![plain((0..observations).map(margin).collect())])
    }

    fn snap(&self, at: f64) -> f64 {
        if self.whole { at.round() } else { at }
    }
}

/// Observations without parts, whose mean is their score.
fn plain(margins: Vec<f64>) -> Series {
    Series {
        criterion: Criterion::Mean,
        score: Moments::of(&margins).mean,
        margins,
        parts: Vec::new(),
        allowed: 0.0,
        enough_to_be_met: true,
        enough_to_be_unmet: true,
    }
}

/// Scans from -3 to 4 and narrows between the first two verdicts, as a search of a scenario does.
fn search(line: &mut Line, error: f64) -> (Crossing, Vec<Probe>) {
    let rule = Rule { error, width: 0.02, first: FIRST_LOOK, most: 256, probes: PROBES };
    let Ok(mut probes) = (-6..=8)
        .map(|n| Probe::take(line, f64::from(n) / 2.0, FIRST_LOOK, error))
        .collect::<Result<Vec<_>, _>>();
    let upper = probes.iter().find(|probe| probe.verdict == Verdict::Unmet).expect("far enough").at;
    let lower = probes.iter().rev().find(|probe| probe.verdict == Verdict::Met && probe.at < upper);
    let ends = (lower.expect("far enough").at, upper);
    let Ok(crossing) = narrow(line, &mut probes, ends, &rule, None);
    (crossing, probes)
}

/// Share of the intervals that hold the crossing, which lies anywhere in (0, 1).
fn coverage(noise: f64, common: f64, skewed: bool, error: f64) -> f64 {
    let places = Numbered::new(&Streams::new(8, 0), StreamId::Crash, 0);
    let covers = |trial: &u64| {
        let zero = places.of(*trial).unit();
        let mut line = Line { skewed, ..Line::new(*trial, zero, noise, common) };
        let found = search(&mut line, error).0;
        found.lower <= zero && zero < found.upper
    };
    (0..TRIALS).filter(covers).count() as f64 / TRIALS as f64
}

/// Four standard errors of a share of the trials.
fn tolerance() -> f64 {
    4.0 * (WANTED * (1.0 - WANTED) / TRIALS as f64).sqrt()
}

#[test]
fn intervals_cover_the_crossing() {
    for (noise, common, skewed) in
        [(0.03, 0.0, false), (0.1, 0.0, false), (0.1, 0.9, false), (0.03, 0.0, true)]
    {
        let share = coverage(noise, common, skewed, (1.0 - WANTED) / CLOSE);
        assert!(
            share >= WANTED - tolerance(),
            "noise {noise}, {common} of it common, skewed {skewed}: {share}"
        );
    }
}

#[test]
fn the_check_of_coverage_sees_verdicts_that_are_given_too_early() {
    let share = coverage(0.1, 0.0, false, 0.4);
    assert!(share < WANTED - tolerance(), "{share}");
}

#[test]
fn without_noise_three_probes_end_it() {
    let mut line = Line::new(0, 0.617, 0.0, 0.0);
    let (found, probes) = search(&mut line, 0.006);
    assert!(found.settled && found.lower <= 0.617 && 0.617 < found.upper, "{found:?}");
    assert!(found.upper - found.lower <= 0.02, "{found:?}");
    assert!((found.root - 0.617).abs() < 1e-9, "a line's crossing is found exactly: {found:?}");
    // The middle of a long stretch, then one probe on each side of where the line through the ends crosses.
    assert_eq!((probes.len(), line.observed), (15 + 3, FIRST_LOOK * (15 + 3)));
}

#[test]
fn the_search_is_as_exact_as_its_observations_allow() {
    // 256 observations tell a fiftieth from 0 at a noise of 0.03 with room to spare, and say nothing about it at 0.2.
    let (fine, _) = search(&mut Line::new(1, 0.4, 0.03, 0.0), 0.006);
    assert!(fine.settled && (fine.root - 0.4).abs() < 0.01, "{fine:?}");
    let (coarse, probes) = search(&mut Line { noise: 0.2, ..Line::new(1, 0.4, 0.0, 0.0) }, 0.006);
    assert!(!coarse.settled && coarse.upper - coarse.lower > 0.02, "{coarse:?}");
    assert!(probes.iter().all(|probe| probe.observations() <= 256) && probes.len() <= PROBES);
}

#[test]
fn whole_numbers_end_at_neighbours() {
    let mut line = Line { whole: true, ..Line::new(0, 6.5, 0.001, 0.0) };
    let rule = Rule { error: 0.0025, width: 0.02, first: 4, most: 64, probes: 40 };
    let Ok(mut probes) = [1.0, 20.0]
        .map(|at| Probe::take(&mut line, at, 4, 0.0025))
        .into_iter()
        .collect::<Result<Vec<_>, _>>();
    let Ok(found) = narrow(&mut line, &mut probes, (1.0, 20.0), &rule, None);
    assert_eq!((found.lower, found.upper, found.settled), (6.0, 7.0, true));
}

#[test]
fn a_verdict_needs_every_requirement_to_be_shown() {
    let series = |criterion, margins: &[f64]| Series { criterion, ..plain(margins.to_vec()) };
    let met = series(Criterion::Mean, &[-1.0, -1.1, -0.9, -1.0]);
    let open = series(Criterion::Mean, &[-1.0, 1.1, -0.9, 1.0]);
    let unmet = series(Criterion::Mean, &[1.0, 1.1, 0.9, 1.0]);
    let every = series(Criterion::Every, &[-1.0, -1.0, -1.0, 0.1]);
    let of = |parts: &[&Series]| verdict(&parts.iter().map(|&part| part.clone()).collect::<Vec<_>>(), 0.01);
    assert_eq!(of(&[&met, &met]), Verdict::Met);
    assert_eq!(of(&[&met, &open]), Verdict::Open);
    assert_eq!(of(&[&open, &unmet]), Verdict::Unmet);
    assert_eq!(of(&[&met, &every]), Verdict::Unmet);
    assert_eq!(of(&[&series(Criterion::Mean, &[-1.0, f64::INFINITY])]), Verdict::Unmet);
    assert_eq!(of(&[&series(Criterion::Mean, &[-1.0; 3])]), Verdict::Open, "too few");
    assert_eq!(of(&[&series(Criterion::Mean, &[-1.0; 4])]), Verdict::Met, "no noise at all");
}

#[test]
fn what_is_rare_needs_enough_to_show_itself() {
    // Of 58 things none is bad with probability 0.95^58 = 5.1 % if one in twenty is, of 59 with 4.8 %.
    assert!(!are_few(0, 58, 0.05, 0.05) && are_few(0, 59, 0.05, 0.05));
    // One or none of 93: 0.95^93 + 93 · 0.05 · 0.95^92 = 0.0499; of 92 it is 0.0520.
    assert!(!are_few(1, 92, 0.05, 0.05) && are_few(1, 93, 0.05, 0.05));
    assert!(!are_few(5, 100, 0.05, 0.05) && !are_few(100, 100, 0.05, 0.05) && !are_few(0, 0, 0.05, 0.05));
    let quiet = Series { enough_to_be_met: false, ..plain(vec![-0.05; 4]) };
    assert_eq!(verdict(&[quiet], 0.01), Verdict::Open);
}

/// With the mean at zero a verdict is wrong whatever it says; all looks together may not say one too often.
#[test]
fn looking_again_and_again_does_not_add_up_to_errors() {
    let error = 0.05;
    let wrong = |trial: &u64| {
        let mut line = Line::new(*trial, 0.0, 1.0, 0.0);
        [4, 8, 16, 32, 64, 128].iter().any(|&n| {
            let Ok(series) = line.observe(0.0, n);
            verdict(&series, error) != Verdict::Open
        })
    };
    let share = (0..TRIALS).filter(wrong).count() as f64 / TRIALS as f64;
    let most = 2.0 * error + 4.0 * (2.0 * error / TRIALS as f64).sqrt();
    assert!(share <= most, "{share}");
    assert!(share >= 0.4 * error, "{share}: looks hardly ever tell");
}

/// Runs of 64 sections with a lag-1 correlation of a half and a standard deviation of one; their common mean is `mean`.
fn sectioned(trial: u64, runs: usize, mean: f64) -> Series {
    let line = Line::new(trial, 0.0, 0.0, 0.0);
    let part = |run: usize| {
        let mut z = line.draw(1000 * run as u64);
        let mut next = |n: usize| {
            z = 0.5 * z + 0.75f64.sqrt() * line.draw((1000 * run + n) as u64);
            Part { sum: mean + z, of: 1.0 }
        };
        (1..=64).map(&mut next).collect::<Vec<Part>>()
    };
    let parts: Vec<Vec<Part>> = (0..runs).map(part).collect();
    let margin = |parts: &Vec<Part>| parts.iter().map(|part| part.sum).sum::<f64>() / 64.0;
    Series { margins: parts.iter().map(margin).collect(), parts, ..plain(vec![0.0]) }
}

#[test]
fn two_runs_with_sections_tell_and_err_no_more_often_than_they_may() {
    // A mean over 128 sections has a standard error of sqrt(3 / 128) = 0.153.
    let told = |trial: &u64| verdict(&[sectioned(*trial, 2, 1.2)], 0.05) == Verdict::Unmet;
    let share = (0..TRIALS).filter(told).count() as f64 / TRIALS as f64;
    assert!(share > 0.95, "{share} see a mean of eight standard errors");
    let wrong = |trial: &u64| {
        [2, 4, 8].iter().any(|&runs| verdict(&[sectioned(*trial, runs, 0.0)], 0.05) != Verdict::Open)
    };
    let share = (0..TRIALS).filter(wrong).count() as f64 / TRIALS as f64;
    // Both sides may err.
    assert!(share <= 0.1 + tolerance(), "{share}");
    assert!(share >= 0.02, "{share}: looks hardly ever tell");
    assert_eq!(verdict(&[sectioned(0, 1, -9.0)], 0.05), Verdict::Open, "one run says nothing of others");
}

#[test]
fn all_looks_together_spend_the_error_of_a_probe() {
    let looks: f64 = [2, 4, 8, 16, 32, 64, 128, 256].iter().map(|&n| spent(n)).sum();
    assert!(looks <= 1.0 && looks > 0.98, "{looks}");
    let (sections, runs, logs) = PARTS;
    assert!((sections.0 + runs.0 - 1.0).abs() < 1e-12 && (sections.1 + runs.1 + logs - 1.0).abs() < 1e-12);
}

/// Quantities of mean 1 less 1 that are skewed as stalls are, `scale` times as large.
fn piled(trial: u64, n: u64, scale: f64) -> Series {
    let line = Line { skewed: true, ..Line::new(trial, 0.0, 0.0, 0.0) };
    let margins: Vec<f64> = (0..n).map(|n| scale * (line.draw(n) + 1.0) - 1.0).collect();
    let parts = margins.iter().map(|&margin| vec![Part { sum: margin, of: 1.0 }]).collect();
    Series { allowed: 1.0, parts, ..plain(margins) }
}

#[test]
fn logarithms_see_what_is_far_beyond_and_err_no_more_often() {
    let unmet = |scale: f64| {
        let is = |trial: &u64| verdict(&[piled(*trial, 8, scale)], 0.05) == Verdict::Unmet;
        (0..TRIALS).filter(is).count() as f64 / TRIALS as f64
    };
    assert!(unmet(1.0) <= 0.05 * spent(8) + tolerance(), "{}", unmet(1.0));
    // A factor of fifty at a spread of 1: by the plain mean it would be eight times that of nothing, less often seen.
    assert!(unmet(50.0) > 0.9, "{}", unmet(50.0));
}
