//! Latency over time, few enough steps for a screen, and what stalled the server.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::files::{Unreadable, table_fault};
use super::view::{Cell, Table, nanos};
use crate::report::plot::table::{Table as Csv, number};
use crate::report::words::plain_span;
use crate::units::{SECOND, format_count, format_span};

/// Most steps of a chart: more than a screen has columns, so that there is something to zoom into.
const STEPS: usize = 3600;
/// Most marks of stalls of one cause; the longest are kept.
const MARKS: usize = 600;
/// Causes with marks of their own; the rest share one.
const CAUSES: usize = 6;
/// Rows of the table behind the chart.
const TABLE_ROWS: usize = 48;

/// A row of `timeline.csv`.
#[derive(Clone, Debug, Default)]
struct Row {
    end: f64,
    completed: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
    child: String,
}

/// A row of `events.csv` that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stall {
    /// Start \[s\].
    pub start: f64,
    /// Length \[ns\].
    pub span: f64,
    /// Its cause.
    pub cause: String,
}

/// Latency over time.
#[derive(Clone, Debug)]
pub struct Timeline {
    rows: Vec<Row>,
}

impl Timeline {
    /// Reads `timeline.csv`.
    ///
    /// # Errors
    /// The file is damaged or has no intervals.
    pub fn read(bytes: &[u8]) -> Result<Timeline, Unreadable> {
        let file = "timeline.csv";
        let fault = table_fault(file);
        let mut table = Csv::open(bytes).map_err(&fault)?;
        let (end, p99) =
            (table.column("time_s").map_err(&fault)?, table.column("sojourn_ns_p99").map_err(&fault)?);
        let other = |name: &str| table.column(name).ok();
        let [completed, p50, p999, max, child] =
            ["completed", "sojourn_ns_p50", "sojourn_ns_p999", "sojourn_ns_max", "child"].map(other);
        let mut rows = Vec::new();
        for row in table.rows() {
            let row = row.map_err(&fault)?;
            let read = |column: Option<usize>| column.map_or(Ok(None), |column| number(&row, column));
            let Some(at) = number(&row, end).map_err(&fault)? else { continue };
            rows.push(Row {
                end: at,
                completed: read(completed).map_err(&fault)?.unwrap_or(0.0),
                p50: read(p50).map_err(&fault)?,
                p99: read(Some(p99)).map_err(&fault)?,
                p999: read(p999).map_err(&fault)?,
                max: read(max).map_err(&fault)?,
                child: child.map_or_else(String::new, |column| row[column].to_owned()),
            });
        }
        match rows.is_empty() {
            true => Err(super::files::unreadable(file, ": has no intervals")),
            false => Ok(Timeline { rows }),
        }
    }

    /// Length of an interval \[s\].
    fn interval(&self) -> f64 {
        self.rows.get(1).map_or(1.0, |second| second.end - self.rows[0].end)
    }

    /// Intervals of one step of the chart.
    fn per_step(&self) -> usize {
        self.rows.len().div_ceil(STEPS)
    }

    /// How the chart has been thinned out.
    pub fn note(&self) -> String {
        let interval = plain_span((self.interval() * SECOND as f64).round() as u64);
        match self.per_step() {
            1 => format!("Each step is an interval of {interval}."),
            steps => format!(
                "Each step stands for {steps} intervals of {interval}: the median of their medians, their lowest and \
                 highest P99, their highest P99.9 and the longest sojourn. timeline.csv has every interval."
            ),
        }
    }

    /// The chart's data.
    pub fn data(&self, stalls: &[Stall]) -> Value {
        let steps: Vec<Step> = self.rows.chunks(self.per_step()).map(Step::of).collect();
        let column = |value: fn(&Step) -> Option<f64>| -> Vec<Value> {
            steps.iter().map(|step| nanos(value(step))).collect()
        };
        json!({
            "time_s": steps.iter().map(|step| json!(step.end)).collect::<Vec<_>>(),
            "p50": column(|step| step.p50),
            "p99_low": column(|step| step.p99.map(|ends| ends.0)),
            "p99": column(|step| step.p99.map(|ends| ends.1)),
            "p999": column(|step| step.p999),
            "max": column(|step| step.max),
            "children": self.children(),
            "stalls": marks(stalls),
        })
    }

