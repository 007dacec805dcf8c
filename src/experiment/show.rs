//! Values of metrics for people.

use super::metric::Unit;
use crate::units::{SECOND, format_bytes, format_count, format_span};

impl Unit {
    /// `value` of a metric in this unit, three digits: `353 us`, `13.4 k/s`, `1.50 GiB`, `14.5 %`.
    ///
    /// A difference may be below zero.
    pub fn show(self, value: f64) -> String {
        if value < 0.0 {
            return format!("-{}", self.show(-value));
        }
        match self {
            Unit::Nanos => format_span(value.round() as u64),
            Unit::Seconds => format_span((value * SECOND as f64).round() as u64),
            Unit::PerSecond => format!("{}/s", format_count(value)),
            Unit::Count => format_count(value),
            Unit::Bytes => format_bytes(value.round() as u64),
            Unit::Share => match 100.0 * value {
                percent if percent < 0.995 => format!("{percent:.2} %"),
                percent => format!("{percent:.1} %"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_unit() {
        let shown = [
            Unit::Nanos.show(353_249.6),
            Unit::Seconds.show(1.03),
            Unit::PerSecond.show(13_400.0),
            Unit::Count.show(1.5),
            Unit::Bytes.show(1536.0 * 1024.0 * 1024.0),
            Unit::Share.show(0.1449),
            Unit::Share.show(0.0012),
            Unit::Nanos.show(-2e6),
        ];
        assert_eq!(
            shown,
            ["353 us", "1.03 s", "13.4 k/s", "1.50", "1.50 GiB", "14.5 %", "0.12 %", "-2.00 ms"]
        );
    }
}
