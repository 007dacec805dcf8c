//! Values of metrics as people type them.

use super::metric::Unit;
use crate::stats::sequential::Width;
use crate::units::{SECOND, parse_bytes, parse_count, parse_rate, parse_span};

impl Unit {
    /// Reads a value of this unit: `5ms` (nanoseconds and seconds), `10k/s`, `100`, `64MiB`, `0.5` or `50%` (shares).
    ///
    /// # Errors
    /// What is expected, without the place where the text stood.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Unit::Nanos => parse_span(text).map(|span| span as f64),
            Unit::Seconds => parse_span(text).map(|span| span as f64 / SECOND as f64),
            Unit::PerSecond => parse_rate(text),
            Unit::Count => parse_count(text).map(|count| count as f64),
            Unit::Bytes => parse_bytes(text).map(|bytes| bytes as f64),
            Unit::Share => share(text),
        }
    }
}

/// Reads a width above 0: in percent it is a share of the value, any other is in `unit`.
///
/// # Errors
/// What is expected.
pub fn width(text: &str, unit: Unit) -> Result<Width, String> {
    let width = match text.trim_end().ends_with('%') {
        true => Width::Relative(share(text)?),
        false => Width::Absolute(unit.parse(text)?),
    };
    match width {
        Width::Relative(number) | Width::Absolute(number) if number > 0.0 => Ok(width),
        _ => Err(format!("{text:?} is nothing\n  write a width above 0")),
    }
}

/// Reads a share: `0.05` or `5%`.
///
/// # Errors
/// What is expected.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number / scale),
        _ => Err(format!("{text:?} is no share; write for example 0.05 or 5%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_base_units() {
        assert_eq!(Unit::Nanos.parse("5ms"), Ok(5e6));
        assert_eq!(Unit::Seconds.parse("1500ms"), Ok(1.5));
        assert_eq!(Unit::PerSecond.parse("10k/s"), Ok(1e4));
        assert_eq!(Unit::Count.parse("1k"), Ok(1000.0));
        assert_eq!(Unit::Bytes.parse("1KiB"), Ok(1024.0));
        assert_eq!((Unit::Share.parse("5%"), Unit::Share.parse("0.05")), (Ok(0.05), Ok(0.05)));
    }

    #[test]
    fn widths_are_shares_or_values_above_0() {
        assert_eq!(width("5%", Unit::Nanos), Ok(Width::Relative(0.05)));
        assert_eq!(width("1ms", Unit::Nanos), Ok(Width::Absolute(1e6)));
        assert_eq!(width("0.01", Unit::Share), Ok(Width::Absolute(0.01)));
        assert!(width("0%", Unit::Nanos).is_err_and(|error| error.contains("above 0")));
        assert!(width("5", Unit::Nanos).is_err_and(|error| error.contains("no unit")));
    }

    #[test]
    fn values_without_a_unit_are_refused_with_a_remedy() {
        assert!(Unit::Nanos.parse("5").is_err_and(|error| error.contains("5ms")));
        for text in ["", "%", "-1%", "nan", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