    /// When children ran: start, end \[s\], kind.
    fn children(&self) -> Vec<Value> {
        let interval = self.interval();
        let mut spans: Vec<(f64, f64, &str)> = Vec::new();
        for row in self.rows.iter().filter(|row| !matches!(row.child.as_str(), "" | "none")) {
            match spans.last_mut() {
                Some(last) if last.2 == row.child && row.end - last.1 < 1.5 * interval => last.1 = row.end,
                _ => spans.push((row.end - interval, row.end, &row.child)),
            }
        }
        spans.into_iter().map(|(start, end, kind)| json!([start, end, kind])).collect()
    }

    /// What the chart shows, in words.
    pub fn describe(&self, stalls: &[Stall]) -> String {
        let mut p99: Vec<f64> = self.rows.iter().filter_map(|row| row.p99).collect();
        p99.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (p99.first(), p99.last()) else {
            return "No interval has a request.".to_owned();
        };
        let span = |value: f64| format_span(value.round() as u64);
        let worst = self.rows.iter().filter(|row| row.p99 == Some(high)).map(|row| row.end).next();
        let at = |seconds: f64| plain_span((seconds * SECOND as f64).round() as u64);
        let mut text = format!(
            "Latency over time: P99 of intervals of {} is {} to {}, half of them at most {}",
            at(self.interval()),
            span(low),
            span(high),
            span(p99[(p99.len() - 1) / 2])
        );
        text.push_str(&worst.map_or_else(String::new, |end| format!("; the worst ends at {}", at(end))));
        match causes(stalls).first() {
            None => text.push_str(". No stall is listed."),
            Some(first) => text.push_str(&format!(
                ". {} stalls are marked; the longest, {}, is {}.",
                format_count(stalls.len() as f64),
                span(first.longest),
                first.name
            )),
        }
        text
    }

    /// The numbers behind the chart, in few rows.
    pub fn table(&self) -> Table {
        let columns = ["Until", "Requests", "Median", "Highest P99", "Highest P99.9", "Longest"];
        let mut table = Table::new("Latency over time", &columns);
        let span =
            |value: Option<f64>| value.map_or_else(String::new, |value| format_span(value.round() as u64));
        for part in self.rows.chunks(self.rows.len().div_ceil(TABLE_ROWS)) {
            let step = Step::of(part);
            let requests: f64 = part.iter().map(|row| row.completed).sum();
            let mut row = vec![Cell::from(plain_span((step.end * SECOND as f64).round() as u64))];
            row.push(Cell::number(format_count(requests)));
            let values = [step.p50, step.p99.map(|ends| ends.1), step.p999, step.max];
            row.extend(values.map(|value| Cell::number(span(value))));
            table.rows.push(row);
        }
        table
    }
}

/// Several intervals in one.
struct Step {
    end: f64,
    p50: Option<f64>,
    p99: Option<(f64, f64)>,
    p999: Option<f64>,
    max: Option<f64>,
}

impl Step {
    fn of(rows: &[Row]) -> Step {
        let mut medians: Vec<f64> = rows.iter().filter_map(|row| row.p50).collect();
        medians.sort_by(f64::total_cmp);
        let highest = |value: fn(&Row) -> Option<f64>| rows.iter().filter_map(value).max_by(f64::total_cmp);
        let lowest = rows.iter().filter_map(|row| row.p99).min_by(f64::total_cmp);
        Step {
            end: rows.last().map_or(0.0, |row| row.end),
            p50: medians.get(medians.len().saturating_sub(1) / 2).copied(),
            p99: lowest.zip(highest(|row| row.p99)),
            p999: highest(|row| row.p999),
            max: highest(|row| row.max),
        }
    }
}

