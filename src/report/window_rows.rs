//! Quantiles over windows, for people: the columns that simulated and measured runs share.

use crate::observe::result::WindowQuantiles;
use crate::units::{format_count, format_span};

/// Heads of the columns.
pub fn heads() -> String {
    columns(&["number", "median P99", "worst P99", "worst P99.9", "at"].map(str::to_owned))
}

/// The columns of one length of windows.
pub fn cells(window: &WindowQuantiles) -> String {
    columns(&[
        format_count(window.count as f64),
        format_span(window.p99_median),
        format_span(window.p99_worst),
        format_span(window.p999_worst),
        format_span(window.p99_worst_at),
    ])
}

fn columns(cells: &[String; 5]) -> String {
    cells.iter().map(|cell| format!("{cell:>13}")).collect()
}
