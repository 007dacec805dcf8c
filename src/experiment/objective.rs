//! What a run must keep: `p99<5ms`, `write:p999<20ms/60s@95%`, `loss<=2s`, `busy<70%`.
//!
//! An objective is `METRIC OP VALUE[/WINDOW[@SHARE]]` with a metric of the catalogue, OP one of `<`, `<=`, `>`, `>=`, and a
//! value in the metric's unit. Without a window it is about the whole measured time. With one it is about what a
//! dashboard with that resolution shows: the metric is taken in every window of that length, and at least SHARE of the
//! windows (95 % unless said otherwise) must keep it.
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

mod evidence;

pub use evidence::{Pooled, share_score};

/// Share of the windows that must keep an objective when it does not say.
pub const WINDOW_SHARE: f64 = 0.95;

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

#[cfg(test)]
mod tests;
