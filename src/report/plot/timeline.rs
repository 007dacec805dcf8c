//! A run over its time: one metric of each interval, the stalls, and what windows of each length show of it.

use std::collections::BTreeMap;
use std::io::Read;

use super::source::Source;
use super::table::{ReadError, Table, number};
use super::text::name;
use crate::experiment::Metric;
use crate::experiment::metric::{Source as Kind, Unit};
use crate::report::human::{BARS, FAINT, HEADING, SPARK, TITLE, WRONG};
use crate::report::sparkline::{bar, sparkline};
use crate::report::words::plain_span;
use crate::report::wrap::paint;
use crate::units::{SECOND, format_count, format_span};

/// Cells of the longest bar.
const BAR: usize = 40;
/// Most kinds of stalls that are listed.
const CAUSES_MAX: usize = 8;

/// A run over its time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// What is shown.
    pub metric: Metric,
    /// Name of the scenario.
    pub scenario: String,
    /// End of each interval \[s\], and the metric in it; none where nothing was answered. At least one.
    pub intervals: Vec<(f64, Option<f64>)>,
    /// Blocks of the main thread long enough to be listed.
    pub stalls: Vec<Stall>,
    /// What windows of each length show; only P99 is kept of them.
    pub windows: Vec<Windows>,
    /// The metric over the whole run.
    pub whole: Option<f64>,
}

/// One stall.
#[derive(Clone, Debug, PartialEq)]
pub struct Stall {
    /// Start \[s\].
    pub start: f64,
    /// Length \[ns\].
    pub span: f64,
    /// Its cause.
    pub cause: String,
}

/// P99 over windows of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// Their length \[s\].
    pub length: f64,
    /// Their number.
    pub number: f64,
    /// Median of their P99 \[ns\].
    pub median: f64,
    /// The worst \[ns\].
    pub worst: f64,
}

/// The stalls of one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Its name.
    pub name: String,
    /// Number of stalls.
    pub number: usize,
    /// The longest \[ns\].
    pub longest: f64,
    /// All together \[ns\].
    pub total: f64,
}

impl Timeline {
    /// Reads `timeline.csv`: the intervals; the rest is added by [`Timeline::add_stalls`] and
    /// [`Timeline::add_summary`].
    ///
    /// # Errors
    /// What is wrong, to stand behind the name of the file; a metric that the table does not have.
    pub fn read(timeline: impl Read, metric: &Metric) -> Result<Timeline, ReadError> {
        let mut table = Table::open(timeline)?;
        let (time, scenario) = (table.column("time_s")?, table.column("scenario")?);
        let value = table.column(&metric.column()).map_err(|_| without(metric, table.header()))?;
        let mut read = Timeline {
            metric: metric.clone(),
            scenario: String::new(),
            intervals: Vec::new(),
            stalls: Vec::new(),
            windows: Vec::new(),
            whole: None,
        };
        for row in table.rows() {
            let row = row?;
            if let Some(end) = number(&row, time)? {
                read.intervals.push((end, number(&row, value)?));
            }
            read.scenario = row[scenario].to_owned();
        }
        match read.intervals.is_empty() {
            true => Err(ReadError::Content(": has no intervals".to_owned())),
            false => Ok(read),
        }
    }

    /// Reads `events.csv`.
    ///
    /// # Errors
    /// What is wrong, to stand behind the name of the file.
    pub fn add_stalls(&mut self, events: impl Read) -> Result<(), ReadError> {
        let mut table = Table::open(events)?;
        let (start, span, cause) =
            (table.column("start_s")?, table.column("span_ns")?, table.column("cause")?);
        for row in table.rows() {
            let row = row?;
            let (start, span) = (number(&row, start)?, number(&row, span)?);
            if let (Some(start), Some(span)) = (start, span.filter(|&span| span > 0.0)) {
                self.stalls.push(Stall { start, span, cause: row[cause].to_owned() });
            }
        }
        Ok(())
    }

    /// Reads `summary.csv`.
    ///
    /// # Errors
    /// What is wrong, to stand behind the name of the file.
    pub fn add_summary(&mut self, summary: impl Read) -> Result<(), ReadError> {
        let mut table = Table::open(summary)?;
        let (scope, length, windows) =
            (table.column("scope")?, table.column("window_s")?, table.column("windows")?);
        let (median, worst) = (table.column("p99_ns_median")?, table.column("p99_ns_worst")?);
        // Some metrics of the timeline are not in the summary.
        let whole = table.column(&self.metric.column()).ok();
        let is_p99 = matches!(self.metric.quantity.source, Kind::Quantile(share) if share == 0.99);
        for row in table.rows() {
            let row = row?;
            if &row[scope] != self.metric.scope.as_deref().unwrap_or("all") {
                continue;
            }
            match number(&row, length)? {
                None => self.whole = whole.map_or(Ok(None), |column| number(&row, column))?,
                Some(length) => {
                    let fields = (number(&row, windows)?, number(&row, median)?, number(&row, worst)?);
                    if let ((Some(number), Some(median), Some(worst)), true) = (fields, is_p99) {
                        self.windows.push(Windows { length, number, median, worst });
                    }
                }
            }
        }
        Ok(())
    }

