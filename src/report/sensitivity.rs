//! A sensitivity analysis as text, JSON and CSV.

use serde::Serialize;

use super::csv::table;
use crate::experiment::metric::Unit;
use crate::experiment::sensitivity::{Analysis, Dimension, Finding, Method, OfMetric};
use crate::stats::paired::Interval;

/// Columns of `sensitivity.csv` and what they hold: a row for each metric and dimension. What the method does not
/// give is empty; so is everything of a metric that nothing can be said of.
pub const COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("method", "morris or sobol"),
    ("metric", "what was asked of each run"),
    ("unit", "unit of mu, mu_star and sigma: ns, s, per_s, count, bytes or share"),
    ("name", "the setting or price"),
    ("kind", "setting or price"),
    ("mu", "mean change of the metric over the whole range of the dimension"),
    ("mu_star", "mean size of that change"),
    ("mu_star_low", "lower end of its 95 % interval"),
    ("mu_star_high", "upper end"),
    ("sigma", "standard deviation of the change: curvature and interactions"),
    ("first", "share of the variance by the dimension alone"),
    ("first_low", "lower end of its 95 % interval"),
    ("first_high", "upper end"),
    ("total", "share of the variance with its interactions"),
    ("total_low", "lower end of its 95 % interval"),
    ("total_high", "upper end"),
];

/// An analysis and the scenario that it is of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Name of the scenario.
    pub scenario: &'a str,
    /// Seed of its randomness.
    pub seed: u64,
    /// What was found.
    pub analysis: &'a Analysis,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    scenario: &'a str,
    seed: u64,
    method: &'static str,
    samples: usize,
    replications: u64,
    points: usize,
    failed_points: usize,
    failed_reason: Option<&'a str>,
    metrics: Vec<MetricOutput<'a>>,
}

#[derive(Debug, Serialize)]
struct MetricOutput<'a> {
    metric: String,
    unit: &'static str,
    dropped_samples: usize,
    rows: Vec<RowOutput<'a>>,
}

#[derive(Debug, Default, Serialize)]
struct RowOutput<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mu_star: Option<IntervalOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<IntervalOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<IntervalOutput>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct IntervalOutput {
    value: f64,
    low: f64,
    high: f64,
}

impl From<Interval> for IntervalOutput {
    fn from(own: Interval) -> Self {
        IntervalOutput { value: own.value, low: own.low, high: own.high }
    }
}

