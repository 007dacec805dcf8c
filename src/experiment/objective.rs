//! What a run must keep: `p99<5ms`, `write:p999<20ms/60s@95%`, `loss<=2s`, `busy<70%`.
//!
//! An objective is `METRIC OP VALUE[/WINDOW[@SHARE]]` with a metric of the catalogue, OP one of `<`, `<=`, `>`, `>=`, and a
//! value in the metric's unit. Without a window it is about the whole measured time. With one it is about what a
//! dashboard with that resolution shows: the metric is taken in every window of that length, and at least SHARE of the
//! windows (99 % unless said otherwise) must keep it.
//!
//! Replications are judged together, each giving one number, its margin: at or below zero where it keeps the objective.
//! For a quantile this is the share of its requests beyond the bound less the share that may be; P99 over all runs keeps
//! the bound exactly if the mean margin is not above zero. So a quantile is judged by a mean, whose error replications
//! tell honestly, and requests that one stall delays together do no harm. Windows are counted alike. Means and shares of
//! time are judged by their mean over runs. What is a largest value or a count of a run must hold in every run.

use std::fmt;

use super::amount;
use super::metric::{Metric, Source, Unit};
use crate::observe::result::{RunResult, Scope, WindowRow};
use crate::observe::sparse::SparseHistogram;
use crate::stats::bisect::Criterion;
use crate::units::{Nanos, SECOND, parse_span};

/// Share of the windows that must keep an objective when it does not say.
pub const WINDOW_SHARE: f64 = 0.99;

/// Windows of one length, and how many of them must keep an objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Length \[ns\], a multiple of 1 s.
    pub length: Nanos,
    /// Share of the windows, above 0 and at most 1.
    pub share: f64,
}

/// An objective as asked for.
#[derive(Clone, Debug)]
pub struct Objective {
    /// What is asked of a run.
    pub metric: Metric,
    /// The value must be below the bound (else above it).
    pub below: bool,
    /// The bound itself is not good enough.
    pub strict: bool,
    /// The bound, in the unit of the metric.
    pub bound: f64,
    /// Windows in which it is taken; none: the whole measured time.
    pub window: Option<Window>,
    text: String,
}

impl Objective {
    /// Reads `METRIC OP VALUE[/WINDOW[@SHARE]]`.
    ///
    /// # Errors
    /// What is wrong and what is expected.
    pub fn parse(text: &str) -> Result<Objective, String> {
        let usage = || {
            format!("{text:?} is no objective\n  write METRIC<VALUE or METRIC<VALUE/WINDOW, as p99<5ms/60s")
        };
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = text.find(['<', '>']).ok_or_else(usage)?;
        let (name, rest) = text.split_at(at);
        let metric = Metric::parse(name)?;
        let strict = !rest[1..].starts_with('=');
        let rest_of = &rest[if strict { 1 } else { 2 }..];
        let (value, window) = split_window(rest_of);
        let quantity = metric.quantity;
        let bound = if quantity.unit == Unit::Share { part(value) } else { quantity.unit.parse(value) };
        let bound =
            bound.map_err(|error| format!("{name} is measured in {}: {error}", unit_name(quantity.unit)))?;
        let window = window.map(|window| parse_window(&metric, window)).transpose()?;
        Ok(Objective { below: rest.starts_with('<'), strict, bound, window, metric, text })
    }

    /// How the margins of several runs are judged together.
    pub fn criterion(&self) -> Criterion {
        let quantity = self.metric.quantity;
        let is_count = quantity.unit == Unit::Count && !quantity.column.ends_with("_mean");
        match self.window.is_none() && (is_count || quantity.column.ends_with("_max")) {
            true => Criterion::Every,
            false => Criterion::Mean,
        }
    }

    /// Its margin in a run, at or below zero if the run keeps it; none where the run has nothing to measure.
    pub fn margin(&self, run: &RunResult) -> Option<f64> {
        if let Some(window) = self.window {
            let value = self.of_window()?;
            let kept = rows(self.scope(run)?, window.length)?.map(|row| self.keeps(value(row) as f64));
            return share(kept).map(|kept| window.share - kept);
        }
        if let Source::Quantile(q) = self.metric.quantity.source {
            let sojourn = &self.scope(run)?.sojourn;
            let beyond = SparseHistogram::from(sojourn).above(self.bound) / sojourn.count() as f64;
            let margin = beyond - (1.0 - q);
            return (sojourn.count() > 0).then_some(if self.below { margin } else { -margin });
        }
        let value = self.metric.of(run)?;
        let scale = if self.bound > 0.0 { self.bound } else { 1.0 };
        let over = (value - self.bound) / scale * if self.below { 1.0 } else { -1.0 };
        // A count of exactly the bound does not keep a strict one.
        Some(if over == 0.0 && self.strict { f64::MIN_POSITIVE } else { over })
    }

