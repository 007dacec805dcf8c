//! The 95 % intervals beside the quantiles, and why one is missing.

use schemars::JsonSchema;
use serde::Serialize;

use super::quantiles::Quantiles;
use crate::observe::result::{RunResult, Scope};
use crate::stats::estimate;
use crate::stats::interval::Estimate;
use crate::units::{Nanos, format_span};

/// A 95 % interval of a span, in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: Option<Nanos>,
    /// Upper end.
    pub high: Option<Nanos>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How sure the mean and the quantiles of a scope are: what other runs of the scenario would give.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Intervals {
    /// Of the mean.
    pub mean: Interval,
    /// Of the median.
    pub p50: Interval,
    /// Of P90.
    pub p90: Interval,
    /// Of P99.
    pub p99: Interval,
    /// Of P99.9.
    pub p999: Interval,
    /// Of P99.99.
    pub p9999: Interval,
    /// Of the largest; there never is one.
    pub max: Interval,
}

impl Intervals {
    /// Those of `scope`; none where the run kept no sections.
    pub fn of(result: &RunResult, scope: &Scope) -> Option<Self> {
        let runs = [&result.sections];
        result.sections.index(&scope.name)?;
        let [mean, p50, p90, p99, p999, p9999, max] = Quantiles::of(&scope.sojourn).columns();
        let quantile = |shown, q| interval(shown, estimate::quantile(&runs, &scope.name, q));
        Some(Intervals {
            mean: interval(mean, estimate::mean(&runs, &scope.name)),
            p50: quantile(p50, 0.5),
            p90: quantile(p90, 0.9),
            p99: quantile(p99, 0.99),
            p999: quantile(p999, 0.999),
            p9999: quantile(p9999, 0.9999),
            max: interval(max, Estimate::bare(0.0, estimate::MAXIMUM)),
        })
    }

    /// All but the maximum's, in the order of the columns.
    pub fn columns(&self) -> [&Interval; 6] {
        [&self.mean, &self.p50, &self.p90, &self.p99, &self.p999, &self.p9999]
    }

    /// Why quantiles have none, each reason once.
    pub fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = self.columns().iter().filter_map(|end| end.reason.as_deref()).collect();
        reasons.dedup();
        reasons
    }
}

/// The interval around what is shown: whole nanoseconds, and never beside the middle of a slot that stands for the value.
fn interval(shown: Option<Nanos>, estimate: Estimate) -> Interval {
    let (Some(shown), Some(low), Some(high)) = (shown, estimate.low, estimate.high) else {
        return Interval { reason: estimate.reason, ..Interval::default() };
    };
    let (low, high) = (low.max(0.0).floor() as Nanos, high.ceil() as Nanos);
    Interval { low: Some(low.min(shown)), high: Some(high.max(shown)), reason: None }
}

/// Lines for people: `P99 11.9 ms to 12.8 ms`, one number where both ends look alike, and what has too little data.
pub(super) fn lines(intervals: &Intervals) -> (String, Vec<&str>) {
    let named = [("P50", &intervals.p50), ("P99", &intervals.p99), ("P99.9", &intervals.p999)];
    let sure = named.iter().filter_map(|(name, interval)| {
        let (low, high) = (format_span(interval.low?), format_span(interval.high?));
        Some(if low == high { format!("{name} {low}") } else { format!("{name} {low} to {high}") })
    });
    let reasons = named.iter().filter_map(|(_, interval)| interval.reason.as_deref());
    (sure.collect::<Vec<_>>().join(", "), reasons.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn an_interval_holds_what_is_shown() {
        let estimate =
            Estimate { value: Some(99.2), low: Some(98.7), high: Some(99.4), ..Estimate::default() };
        assert_eq!(
            interval(Some(97), estimate.clone()),
            Interval { low: Some(97), high: Some(100), reason: None }
        );
        assert_eq!(interval(None, estimate).low, None);
        let missing = interval(Some(97), Estimate::missing("too short"));
        assert_eq!((missing.low, missing.reason.as_deref()), (None, Some("too short")));
    }

    #[test]
    fn people_read_the_ends_once() {
        let ends = |low, high| Interval { low: Some(low), high: Some(high), reason: None };
        let reason = Some("P99.9 needs more".to_owned());
        let intervals = Intervals {
            p50: ends(273_900, 274_100),
            p99: ends(357_000, 364_000),
            p999: Interval { reason, ..Interval::default() },
            ..Intervals::default()
        };
        let (sure, reasons) = lines(&intervals);
        assert_eq!(sure, "P50 274 us, P99 357 us to 364 us");
        assert_eq!(reasons, ["P99.9 needs more"]);
    }

    #[test]
    fn a_run_without_sections_has_none() {
        let result = fixture::forks();
        assert_eq!(Intervals::of(&result, &result.scopes[0]), None);
    }
}
