//! 95 % intervals of quantiles hold the truth in 95 % of the runs.
//!
//! Method: 1,000 runs of M/M/1 at 0.7 with 64 sections, of which P50 and P90 are known. Tolerance: four standard errors of a
//! share of 95 % in 1,000. Intervals a fifth shorter must fail. The whole table is `writepath coverage`'s, which takes
//! longer than a test may.

use writepath::coverage::{Coverage, Queue, Vacations};
use writepath::stats::estimate::{SECTIONS, quantile};
use writepath::stats::interval::Estimate;

const TRIALS: u64 = 1000;
const QUEUE: Queue = Queue { utilisation: 0.7, vacations: Vacations::None, customers: 60_000.0 };

/// Coverage of the quantiles of [`QUEUE`], with intervals `factor` times as long as they are.
fn coverage(factor: f64) -> [Coverage; 2] {
    let quantiles = [0.5, 0.9];
    let mut coverage = quantiles.map(|q| Coverage::of(QUEUE.quantile(q)));
    for trial in 0..TRIALS {
        let sections = QUEUE.simulate(3, trial, SECTIONS);
        for (count, q) in coverage.iter_mut().zip(quantiles) {
            count.add(&scaled(quantile(&[&sections], "all", q), factor));
        }
    }
    coverage
}

fn scaled(estimate: Estimate, factor: f64) -> Estimate {
    let value = estimate.value;
    let end = |end: Option<f64>| value.zip(end).map(|(value, end)| value + factor * (end - value));
    Estimate { low: end(estimate.low), high: end(estimate.high), ..estimate }
}

/// Four standard errors.
fn tolerance(coverage: &Coverage) -> f64 {
    4.0 * (0.95 * 0.05 / coverage.given as f64).sqrt()
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    for coverage in coverage(1.0) {
        assert!(coverage.refused() < 0.02, "there is data enough: {coverage:?}");
        let share = coverage.share().expect("intervals");
        assert!((share - 0.95).abs() < tolerance(&coverage), "{share}");
    }
}

#[test]
fn the_check_sees_intervals_a_fifth_too_short() {
    for coverage in coverage(0.8) {
        let share = coverage.share().expect("intervals");
        assert!(share < 0.95 - tolerance(&coverage), "{share}");
    }
}

#[test]
fn a_quantile_beyond_what_the_run_holds_is_refused_in_words() {
    let short = Queue { customers: 5000.0, ..QUEUE };
    let estimate = quantile(&[&short.simulate(3, 0, SECTIONS)], "all", 0.9999);
    assert_eq!(estimate.value, None);
    assert!(estimate.reason.expect("a reason").starts_with("P99.99 needs 100000 requests, this run has "));
}
