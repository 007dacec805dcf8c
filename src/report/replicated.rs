//! What `run` prints of many replications.

use anstyle::Style;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::comparison::goal_lines;
use super::csv::table;
use super::wrap::{paint, wrap};
use crate::experiment::Metric;
use crate::experiment::precision::Reached;
use crate::stats::interval::Estimate;
use crate::units::{Nanos, format_count, format_span};

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
/// Columns of the output.
const WIDTH: usize = 100;
const GLOSS: &str = "Quantiles and means are of all replications together, the rest are means over replications; intervals \
                     of 95 % each.";

/// Columns of `estimates.csv` and what they hold.
pub const ESTIMATES_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("replications", "runs"),
    ("metric", "name of the metric"),
    ("column", "its column in other tables, with the unit"),
    ("value", "over all replications"),
    ("low", "lower end of its 95 % interval"),
    ("high", "upper end"),
    ("reason", "why there is no value or no interval"),
];

/// A scenario over many replications.
#[derive(Clone, Copy, Debug)]
pub struct Many<'a> {
    /// Name of the scenario.
    pub scenario: &'a str,
    /// Its seed.
    pub seed: u64,
    /// Simulated time of a run.
    pub duration: Nanos,
    /// Requests of each replication.
    pub requests: &'a [u64],
    /// What was asked.
    pub metrics: &'a [Metric],
    /// The answers, in the same order.
    pub estimates: &'a [Estimate],
    /// Precision that was asked for.
    pub goals: &'a [Reached],
}

#[derive(Serialize)]
struct ManyOutput<'a> {
    writepath: &'static str,
    scenario: &'a str,
    seed: u64,
    replications: usize,
    requests: u64,
    metrics: ByMetric<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    precision: Vec<GoalOutput>,
}

#[derive(Serialize)]
struct GoalOutput {
    metric: String,
    met: bool,
    replications_projected: Option<u64>,
}

/// Estimates by name of their metric, in their order.
struct ByMetric<'a>(Many<'a>);

impl Serialize for ByMetric<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.metrics.len()))?;
        for (metric, estimate) in self.0.metrics.iter().zip(self.0.estimates) {
            map.serialize_entry(&metric.to_string(), estimate)?;
        }
        map.end()
    }
}

impl Many<'_> {
    /// One JSON object.
    pub fn json(&self) -> Vec<u8> {
        let goal = |reached: &Reached| GoalOutput {
            metric: reached.goal.metric.to_string(),
            met: reached.met,
            replications_projected: reached.projected,
        };
        let output = ManyOutput {
            writepath: env!("CARGO_PKG_VERSION"),
            scenario: self.scenario,
            seed: self.seed,
            replications: self.requests.len(),
            requests: self.requests.iter().sum(),
            metrics: ByMetric(*self),
            precision: self.goals.iter().map(goal).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// `estimates.csv`: a row a metric.
    pub fn csv(&self) -> Vec<u8> {
        let header = ESTIMATES_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let rows = self.metrics.iter().zip(self.estimates).map(|(metric, estimate)| {
            vec![
                self.scenario.to_owned(),
                self.seed.to_string(),
                self.requests.len().to_string(),
                metric.to_string(),
                metric.column(),
                cell(estimate.value),
                cell(estimate.low),
                cell(estimate.high),
                estimate.reason.clone().unwrap_or_default(),
            ]
        });
        table(header, rows)
    }

    /// All of it for people, with colours as ANSI sequences.
    pub fn human(&self) -> String {
        let facts = format!(
            "{} replications of {}, {} requests, seed {}",
            self.requests.len(),
            format_span(self.duration),
            format_count(self.requests.iter().sum::<u64>() as f64),
            self.seed
        );
        let mut lines =
            vec![format!("{}  {}", paint(TITLE, self.scenario), paint(FAINT, &facts)), String::new()];
        for (metric, estimate) in self.metrics.iter().zip(self.estimates) {
            let show = |value: f64| metric.quantity.unit.show(value);
            let interval = match (estimate.low, estimate.high) {
                (Some(low), Some(high)) => format!("{} to {}", show(low), show(high)),
                _ => estimate.reason.clone().unwrap_or_default(),
            };
            let value = estimate.value.map_or_else(|| "-".to_owned(), show);
            let mut cells = wrap(&interval, WIDTH - 32).into_iter();
            let first = cells.next().unwrap_or_default();
            lines.push(format!("{:<17}{value:>12}   {first}", metric.to_string()).trim_end().to_owned());
            lines.extend(cells.map(|more| format!("{:32}{more}", "")));
        }
        lines.push(String::new());
        lines.extend(goal_lines(self.goals, self.requests.len() as u64));
        lines.extend(wrap(GLOSS, WIDTH).iter().map(|line| paint(FAINT, line)));
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_many(check: impl FnOnce(Many)) {
        let metrics = ["p99", "max", "forks"].map(|name| Metric::parse(name).expect("a metric"));
        let estimates = [
            Estimate { value: Some(1e6), low: Some(9e5), high: Some(1.2e6), batches: 10, reason: None },
            Estimate::bare(5e6, "a maximum has no interval"),
            Estimate::missing("no such thing"),
        ];
        let (requests, goals) = ([1000, 1001], []);
        let (metrics, estimates) = (&metrics[..], &estimates[..]);
        let many = Many {
            scenario: "article",
            seed: 2,
            duration: 10_000_000_000,
            requests: &requests,
            metrics,
            estimates,
            goals: &goals,
        };
        check(many);
    }

    #[test]
    fn every_metric_has_its_interval_or_a_reason_in_every_format() {
        with_many(|many| {
            let text = anstream::adapter::strip_str(&many.human()).to_string();
            assert!(
                text.starts_with("article  2 replications of 10.0 s, 2001 requests, seed 2\n\n"),
                "{text}"
            );
            assert!(text.contains("\np99                   1.00 ms   900 us to 1.20 ms\n"), "{text}");
            assert!(text.contains("\nforks                       -   no such thing\n"), "{text}");
            let csv = String::from_utf8(many.csv()).expect("text");
            assert!(
                csv.contains("\narticle,2,2,max,sojourn_ns_max,5000000,,,a maximum has no interval\n"),
                "{csv}"
            );
            let json: serde_json::Value = serde_json::from_slice(&many.json()).expect("JSON");
            assert_eq!((&json["replications"], &json["metrics"]["p99"]["high"]), (&2.into(), &1.2e6.into()));
        });
    }
}