/// What all stalls of a cause were.
pub struct CauseTotal {
    /// Its name.
    pub name: String,
    /// Their number.
    pub number: usize,
    /// The longest \[ns\].
    pub longest: f64,
    /// All together \[ns\].
    pub total: f64,
}

/// The stalls by cause, the cause of the longest first.
pub fn causes(stalls: &[Stall]) -> Vec<CauseTotal> {
    let mut by_name: BTreeMap<&str, CauseTotal> = BTreeMap::new();
    for stall in stalls {
        let new = || CauseTotal { name: stall.cause.clone(), number: 0, longest: 0.0, total: 0.0 };
        let cause = by_name.entry(&stall.cause).or_insert_with(new);
        cause.number += 1;
        cause.longest = cause.longest.max(stall.span);
        cause.total += stall.span;
    }
    let mut causes: Vec<CauseTotal> = by_name.into_values().collect();
    causes.sort_by(|a, b| b.longest.total_cmp(&a.longest).then_with(|| a.name.cmp(&b.name)));
    causes
}

/// Marks by cause: starts \[s\] and lengths \[ns\].
fn marks(stalls: &[Stall]) -> Vec<Value> {
    let causes = causes(stalls);
    let (own, others) = causes.split_at(causes.len().min(CAUSES));
    let of = |name: &str, is_it: &dyn Fn(&str) -> bool| {
        let mut marks: Vec<&Stall> = stalls.iter().filter(|stall| is_it(&stall.cause)).collect();
        let number = marks.len();
        marks.sort_by(|a, b| b.span.total_cmp(&a.span).then(a.start.total_cmp(&b.start)));
        marks.truncate(MARKS);
        marks.sort_by(|a, b| a.start.total_cmp(&b.start));
        let at: Vec<f64> = marks.iter().map(|stall| (1e3 * stall.start).round() / 1e3).collect();
        let spans: Vec<Value> = marks.iter().map(|stall| nanos(Some(stall.span))).collect();
        json!({"cause": name, "number": number, "at_s": at, "ns": spans})
    };
    let mut all: Vec<Value> = own.iter().map(|cause| of(&cause.name, &|name| name == cause.name)).collect();
    if !others.is_empty() {
        all.push(of("other causes", &|name| others.iter().any(|other| other.name == name)));
    }
    all
}

/// Most events of a long table; the longest are kept, and what took no time is kept first.
const EVENTS: usize = 5000;

