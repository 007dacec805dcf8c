//! `writepath coverage`: how often the intervals of quantiles hold the truth.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::flags::Format;
use super::terminal::Terminal;
use crate::coverage::{Case, Coverage, QUANTILES, cases};
use crate::stats::support;

/// Measure how often 95 % intervals of quantiles hold the truth
///
/// Each case is run many times; its truth is a closed form or a run a hundred times as long. `experiments/coverage.csv`
/// holds the outcome of 1,000 trials.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  writepath coverage --trials 100                 all cases, a first look
  writepath coverage mm1 --format csv             the cases whose name begins so
  writepath coverage --jobs 2 --format csv > experiments/coverage.csv")]
pub struct CoverageArgs {
    /// Cases whose name begins so [default: all]
    case: Option<String>,
    /// Trials of each case
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    trials: u64,
    /// Threads; the outcome does not depend on it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    format: Format,
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct Row {
    case: &'static str,
    quantile: String,
    trials: u64,
    refused_share: f64,
    intervals: u64,
    covered: u64,
    coverage: Option<f64>,
    coverage_low: Option<f64>,
    coverage_high: Option<f64>,
    half_width_relative_mean: Option<f64>,
    truth_ns: f64,
}

/// Runs the subcommand.
pub fn coverage(args: &CoverageArgs, terminal: &Terminal) -> Result<(), Failure> {
    let all = cases();
    let chosen: Vec<&Case> = match &args.case {
        Some(start) => all.iter().filter(|case| case.name.starts_with(start.as_str())).collect(),
        None => all.iter().collect(),
    };
    if chosen.is_empty() {
        let names: Vec<String> = all.iter().map(|case| format!("  {}", case.name)).collect();
        let read = args.case.as_deref().unwrap_or_default();
        return Err(Failure::Usage(format!("no case begins with {read:?}; there are\n{}", names.join("\n"))));
    }
    let mut rows = Vec::new();
    for case in chosen {
        let done = AtomicU64::new(0);
        let measured = case.measure(args.trials, usize::from(args.jobs), &|| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if terminal.progress && done.is_multiple_of(100) {
                terminal.note(&format!("{}: {done} of {} trials", case.name, args.trials));
            }
        });
        rows.extend(QUANTILES.iter().zip(measured).map(|(&q, coverage)| row(case.name, q, &coverage)));
    }
    match args.format {
        Format::Human => terminal.print(&table(&rows)),
        Format::Json => {
            let text = serde_json::to_string_pretty(&rows).expect("plain values are always JSON") + "\n";
            terminal.print_bytes(text.as_bytes())
        }
        Format::Csv => terminal.print_bytes(&csv_bytes(&rows)),
    }
}

fn row(case: &'static str, q: f64, coverage: &Coverage) -> Row {
    let (low, high) = coverage.share_interval().unzip();
    // Shares to one in ten thousand: trials are a thousand or so.
    let short = |share: f64| (share * 1e4).round() / 1e4;
    Row {
        case,
        quantile: support::name(q).to_lowercase().replace('.', ""),
        trials: coverage.trials,
        refused_share: short(coverage.refused()),
        intervals: coverage.given,
        covered: coverage.covered,
        coverage: coverage.share().map(short),
        coverage_low: low.map(short),
        coverage_high: high.map(short),
        half_width_relative_mean: coverage.half_width().map(short),
        truth_ns: coverage.truth.round(),
    }
}

fn csv_bytes(rows: &[Row]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).expect("memory takes every row");
    }
    writer.into_inner().expect("memory takes every row")
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.case.len()).max().unwrap_or(0);
    let mut text =
        format!("{:<width$}  quantile  trials  too little  covered  (95 % interval)   half width\n", "case");
    for row in rows {
        let percent =
            |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}", 100.0 * share));
        text.push_str(&format!(
            "{:<width$}  {:<8}  {:>6}  {:>8.1} %  {:>5} %  ({} to {})     {:>5} %\n",
            row.case,
            row.quantile,
            row.trials,
            100.0 * row.refused_share,
            percent(row.coverage),
            percent(row.coverage_low),
            percent(row.coverage_high),
            percent(row.half_width_relative_mean),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_printed_in_every_format() {
        let mut coverage = Coverage::of(100.0);
        let estimate = |low, high| crate::stats::interval::Estimate {
            value: Some(100.0),
            low: Some(low),
            high: Some(high),
            ..Default::default()
        };
        coverage.add(&estimate(90.0, 110.0));
        coverage.add(&estimate(101.0, 121.0));
        coverage.add(&crate::stats::interval::Estimate::missing("too little"));
        let rows = [row("mm1", 0.999, &coverage)];
        let text = String::from_utf8(csv_bytes(&rows)).expect("UTF-8");
        assert_eq!(text.lines().nth(1), Some("mm1,p999,3,0.3333,2,1,0.5,0.0945,0.9055,0.1,100.0"));
        assert!(table(&rows).contains("33.3 %   50.0 %  (9.4 to 90.5)      10.0 %"), "{}", table(&rows));
    }
}
