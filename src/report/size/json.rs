//! The JSON of `size`: one object for one set of objectives, a list of them for several.

use serde::Serialize;

use super::{SizeReport, verdict};
use crate::experiment::size::{Answer, Bound, Reach};
use crate::report::seconds;

/// The answer under one set of objectives.
#[derive(Clone, Debug, Serialize)]
pub struct SizeOutput {
    writepath: &'static str,
    scenario: String,
    seed: u64,
    solve: String,
    objectives: Vec<String>,
    /// `largest` or `smallest`.
    direction: &'static str,
    /// The objectives can be met.
    met: bool,
    /// The boundary, or the last value tried where all are met; none where none is.
    value: Option<f64>,
    /// Ends of its 95 % interval; none where nothing bounds it.
    low: Option<f64>,
    high: Option<f64>,
    /// Unit of the three.
    unit: &'static str,
    /// The interval is as short as was asked.
    settled: bool,
    binding: Option<BindingOutput>,
    next: Option<NextOutput>,
    probes: Vec<ProbeOutput>,
    warnings: Vec<String>,
    notes: Vec<String>,
    run_duration_s: f64,
    run_warmup_s: f64,
}

#[derive(Clone, Debug, Serialize)]
struct BindingOutput {
    /// A cause, `queueing`, `overload`, or `none` for what takes no time of the main thread.
    cause: &'static str,
    /// The objective that fails; none for an overload.
    objective: Option<String>,
    longest_block_ns: u64,
    busy_share: f64,
}

#[derive(Clone, Debug, Serialize)]
struct NextOutput {
    /// The cause that is taken away.
    without: &'static str,
    /// What binds then; none where nothing does.
    cause: Option<&'static str>,
    met: bool,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct ProbeOutput {
    value: f64,
    runs: usize,
    verdict: &'static str,
    metrics: Vec<MetricOutput>,
}

#[derive(Clone, Debug, Serialize)]
struct MetricOutput {
    objective: String,
    /// Its column in tables, with the unit.
    metric: String,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    verdict: &'static str,
}

/// The JSON text of a report.
pub fn output(report: &SizeReport<'_>) -> Vec<u8> {
    let outputs: Vec<SizeOutput> = report.answers.iter().map(|answer| one(report, answer)).collect();
    let written = match &outputs[..] {
        [only] => serde_json::to_vec_pretty(only),
        _ => serde_json::to_vec_pretty(&outputs),
    };
    let mut bytes = written.expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// Low and high end of an answer, where it has any.
pub(super) fn interval(reach: &Reach) -> (Option<f64>, Option<f64>) {
    match reach {
        Reach::Boundary(boundary) => (Some(boundary.low), Some(boundary.high)),
        Reach::Everywhere(_) | Reach::Nowhere(_) => (None, None),
    }
}

fn one(report: &SizeReport<'_>, answer: &Answer) -> SizeOutput {
    let (low, high) = interval(&answer.reach);
    let binding = |bound: &Bound| BindingOutput {
        cause: bound.binding.name(),
        objective: bound.objective.map(|objective| report.objectives[objective].to_string()),
        longest_block_ns: bound.longest,
        busy_share: bound.busy_share,
    };
    SizeOutput {
        writepath: env!("CARGO_PKG_VERSION"),
        scenario: report.scenario.name.clone(),
        seed: report.scenario.run.seed,
        solve: report.unknown.name.clone(),
        objectives: answer.set.iter().map(|&objective| report.objectives[objective].to_string()).collect(),
        direction: answer.direction.name(),
        met: answer.reach.value().is_some(),
        value: answer.reach.value(),
        low,
        high,
        unit: report.unknown.unit(),
        settled: !matches!(&answer.reach, Reach::Boundary(boundary) if !boundary.settled),
        binding: answer.binding.as_ref().map(binding),
        next: answer.next.as_ref().map(|next| {
            let (low, high) = interval(&next.reach);
            NextOutput {
                without: next.without.name(),
                cause: next.binding.as_ref().map(|bound| bound.binding.name()),
                met: next.reach.value().is_some(),
                value: next.reach.value(),
                low,
                high,
            }
        }),
        probes: probes(report, answer),
        warnings: answer.warnings.clone(),
        notes: report.notes.clone(),
        run_duration_s: seconds(report.length.duration),
        run_warmup_s: seconds(report.length.warmup),
    }
}

fn probes(report: &SizeReport<'_>, answer: &Answer) -> Vec<ProbeOutput> {
    let metrics = |value: f64| {
        let points = report.curve.iter().filter(|point| point.value == value);
        let own = points.filter(|point| answer.set.contains(&point.objective));
        let metric = own.map(|point| {
            let objective = &report.objectives[point.objective];
            let interval = point.measured.and_then(|measured| measured.interval);
            MetricOutput {
                objective: objective.to_string(),
                metric: objective.metric.column(),
                value: point.measured.map(|measured| measured.value),
                low: interval.map(|interval| interval.0),
                high: interval.map(|interval| interval.1),
                verdict: verdict(point.verdict, point.overloaded),
            }
        });
        metric.collect()
    };
    let is_overloaded =
        |value: f64| report.curve.iter().any(|point| point.value == value && point.overloaded);
    let probe = |probe: &crate::experiment::size::Probed| ProbeOutput {
        value: probe.value,
        runs: probe.runs,
        verdict: verdict(probe.verdict, is_overloaded(probe.value)),
        metrics: metrics(probe.value),
    };
    answer.probes.iter().map(probe).collect()
}