/// The stalls of `events.csv`, and the long table of all events.
///
/// # Errors
/// The file is damaged.
pub fn events(bytes: &[u8]) -> Result<(Vec<Stall>, Map<String, Value>), Unreadable> {
    let fault = table_fault("events.csv");
    let mut table = Csv::open(bytes).map_err(&fault)?;
    let column = |name: &str| table.column(name);
    let (start, span) = (column("start_s").map_err(&fault)?, column("span_ns").map_err(&fault)?);
    let (cause, detail) = (column("cause").map_err(&fault)?, column("detail").ok());
    let (mut stalls, mut rows) = (Vec::new(), Vec::new());
    for row in table.rows() {
        let row = row.map_err(&fault)?;
        let at = number(&row, start).map_err(&fault)?.unwrap_or(0.0);
        let length = number(&row, span).map_err(&fault)?.unwrap_or(0.0);
        if length > 0.0 {
            stalls.push(Stall { start: at, span: length, cause: row[cause].to_owned() });
        }
        rows.push((at, length, row[cause].to_owned(), detail.map_or("", |detail| &row[detail]).to_owned()));
    }
    let of = rows.len();
    if of > EVENTS {
        let key = |row: &(f64, f64, String, String)| if row.1 == 0.0 { f64::INFINITY } else { row.1 };
        rows.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.0.total_cmp(&b.0)));
        rows.truncate(EVENTS);
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let caption = match of == rows.len() {
        true => "Events".to_owned(),
        false => format!("Events: the longest {EVENTS} of {of}; events.csv has all of them"),
    };
    let rows: Vec<Value> =
        rows.into_iter().map(|(at, span, cause, detail)| json!([at, span, cause, detail])).collect();
    let columns = json!([
        {"name": "Start", "unit": "clock"}, {"name": "Length", "unit": "ns"}, {"name": "Cause"}, {"name": "Detail"}
    ]);
    let list = json!({"caption": caption, "columns": columns, "rows": rows});
    Ok((stalls, list.as_object().cloned().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> String {
        let mut text =
            "time_s,completed,sojourn_ns_p50,sojourn_ns_p99,sojourn_ns_p999,sojourn_ns_max,child\n"
                .to_owned();
        for row in 1..=rows {
            let child = if row % 100 < 10 { "bgsave" } else { "none" };
            let p99 = if row == 17 { 90_000_000 } else { 300_000 + row };
            text.push_str(&format!("{row},5000,200000,{p99},{},{},{child}\n", 2 * p99, 3 * p99));
        }
        text
    }

    #[test]
    fn six_hours_are_thinned_out_and_no_extreme_is_lost() {
        let timeline = Timeline::read(table(21_600).as_bytes()).expect("a timeline");
        let data = timeline.data(&[]);
        let steps = data["time_s"].as_array().expect("steps");
        assert_eq!((steps.len(), &steps[2]), (3600, &json!(18.0)));
        assert_eq!(
            (&data["p99"][2], &data["p99_low"][2], &data["max"][2]),
            (&json!(90_000_000), &json!(300_000), &json!(270_000_000))
        );
        assert!(timeline.note().contains("6 intervals of 1 s"), "{}", timeline.note());
        assert!(
            timeline.describe(&[]).contains("to 90.0 ms")
                && timeline.describe(&[]).contains("worst ends at 17 s")
        );
        assert!(data.to_string().len() < 200_000);
        assert_eq!(timeline.table().rows.len(), 48);
        assert_eq!(data["children"][0], json!([0.0, 9.0, "bgsave"]));
    }

    #[test]
    fn a_short_run_is_shown_whole() {
        let timeline = Timeline::read(table(30).as_bytes()).expect("a timeline");
        assert_eq!(timeline.data(&[])["p99"][0], 300_000);
        assert_eq!(timeline.note(), "Each step is an interval of 1 s.");
        let empty = Timeline::read(b"time_s,sojourn_ns_p99\n").expect_err("no rows").to_string();
        assert_eq!(empty, "timeline.csv: has no intervals");
        let word = Timeline::read(b"time_s,sojourn_ns_p99\n1,x\n").expect_err("a word").to_string();
        assert_eq!(word, "timeline.csv:2: \"x\" is not a number");
    }

    #[test]
    fn the_longest_stalls_are_kept_and_counted() {
        let mut text = "start_s,span_ns,cause,detail\n0.5,0,child-exit,bgsave\n".to_owned();
        for step in 0..9000 {
            text.push_str(&format!(
                "{step},{},{},\n",
                1000 + step,
                if step == 4 { "fork" } else { "host-noise" }
            ));
        }
        let (stalls, list) = events(text.as_bytes()).expect("events");
        assert_eq!(stalls.len(), 9000);
        assert_eq!(list["rows"].as_array().map(Vec::len), Some(EVENTS));
        assert_eq!(list["rows"][0], json!([0.5, 0.0, "child-exit", "bgsave"]));
        assert!(list["caption"].as_str().is_some_and(|caption| caption.contains("5000 of 9001")));
        let marks = marks(&stalls);
        assert_eq!((&marks[0]["cause"], &marks[0]["number"]), (&json!("host-noise"), &json!(8999)));
        assert_eq!(marks[0]["at_s"].as_array().map(Vec::len), Some(MARKS));
        assert_eq!((&marks[1]["cause"], &marks[1]["ns"]), (&json!("fork"), &json!([1004])));
    }
}
