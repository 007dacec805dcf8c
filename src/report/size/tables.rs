//! `size.csv`, a row a set of objectives, and `curve.csv`, a row an objective at each value that was tried.

use super::json::interval;
use super::{SizeReport, verdict};

/// Columns of `size.csv`.
const SIZE_COLUMNS: &[&str] = &[
    "scenario",
    "seed",
    "solve",
    "unit",
    "objectives",
    "direction",
    "met",
    "value",
    "value_low",
    "value_high",
    "settled",
    "binding_cause",
    "binding_objective",
    "binding_block_ns_max",
    "binding_busy_share",
    "next_without",
    "next_value",
    "next_value_low",
    "next_value_high",
    "next_cause",
];

/// Columns of `curve.csv`.
const CURVE_COLUMNS: &[&str] = &[
    "scenario",
    "seed",
    "solve",
    "unit",
    "value",
    "runs",
    "objective",
    "metric",
    "window_s",
    "window_share",
    "metric_value",
    "metric_value_low",
    "metric_value_high",
    "verdict",
];

/// The text of `size.csv`.
pub fn sizes(report: &SizeReport<'_>) -> Vec<u8> {
    let rows = report.answers.iter().map(|answer| {
        let (low, high) = interval(&answer.reach);
        let settled = match &answer.reach {
            crate::experiment::size::Reach::Boundary(boundary) => boundary.settled,
            _ => true,
        };
        let bound = answer.binding.as_ref();
        let objective = bound.and_then(|bound| bound.objective);
        let next = answer.next.as_ref();
        let (next_low, next_high) = next.map_or((None, None), |next| interval(&next.reach));
        let next_bound = next.and_then(|next| next.binding.as_ref());
        vec![
            report.scenario.name.clone(),
            report.scenario.run.seed.to_string(),
            report.unknown.name.clone(),
            report.unknown.unit().to_owned(),
            report.set(answer, " "),
            answer.direction.name().to_owned(),
            answer.reach.value().is_some().to_string(),
            number(answer.reach.value()),
            number(low),
            number(high),
            settled.to_string(),
            bound.map_or("", |bound| bound.binding.name()).to_owned(),
            objective.map_or(String::new(), |objective| report.objectives[objective].to_string()),
            bound.filter(|bound| bound.longest > 0).map_or(String::new(), |bound| bound.longest.to_string()),
            number(bound.map(|bound| bound.busy_share)),
            next.map_or("", |next| next.without.name()).to_owned(),
            number(next.and_then(|next| next.reach.value())),
            number(next_low),
            number(next_high),
            next_bound.map_or("", |bound| bound.binding.name()).to_owned(),
        ]
    });
    table(SIZE_COLUMNS, rows)
}

/// The text of `curve.csv`.
pub fn curve(report: &SizeReport<'_>) -> Vec<u8> {
    let rows = report.curve.iter().map(|point| {
        let objective = &report.objectives[point.objective];
        let interval = point.measured.and_then(|measured| measured.interval);
        vec![
            report.scenario.name.clone(),
            report.scenario.run.seed.to_string(),
            report.unknown.name.clone(),
            report.unknown.unit().to_owned(),
            point.value.to_string(),
            point.runs.to_string(),
            objective.to_string(),
            objective.metric.column(),
            number(objective.window.map(|window| crate::report::seconds(window.length))),
            number(objective.window.map(|window| window.share)),
            number(point.measured.map(|measured| measured.value)),
            number(interval.map(|interval| interval.0)),
            number(interval.map(|interval| interval.1)),
            verdict(point.verdict, point.overloaded).to_owned(),
        ]
    });
    table(CURVE_COLUMNS, rows)
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(columns)
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    written.expect("memory takes every row, and rows have the columns' length");
    writer.into_inner().expect("memory takes every row")
}
