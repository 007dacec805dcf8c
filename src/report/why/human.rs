//! `why` for people, within 100 columns.

use super::{WhyReport, quantile_name, worse};
use crate::experiment::compare::{Row, Verdict};
use crate::experiment::why::{Change, Effect};
use crate::report::comparison::goal_lines;
use crate::report::human::{FAINT, HEADING, TITLE, WIDTH};
use crate::report::wrap::{paint, wrap};
use crate::report::{blame, request_life};
use crate::units::format_span;

/// Columns of a name.
const LABEL: usize = 32;
/// Columns of a number.
const CELL: usize = 9;
/// Metrics with a column.
const SHOWN: &[&str] = &["p50", "p99", "p999", "max", "loss"];
/// What stands for a value that is not known to differ.
const SAME: &str = "=";

/// The whole output.
pub(super) fn human(report: &WhyReport) -> String {
    let run = report.run;
    let flavour = if run.version.to_string().starts_with("valkey") { "" } else { "redis " };
    let facts = format!(
        "{flavour}{}, {}, {} loop, {} simulated, seed {}",
        run.version,
        run.model,
        report.about.loop_kind.name(),
        format_span(run.duration),
        run.seed
    );
    let mut lines = vec![format!("{}  {}", paint(TITLE, &run.scenario), paint(FAINT, &facts)), String::new()];
    let answer = wrap(&report.sentence(), WIDTH - 2);
    lines.extend(answer.iter().map(|line| format!("  {}", paint(TITLE, line))));
    lines.extend(
        run.blame.iter().flat_map(|blame| blame::human(blame).lines().map(str::to_owned).collect::<Vec<_>>()),
    );
    let life = report.traced.map(|(life, wanted)| request_life::human(life, wanted, run));
    lines.extend(life.iter().flat_map(|text| text.lines()).map(str::to_owned));
    lines.extend(changes(report, "Without", &report.findings.without));
    lines.extend(staying(report));
    lines.extend(changes(report, "Remedies", &report.findings.remedies));
    lines.push(String::new());
    lines.extend(goal_lines(&report.findings.goals, report.findings.replications as u64));
    lines.extend(wrap(&gloss(report), WIDTH).iter().map(|line| paint(FAINT, line)));
    lines.join("\n") + "\n"
}

fn gloss(report: &WhyReport) -> String {
    let (horizon, findings) = (&report.plan.horizon, report.findings);
    let (length, whole) = (format_span(horizon.duration), format_span(report.run.duration));
    let length = match horizon.whole {
        Some(reason) => format!("{length} each, its whole length, since {reason}"),
        None if length == whole => format!("{length} each"),
        None => format!("{length} each instead of {whole}"),
    };
    format!(
        "Other worlds: {} runs of {length}; the same arrivals, keys, sizes and noise in all, begun anywhere in the cycles \
         of snapshots; {SAME} where no difference is seen (95 % for each line); the interval is of 95 %.",
        findings.replications
    )
}

fn heading(name: &str, columns: &str, width: usize) -> String {
    let gap = width.saturating_sub(name.len());
    format!("{}{:gap$}{columns}", paint(HEADING, name), "")
}

/// A row a world: what each quantile would be.
fn changes(report: &WhyReport, title: &str, effects: &[Effect]) -> Vec<String> {
    let Some(first) = effects.iter().find(|effect| effect.rows.is_ok()) else { return Vec::new() };
    let headline = report.findings.headline;
    let name = |metric: &&str| format!("{:>CELL$}", quantile_name(metric).unwrap_or(metric));
    let heads: String = SHOWN.iter().map(name).collect();
    let about = format!("  change of {}", quantile_name(headline).unwrap_or(headline));
    let mut lines = vec![String::new(), heading(title, &(heads + &about), LABEL)];
    let now = cells(first, value);
    lines.push(paint(FAINT, &format!("  {:<width$}{now}", "as it is", width = LABEL - 2)));
    for effect in effects {
        lines.extend(world(effect, headline));
    }
    lines
}

fn world(effect: &Effect, headline: &str) -> Vec<String> {
    let (label, cost) = match &effect.change {
        Change::Without(without) => (without.cause.name().to_owned(), None),
        Change::Remedy(remedy) => (remedy.title.clone(), Some(remedy.beside)),
    };
    let mut lines = Vec::new();
    let label = match label.chars().count() > LABEL - 3 {
        true => {
            lines.push(format!("  {label}"));
            String::new()
        }
        false => label,
    };
    if let Err(reason) = &effect.rows {
        lines.push(format!("  {label:<width$} cannot be run: {reason}", width = LABEL - 2));
        return lines;
    }
    let cells = cells(effect, changed);
    lines.push(format!("  {label:<width$}{cells}  {}", difference(effect.row(headline)), width = LABEL - 2));
    if let Some(beside) = cost {
        let costs = worse(effect).into_iter().chain((!beside.is_empty()).then(|| beside.to_owned()));
        let costs: Vec<String> = costs.collect();
        if !costs.is_empty() {
            let wrapped = wrap(&format!("costs: {}", costs.join("; ")), WIDTH - 6);
            lines.extend(wrapped.iter().map(|line| paint(FAINT, &format!("      {line}"))));
        }
    }
    lines
}

/// A metric as it is.
fn value(row: Option<&Row>) -> String {
    let paired = row.and_then(|row| Some((row, row.compared.as_ref().ok()?)));
    paired.map_or_else(|| "-".to_owned(), |(row, paired)| row.metric.quantity.unit.show(paired.a))
}

/// A metric under a change, or that it is the same.
fn changed(row: Option<&Row>) -> String {
    let Some((row, paired)) = row.and_then(|row| Some((row, row.compared.as_ref().ok()?))) else {
        return "-".to_owned();
    };
    let unit = row.metric.quantity.unit;
    let (from, to) = (unit.show(paired.a), unit.show(paired.b));
    if row.verdict == Verdict::NoDifferenceSeen || from == to { SAME.to_owned() } else { to }
}

/// Cells of the shown metrics.
fn cells(effect: &Effect, of: fn(Option<&Row>) -> String) -> String {
    SHOWN.iter().map(|metric| format!("{:>CELL$}", of(effect.row(metric)))).collect()
}

fn difference(row: Option<&Row>) -> String {
    let Some((row, paired)) = row.and_then(|row| Some((row, row.compared.as_ref().ok()?))) else {
        return "not comparable".to_owned();
    };
    if row.verdict == Verdict::NoDifferenceSeen {
        return Verdict::NoDifferenceSeen.name().to_owned();
    }
    let unit = row.metric.quantity.unit;
    let signed = |end: f64| format!("{}{}", if end > 0.0 { "+" } else { "" }, unit.show(end));
    format!("{} to {}", signed(paired.difference.low), signed(paired.difference.high))
}

/// Causes that were not taken away.
fn staying(report: &WhyReport) -> Vec<String> {
    let stays =
        report.plan.staying().into_iter().map(|(cause, reason)| format!("{} ({reason})", cause.name()));
    let stays: Vec<String> = stays.collect();
    let mut lines = Vec::new();
    if !stays.is_empty() {
        lines.extend(wrap(&format!("Stays: {}.", stays.join(", ")), WIDTH - 2));
    }
    if !report.plan.left_out.is_empty() {
        let names: Vec<&str> = report.plan.left_out.iter().map(|cause| cause.name()).collect();
        lines.extend(wrap(&format!("Smaller, not tried (--top): {}.", names.join(", ")), WIDTH - 2));
    }
    lines.iter().map(|line| paint(FAINT, &format!("  {line}"))).collect()
}
