//! Histograms in the formats of HdrHistogram: percentile text and the V2 log. Values are nanoseconds.
//!
//! No wall-clock time goes in (StartTime is 0), so equal runs give equal bytes.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::observe::histogram::Histogram;
use crate::observe::result::RunResult;
use crate::observe::sparse::SparseHistogram;
use crate::units::Nanos;

/// Three significant digits, as fine as the simulator's own histograms.
const SIGNIFICANT_DIGITS: u8 = 3;
/// Largest value that can be told apart \[ns\].
const HIGHEST: Nanos = 1 << 45;
/// Rows per halving of the distance to 100 %, the usual number.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// The log shows the longest sojourn in milliseconds.
const NANOS_PER_MILLI: f64 = 1e6;

/// The same counts as an HdrHistogram; the maximum stays exact.
fn convert(histogram: &Histogram) -> Hdr<u64> {
    hdr(histogram.slots(), histogram.max(), HIGHEST)
}

/// `slots` (value, number of values) as an HdrHistogram that tells values up to `highest` apart.
fn hdr(slots: impl Iterator<Item = (Nanos, u64)>, max: Nanos, highest: Nanos) -> Hdr<u64> {
    let mut hdr = Hdr::new_with_bounds(1, highest, SIGNIFICANT_DIGITS).expect("the bounds are valid");
    let mut largest = 0;
    for (value, count) in slots {
        hdr.saturating_record_n(value, count);
        largest = value;
    }
    if max > largest {
        // The slot's middle stands for its values; give the largest one its own.
        let last = Hdr::new_with_bounds(1, highest, SIGNIFICANT_DIGITS).map(|mut one: Hdr<u64>| {
            one.saturating_record(largest);
            one
        });
        hdr.subtract(last.expect("the bounds are valid")).expect("the slot holds the value");
        hdr.saturating_record(max);
    }
    hdr
}

/// `histogram.hgrm`: the percentile distribution of all requests' sojourn.
pub fn percentiles(result: &RunResult) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let all = result.scopes.iter().find(|scope| scope.name == "all");
    let hdr = all.map(|scope| convert(&scope.sojourn)).unwrap_or_else(|| convert(&Histogram::new()));
    let mut total = 0;
    for step in hdr.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = hdr.highest_equivalent(step.value_iterated_to()).min(hdr.max()) as f64;
        let row = format!("{value:12.3} {quantile:2.12} {total:10}");
        let last = if quantile < 1.0 { format!(" {:14.2}", 1.0 / (1.0 - quantile)) } else { String::new() };
        push(&mut text, format_args!("{row}{last}\n"));
    }
    push(
        &mut text,
        format_args!("#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n", hdr.mean(), hdr.stdev()),
    );
    push(
        &mut text,
        format_args!("#[Max     = {:12.3}, Total count    = {:12}]\n", hdr.max() as f64, hdr.len()),
    );
    let sub_buckets = 1u32 << (SUB_BUCKET_BITS);
    push(&mut text, format_args!("#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]\n", hdr.buckets()));
    text
}

/// 2 × 10^3 rounded up to a power of two: HdrHistogram's sub-buckets for three digits.
const SUB_BUCKET_BITS: u32 = 11;

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes every line");
}

/// `histogram.hlog`: one interval, the measured time; all requests without a tag, then each scope under its name.
pub fn log(result: &RunResult) -> Vec<u8> {
    let length = result.duration.saturating_sub(result.warmup);
    let lines = result.scopes.iter().flat_map(|scope| {
        let tag = (scope.name != "all").then_some(scope.name.as_str());
        log_line(tag, result.warmup, length, &scope.sojourn)
    });
    log_head().into_iter().chain(lines).collect()
}

/// Most intervals of `intervals.hlog`.
const INTERVALS: usize = 240;

/// `intervals.hlog`: all requests, an interval a section of the run; none where the run kept no sections.
pub fn intervals(result: &RunResult) -> Option<Vec<u8>> {
    let sections = &result.sections;
    let all = sections.index("all")?;
    let mut bytes = log_head();
    for part in sections.list.chunks(sections.list.len().div_ceil(INTERVALS).max(1)) {
        let counts = SparseHistogram::merged(part.iter().map(|section| &section.sojourns[all]));
        let (start, end) = (part[0].start, part[part.len() - 1].end);
        bytes.extend(sparse_line(None, start, end - start, &counts));
    }
    Some(bytes)
}

/// The head of a V2 log; [`log_line`]s follow it in any number.
pub fn log_head() -> Vec<u8> {
    let mut head = Vec::new();
    IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[sojourn in nanoseconds, maximum in milliseconds]")
        .with_start_time(SystemTime::UNIX_EPOCH)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(&mut head, &mut V2DeflateSerializer::new())
        .expect("memory takes every byte");
    head
}

