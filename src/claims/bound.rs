//! A bound that a figure must keep, and whether it does.

use super::table::Measured;
use crate::experiment::metric::Unit;

/// From and to, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Not below this.
    pub low: Option<f64>,
    /// Not above this.
    pub high: Option<f64>,
    /// As written: `at most 5ms`.
    pub text: String,
}

/// Whether a figure keeps a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The whole interval does.
    Yes,
    /// No part of the interval does.
    No,
    /// The interval lies on both sides.
    Open,
    /// There is no figure.
    Missing,
}

impl Bound {
    /// The bound that `low` and `high` say, each as typed.
    ///
    /// # Errors
    /// What is no value of `unit`, or bounds the wrong way round.
    pub fn new(low: Option<&str>, high: Option<&str>, unit: Unit, is_ratio: bool) -> Result<Bound, String> {
        let read = |text: &str| if is_ratio { ratio(text) } else { amount(text, unit) };
        let text = match (low, high) {
            (Some(low), Some(high)) if low == high => low.to_owned(),
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, Some(high)) => format!("at most {high}"),
            (None, None) => return Err("says nothing\n  write at-least, at-most, between or is".to_owned()),
        };
        let (low, high) = (low.map(read).transpose()?, high.map(read).transpose()?);
        match (low, high) {
            (Some(low), Some(high)) if low > high => {
                Err(format!("{text} is empty\n  write the lower end first"))
            }
            _ => Ok(Bound { low, high, text }),
        }
    }

    /// Whether `measured` keeps it.
    pub fn kept(&self, measured: Option<&Measured>) -> Kept {
        let Some(measured) = measured else { return Kept::Missing };
        let (low, high) = (measured.interval.low, measured.interval.high);
        let (from, to) = (self.low.unwrap_or(f64::NEG_INFINITY), self.high.unwrap_or(f64::INFINITY));
        if low >= from && high <= to {
            Kept::Yes
        } else if high < from || low > to {
            Kept::No
        } else {
            Kept::Open
        }
    }
}

/// A value of `unit`; a bare 0 needs none, and a count may have a fraction.
fn amount(text: &str, unit: Unit) -> Result<f64, String> {
    match (text.trim(), unit) {
        ("0", _) => Ok(0.0),
        (number, Unit::Count) => number.parse().or_else(|_| unit.parse(number)),
        (other, _) => unit.parse(other),
    }
}

/// A plain number, or one in per cent.
fn ratio(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number / scale),
        _ => Err(format!("{text:?} is no ratio\n  write for example 1.5 or 20%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::Interval;

    fn measured(low: f64, high: f64) -> Measured {
        let interval = Interval { value: 0.5 * (low + high), low, high };
        Measured { interval, unit: Unit::Nanos, is_ratio: false }
    }

    #[test]
    fn the_whole_interval_decides() {
        let bound = Bound::new(Some("1us"), Some("2us"), Unit::Nanos, false).expect("sound");
        let of = |low, high| bound.kept(Some(&measured(low, high)));
        assert_eq!(of(1000.0, 2000.0), Kept::Yes);
        assert_eq!(of(999.0, 1500.0), Kept::Open);
        assert_eq!(of(1500.0, 2001.0), Kept::Open);
        assert_eq!(of(500.0, 999.0), Kept::No);
        assert_eq!(of(2001.0, 3000.0), Kept::No);
        assert_eq!(bound.kept(None), Kept::Missing);
        let most = Bound::new(None, Some("2us"), Unit::Nanos, false).expect("sound");
        assert_eq!(most.kept(Some(&measured(-5.0, 2000.0))), Kept::Yes);
        assert_eq!(most.text, "at most 2us");
    }

    #[test]
    fn bounds_are_read_in_the_unit_of_the_figure() {
        let low = |text: &str, unit, is_ratio| {
            Bound::new(Some(text), None, unit, is_ratio).map(|bound| bound.low.expect("given"))
        };
        assert_eq!(low("5ms", Unit::Nanos, false), Ok(5e6));
        assert_eq!(low("0", Unit::Nanos, false), Ok(0.0));
        assert_eq!(low("1.5", Unit::Count, false), Ok(1.5));
        assert_eq!(low("20%", Unit::Share, false), Ok(0.2));
        assert_eq!(low("150%", Unit::Nanos, true), Ok(1.5));
        assert!(low("5", Unit::Nanos, false).is_err());
        assert!(Bound::new(Some("2us"), Some("1us"), Unit::Nanos, false).is_err());
        assert!(Bound::new(None, None, Unit::Nanos, false).is_err());
    }
}
