//! Results in, bytes out: JSON, CSV, HdrHistogram files, INFO text and what people read. Nothing here writes to disk.

pub mod blame;
pub mod check;
mod cluster;
pub mod cluster_tables;
pub mod comparison;
pub mod csv;
mod expiry;
#[cfg(test)]
pub(crate) mod fixture;
pub mod hdr;
mod hot_key;
pub mod html;
pub mod human;
pub mod info;
pub mod intervals;
pub mod json;
pub mod load;
pub mod patterns;
mod phrase;
pub mod plot;
pub mod quantiles;
pub mod race;
mod replicas;
pub mod replicated;
pub mod request_life;
pub mod sensitivity;
pub mod size;
pub(crate) mod sparkline;
mod stall_letters;
pub mod sweep;
pub mod sweep_text;
pub mod trace;
pub mod uncertainty;
pub mod validation;
pub mod why;
mod window_rows;
pub mod words;
pub(crate) mod wrap;

use crate::observe::result::RunResult;
use crate::scenario::{Scenario, Source};
use crate::units::SECOND;

/// How the requests of a run come, all groups together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// Every group at its own times.
    Open,
    /// Every group waits for its replies.
    Closed,
    /// Some of each.
    Mixed,
}

impl LoopKind {
    /// Name in files and JSON.
    pub fn name(self) -> &'static str {
        match self {
            LoopKind::Open => "open",
            LoopKind::Closed => "closed",
            LoopKind::Mixed => "mixed",
        }
    }
}

/// What a report says of the scenario beside its result.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// How requests come.
    pub loop_kind: LoopKind,
    /// Connections of all groups.
    pub connections: u64,
    /// The AOF is on.
    pub appendonly: bool,
    /// What was accepted but is not modelled or does not matter.
    pub notes: Vec<String>,
}

impl About {
    /// The part of `scenario` that reports mention.
    pub fn of(scenario: &Scenario) -> Self {
        let is_open = |source: &Source| matches!(source, Source::Open { .. });
        let open = scenario.workloads.iter().filter(|group| is_open(&group.source)).count();
        let loop_kind = match open {
            0 => LoopKind::Closed,
            n if n == scenario.workloads.len() => LoopKind::Open,
            _ => LoopKind::Mixed,
        };
        About {
            loop_kind,
            connections: scenario.workloads.iter().map(|group| u64::from(group.connections)).sum(),
            appendonly: scenario.redis.appendonly,
            notes: scenario.notes.clone(),
        }
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / SECOND as f64
}

/// Measured time \[s\]: the run without its warm-up.
pub(crate) fn measured_s(result: &RunResult) -> f64 {
    seconds(result.duration.saturating_sub(result.warmup))
}

/// `count` a second over the measured time; 0 when there is none.
pub(crate) fn per_s(count: u64, result: &RunResult) -> f64 {
    let measured = measured_s(result);
    if measured > 0.0 { count as f64 / measured } else { 0.0 }
}

/// Share of the measured time the main thread was busy.
pub(crate) fn busy_share(result: &RunResult) -> f64 {
    let measured = result.duration.saturating_sub(result.warmup);
    if measured > 0 { result.busy_total as f64 / measured as f64 } else { 0.0 }
}
