use super::*;
use crate::rng::{Numbered, StreamId, Streams, Uniform};

/// Trials of a coverage.
const TRIALS: u64 = 2000;
/// Probability with which an interval must cover.
const WANTED: f64 = 0.95;
/// Probes of a search at most.
const PROBES: usize = 32;

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
        Ok(vec![Series {
            criterion: Criterion::Mean,
            margins: (0..observations).map(margin).collect(),
            enough: true,
        }])
    }

    fn snap(&self, at: f64) -> f64 {
        if self.whole { at.round() } else { at }
    }
}

/// Scans from -3 to 4 and narrows between the first two verdicts, as a search of a scenario does.
fn search(line: &mut Line, error: f64) -> (Crossing, Vec<Probe>) {
    let rule = Rule { error, width: 0.02, most: 256, probes: PROBES };
    let Ok(mut probes) = (-6..=8)
        .map(|n| Probe::take(line, f64::from(n) / 2.0, FIRST_LOOK, error))
        .collect::<Result<Vec<_>, _>>();
    let upper = probes.iter().find(|probe| probe.verdict == Verdict::Unmet).expect("far enough").at;
    let lower = probes.iter().rev().find(|probe| probe.verdict == Verdict::Met && probe.at < upper);
    let ends = (lower.expect("far enough").at, upper);
    let Ok(crossing) = narrow(line, &mut probes, ends, &rule);
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
        let share = coverage(noise, common, skewed, (1.0 - WANTED) / PROBES as f64);
        assert!(
            share >= WANTED - tolerance(),
            "noise {noise}, {common} of it common, skewed {skewed}: {share}"
        );
    }
}

#[test]
fn the_check_of_coverage_sees_verdicts_that_are_given_too_early() {
    let share = coverage(0.1, 0.0, false, 0.2);
    assert!(share < WANTED - tolerance(), "{share}");
}

#[test]
fn without_noise_it_is_bisection() {
    let mut line = Line::new(0, 0.617, 0.0, 0.0);
    let (found, probes) = search(&mut line, 0.0025);
    assert!(found.settled && found.lower <= 0.617 && 0.617 < found.upper, "{found:?}");
    assert!(found.upper - found.lower <= 0.02, "{found:?}");
    assert!((found.root - 0.617).abs() < 1e-9, "a line's crossing is found exactly: {found:?}");
    // A half in halves down to a fiftieth.
    assert_eq!((probes.len(), line.observed), (15 + 5, FIRST_LOOK * (15 + 5)));
}

#[test]
fn the_search_is_as_exact_as_its_observations_allow() {
    // 256 observations tell a fiftieth from 0 at a noise of 0.03 with room to spare, and say nothing about it at 1.
    let (fine, _) = search(&mut Line::new(1, 0.4, 0.03, 0.0), 0.0025);
    assert!(fine.settled && (fine.root - 0.4).abs() < 0.01, "{fine:?}");
    let (coarse, probes) = search(&mut Line { noise: 0.2, ..Line::new(1, 0.4, 0.0, 0.0) }, 0.0025);
    assert!(!coarse.settled && coarse.upper - coarse.lower > 0.02, "{coarse:?}");
    assert!(probes.iter().all(|probe| probe.observations() <= 256) && probes.len() <= PROBES);
}

#[test]
fn whole_numbers_end_at_neighbours() {
    let mut line = Line { whole: true, ..Line::new(0, 6.5, 0.001, 0.0) };
    let rule = Rule { error: 0.0025, width: 0.02, most: 64, probes: 40 };
    let Ok(mut probes) = [1.0, 20.0]
        .map(|at| Probe::take(&mut line, at, 4, 0.0025))
        .into_iter()
        .collect::<Result<Vec<_>, _>>();
    let Ok(found) = narrow(&mut line, &mut probes, (1.0, 20.0), &rule);
    assert_eq!((found.lower, found.upper, found.settled), (6.0, 7.0, true));
}

#[test]
fn a_verdict_needs_every_requirement_to_be_shown() {
    let series = |criterion, margins: &[f64]| Series { criterion, margins: margins.to_vec(), enough: true };
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
    let quiet = Series { criterion: Criterion::Mean, margins: vec![-0.05; 4], enough: false };
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
