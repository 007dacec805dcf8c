//! Expiry for people: what was deleted and how late, and what it took of the thread.

use crate::observe::expiry::ExpiryResult;
use crate::units::{format_count, format_span};

/// Name and text of each line; none where nothing expired.
pub fn lines(seen: &ExpiryResult) -> Vec<(&'static str, String)> {
    if seen.expired_keys == 0 {
        return Vec::new();
    }
    let met = 100.0 * seen.expired_on_access as f64 / seen.expired_keys as f64;
    let [p50, p99] = seen.lag.quantiles([0.5, 0.99]).map(format_span);
    let mut lines = vec![
        ("keys", format!("{} expired, {met:.1} % met by a command", format_count(seen.expired_keys as f64))),
        ("lag", format!("P50 {p50}, P99 {p99}, at most {}", format_span(seen.lag.max()))),
        ("dead keys", format!("at most {} in memory at once", format_count(seen.pending_max as f64))),
        (
            "cycle",
            format!(
                "longest {}; {} ended by time; {:.0} % of the busiest second",
                format_span(seen.slice_max),
                format_count(seen.time_cap_reached as f64),
                100.0 * seen.busy_share_max
            ),
        ),
    ];
    if seen.storm > 0 {
        let rate = format_count(seen.storm_rate_per_s);
        lines.push(("storm", format!("{} long, {rate} keys/s", format_span(seen.storm))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_has_a_line_and_no_expiry_has_none() {
        assert!(lines(&ExpiryResult::default()).is_empty());
        let mut seen = ExpiryResult {
            expired_keys: 1_000_000,
            expired_on_access: 10_000,
            pending_max: 990_000,
            slice_max: 25_000_000,
            time_cap_reached: 570,
            busy_share_max: 0.62,
            ..ExpiryResult::default()
        };
        let text =
            |seen: &ExpiryResult| lines(seen).iter().map(|l| l.1.clone()).collect::<Vec<_>>().join("; ");
        assert!(text(&seen).contains("1.00 M expired, 1.0 % met by a command"), "{}", text(&seen));
        assert!(text(&seen).contains("longest 25.0 ms; 570 ended by time; 62 % of the busiest second"));
        assert_eq!(lines(&seen).len(), 4);
        (seen.storm, seen.storm_rate_per_s) = (1_800_000_000, 550_000.0);
        assert!(text(&seen).ends_with("1.80 s long, 550 k keys/s"), "{}", text(&seen));
    }
}
