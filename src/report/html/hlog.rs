//! Histograms read back: the ladder of quantiles, and the map of latency over time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};

use super::files::{Unreadable, unreadable};
use super::view::{Cell, Table, nanos};
use crate::report::words::plain_span;
use crate::units::{SECOND, format_count, format_span};

/// One line of a log.
pub struct Interval {
    /// What it is of; none for all requests.
    pub tag: Option<String>,
    /// Its start \[s\].
    pub start: f64,
    /// Its length \[s\].
    pub length: f64,
    /// Its counts.
    pub counts: Hdr<u64>,
}

/// Steps of the ladder for each factor of ten of requests.
const STEPS: u32 = 8;
/// Rows of the map for each factor of ten of sojourn.
const ROWS: f64 = 10.0;
/// Rows of the table behind the map.
const TABLE_ROWS: usize = 16;

/// Reads a V2 log.
///
/// # Errors
/// The file is damaged.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<Interval>, Unreadable> {
    let damaged = |line: usize| unreadable(file, format!(": entry {line} is no histogram"));
    let mut intervals = Vec::new();
    for (number, entry) in IntervalLogIterator::new(bytes).enumerate() {
        let LogEntry::Interval(interval) = entry.map_err(|_| damaged(number + 1))? else { continue };
        let payload = STANDARD.decode(interval.encoded_histogram()).map_err(|_| damaged(number + 1))?;
        let counts = Deserializer::new().deserialize(&mut payload.as_slice());
        intervals.push(Interval {
            tag: interval.tag().map(|tag| tag.as_str().to_owned()),
            start: interval.start_timestamp().as_secs_f64(),
            length: interval.duration().as_secs_f64(),
            counts: counts.map_err(|_| damaged(number + 1))?,
        });
    }
    Ok(intervals)
}

/// The ladder of each scope that has requests: shares of the requests that are slower, and from when on.
///
/// Scopes with the same counts are one.
pub fn ladder(intervals: &[Interval]) -> Value {
    let mut seen: Vec<&Interval> = Vec::new();
    for interval in intervals.iter().filter(|interval| !interval.counts.is_empty()) {
        if !seen.iter().any(|other| other.counts == interval.counts) {
            seen.push(interval);
        }
    }
    let scopes = seen.into_iter().map(|interval| {
        let counts = &interval.counts;
        let rest = |step: u32| libm::pow(0.1, f64::from(step) / f64::from(STEPS));
        let steps: Vec<u32> = (0..).take_while(|&step| rest(step) * counts.len() as f64 >= 1.0).collect();
        let value = |&step: &u32| nanos(Some(counts.value_at_quantile(1.0 - rest(step)) as f64));
        let mut nines: Vec<Value> =
            steps.iter().map(|&step| Value::from(f64::from(step) / f64::from(STEPS))).collect();
        let mut values: Vec<Value> = steps.iter().map(value).collect();
        let all = libm::log10(counts.len() as f64);
        nines.push(Value::from((1000.0 * all).round() / 1000.0));
        values.push(nanos(Some(counts.max() as f64)));
        json!({"name": interval.tag.as_deref().unwrap_or("all"), "nines": nines, "ns": values})
    });
    json!({ "scopes": scopes.collect::<Vec<_>>() })
}

/// Share of requests by interval and sojourn, for the map; none without requests.
///
/// A row of cells has the index of its first one and then counts.
pub fn map(intervals: &[Interval]) -> Option<Value> {
    let filled = || intervals.iter().filter(|interval| !interval.counts.is_empty());
    let low = filled().map(|interval| interval.counts.min_nz()).min()?;
    let high = filled().map(|interval| interval.counts.max()).max()?;
    let row = |value: u64| (ROWS * libm::log10(value.max(1) as f64)).floor() as usize;
    let first = row(low.max(1));
    let columns = filled().map(|interval| {
        let mut cells = vec![0; row(high) - first + 1];
        for step in interval.counts.iter_recorded() {
            cells[row(step.value_iterated_to().clamp(low, high)) - first] += step.count_at_value();
        }
        let begin = cells.iter().position(|&count| count > 0).unwrap_or(0);
        let end = cells.iter().rposition(|&count| count > 0).map_or(begin, |last| last + 1);
        let cells: Vec<u64> =
            std::iter::once(begin as u64).chain(cells[begin..end].iter().copied()).collect();
        json!([interval.start, interval.length, cells])
    });
    Some(json!({"first": first, "rows_per_decade": ROWS, "columns": columns.collect::<Vec<_>>()}))
}

/// What the map shows, in words.
pub fn describe(intervals: &[Interval]) -> Option<String> {
    let filled = || intervals.iter().filter(|interval| !interval.counts.is_empty());
    let worst = filled().max_by_key(|interval| interval.counts.value_at_quantile(0.999))?;
    let low = filled().map(|interval| interval.counts.value_at_quantile(0.5)).min()?;
    let high = filled().map(|interval| interval.counts.value_at_quantile(0.5)).max()?;
    let span = |seconds: f64| plain_span((seconds * SECOND as f64) as u64);
    Some(format!(
        "Share of requests by time and sojourn, {} intervals of {}. Medians are {} to {}; the interval at {} has the \
         highest P99.9, {}, and its longest took {}.",
        intervals.len(),
        span(intervals[0].length),
        format_span(low),
        format_span(high),
        span(worst.start),
        format_span(worst.counts.value_at_quantile(0.999)),
        format_span(worst.counts.max())
    ))
}

