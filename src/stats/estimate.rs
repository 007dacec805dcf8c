//! Estimates from the sections of one run or of several replications of it: quantiles, means, rates, shares.

use super::interval::{Estimate, Part, Ratio, ratio};
use super::support;
use crate::observe::sections::{Section, Sections};
use crate::observe::sparse::SparseHistogram;
use crate::units::SECOND;

/// Sections of a run that stands alone: twice as many cost twice the memory and add nothing to intervals.
pub const SECTIONS: u32 = 64;
/// Why a maximum has no interval.
pub const MAXIMUM: &str = "a maximum has no interval: it grows with the length of the run";
/// Why a value of too few sections has none.
const FEW_SECTIONS: &str = "an interval needs 6 sections, or two replications";

/// The quantile `q`, 0 < q < 1, of the sojourns \[ns\] of the scope `scope` over all of `runs`, replications of one
/// scenario, with a 95 % interval; or why there is none.
///
/// The value is that of all requests together, interpolated within a slot of the histogram.
pub fn quantile(runs: &[&Sections], scope: &str, q: f64) -> Estimate {
    let sojourns: Vec<Vec<&SparseHistogram>> = runs.iter().map(|run| run.sojourns(scope)).collect();
    let all = SparseHistogram::merged(sojourns.iter().flatten().copied());
    let Some(value) = all.interpolated(q) else { return Estimate::missing("no requests") };
    let beyond = |section: &&SparseHistogram| Part { sum: section.above(value), of: section.count() as f64 };
    let parts: Vec<Vec<Part>> = sojourns.iter().map(|run| run.iter().map(beyond).collect()).collect();
    if let Some(reason) = support::too_little(runs, &parts, q, all.count()) {
        return Estimate::missing(reason);
    }
    let Some(Ratio { half_width, df, .. }) = ratio(&parts) else {
        return Estimate::bare(value, FEW_SECTIONS);
    };
    if half_width >= q.min(1.0 - q) {
        return Estimate::missing(support::no_end(runs, &parts, q));
    }
    Estimate {
        value: Some(value),
        low: all.interpolated(q - half_width),
        high: all.interpolated(q + half_width),
        batches: df + 1,
        reason: None,
    }
}

/// The same as a number alone, however little it rests on; none without requests.
pub fn pooled(runs: &[&Sections], scope: &str, q: f64) -> Option<f64> {
    SparseHistogram::merged(runs.iter().flat_map(|run| run.sojourns(scope))).interpolated(q)
}

/// Mean sojourn \[ns\] of the scope `scope` over all of `runs`.
pub fn mean(runs: &[&Sections], scope: &str) -> Estimate {
    let part = |section: &SparseHistogram| Part { sum: section.sum() as f64, of: section.count() as f64 };
    let parts = |run: &&Sections| run.sojourns(scope).into_iter().map(part).collect();
    of(&runs.iter().map(parts).collect::<Vec<_>>(), "no requests")
}

/// Something a second, of all sections of all of `runs`: `count` says how much of it a section holds.
pub fn rate(runs: &[&Sections], count: impl Fn(&Section) -> f64) -> Estimate {
    share(runs, count, |section| (section.end - section.start) as f64 / SECOND as f64)
}

/// A sum over all sections of all of `runs`, over another sum: writes of all requests, busy time of all time.
pub fn share(runs: &[&Sections], sum: impl Fn(&Section) -> f64, whole: impl Fn(&Section) -> f64) -> Estimate {
    let part = |section: &Section| Part { sum: sum(section), of: whole(section) };
    let parts = |run: &&Sections| run.list.iter().map(part).collect();
    of(&runs.iter().map(parts).collect::<Vec<_>>(), "nothing to relate it to")
}

fn of(parts: &[Vec<Part>], nothing: &str) -> Estimate {
    let (sum, of) = parts.iter().flatten().fold((0.0, 0.0), |(s, o), part| (s + part.sum, o + part.of));
    if of <= 0.0 {
        return Estimate::missing(nothing);
    }
    match ratio(parts) {
        None => Estimate::bare(sum / of, FEW_SECTIONS),
        Some(Ratio { value, half_width, df }) => Estimate {
            value: Some(value),
            low: Some(value - half_width),
            high: Some(value + half_width),
            batches: df + 1,
            reason: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;

    /// Sections of 2 s with the values that `values` gives each.
    fn run(sections: u64, values: impl Fn(u64) -> Vec<u64>) -> Sections {
        let section = |index| {
            let mut histogram = Histogram::new();
            values(index).into_iter().for_each(|value| histogram.record(value));
            let mut section = Section {
                start: 2 * index * SECOND,
                end: 2 * (index + 1) * SECOND,
                sojourns: vec![SparseHistogram::from(&histogram)],
                ..Section::default()
            };
            section.counters.forks = 3;
            section
        };
        Sections {
            scopes: vec![("all".into(), 0)],
            list: (0..sections).map(section).collect(),
            ..Sections::default()
        }
    }

    #[test]
    fn rates_and_shares_are_ratios_of_sums() {
        let even = run(20, |_| vec![1000; 50]);
        let forks = rate(&[&even], |section| section.counters.forks as f64);
        assert_eq!((forks.value, forks.low, forks.high), (Some(1.5), Some(1.5), Some(1.5)));
        let share = share(&[&even], |section| section.counters.forks as f64, |_| 12.0);
        assert_eq!(share.value, Some(0.25));
        assert_eq!(mean(&[&even], "all").value, Some(1000.0));
    }

    #[test]
    fn what_is_missing_is_said() {
        let even = run(3, |_| vec![1000; 50]);
        assert_eq!(mean(&[&even], "read").reason.as_deref(), Some("no requests"));
        assert_eq!(quantile(&[&even], "read", 0.5).reason.as_deref(), Some("no requests"));
        let median = quantile(&[&even], "all", 0.5);
        assert_eq!((median.low, median.reason.as_deref()), (None, Some(FEW_SECTIONS)));
        assert!(median.value.is_some());
        assert_eq!(rate(&[], |_| 1.0).value, None);
    }

    #[test]
    fn a_gap_in_the_distribution_is_no_obstacle() {
        // 1.2 % of the requests wait for 1 ms more, in every section: P99 is beyond the gap, P98 below it.
        let gap = run(64, |index| {
            (0..1000).map(|n| if n < 11 + index % 3 { 2_000_000 + n * 1000 } else { 1000 + n }).collect()
        });
        let p99 = quantile(&[&gap], "all", 0.99);
        assert!(p99.low.expect("an interval") > 2_000_000.0, "{p99:?}");
        let p98 = quantile(&[&gap], "all", 0.98);
        assert!(p98.high.expect("an interval") < 2100.0, "{p98:?}");
    }
}