/// One line of a V2 log, its end included: `histogram` over the interval of `length` \[ns\] from `start` \[ns\].
///
/// `tag` is what the histogram is of, and no two of a log have the same; commas and white space in it become `_`.
/// Equal histograms give equal bytes, so lines can be kept and put together later.
pub fn log_line(tag: Option<&str>, start: Nanos, length: Nanos, histogram: &Histogram) -> Vec<u8> {
    line(tag, start, length, &convert(histogram))
}

/// The same of a sparse histogram. Only values up to its largest are told apart, which takes less room.
pub fn sparse_log_line(tag: &str, start: Nanos, length: Nanos, histogram: &SparseHistogram) -> Vec<u8> {
    sparse_line(Some(tag), start, length, histogram)
}

fn sparse_line(tag: Option<&str>, start: Nanos, length: Nanos, histogram: &SparseHistogram) -> Vec<u8> {
    let highest = histogram.max().next_power_of_two().clamp(2, HIGHEST);
    line(tag, start, length, &hdr(histogram.slots(), histogram.max(), highest))
}

fn line(tag: Option<&str>, start: Nanos, length: Nanos, hdr: &Hdr<u64>) -> Vec<u8> {
    let tag = tag.map(|tag| tag.replace([',', '\r', '\n', ' '], "_"));
    let mut line = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    IntervalLogWriterBuilder::new()
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(&mut line, &mut serializer)
        .expect("memory takes every byte")
        .write_histogram(
            hdr,
            Duration::from_nanos(start),
            Duration::from_nanos(length),
            tag.as_deref().and_then(Tag::new),
        )
        .expect("memory takes every byte, and the counts fit");
    // The writer states the divisor ahead of every log, and this is a line of one that has it in its head.
    let divisor = line.iter().position(|&byte| byte == b'\n').expect("the divisor has a line");
    line.split_off(divisor + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_is_read_back_with_the_same_quantiles() {
        let result = fixture::forks();
        let bytes = log(&result);
        assert_eq!(bytes, log(&result), "equal runs give equal bytes");
        let mut scopes = result.scopes.iter();
        for entry in IntervalLogIterator::new(&bytes) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            let scope = scopes.next().unwrap();
            assert_eq!(
                interval.tag().map(|tag| tag.as_str()),
                (scope.name != "all").then_some(scope.name.as_str())
            );
            let payload = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let read: Hdr<u64> = Deserializer::new().deserialize(&mut payload.as_slice()).unwrap();
            assert_eq!(read.len(), scope.sojourn.count());
            for q in [0.5, 0.99, 0.999] {
                let (ours, theirs) = (scope.sojourn.quantile(q) as f64, read.value_at_quantile(q) as f64);
                assert!((ours - theirs).abs() <= ours / 500.0, "{q}: {ours} {theirs}");
            }
            assert!(read.equivalent(read.max(), scope.sojourn.max()));
        }
        assert!(scopes.next().is_none());
    }

    #[test]
    fn lines_put_together_are_one_log_and_tags_hold_no_separator() {
        let result = fixture::forks();
        let sojourn = &result.scopes[0].sojourn;
        let mut bytes = log_head();
        for tag in [Some("point=1,rate=5 k"), None] {
            let line = log_line(tag, 0, 60_000_000_000, sojourn);
            assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
            bytes.extend(line);
        }
        let mut tags = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            tags.push(interval.tag().map(|tag| tag.as_str().to_owned()));
            assert_eq!(interval.duration(), Duration::from_secs(60));
            assert!((interval.max() - sojourn.max() as f64 / 1e6).abs() < 0.002 * interval.max());
        }
        assert_eq!(tags, [Some("point=1_rate=5_k".to_owned()), None]);
    }

    #[test]
    fn a_sparse_histogram_gives_the_same_counts() {
        let result = fixture::forks();
        let sparse = SparseHistogram::from(&result.scopes[0].sojourn);
        let counts = |line: &[u8]| {
            let Some(Ok(LogEntry::Interval(interval))) = IntervalLogIterator::new(line).next() else {
                panic!("one interval")
            };
            let payload = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let read: Hdr<u64> = Deserializer::new().deserialize(&mut payload.as_slice()).unwrap();
            read.iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect::<Vec<_>>()
        };
        let dense = log_line(Some("7"), 1, 2, &result.scopes[0].sojourn);
        assert_eq!(counts(&sparse_log_line("7", 1, 2, &sparse)), counts(&dense));
        assert!(!sparse_log_line("7", 1, 2, &SparseHistogram::new()).is_empty());
    }

    #[test]
    fn the_percentile_text_rises_to_the_maximum() {
        let result = fixture::forks();
        let text = percentiles(&result);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        let last = rows.last().unwrap();
        assert_eq!(last[1..], [1.0, result.scopes[0].sojourn.count() as f64]);
        assert!((last[0] / result.scopes[0].sojourn.max() as f64 - 1.0).abs() < 0.002);
        assert!(text.ends_with("]\n") && text.contains("Total count"));
        assert!(percentiles(&fixture::nothing()).contains("Total count    =            0"));
    }
}
