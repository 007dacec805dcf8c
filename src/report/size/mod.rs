//! What a search for the boundary of an objective found, as text, JSON and CSV.

mod human;
mod json;
mod tables;

pub use human::{answer, render};
pub use json::output;
pub use tables::{curve, sizes};

use crate::experiment::metric::Unit;
use crate::experiment::objective::Objective;
use crate::experiment::size::{Answer, CurvePoint, Length, Unknown};
use crate::scenario::Scenario;
use crate::stats::bisect::Verdict;
use crate::units::{SECOND, format_bytes, format_count, format_span};

/// Everything a report says.
#[derive(Debug)]
pub struct SizeReport<'a> {
    /// The scenario without a value for what is solved for.
    pub scenario: &'a Scenario,
    /// What is solved for.
    pub unknown: &'a Unknown,
    /// Every objective of every answer.
    pub objectives: &'a [Objective],
    /// Length of the runs.
    pub length: &'a Length,
    /// One a set of objectives.
    pub answers: &'a [Answer],
    /// Every objective at every value that was tried.
    pub curve: Vec<CurvePoint>,
    /// Runs made.
    pub runs: u64,
    /// Requests simulated.
    pub requests: u64,
    /// What to know beside the answers, a sentence each.
    pub notes: Vec<String>,
}

impl SizeReport<'_> {
    /// The objectives of an answer, as `p99<5ms and loss<=2s`.
    fn set(&self, answer: &Answer, between: &str) -> String {
        let texts = answer.set.iter().map(|&objective| self.objectives[objective].to_string());
        texts.collect::<Vec<_>>().join(between)
    }
}

/// A verdict's word in tables.
fn verdict(verdict: Verdict, overloaded: bool) -> &'static str {
    match verdict {
        _ if overloaded => "overload",
        Verdict::Met => "met",
        Verdict::Unmet => "unmet",
        Verdict::Open => "open",
    }
}

/// A metric's value for people.
fn metric_text(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanos => format_span(value as u64),
        Unit::Seconds => format_span((value * SECOND as f64) as u64),
        Unit::PerSecond => format!("{}/s", format_count(value)),
        Unit::Count => format_count(value),
        Unit::Bytes => format_bytes(value as u64),
        Unit::Share => format!("{:.1} %", 100.0 * value),
    }
}
