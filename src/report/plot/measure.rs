//! Levels of an axis as numbers: what they measure, whether they lie on a logarithmic scale, how they are written.

use crate::report::words::plain_span;
use crate::units::{format_bytes, format_count, parse_bandwidth, parse_bytes, parse_rate, parse_span};

/// What the levels of an axis are numbers of; tables have them in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Things, or a number without a unit.
    Number,
    /// A rate a second.
    Rate,
    /// A length of time \[ns\].
    Span,
    /// A size \[bytes\].
    Bytes,
    /// Bytes a second.
    Bandwidth,
    /// A multiple of a price of the model, `x2`.
    Factor,
}

impl Measure {
    /// What a column's name ends with, the longer of two that fit first.
    const ENDS: [(&'static str, Measure); 5] = [
        ("_bytes_per_s", Measure::Bandwidth),
        ("_per_s", Measure::Rate),
        ("_bytes", Measure::Bytes),
        ("_ns", Measure::Span),
        ("_factor", Measure::Factor),
    ];

    /// What the numbers of a column measure, and the column's name without its unit.
    pub fn of(column: &str) -> (Measure, &str) {
        let found =
            Measure::ENDS.iter().find_map(|&(end, measure)| Some((measure, column.strip_suffix(end)?)));
        found.unwrap_or((Measure::Number, column))
    }

    /// The number that people mean by `typed`: with its unit, or in base units without.
    pub fn read(self, typed: &str) -> Option<f64> {
        let with_unit = match self {
            // A number and a rate have the same suffixes.
            Measure::Number => parse_rate(&format!("{typed}/s")).ok(),
            Measure::Factor => typed.strip_prefix('x')?.parse().ok(),
            Measure::Span => parse_span(typed).ok().map(|span| span as f64),
            Measure::Bytes => parse_bytes(typed).ok().map(|bytes| bytes as f64),
            Measure::Rate => parse_rate(typed).ok(),
            Measure::Bandwidth => parse_bandwidth(typed).ok(),
        };
        with_unit.or_else(|| typed.parse().ok())
    }

    /// A number of this measure for people, short.
    pub fn show(self, number: f64) -> String {
        let short = |text: String| text.replace(".00 ", " ").replace(".0 ", " ");
        match self {
            Measure::Number => short(format_count(number)),
            Measure::Factor => format!("x{}", short(format_count(number))),
            Measure::Span => plain_span(number.round() as u64),
            Measure::Bytes => short(format_bytes(number.round() as u64)),
            Measure::Rate => format!("{}/s", short(format_count(number))),
            Measure::Bandwidth => format!("{}/s", short(format_bytes(number.round() as u64))),
        }
    }
}

/// Whether ascending `numbers` are more evenly spaced by their logarithms than by themselves.
///
/// Two numbers count as logarithmic from a factor of 10.
pub fn is_logarithmic(numbers: &[f64]) -> bool {
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { return false };
    if first <= 0.0 {
        return false;
    }
    if numbers.len() < 3 {
        return last >= 10.0 * first;
    }
    let logarithms: Vec<f64> = numbers.iter().map(|&number| libm::log10(number)).collect();
    unevenness(&logarithms) < unevenness(numbers)
}

/// Variance of the steps of ascending `numbers` in units of their mean squared.
fn unevenness(numbers: &[f64]) -> f64 {
    let steps: Vec<f64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    steps.iter().map(|step| (step / mean - 1.0) * (step / mean - 1.0)).sum::<f64>() / steps.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_tells_what_it_measures() {
        assert_eq!(Measure::of("workload_rate_per_s"), (Measure::Rate, "workload_rate"));
        assert_eq!(
            Measure::of("machine_disk_bandwidth_bytes_per_s"),
            (Measure::Bandwidth, "machine_disk_bandwidth")
        );
        assert_eq!(Measure::of("machine_fork_per_gib_ns"), (Measure::Span, "machine_fork_per_gib"));
        assert_eq!(Measure::of("value_size_bytes"), (Measure::Bytes, "value_size"));
        assert_eq!(Measure::of("redis_hz"), (Measure::Number, "redis_hz"));
        assert_eq!(Measure::of("machine_disk_fdatasync_factor").0, Measure::Factor);
    }

    #[test]
    fn levels_are_read_with_their_unit_or_without() {
        let read = [
            Measure::Rate.read("20k/s"),
            Measure::Rate.read("20000"),
            Measure::Span.read("1.5ms"),
            Measure::Bytes.read("1KiB"),
            Measure::Factor.read("x2"),
            Measure::Number.read("10M"),
            Measure::Rate.read("fast"),
        ];
        assert_eq!(read, [Some(2e4), Some(2e4), Some(1.5e6), Some(1024.0), Some(2.0), Some(1e7), None]);
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(Measure::Rate.show(20_000.0), "20 k/s");
        assert_eq!(Measure::Span.show(10e9), "10 s");
        assert_eq!(Measure::Bytes.show(64.0 * 1024.0 * 1024.0), "64 MiB");
        assert_eq!(Measure::Number.show(0.5), "0.50");
    }

    #[test]
    fn a_geometric_row_is_logarithmic_and_an_arithmetic_one_is_not() {
        assert!(is_logarithmic(&[1000.0, 3162.0, 10_000.0, 31_623.0, 100_000.0]));
        assert!(is_logarithmic(&[1.0, 2.0, 5.0, 10.0]));
        assert!(!is_logarithmic(&[10.0, 20.0, 30.0]));
        assert!(!is_logarithmic(&[0.0, 1.0, 10.0, 100.0]));
        assert!(is_logarithmic(&[1.0, 10.0]) && !is_logarithmic(&[1.0, 9.0]) && !is_logarithmic(&[]));
    }
}