    /// What is shown beside the bound: the metric over the run, or what the given share of windows has at most.
    pub fn value(&self, run: &RunResult) -> Option<f64> {
        let Some(window) = self.window else { return self.metric.of(run) };
        let value = self.of_window()?;
        over_windows(
            rows(self.scope(run)?, window.length)?.map(|row| value(row) as f64),
            window.share,
            self.below,
        )
    }

    /// The sojourns it is about.
    fn scope<'a>(&self, run: &'a RunResult) -> Option<&'a Scope> {
        let name = self.metric.scope.as_deref().unwrap_or("all");
        run.scopes.iter().find(|scope| scope.name == name)
    }

    /// The metric in a window, if windows have it.
    fn of_window(&self) -> Option<fn(&WindowRow) -> Nanos> {
        of_window(&self.metric)
    }

    fn keeps(&self, value: f64) -> bool {
        match (self.below, self.strict) {
            (true, true) => value < self.bound,
            (true, false) => value <= self.bound,
            (false, true) => value > self.bound,
            (false, false) => value >= self.bound,
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What contradicts itself or says nothing among objectives that must hold together: (errors, notes), a sentence each.
pub fn contradictions(objectives: &[Objective]) -> (Vec<String>, Vec<String>) {
    let (mut errors, mut notes) = (Vec::new(), Vec::new());
    for (index, one) in objectives.iter().enumerate() {
        for other in &objectives[index + 1..] {
            if one.below == other.below {
                notes.extend(implied(one, other));
            } else {
                let (upper, lower) = if one.below { (one, other) } else { (other, one) };
                let touch = upper.bound == lower.bound && (upper.strict || lower.strict);
                if rank(lower, upper) && (lower.bound > upper.bound || touch) {
                    errors.push(format!("{one} and {other} cannot both hold"));
                }
            }
        }
    }
    (errors, notes)
}

/// Whether the metric of `lower` is never above that of `upper`: the same one, or a lower quantile of the same sojourns.
fn rank(lower: &Objective, upper: &Objective) -> bool {
    let order = |source| match source {
        Source::Quantile(q) => Some(q),
        Source::Max => Some(1.0),
        _ => None,
    };
    let same_quantity = lower.metric.quantity.name == upper.metric.quantity.name;
    let quantiles = (order(lower.metric.quantity.source), order(upper.metric.quantity.source));
    let ranked = matches!(quantiles, (Some(low), Some(high)) if low <= high);
    lower.metric.scope == upper.metric.scope && lower.window == upper.window && (same_quantity || ranked)
}

/// A sentence if one of two bounds on the same side makes the other superfluous.
fn implied(one: &Objective, other: &Objective) -> Option<String> {
    let same = one.metric.quantity.name == other.metric.quantity.name
        && one.metric.scope == other.metric.scope
        && one.window == other.window;
    let (tight, loose) = if (one.bound <= other.bound) == one.below { (one, other) } else { (other, one) };
    same.then(|| format!("{loose} follows from {tight}"))
}

/// The quantile of windows that a metric asks for.
fn of_window(metric: &Metric) -> Option<fn(&WindowRow) -> Nanos> {
    match metric.quantity.name {
        "p50" => Some(|row| row.p50),
        "p99" => Some(|row| row.p99),
        "p999" => Some(|row| row.p999),
        "max" => Some(|row| row.max),
        _ => None,
    }
}

fn rows(scope: &Scope, length: Nanos) -> Option<impl Iterator<Item = &WindowRow>> {
    let level = scope.windows.iter().find(|level| level.window == length)?;
    Some(level.rows.iter())
}

/// Share of those that are true; none of nothing.
fn share(kept: impl Iterator<Item = bool>) -> Option<f64> {
    let (mut all, mut those) = (0u64, 0u64);
    kept.for_each(|kept| (all, those) = (all + 1, those + u64::from(kept)));
    (all > 0).then(|| those as f64 / all as f64)
}

/// The value that a share of the windows has at most (or at least, if not `below`).
pub fn over_windows(values: impl Iterator<Item = f64>, share: f64, below: bool) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(|a, b| if below { a.total_cmp(b) } else { b.total_cmp(a) });
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied()
}

/// Splits `5ms/60s@95%` before the window: a slash before a digit, since a rate's own is before a letter.
fn split_window(text: &str) -> (&str, Option<&str>) {
    let is_window = |at: &usize| text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    match text.match_indices('/').map(|found| found.0).find(is_window) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn parse_window(metric: &Metric, text: &str) -> Result<Window, String> {
    if of_window(metric).is_none() {
        return Err(format!(
            "{metric} is not kept by window\n  p50, p99, p999 and max are; leave out /{text}"
        ));
    }
    let (length, share) = match text.split_once('@') {
        Some((length, share)) => (length, part(share)?),
        None => (text, WINDOW_SHARE),
    };
    let length = parse_span(length)?;
    if length == 0 || !length.is_multiple_of(SECOND) {
        return Err(format!("a window of {text} is no multiple of 1 s\n  write whole seconds, as /10s"));
    }
    if share <= 0.0 {
        return Err("a share of no windows asks for nothing\n  write for example @95%".to_owned());
    }
    Ok(Window { length, share })
}

/// Reads a share of at most 1.
fn part(text: &str) -> Result<f64, String> {
    let share = amount::share(text)?;
    if share <= 1.0 {
        Ok(share)
    } else {
        Err(format!("{text} is more than all; write 0% to 100%, or 0 to 1"))
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos | Unit::Seconds => "time",
        Unit::PerSecond => "a second",
        Unit::Count => "numbers",
        Unit::Bytes => "bytes",
        Unit::Share => "per cent",
    }
}

/// What is kept of runs to say a metric over all of them.
#[derive(Clone, Debug, Default)]
pub struct Pooled {
    sojourns: SparseHistogram,
    windows: Vec<f64>,
}

impl Pooled {
    /// What is kept of one run.
    pub fn of(objective: &Objective, run: &RunResult) -> Pooled {
        let mut pooled = Pooled::default();
        let Some(scope) = objective.scope(run) else { return pooled };
        if let (Some(window), Some(value)) = (objective.window, objective.of_window()) {
            pooled.windows =
                rows(scope, window.length).into_iter().flatten().map(|row| value(row) as f64).collect();
        } else if matches!(objective.metric.quantity.source, Source::Quantile(_)) {
            pooled.sojourns = SparseHistogram::from(&scope.sojourn);
        }
        pooled
    }

    /// Adds what another one has.
    pub fn merge(&mut self, other: &Pooled) {
        self.sojourns.merge(&other.sojourns);
        self.windows.extend(&other.windows);
    }

    /// The metric over all of them, where it is a quantile; others are means over runs, or largest values.
    pub fn value(&self, objective: &Objective) -> Option<f64> {
        match (objective.window, objective.metric.quantity.source) {
            (Some(window), _) => over_windows(self.windows.iter().copied(), window.share, objective.below),
            (None, Source::Quantile(q)) => self.sojourns.interpolated(q),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;
    use crate::observe::result::WindowQuantiles;
    use crate::report::fixture;
    use crate::units::MILLISECOND;

    fn objective(text: &str) -> Objective {
        Objective::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn objectives_are_read_with_the_unit_of_their_metric() {
        for (text, bound) in [
            ("p99<5ms", 5e6),
            ("loss <= 2s", 2.0),
            ("busy<70%", 0.7),
            ("busy<0.7", 0.7),
            ("rss<12GiB", 12.0 * 1073741824.0),
            ("throughput>20k/s", 20_000.0),
            ("forks<3", 3.0),
        ] {
            assert_eq!(objective(text).bound, bound, "{text}");
        }
        let windowed = objective("write:p99.9 < 20ms / 60s @ 95%");
        assert_eq!(windowed.window, Some(Window { length: 60 * SECOND, share: 0.95 }));
        assert_eq!(windowed.to_string(), "write:p99.9<20ms/60s@95%");
        assert_eq!(objective("p99<5ms/1m").window.map(|window| window.share), Some(WINDOW_SHARE));
    }

    #[test]
    fn what_is_no_objective_says_what_is_expected() {
        for (text, expected) in [
            ("p99", "METRIC<VALUE"),
            ("p98<5ms", "did you mean p9"),
            ("p99<5", "measured in time"),
            ("p99<70%", "measured in time"),
            ("busy<150%", "0% to 100%"),
            ("rss<12", "measured in bytes"),
            ("mean<5ms/60s", "not kept by window"),
            ("p99<5ms/1500ms", "whole seconds"),
            ("p99<5ms/60s@0%", "no windows"),
            ("write:loss<1s", "whole run"),
        ] {
            let error = Objective::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn contradictions_and_what_follows_are_seen() {
        let of =
            |texts: &[&str]| contradictions(&texts.iter().map(|text| objective(text)).collect::<Vec<_>>());
        assert_eq!(of(&["p99<5ms", "p99>10ms"]).0, ["p99<5ms and p99>10ms cannot both hold"]);
        assert_eq!(of(&["p50>10ms", "p99<5ms"]).0.len(), 1, "P50 is never above P99");
        assert_eq!(of(&["busy<50%", "busy>=50%"]).0.len(), 1);
        assert_eq!(of(&["p99<5ms", "p99<10ms"]).1, ["p99<10ms follows from p99<5ms"]);
        let fine = of(&["p50<1ms", "p99>2ms", "p99<5ms/60s", "write:p99>10ms", "busy<=50%", "loss<2s"]);
        assert_eq!(fine, (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_quantile_is_judged_by_the_share_of_requests_beyond_its_bound() {
        let mut run = fixture::quiet(5000);
        let mut sojourn = Histogram::new();
        sojourn.record_n(MILLISECOND, 980);
        sojourn.record_n(9 * MILLISECOND, 20);
        run.scopes[0].sojourn = sojourn;
        let margin = |text: &str| objective(text).margin(&run).expect("requests");
        assert!((margin("p99<5ms") - 0.01).abs() < 1e-12, "two per cent where one may be");
        assert!((margin("p90<5ms") + 0.08).abs() < 1e-12);
        assert!((margin("p99>5ms") + 0.01).abs() < 1e-12);
        assert!((margin("mean<1ms") - 0.16).abs() < 1e-3, "relative to the bound");
        assert_eq!(objective("nobody:p99<5ms").margin(&run), None);
    }

    #[test]
    fn windows_are_counted() {
        let mut run = fixture::quiet(5000);
        let row = |p99: u64| WindowRow { p99: p99 * MILLISECOND, requests: 1, ..WindowRow::default() };
        let rows: Vec<WindowRow> = (1..=20).map(row).collect();
        run.scopes[0].windows =
            vec![WindowQuantiles { window: 10 * SECOND, rows, ..WindowQuantiles::default() }];
        let margin = |text: &str| objective(text).margin(&run).expect("windows");
        assert!((margin("p99<20ms/10s@95%") - 0.0).abs() < 1e-12, "19 of 20");
        assert!((margin("p99<20ms/10s") - 0.04).abs() < 1e-12);
        assert!((margin("p99<=20ms/10s@100%") - 0.0).abs() < 1e-12);
        assert_eq!(objective("p99<5ms/10s@95%").value(&run), Some(19.0 * MILLISECOND as f64));
        assert_eq!(objective("p99<5ms/60s").margin(&run), None, "no such windows");
    }

    #[test]
    fn largest_values_and_counts_must_hold_in_every_run() {
        for (text, criterion) in [
            ("max<1s", Criterion::Every),
            ("loss<2s", Criterion::Every),
            ("rss<1GiB", Criterion::Every),
            ("forks<1", Criterion::Every),
            ("max<1s/10s", Criterion::Mean),
            ("p99<1s", Criterion::Mean),
            ("busy<1", Criterion::Mean),
            ("loss-writes-mean<10", Criterion::Mean),
        ] {
            assert_eq!(objective(text).criterion(), criterion, "{text}");
        }
        let run = fixture::forks();
        let forks = run.counters.forks;
        let margin = |text: String| objective(&text).margin(&run).expect("a count");
        assert!(margin(format!("forks<{forks}")) > 0.0 && margin(format!("forks<={forks}")) <= 0.0);
    }

    #[test]
    fn runs_are_pooled_before_a_quantile_is_taken() {
        let mut runs = [fixture::quiet(5000), fixture::quiet(5000)];
        for (run, slow) in runs.iter_mut().zip([0, 40]) {
            let mut sojourn = Histogram::new();
            sojourn.record_n(MILLISECOND, 1000 - slow);
            sojourn.record_n(9 * MILLISECOND, slow);
            run.scopes[0].sojourn = sojourn;
        }
        let p99 = objective("p99<5ms");
        let mut pooled = Pooled::default();
        runs.iter().for_each(|run| pooled.merge(&Pooled::of(&p99, run)));
        // None and 4 % make 2 %: P99 of both together is slow; the mean of their P99 would be 5 ms.
        let value = pooled.value(&p99).expect("requests");
        assert!((value / 9e6 - 1.0).abs() < 2e-3, "{value}");
    }
}