    /// Length of an interval \[s\]; none when there is but one.
    pub fn interval(&self) -> Option<f64> {
        self.intervals.get(1).map(|second| second.0 - self.intervals[0].0)
    }

    /// The metric of the intervals in ascending order.
    pub fn values(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.intervals.iter().filter_map(|interval| interval.1).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The stalls by their cause, the longest first.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes: BTreeMap<&str, Cause> = BTreeMap::new();
        for stall in &self.stalls {
            let empty = Cause { name: stall.cause.clone(), number: 0, longest: 0.0, total: 0.0 };
            let cause = causes.entry(&stall.cause).or_insert(empty);
            cause.number += 1;
            cause.longest = cause.longest.max(stall.span);
            cause.total += stall.span;
        }
        let mut causes: Vec<Cause> = causes.into_values().collect();
        causes.sort_by(|a, b| b.longest.total_cmp(&a.longest));
        causes
    }
}

fn without(metric: &Metric, header: &csv::StringRecord) -> ReadError {
    let known: Vec<String> = Metric::all()
        .into_iter()
        .filter(|metric| header.iter().any(|column| column == metric.column()))
        .map(|metric| metric.to_string())
        .collect();
    ReadError::Content(format!(": has no {metric}\n  it has: {}", known.join(", ")))
}

/// The share of ascending `values` that are above `level`.
pub fn share_above(values: &[f64], level: f64) -> f64 {
    let at_most = values.partition_point(|&value| value <= level);
    (values.len() - at_most) as f64 / values.len().max(1) as f64
}

/// 1, 2 and 5 times powers of ten from `low` to `high`.
pub fn round_levels(low: f64, high: f64) -> Vec<f64> {
    if low <= 0.0 || !high.is_finite() {
        return Vec::new();
    }
    let mut power = 1.0;
    while power > low {
        power /= 10.0;
    }
    while power * 10.0 <= low {
        power *= 10.0;
    }
    let mut levels = Vec::new();
    while power <= high {
        levels.extend(
            [1.0, 2.0, 5.0]
                .map(|digit| digit * power)
                .into_iter()
                .filter(|&level| level >= low && level <= high),
        );
        power *= 10.0;
    }
    levels
}

/// The whole text, with colours as ANSI sequences.
pub fn render(timeline: &Timeline, source: &Source) -> String {
    let unit = timeline.metric.quantity.unit;
    let title = format!("{}: {} over time", timeline.scenario, name(&timeline.metric));
    let mut text = format!("{}  {}\n\n", paint(TITLE, &title), paint(FAINT, &source.facts()));
    let values = timeline.values();
    let (Some(&low), Some(&high)) = (values.first(), values.last()) else {
        return text + "  no interval has a request\n";
    };
    // Shares of a sparkline are of whole numbers; of a share or a rate the thousandths count too.
    let whole = |value: f64| if unit == Unit::Nanos { value as u64 } else { (value * 1e6) as u64 };
    let line: Vec<Option<u64>> = timeline.intervals.iter().map(|interval| interval.1.map(whole)).collect();
    text.push_str(&format!("  {}\n", paint(BARS, &sparkline(&line, SPARK))));
    let by = timeline.interval().map_or_else(String::new, |length| format!(" by {}", span(length)));
    let all =
        timeline.whole.map_or_else(String::new, |whole| format!("; {} over the whole run", unit.show(whole)));
    text.push_str(&format!("  {} to {}{by}{all}\n", unit.show(low), unit.show(high)));
    text.push_str(&lengths(timeline, &values));
    text.push_str(&distribution(timeline, &values));
    text.push_str(&stalls(timeline));
    text
}

/// The smallest of ascending `values`, at least one, that half of them do not exceed.
fn middle(values: &[f64]) -> f64 {
    values[(values.len() - 1) / 2]
}

/// Seconds for people.
pub fn span(seconds: f64) -> String {
    plain_span((seconds * SECOND as f64).round() as u64)
}

/// Median and worst of windows by their length; intervals are the shortest.
fn lengths(timeline: &Timeline, values: &[f64]) -> String {
    if timeline.windows.is_empty() {
        return String::new();
    }
    let names = ["number", "median P99", "worst P99"].map(|name| format!("{name:>13}")).concat();
    let mut text = format!("\n{}{:9}{names}\n", paint(HEADING, "Windows"), "");
    let interval = timeline.interval().map(|length| Windows {
        length,
        number: values.len() as f64,
        median: middle(values),
        worst: values[values.len() - 1],
    });
    let shorter = interval.filter(|own| timeline.windows.iter().all(|other| other.length > own.length));
    for windows in shorter.iter().chain(&timeline.windows) {
        let cells = [
            format_count(windows.number),
            format_span(windows.median.round() as u64),
            format_span(windows.worst.round() as u64),
        ];
        let cells = cells.map(|cell| format!("{cell:>13}")).concat();
        text.push_str(&format!("  {:<14}{cells}\n", format!("of {}", span(windows.length))));
    }
    text
}

