//! The answer for people: the value, what binds, what it would be without that, and what was tried.

use super::{SizeReport, metric_text, verdict};
use crate::experiment::design::Form;
use crate::experiment::objective::Objective;
use crate::experiment::size::{
    Answer, Binding, Bound, Boundary, CurvePoint, Direction, Next, Reach, without,
};
use crate::units::{format_count, format_span};

/// The answers alone, a paragraph each.
pub fn answer(report: &SizeReport<'_>) -> String {
    let paragraphs = report.answers.iter().map(|answer| paragraph(report, answer) + "\n");
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// The answers, what was tried, and how.
pub fn render(report: &SizeReport<'_>) -> String {
    let warnings = report.answers.iter().flat_map(|answer| &answer.warnings);
    let notes: String = warnings.chain(&report.notes).map(|note| format!("note: {note}\n")).collect();
    format!("{}\n{}\n{}{notes}", answer(report), tried(report), effort(report))
}

fn paragraph(report: &SizeReport<'_>, answer: &Answer) -> String {
    let sentences = [Some(value(report, answer)), binding(report, answer), next(report, answer)];
    sentences.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// `13,400/s (12,900/s to 13,900/s) is the largest rate with p99<5ms.`
fn value(report: &SizeReport<'_>, answer: &Answer) -> String {
    let (unknown, set) = (report.unknown, report.set(answer, " and "));
    let name = name(report);
    match &answer.reach {
        Reach::Boundary(boundary) => {
            format!(
                "{} is the {} {name} with {set}.",
                boundary_text(report, boundary),
                answer.direction.name()
            )
        }
        Reach::Everywhere(value) => {
            let side = if answer.direction == Direction::Largest { "up" } else { "down" };
            format!("{set}: met at every {name} that was tried, {side} to {}.", unknown.text(*value))
        }
        Reach::Nowhere(value) => {
            let (low, high) = unknown.range;
            let reason = answer.binding.as_ref().map_or(String::new(), |bound| reason(report, bound, *value));
            format!(
                "{set}: not met at any {name} from {} to {}{reason}.",
                unknown.text(low),
                unknown.text(high)
            )
        }
    }
}

/// What is solved for, as a word in a sentence.
fn name(report: &SizeReport<'_>) -> String {
    match (report.unknown.name.as_str(), report.unknown.form) {
        (counted @ ("shards" | "connections" | "keys"), _) => format!("number of {counted}"),
        ("memory", _) => "memory of the keys".to_owned(),
        (price, Form::Factor) => format!("factor on the model's {price}"),
        (other, _) => other.to_owned(),
    }
}

fn boundary_text(report: &SizeReport<'_>, boundary: &Boundary) -> String {
    let text = |value: f64| report.unknown.text(value);
    if boundary.low == boundary.high {
        return text(boundary.value);
    }
    format!("{} ({} to {})", text(boundary.value), text(boundary.low), text(boundary.high))
}

/// Why not even the easiest value will do.
fn reason(report: &SizeReport<'_>, bound: &Bound, at: f64) -> String {
    let at = report.unknown.text(at);
    match bound.binding {
        Binding::Cause(cause) => format!(
            ": at {at} it is {} that breaks it, alone up to {}",
            cause.name(),
            format_span(bound.longest)
        ),
        Binding::Queueing => {
            format!(": at {at} ordinary requests take longer, {:.0} % busy", 100.0 * bound.busy_share)
        }
        Binding::Overload => format!(": at {at} the server cannot keep up"),
        Binding::NoCause => String::new(),
    }
}

/// What breaks the objectives beyond the boundary.
fn binding(report: &SizeReport<'_>, answer: &Answer) -> Option<String> {
    let (Reach::Boundary(_), Some(bound)) = (&answer.reach, &answer.binding) else { return None };
    Some(format!("Binding: {}.", bound_text(report, bound)))
}

fn bound_text(report: &SizeReport<'_>, bound: &Bound) -> String {
    let objective =
        bound.objective.map_or(String::new(), |objective| report.objectives[objective].to_string());
    let busy = 100.0 * bound.busy_share;
    match bound.binding {
        Binding::Cause(cause) => {
            format!(
                "{objective} by {} ({}), up to {}",
                cause.name(),
                cause.describe(),
                format_span(bound.longest)
            )
        }
        Binding::Queueing => format!("{objective} by ordinary work and queueing, {busy:.0} % busy"),
        Binding::Overload => "the server cannot keep up".to_owned(),
        Binding::NoCause => objective,
    }
}

fn next(report: &SizeReport<'_>, answer: &Answer) -> Option<String> {
    let has_no_price = matches!(answer.binding, Some(Bound { binding: Binding::Cause(cause), .. }) if without(cause).is_none());
    let Some(next) = &answer.next else {
        return has_no_price.then(|| {
            "No price stands for that cause alone, so nothing is said of life without it.".to_owned()
        });
    };
    let then = match &next.binding {
        Some(bound) => format!("; next: {}", bound_text(report, bound)),
        None => String::new(),
    };
    Some(format!("Without {} {}{then}.", next.without.name(), reach_text(report, next)))
}

fn reach_text(report: &SizeReport<'_>, next: &Next) -> String {
    let unknown = report.unknown;
    match &next.reach {
        Reach::Boundary(boundary) => boundary_text(report, boundary),
        Reach::Everywhere(value) => {
            format!("it is met at every {} tried, to {}", name(report), unknown.text(*value))
        }
        Reach::Nowhere(_) => "it is not met either".to_owned(),
    }
}

/// A table of the values that were tried, with every objective's metric and its interval.
fn tried(report: &SizeReport<'_>) -> String {
    let heads = report.objectives.iter().map(head);
    let mut rows =
        vec![[report.unknown.name.clone(), "runs".to_owned()].into_iter().chain(heads).collect::<Vec<_>>()];
    for points in report.curve.chunks(report.objectives.len().max(1)) {
        let first = [report.unknown.text(points[0].value), points[0].runs.to_string()];
        rows.push(first.into_iter().chain(points.iter().map(|point| cell(report, point))).collect());
    }
    let columns = rows[0].len();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            0 | 1 => format!("{cell:>width$}", width = widths[column]),
            _ => format!("{cell:<width$}", width = widths[column]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn head(objective: &Objective) -> String {
    match objective.window {
        None => objective.metric.to_string(),
        Some(window) => format!(
            "{} in {:.4} % of the {} windows",
            objective.metric,
            100.0 * window.share,
            format_span(window.length)
        )
        .replace(".0000 %", " %"),
    }
}

fn cell(report: &SizeReport<'_>, point: &CurvePoint) -> String {
    let unit = report.objectives[point.objective].metric.quantity.unit;
    let text = |value: f64| metric_text(unit, value);
    let word = verdict(point.verdict, point.overloaded);
    match &point.measured {
        None => word.to_owned(),
        Some(measured) => match measured.interval {
            Some((low, high)) => {
                format!("{} ({} to {})  {word}", text(measured.value), text(low), text(high))
            }
            None => format!("{}  {word}", text(measured.value)),
        },
    }
}

/// `112 runs of 2 min after 12 s of warm-up, not the scenario's 6 h: 1.30 G commands, those of short runs before them counted.`
fn effort(report: &SizeReport<'_>) -> String {
    let length = report.length;
    let warmup = match length.warmup {
        0 => String::new(),
        warmup => format!(" after {} of warm-up", format_span(warmup)),
    };
    let without = if report.answers.iter().any(|answer| answer.next.is_some()) {
        ", the ones for \"without\" counted"
    } else {
        ""
    };
    let own = format!(", not the scenario's {}", format_span(report.scenario.run.duration));
    let given = length.given.map_or(own, |reason| format!(" ({reason})"));
    format!(
        "{} runs of {}{warmup}{given}{without}: {} commands, those of short runs before them counted.\n",
        report.runs,
        format_span(length.duration - length.warmup),
        format_count(report.requests as f64)
    )
}
