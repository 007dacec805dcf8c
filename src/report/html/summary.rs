//! `summary.csv`: the numbers to be seen first, quantiles with their intervals, windows.

use serde_json::{Map, Value};

use super::files::{Unreadable, table_fault};
use super::view::{Cell, Section, Table, Tile};
use crate::report::plot::table::{Table as Csv, number};
use crate::report::words::plain_span;
use crate::units::{SECOND, format_count, format_span};

/// `summary.csv`, by the names of its columns.
pub struct Summary {
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

/// The quantiles of a row of it: heading, column.
const QUANTILES: [(&str, &str); 7] = [
    ("Mean", "sojourn_ns_mean"),
    ("P50", "sojourn_ns_p50"),
    ("P90", "sojourn_ns_p90"),
    ("P99", "sojourn_ns_p99"),
    ("P99.9", "sojourn_ns_p999"),
    ("P99.99", "sojourn_ns_p9999"),
    ("Longest", "sojourn_ns_max"),
];

impl Summary {
    /// Reads the table.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(bytes: &[u8]) -> Result<Summary, Unreadable> {
        let fault = table_fault("summary.csv");
        let mut table = Csv::open(bytes).map_err(&fault)?;
        for needed in ["scope", "window_s", "sojourn_ns_p99"] {
            table.column(needed).map_err(&fault)?;
        }
        let header: Vec<String> = table.header().iter().map(str::to_owned).collect();
        let rows = table.rows().collect::<Result<Vec<_>, _>>().map_err(&fault)?;
        for row in &rows {
            for (column, _) in header.iter().enumerate().filter(|(_, name)| name.contains("_ns_")) {
                number(row, column).map_err(&fault)?;
            }
        }
        Ok(Summary { header, rows })
    }

