//! What `calibrate` prints: a table for people, JSON and CSV for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::models::price;
use crate::models::unit::{Unit, Value};
use crate::units::{format_bytes, format_span};

use super::book::{Book, Finding};
use super::run::Outcome;

/// Widest text of a value; longer ones, of curves and distributions, are cut.
const WIDEST: usize = 34;

#[derive(Debug, Serialize)]
struct Output<'a> {
    writepath: &'static str,
    machine: &'a str,
    server: &'a str,
    how: &'a str,
    date: &'a str,
    prior: &'a str,
    elapsed_s: f64,
    measurements: u64,
    measurements_in_noise: u64,
    prices: Vec<PriceOutput>,
    skipped: Vec<SkippedOutput<'a>>,
}

#[derive(Debug, Serialize)]
struct PriceOutput {
    name: &'static str,
    /// As a scenario's `[machine]` takes it.
    value: String,
    /// Of numbers, in the unit of the value; else factors on it.
    low: Option<String>,
    high: Option<String>,
    prior: String,
    residual: Option<f64>,
    measured: bool,
    source: Option<String>,
}

#[derive(Debug, Serialize)]
struct SkippedOutput<'a> {
    what: &'a str,
    why: &'a str,
}

fn prices(book: &Book) -> Vec<PriceOutput> {
    let row = |(name, value, prior): (&'static str, String, String)| {
        let finding = book.finding(name);
        let ends = finding.map(ends);
        PriceOutput {
            name,
            value,
            low: ends.as_ref().map(|ends| ends.0.clone()),
            high: ends.map(|ends| ends.1),
            prior,
            residual: finding.and_then(|finding| finding.residual),
            measured: finding.is_some(),
            source: finding.map(|finding| book.source(finding)),
        }
    };
    book.values().into_iter().map(row).collect()
}

/// Ends of a range as files write them.
fn ends(finding: &Finding) -> (String, String) {
    let unit = price::find(finding.price).map_or(Unit::Ratio, |price| price.unit);
    let unit = if matches!(finding.value, Value::Number(_)) { unit } else { Unit::Ratio };
    (unit.number_text(finding.range.0), unit.number_text(finding.range.1))
}