/// The numbers behind the map, in at most sixteen rows: how many requests were slower than round limits.
pub fn table(intervals: &[Interval]) -> Table {
    let limits: [u64; 5] = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
    let high = intervals.iter().map(|interval| interval.counts.max()).max().unwrap_or(0);
    let limits: Vec<u64> = limits.into_iter().filter(|&limit| limit < high).collect();
    let mut columns = vec!["From".to_owned(), "Requests".to_owned(), "Median".to_owned()];
    columns.extend(limits.iter().map(|&limit| format!("Slower than {}", plain_span(limit))));
    let rows = intervals.chunks(intervals.len().div_ceil(TABLE_ROWS).max(1)).map(|part| {
        let mut sum = part[0].counts.clone();
        for interval in &part[1..] {
            // The first may tell fewer values apart.
            sum.auto(true);
            let _ = sum.add(&interval.counts);
        }
        let from = plain_span((part[0].start * SECOND as f64) as u64);
        let mut row = vec![Cell::from(from), Cell::number(format_count(sum.len() as f64))];
        row.push(Cell::number(if sum.is_empty() {
            String::new()
        } else {
            format_span(sum.value_at_quantile(0.5))
        }));
        let slower = |&limit: &u64| sum.len() - sum.count_between(0, limit);
        row.extend(limits.iter().map(|limit| Cell::number(format_count(slower(limit) as f64))));
        row
    });
    Table { caption: "Requests by time and sojourn".to_owned(), columns, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;
    use crate::report::hdr::{log_head, log_line};

    /// Intervals of 10 s: a thousand requests of 300 us each, and `slow` of 20 ms in the second.
    fn intervals(slow: u64) -> Vec<Interval> {
        let mut bytes = log_head();
        for number in 0..3 {
            let mut counts = Histogram::new();
            counts.record_n(300_000, 1000);
            if number == 1 {
                counts.record_n(20_000_000, slow);
            }
            bytes.extend(log_line(None, number * 10 * SECOND, 10 * SECOND, &counts));
        }
        read("intervals.hlog", &bytes).expect("a log")
    }

    #[test]
    fn every_request_has_a_cell_at_its_sojourn() {
        let map = map(&intervals(7)).expect("requests");
        // 10 log10 of 300 000 is 54.8, of 20 000 000 is 73.01.
        assert_eq!(map["first"], 54);
        assert_eq!(map["columns"][0], json!([0.0, 10.0, [0, 1000]]));
        let slow = &map["columns"][1][2];
        assert_eq!((slow.as_array().map(Vec::len), &slow[1], &slow[20]), (Some(21), &json!(1000), &json!(7)));
        assert!(super::map(&[]).is_none());
    }

    #[test]
    fn what_lies_in_one_cell_adds_up() {
        let (mut bytes, mut counts) = (log_head(), Histogram::new());
        counts.record_n(300_000, 1000);
        counts.record_n(310_000, 5);
        bytes.extend(log_line(None, 0, SECOND, &counts));
        let map = map(&read("intervals.hlog", &bytes).expect("a log")).expect("requests");
        assert_eq!(map["columns"][0], json!([0.0, 1.0, [0, 1005]]));
    }

    #[test]
    fn the_table_counts_what_is_slower() {
        let table = table(&intervals(7));
        assert_eq!(table.columns[3..], ["Slower than 1 ms", "Slower than 10 ms"]);
        let texts: Vec<&str> = table.rows[1].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts, ["10 s", "1007", "300 us", "7", "7"]);
    }

    #[test]
    fn the_ladder_rises_to_the_largest() {
        let all = &ladder(&intervals(7)[1..2])["scopes"][0];
        let last = all["ns"].as_array().map_or(0, Vec::len) - 1;
        assert_eq!((&all["nines"][8], &all["ns"][8]), (&json!(1.0), &json!(300_000)));
        // Seven of 1007 are slow: P99 is not, P99.9 is.
        assert_eq!(all["nines"][16], 2.0);
        assert!(all["ns"][16].as_u64() < Some(400_000) && all["ns"][24].as_u64() > Some(19_000_000));
        assert_eq!(all["nines"][last], 3.003);
    }

    #[test]
    fn a_cut_log_is_named() {
        let mut bytes = log_head();
        bytes.extend(b"0.0,10.0,1.0,HISTnothing\n");
        let fault = read("intervals.hlog", &bytes).err().expect("it is damaged").to_string();
        assert!(
            fault.starts_with("intervals.hlog: entry ") && fault.ends_with(" is no histogram"),
            "{fault}"
        );
    }
}