    fn text<'a>(&self, row: &'a csv::StringRecord, column: &str) -> &'a str {
        self.header.iter().position(|name| name == column).and_then(|at| row.get(at)).unwrap_or("")
    }

    fn number(&self, row: &csv::StringRecord, column: &str) -> Option<f64> {
        self.text(row, column).parse().ok()
    }

    fn span(&self, row: &csv::StringRecord, column: &str) -> Option<String> {
        self.number(row, column).map(|ns| format_span(ns.round() as u64))
    }

    /// Rows of whole runs; scopes that repeat another are left out.
    fn whole(&self) -> Vec<&csv::StringRecord> {
        let mut rows: Vec<&csv::StringRecord> = Vec::new();
        for row in self.rows.iter().filter(|row| self.text(row, "window_s").is_empty()) {
            let same = |other: &&csv::StringRecord| {
                ["requests", "sojourn_ns_mean", "sojourn_ns_max"]
                    .iter()
                    .all(|column| self.text(row, column) == self.text(other, column))
            };
            if !rows.iter().any(same) {
                rows.push(row);
            }
        }
        rows
    }

    /// The numbers to be seen first; of `result` what a crash would lose, and how late a load generator was.
    pub fn tiles(&self, result: Option<&Map<String, Value>>) -> Vec<Tile> {
        let Some(all) = self.whole().into_iter().next() else { return Vec::new() };
        let mut tiles = Vec::new();
        for (label, column) in [QUANTILES[1], QUANTILES[3], QUANTILES[4], QUANTILES[6]] {
            let Some(value) = self.span(all, column) else { continue };
            let end = |end: &str| self.span(all, &format!("{column}_{end}"));
            let note = match (end("low"), end("high")) {
                (Some(low), Some(high)) if low != high => format!("{low} to {high}"),
                _ => String::new(),
            };
            tiles.push(Tile { label, value, note });
        }
        if let Some(rate) = self.number(all, "throughput_per_s") {
            let note = self.number(all, "requests").map(|n| format!("{} requests", format_count(n)));
            let value = format!("{}/s", format_count(rate));
            tiles.push(Tile { label: "Throughput", value, note: note.unwrap_or_default() });
        }
        if let Some(busy) = self.number(all, "server_busy_share") {
            let value = format!("{:.1} %", 100.0 * busy);
            tiles.push(Tile { label: "Main thread busy", value, note: String::new() });
        }
        let late = |name: &str| result?.get("load")?.get("lateness_ns")?.get(name)?.as_f64();
        if let (Some(p50), Some(p99)) = (late("p50"), late("p99")) {
            let note = format!("{} at the median", format_span(p50 as u64));
            tiles.push(Tile { label: "Generator late, P99", value: format_span(p99 as u64), note });
        }
        let lost = |key: &str| result?.get("loss")?.get(key)?.as_f64();
        if let Some(seconds) = lost("machine_death_seconds_max").filter(|seconds| *seconds > 0.0) {
            let note = lost("machine_death_writes_max").map(|n| format!("{} writes", format_count(n)));
            let value = format_span((seconds * SECOND as f64).round() as u64);
            tiles.push(Tile { label: "Lost at worst", value, note: note.unwrap_or_default() });
        }
        tiles
    }

    /// A row a scope, and what a closed-loop benchmark would have printed.
    pub fn quantiles(&self) -> Table {
        let mut table = Table::new("Quantiles of sojourn", &["Scope", "Requests"]);
        table.columns.extend(QUANTILES.iter().map(|quantile| quantile.0.to_owned()));
        for row in self.whole() {
            let mut cells = vec![Cell::from(self.text(row, "scope"))];
            cells.push(Cell::number(self.number(row, "requests").map_or_else(String::new, format_count)));
            for (_, column) in QUANTILES {
                let end = |end: &str| self.span(row, &format!("{column}_{end}"));
                let value = self.span(row, column).unwrap_or_default();
                cells.push(Cell::number(match (end("low"), end("high")) {
                    (Some(low), Some(high)) if low != high => format!("{value} ({low} to {high})"),
                    _ => value,
                }));
            }
            table.rows.push(cells);
        }
        if let Some(all) = self.whole().into_iter().next() {
            let closed = |name: &str| self.span(all, &format!("closed_loop_view_ns_{name}"));
            if let (Some(p99), Some(p999), Some(max)) = (closed("p99"), closed("p999"), closed("max")) {
                let mut cells = vec![Cell::from("as a closed-loop benchmark prints it")];
                cells.extend(["", "", "", "", &p99, &p999, "", &max].map(Cell::number));
                table.rows.push(cells);
            }
        }
        table
    }

    /// The ladder in words.
    pub fn describe(&self) -> String {
        let Some(all) = self.whole().into_iter().next() else { return "No requests.".to_owned() };
        let parts: Vec<String> = QUANTILES[1..]
            .iter()
            .filter_map(|(name, column)| Some(format!("{name} {}", self.span(all, column)?)))
            .collect();
        format!("Quantiles of sojourn of all requests: {}.", parts.join(", "))
    }

    /// What windows of each length show.
    pub fn windows(&self) -> Section {
        let columns =
            ["Scope", "Windows of", "Number", "Median P99", "Worst P99", "Worst P99.9", "Worst begins at"];
        let mut table = Table::new("Quantiles in windows", &columns);
        let shown: Vec<&str> = self.whole().into_iter().map(|row| self.text(row, "scope")).collect();
        let windows = self.rows.iter().filter(|row| !self.text(row, "window_s").is_empty());
        for row in windows.filter(|row| shown.contains(&self.text(row, "scope"))) {
            let seconds = |column: &str| {
                self.number(row, column).map_or_else(String::new, |s| plain_span((s * SECOND as f64) as u64))
            };
            let mut cells = vec![Cell::from(self.text(row, "scope")), Cell::from(seconds("window_s"))];
            cells.push(Cell::number(self.text(row, "windows")));
            cells.extend(
                ["p99_ns_median", "p99_ns_worst", "p999_ns_worst"]
                    .map(|column| Cell::number(self.span(row, column).unwrap_or_default())),
            );
            cells.push(Cell::number(seconds("p99_worst_at_s")));
            table.rows.push(cells);
        }
        let text = "A quantile of a whole run hides a stall that a window shows: the shorter the window, the larger the \
                    share of its requests that met the stall.";
        let text = if table.rows.is_empty() { "No window is complete." } else { text };
        Section {
            id: "windows",
            title: "Windows".to_owned(),
            text: vec![text.to_owned()],
            tables: if table.rows.is_empty() { Vec::new() } else { vec![table] },
            ..Section::default()
        }
    }
}