/// How many intervals are above round levels, from the median up.
fn distribution(timeline: &Timeline, values: &[f64]) -> String {
    let unit = timeline.metric.quantity.unit;
    let levels = round_levels(middle(values), values[values.len() - 1]);
    let shares: Vec<f64> = levels.iter().map(|&level| share_above(values, level)).collect();
    let is_any_above = shares.first().is_some_and(|&share| share > 0.0);
    let Some(length) = timeline.interval().filter(|_| is_any_above) else { return String::new() };
    let title = format!("Intervals of {} with {} above", span(length), name(&timeline.metric));
    let mut text = format!("\n{}\n", paint(HEADING, &title));
    for (number, (&level, &share)) in
        levels.iter().zip(&shares).enumerate().filter(|(_, (_, share))| **share > 0.0)
    {
        let same = |neighbour: Option<usize>| neighbour.and_then(|at| shares.get(at)) == Some(&share);
        if same(number.checked_sub(1)) && same(Some(number + 1)) {
            // The middle of a plateau says nothing that its ends do not.
            continue;
        }
        let bar = format!("{:<BAR$}", bar(share / shares[0], BAR));
        text.push_str(&format!(
            "  {:<14}{} {:>8}\n",
            unit.show(level),
            paint(BARS, &bar),
            Unit::Share.show(share)
        ));
    }
    text
}

fn stalls(timeline: &Timeline) -> String {
    let causes = timeline.causes();
    if causes.is_empty() {
        return String::new();
    }
    let names = ["number", "longest", "together"].map(|name| format!("{name:>13}")).concat();
    let mut text = format!("\n{}{:20}{names}\n", paint(HEADING, "Stalls"), "");
    for cause in causes.iter().take(CAUSES_MAX) {
        let cells = [
            format_count(cause.number as f64),
            format_span(cause.longest.round() as u64),
            format_span(cause.total.round() as u64),
        ];
        text.push_str(&format!("  {:<24}{}\n", cause.name, cells.map(|cell| format!("{cell:>13}")).concat()));
    }
    if causes.len() > CAUSES_MAX {
        let more = format!("  and {} more causes in events.csv", causes.len() - CAUSES_MAX);
        text.push_str(&format!("{}\n", paint(WRONG, &more)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::sample::{EVENTS, SUMMARY, TIMELINE};

    fn run() -> Timeline {
        let p99 = Metric::parse("p99").expect("a metric");
        let mut timeline = Timeline::read(TIMELINE.as_bytes(), &p99).expect("a timeline");
        timeline.add_stalls(EVENTS.as_bytes()).expect("events");
        timeline.add_summary(SUMMARY.as_bytes()).expect("a summary");
        timeline
    }

    #[test]
    fn a_run_is_shown_over_time_by_windows_and_with_its_stalls() {
        let text = render(&run(), &Source { seed: Some(1), ..Source::default() });
        let expected = "\
article: P99 over time  seed 1

  ▁▁ █▂
  300 us to 120 ms by 1 s; 353 us over the whole run

Windows                number   median P99    worst P99
  of 1 s                    4       320 us       120 ms
  of 10 s                   1      99.0 ms      99.0 ms

Intervals of 1 s with P99 above
  500 us        ████████████████████████████████████████   25.0 %
  100 ms        ████████████████████████████████████████   25.0 %

Stalls                           number      longest     together
  fork                                2       120 ms       220 ms
  aof-write                           1      3.00 ms      3.00 ms
";
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expected, "{text}");
    }

    #[test]
    fn other_metrics_have_no_windows_and_unknown_ones_are_named() {
        let metric = |name: &str| Metric::parse(name).expect("a metric");
        let mut throughput = Timeline::read(TIMELINE.as_bytes(), &metric("throughput")).expect("a column");
        throughput.add_summary(SUMMARY.as_bytes()).expect("a summary");
        assert_eq!((throughput.whole, throughput.windows.len()), (Some(5000.0), 0));
        let Err(missing) = Timeline::read(TIMELINE.as_bytes(), &metric("loss")) else { panic!("no column") };
        assert_eq!(missing.to_string(), ": has no loss\n  it has: p99, throughput");
    }

    #[test]
    fn shares_and_levels() {
        let values = [1.0, 2.0, 2.0, 5.0];
        assert_eq!([0.5, 1.0, 2.0, 5.0].map(|level| share_above(&values, level)), [1.0, 0.75, 0.25, 0.0]);
        assert_eq!(round_levels(3.0, 60.0), [5.0, 10.0, 20.0, 50.0]);
        assert_eq!(round_levels(1.0, 1.0), [1.0]);
        assert!(round_levels(0.0, 5.0).is_empty());
    }
}
