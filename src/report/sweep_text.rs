//! Points of a sweep on standard output: a table for people, CSV, JSON.

use serde_json::{Map, Value, json};

use super::sweep::Rows;
use crate::experiment::Metric;
use crate::experiment::sweep::Status;
use crate::experiment::sweep::record::{Identity, Point};
use crate::stats::interval::Estimate;

/// Gives the next point, none after the last; the error is the caller's.
pub type NextPoint<'a, E> = &'a mut dyn FnMut() -> Result<Option<Box<Point>>, E>;
/// Takes the next bytes.
pub type Out<'a, E> = &'a mut dyn FnMut(&[u8]) -> Result<(), E>;

/// Points that people see.
const ROWS_MAX: usize = 1000;
/// What people see of a metric when they have not asked for any.
const SHOWN: [&str; 5] = ["p50", "p99", "p999", "max", "throughput"];

/// `points.csv`.
///
/// # Errors
/// Those of `next` and `out`.
pub fn csv<E>(
    identity: &Identity,
    metrics: &[Metric],
    next: NextPoint<'_, E>,
    out: Out<'_, E>,
) -> Result<(), E> {
    let rows = Rows::new(identity, metrics);
    let bytes = |write: &dyn Fn(&mut csv::Writer<Vec<u8>>) -> std::io::Result<()>| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        write(&mut writer).expect("memory takes every row");
        writer.into_inner().expect("memory takes every row")
    };
    out(&bytes(&|writer| rows.points_head(writer)))?;
    while let Some(point) = next()? {
        out(&bytes(&|writer| rows.point(&point, writer)))?;
    }
    Ok(())
}

/// One object: what the sweep is, and `points`, one object each.
///
/// # Errors
/// Those of `next` and `out`.
pub fn json<E>(
    identity: &Identity,
    metrics: &[Metric],
    next: NextPoint<'_, E>,
    out: Out<'_, E>,
) -> Result<(), E> {
    let head = json!({
        "writepath": identity.writepath,
        "scenario": identity.scenario,
        "axes": identity.axes,
        "replications": identity.replications,
    });
    let head = head.to_string();
    out(format!("{},\"points\":[", head.trim_end_matches('}')).as_bytes())?;
    let mut separator = "\n";
    while let Some(point) = next()? {
        out(format!("{separator}{}", point_json(identity, metrics, &point)).as_bytes())?;
        separator = ",\n";
    }
    out(b"\n]}\n")
}

fn point_json(identity: &Identity, metrics: &[Metric], point: &Point) -> Value {
    let cell = |(text, numeric): (&String, &bool)| match text.parse::<f64>() {
        Ok(number) if *numeric => json!(number),
        _ => json!(text),
    };
    let axes = identity.axes.iter().cloned().zip(point.axes.iter().zip(&identity.numeric).map(cell));
    let estimates = metrics.iter().map(Metric::to_string).zip(&point.estimates);
    let mut object = json!({
        "point": point.index,
        "axes": axes.collect::<Map<_, _>>(),
        "status": point.status.name(),
        "seed": point.seed,
        "metrics": estimates.map(|(name, estimate)| (name, json!(estimate))).collect::<Map<_, _>>(),
    });
    if point.status != Status::Ok {
        object["reason"] = json!(point.reason);
    }
    object
}

/// A table for people, of the first points.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    axes: usize,
    /// Points that are not in it.
    more: u64,
    /// Why values are missing: (metric, first reason).
    missing: Vec<(String, String)>,
}

impl Table {
    /// Reads all points.
    ///
    /// # Errors
    /// Those of `next`.
    pub fn read<E>(identity: &Identity, metrics: &[Metric], next: NextPoint<'_, E>) -> Result<Table, E> {
        let everything = metrics.len() == Metric::all().len();
        let shown: Vec<usize> = (0..metrics.len())
            .filter(|&column| !everything || SHOWN.contains(&metrics[column].to_string().as_str()))
            .collect();
        let names = shown.iter().map(|&column| metrics[column].to_string());
        let mut rows = vec![identity.axes.iter().cloned().chain(names).collect()];
        let (mut more, mut missing) = (0, Vec::<(String, String)>::new());
        while let Some(point) = next()? {
            if rows.len() > ROWS_MAX {
                more += 1;
                continue;
            }
            let mut row = point.axes.clone();
            match point.status {
                Status::Ok => {
                    for &column in &shown {
                        let (metric, estimate) = (&metrics[column], &point.estimates[column]);
                        row.push(cell(metric, estimate));
                        let name = metric.to_string();
                        if let (None, Some(reason)) = (estimate.value, &estimate.reason)
                            && !missing.iter().any(|known| known.0 == name)
                        {
                            missing.push((name, format!("point {}: {reason}", point.index)));
                        }
                    }
                }
                _ => row.push(format!("{}: {}", point.status.name(), point.reason)),
            }
            rows.push(row);
        }
        Ok(Table { rows, axes: identity.axes.len(), more, missing })
    }

    /// The table under `title`.
    pub fn text(&self, title: &str) -> String {
        let columns = self.rows[0].len();
        // Why a point could not run takes the rest of its line.
        let whole = |row: &&Vec<String>| row.len() == columns;
        let width = |column: usize| {
            let cells = self.rows.iter().filter(|row| whole(row) || column < self.axes);
            cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("{title}\n");
        for row in &self.rows {
            let cells =
                row.iter().enumerate().map(|(column, cell)| match whole(&row) || column < self.axes {
                    true => format!("{cell:>width$}", width = widths[column]),
                    false => cell.clone(),
                });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        for (metric, reason) in &self.missing {
            text.push_str(&format!("no {metric}: {reason}\n"));
        }
        if self.more > 0 {
            text.push_str(&format!("and {} more points: --format csv prints all\n", self.more));
        }
        text
    }
}

/// `353 us (340 us to 371 us)`.
fn cell(metric: &Metric, estimate: &Estimate) -> String {
    let show = |value: f64| metric.quantity.unit.show(value);
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => format!("{} ({} to {})", show(value), show(low), show(high)),
        (Some(value), ..) => show(value),
        (None, ..) => "-".to_owned(),
    }
}
