//! Tables of a sweep: rows are written while points are read, so that a million of them take no memory.

use std::io::{self, Write};

use crate::experiment::Metric;
use crate::experiment::sweep::record::{Identity, Point};

/// Columns of `results.csv` behind the axes, before those of the metrics.
const RESULT_COLUMNS: &[&str] = &["point", "replication", "scenario", "seed", "status", "reason", "requests"];
/// Columns of `points.csv` behind the axes, before those of the metrics.
const POINT_COLUMNS: &[&str] = &["point", "replications", "scenario", "seed", "status", "reason", "requests"];
/// What follows the name of a metric in `points.csv`: its value, the ends of its 95 % interval, why one is missing.
const ESTIMATE_COLUMNS: [&str; 4] = ["", "_low", "_high", "_reason"];

/// The rows of one of the two tables.
#[derive(Debug)]
pub struct Rows<'a> {
    identity: &'a Identity,
    metrics: &'a [Metric],
}

impl<'a> Rows<'a> {
    /// Rows of the sweep `identity`, whose `metrics` they have.
    pub fn new(identity: &'a Identity, metrics: &'a [Metric]) -> Self {
        Rows { identity, metrics }
    }

    /// Begins `results.csv`: a row for each point and replication.
    ///
    /// # Errors
    /// The system's.
    pub fn results_head<W: Write>(&self, out: &mut csv::Writer<W>) -> io::Result<()> {
        let metrics = self.metrics.iter().map(Metric::column);
        record(out, self.shared(RESULT_COLUMNS).chain(metrics))
    }

    /// The rows of a point in `results.csv`.
    ///
    /// # Errors
    /// The system's.
    pub fn results<W: Write>(&self, point: &Point, out: &mut csv::Writer<W>) -> io::Result<()> {
        (0..self.identity.replications).try_for_each(|number| {
            let replication = point.replications.get(number as usize);
            let requests = replication.map(|replication| replication.requests);
            let cells = self.cells(point, number, requests);
            let value = |column| replication.and_then(|replication| replication.values[column]);
            record(out, cells.chain((0..self.metrics.len()).map(|column| text(value(column)))))
        })
    }

    /// Begins `points.csv`: a row for each point.
    ///
    /// # Errors
    /// The system's.
    pub fn points_head<W: Write>(&self, out: &mut csv::Writer<W>) -> io::Result<()> {
        let columns = |metric: &Metric| ESTIMATE_COLUMNS.map(|end| metric.column() + end);
        record(out, self.shared(POINT_COLUMNS).chain(self.metrics.iter().flat_map(columns)))
    }

    /// The row of a point in `points.csv`.
    ///
    /// # Errors
    /// The system's.
    pub fn point<W: Write>(&self, point: &Point, out: &mut csv::Writer<W>) -> io::Result<()> {
        let ran = !point.replications.is_empty();
        let requests = ran.then(|| point.replications.iter().map(|replication| replication.requests).sum());
        let cells = self.cells(point, point.replications.len() as u64, requests);
        let estimates = (0..self.metrics.len()).flat_map(|column| match point.estimates.get(column) {
            Some(estimate) => {
                [text(estimate.value), text(estimate.low), text(estimate.high), text(estimate.reason.clone())]
            }
            None => Default::default(),
        });
        record(out, cells.chain(estimates))
    }

    /// Axis columns, and those of `columns` that no axis has.
    fn shared(&self, columns: &'static [&'static str]) -> impl Iterator<Item = String> + '_ {
        let axes = &self.identity.axes;
        let others = columns.iter().filter(|column| !axes.iter().any(|axis| axis == *column));
        axes.iter().cloned().chain(others.map(|column| (*column).to_owned()))
    }

    /// The cells of these columns; `number` is that of the replication, or of replications.
    fn cells<'p>(
        &self,
        point: &'p Point,
        number: u64,
        requests: Option<u64>,
    ) -> impl Iterator<Item = String> + use<'p> {
        let has_seed = self.identity.axes.iter().any(|axis| axis == "seed");
        let seed = (!has_seed).then(|| point.seed.map_or_else(String::new, |seed| seed.to_string()));
        let first = [point.index.to_string(), number.to_string(), self.identity.scenario.clone()];
        let last = [point.status.name().to_owned(), point.reason.clone(), text(requests)];
        point.axes.iter().cloned().chain(first).chain(seed).chain(last)
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn record<W: Write>(out: &mut csv::Writer<W>, cells: impl Iterator<Item = String>) -> io::Result<()> {
    for cell in cells {
        out.write_field(cell)?;
    }
    Ok(out.write_record(None::<&[u8]>)?)
}