/// One JSON object.
pub fn json(outcome: &Outcome) -> Vec<u8> {
    let (book, head) = (&outcome.book, &outcome.head);
    let output = Output {
        writepath: env!("CARGO_PKG_VERSION"),
        machine: &head.machine,
        server: &head.server,
        how: &head.how,
        date: &head.date,
        prior: book.prior_name(),
        elapsed_s: outcome.elapsed.as_secs_f64(),
        measurements: outcome.measured.0,
        measurements_in_noise: outcome.measured.1,
        prices: prices(book),
        skipped: book.skipped().iter().map(|s| SkippedOutput { what: &s.what, why: &s.why }).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// A row a price.
pub fn csv(outcome: &Outcome) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["price", "value", "low", "high", "prior", "residual", "measured"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(prices(&outcome.book).into_iter().map(|price| {
        let residual = price.residual.map_or_else(String::new, |share| share.to_string());
        let [low, high] = [price.low, price.high].map(Option::unwrap_or_default);
        [price.name.to_owned(), price.value, low, high, price.prior, residual, price.measured.to_string()]
    }));
    for row in rows {
        writer.write_record(&row).expect("memory takes every row");
    }
    writer.into_inner().expect("memory takes every row")
}

/// A value for people, with three digits.
fn shown(unit: Unit, value: &Value) -> String {
    let text = match value {
        Value::Number(number) => shown_number(unit, *number),
        Value::Spread(dist) => format!("{} at the median", shown_number(Unit::Span, dist.quantile(0.5))),
        Value::Curve(points) => match points.last() {
            Some((slept, cost)) => format!("{} after {}", format_span(*cost), format_span(*slept)),
            None => "none".to_owned(),
        },
        Value::Gaps(classes) => {
            let rate: f64 = classes.iter().map(|class| class.per_second).sum();
            format!("{rate:.0} gaps/s in {} classes", classes.len())
        }
        other => other.text(unit),
    };
    text.chars().take(WIDEST).collect()
}

fn shown_number(unit: Unit, number: f64) -> String {
    match unit {
        Unit::Bytes => format_bytes(number.max(0.0) as u64),
        Unit::Bandwidth => format_bytes(number.max(0.0) as u64) + "/s",
        Unit::Span | Unit::SpanPerKib | Unit::SpanPerMib | Unit::SpanPerGib | Unit::Spread => {
            format_span(number.max(0.0).round() as u64)
        }
        _ => ((number * 1e3).round() / 1e3).to_string(),
    }
}

/// A table of what was measured, and what was not.
pub fn human(outcome: &Outcome) -> String {
    let (book, head) = (&outcome.book, &outcome.head);
    let mut text = format!("{}\n{}\n\n", head.machine, head.how);
    let rows: Vec<[String; 5]> = book
        .findings()
        .iter()
        .map(|finding| {
            let unit = price::find(finding.price).map_or(Unit::Ratio, |price| price.unit);
            let is_number = matches!(finding.value, Value::Number(_));
            let end = |end: f64| {
                if is_number { shown_number(unit, end) } else { format!("x{}", (end * 1e2).round() / 1e2) }
            };
            let (low, high) = (end(finding.range.0), end(finding.range.1));
            [
                finding.price.to_owned(),
                shown(unit, &finding.value),
                if low == high { String::new() } else { format!("{low} to {high}") },
                book.prior_value(finding.price).map_or_else(String::new, |value| shown(unit, &value)),
                finding.residual.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share)),
            ]
        })
        .collect();
    let header = ["price", "value", "range", book.prior_name(), "residual"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    for row in [&header].into_iter().chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    let prior = book.values().len() - rows.len();
    let _ = writeln!(text, "\n{} prices measured, {prior} as in {}", rows.len(), book.prior_name());
    for skipped in book.skipped() {
        let why = skipped.why.lines().next().unwrap_or_default();
        let _ = writeln!(text, "not measured: {}: {why}", skipped.what);
    }
    if outcome.measured.1 * 5 > outcome.measured.0 {
        let _ = writeln!(
            text,
            "{} of {} measurements were taken in a noisy spell: measure again on an idle machine",
            outcome.measured.1, outcome.measured.0
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::file::Head;
    use crate::calibrate::fit::Repeats;
    use std::time::Duration;

    fn outcome() -> Outcome {
        let mut book = Book::new(
            crate::models::load("two-core-vm").expect("built in"),
            "2026-11-28, Redis 7.0".to_owned(),
        );
        let repeats = Repeats { median: 1301.0, low: 1200.0, high: 1500.0, count: 7 };
        book.number_found("cpu.set", Some(repeats), "rounds of SET", Some(0.02));
        book.skip("replica", "needs a server of our own");
        let head = Head {
            machine: "a VM".to_owned(),
            how: "a test".to_owned(),
            date: "2026-11-28".to_owned(),
            server: "7.0".to_owned(),
        };
        Outcome { book, head, measured: (10, 3), elapsed: Duration::from_secs(7) }
    }

    #[test]
    fn people_see_what_was_measured_beside_the_prior_and_what_was_not() {
        let text = human(&outcome());
        let row = text.lines().find(|line| line.starts_with("cpu.set")).expect("a row");
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["cpu.set", "1.30 us", "1.20 us to 1.50 us", "1.25 us", "2.0 %"], "{text}");
        assert!(
            text.contains("\n1 prices measured, 91 as in two-core-vm\n")
                || text.contains("1 prices measured")
        );
        assert!(text.contains("not measured: replica: needs a server of our own\n"));
        assert!(text.contains("3 of 10 measurements were taken in a noisy spell"), "{text}");
    }

    #[test]
    fn programs_get_every_price() {
        let outcome = outcome();
        let value: serde_json::Value = serde_json::from_slice(&json(&outcome)).expect("JSON");
        let prices = value["prices"].as_array().expect("an array");
        assert_eq!(prices.len(), crate::models::price::PRICES.len());
        let set = prices.iter().find(|price| price["name"] == "cpu.set").expect("there");
        assert_eq!(
            (set["value"].as_str(), set["low"].as_str(), set["measured"].as_bool()),
            (Some("1.301us"), Some("1.2us"), Some(true))
        );
        let table = String::from_utf8(csv(&outcome)).expect("text");
        assert_eq!(table.lines().count(), prices.len() + 1);
        assert!(table.contains("\ncpu.set,1.301us,1.2us,1.5us,1.25us,0.02,true\n"), "{table}");
    }
}