impl Report<'_> {
    /// One JSON object.
    pub fn json(&self) -> Vec<u8> {
        let own = self.analysis;
        let output = Output {
            scenario: self.scenario,
            seed: self.seed,
            method: own.method.name(),
            samples: own.samples,
            replications: own.replications,
            points: own.points.len(),
            failed_points: own.failed,
            failed_reason: own.reason.as_deref(),
            metrics: own.metrics.iter().map(|metric| self.metric(metric)).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// `sensitivity.csv`.
    pub fn csv(&self) -> Vec<u8> {
        let header = COLUMNS.iter().map(|column| column.0.to_owned()).collect();
        let own = self.analysis;
        let rows = own.metrics.iter().map(|metric| self.metric(metric)).flat_map(|metric| {
            let head = [
                self.scenario.to_owned(),
                self.seed.to_string(),
                own.method.name().to_owned(),
                metric.metric,
                metric.unit.to_owned(),
            ];
            let cells = |row: RowOutput<'_>| {
                let number =
                    |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
                let interval = |own: Option<IntervalOutput>| {
                    [own.map(|own| own.value), own.map(|own| own.low), own.map(|own| own.high)].map(number)
                };
                let named = [row.name.to_owned(), row.kind.to_owned(), number(row.mu)];
                let effects = interval(row.mu_star).into_iter().chain([number(row.sigma)]);
                let shares = interval(row.first).into_iter().chain(interval(row.total));
                named.into_iter().chain(effects).chain(shares).collect::<Vec<_>>()
            };
            let with_head = move |row| [head.to_vec(), cells(row)].concat();
            metric.rows.into_iter().map(with_head).collect::<Vec<_>>()
        });
        table(header, rows)
    }

    /// `points.csv`: a row for each point, with its share of every dimension (0 to 1) and the value of every metric, empty
    /// where the point could not run. Points of one sample (trajectory or row) stand together; those of a row of Sobol are
    /// A, B, then A with each column of B.
    pub fn points(&self) -> Vec<u8> {
        let own = self.analysis;
        let head = ["scenario", "seed", "sample", "point"].map(str::to_owned);
        let shares = own.dimensions.iter().map(|own| format!("{}_share", own.name.replace(['.', '-'], "_")));
        let metrics = own.metrics.iter().map(|own| own.metric.column());
        let length = own.points.len() / own.samples;
        let rows = own.points.iter().enumerate().map(|(point, shares)| {
            let numbers = [(point / length).to_string(), point.to_string()];
            let shares = shares.iter().map(f64::to_string);
            let values = own.metrics.iter().map(|own| number(own.results[point]));
            let head = [self.scenario.to_owned(), self.seed.to_string()].into_iter().chain(numbers);
            head.chain(shares).chain(values).collect()
        });
        table(head.into_iter().chain(shares).chain(metrics).collect(), rows)
    }

    /// Tables for people, what matters most first.
    pub fn human(&self) -> String {
        let own = self.analysis;
        let (name, samples) = match own.method {
            Method::Morris => ("Morris screening", "trajectories"),
            Method::Sobol => ("Sobol indices", "rows"),
        };
        let mut text = format!(
            "{name} of {}: {} dimensions, {} {samples}, {} points of {} {}\n",
            self.scenario,
            own.dimensions.len(),
            own.samples,
            own.points.len(),
            own.replications,
            if own.replications == 1 { "run" } else { "runs" },
        );
        if let (Some(reason), failed) = (&own.reason, own.failed) {
            let share = 100.0 * failed as f64 / own.points.len() as f64;
            text.push_str(&format!(
                "{failed} points ({share:.1} %) cannot run, the first because: {reason}\n"
            ));
        }
        for metric in &own.metrics {
            text.push_str(&self.human_metric(metric));
        }
        text
    }

    fn human_metric(&self, own: &OfMetric) -> String {
        let mut text = format!("\n{}", own.metric);
        if own.dropped > 0 {
            text.push_str(&format!(" ({} of {} samples left out)", own.dropped, self.analysis.samples));
        }
        let Some(findings) = &own.findings else {
            return text + ": nothing can be said: too few points have a value, or it never varies\n";
        };
        let mut rows: Vec<(&Dimension, &Finding)> = self.analysis.dimensions.iter().zip(findings).collect();
        rows.sort_by(|one, other| weight(other.1).total_cmp(&weight(one.1)));
        let width = rows.iter().map(|row| row.0.name.chars().count()).max().unwrap_or(0);
        let unit = own.metric.quantity.unit;
        let header = match self.analysis.method {
            Method::Morris => {
                format!("{:<width$}  {:>9}  {:>22}  {:>10}  {:>9}", "", "mu*", "95 % interval", "mu", "sigma")
            }
            Method::Sobol => {
                format!("{:<width$}  {:>6}  {:>14}  {:>6}  {:>14}", "", "total", "95 %", "first", "95 %")
            }
        };
        text.push_str(&format!("\n{}\n", header.trim_end()));
        for (dimension, finding) in rows {
            text.push_str(&format!("{:<width$}  {}\n", dimension.name, human_finding(finding, unit)));
        }
        text
    }

    fn metric<'a>(&'a self, own: &'a OfMetric) -> MetricOutput<'a> {
        let dimensions = self.analysis.dimensions.iter().enumerate();
        let row = |(index, dimension): (usize, &'a Dimension)| {
            row(dimension, own.findings.as_ref().map(|findings| &findings[index]))
        };
        MetricOutput {
            metric: own.metric.to_string(),
            unit: unit_name(own.metric.quantity.unit),
            dropped_samples: own.dropped,
            rows: dimensions.map(row).collect(),
        }
    }
}

fn row<'a>(dimension: &'a Dimension, finding: Option<&Finding>) -> RowOutput<'a> {
    let kind = if dimension.is_price { "price" } else { "setting" };
    let bare = RowOutput { name: &dimension.name, kind, ..RowOutput::default() };
    match finding {
        None => bare,
        Some(Finding::Effect(own)) => {
            RowOutput { mu: Some(own.mu), mu_star: Some(own.mu_star.into()), sigma: Some(own.sigma), ..bare }
        }
        Some(Finding::Index(own)) => {
            RowOutput { first: Some(own.first.into()), total: Some(own.total.into()), ..bare }
        }
    }
}

/// A number in a table's cell; empty for none.
pub(super) fn number(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// By what rows are sorted.
fn weight(finding: &Finding) -> f64 {
    match finding {
        Finding::Effect(own) => own.mu_star.value,
        Finding::Index(own) => own.total.value,
    }
}

fn human_finding(finding: &Finding, unit: Unit) -> String {
    match finding {
        Finding::Effect(own) => {
            let Interval { value, low, high } = own.mu_star;
            let interval = format!("{} to {}", unit.show(low.max(0.0)), unit.show(high));
            let (value, mu, sigma) = (unit.show(value), unit.show(own.mu), unit.show(own.sigma));
            format!("{value:>9}  {interval:>22}  {mu:>10}  {sigma:>9}")
        }
        Finding::Index(own) => {
            let interval = |own: Interval| format!("{:.2} to {:.2}", own.low, own.high);
            let (total, first) = (interval(own.total), interval(own.first));
            format!("{:>6.3}  {total:>14}  {:>6.3}  {first:>14}", own.total.value, own.first.value)
        }
    }
}

/// A unit in a table's cell.
pub(super) fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos => "ns",
        Unit::Seconds => "s",
        Unit::PerSecond => "per_s",
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::Share => "share",
    }
}
