//! What `load` prints for people.

use std::fmt::Write;

use super::quantiles::Quantiles;
use super::window_rows;
use super::{About, per_s};
use crate::live::drive::{Driven, LATE_SHARE};
use crate::observe::histogram::Histogram;
use crate::observe::result::EventRow;
use crate::units::{SECOND, format_count, format_span};

/// Columns of a row's name.
const LABEL: usize = 16;
/// Share of the requests that may be without an answer at the end of any run.
const UNDER_WAY: f64 = 0.001;
/// Most rows of stalls.
const STALLS: usize = 5;

/// The answer and the numbers behind it; `place` says which server it was.
pub fn render(driven: &Driven, about: &About, place: &str) -> String {
    let result = &driven.result;
    let mut text = String::new();
    let flavour = if result.version.to_string().starts_with("valkey") { "" } else { "redis " };
    line(
        &mut text,
        &format!(
            "{}  {flavour}{} ({place}), {} loop, {}, seed {}",
            result.scenario,
            result.version,
            about.loop_kind.name(),
            format_span(result.duration),
            result.seed
        ),
    );
    line(&mut text, "");
    throughput(&mut text, driven);
    sojourns(&mut text, driven);
    windows(&mut text, driven);
    patterns(&mut text, driven);
    stalls(&mut text, &result.stalls);
    line(&mut text, "");
    line(&mut text, &lateness(driven));
    text
}

/// The answer alone: how long it took, and whether the generator can be believed.
pub fn answer(driven: &Driven) -> String {
    let all = driven.result.scopes.first().map(|scope| Quantiles::of(&scope.sojourn)).unwrap_or_default();
    let span = |span: Option<u64>| span.map_or("-".to_owned(), format_span);
    let rate = format_count(per_s(driven.result.completed, &driven.result));
    let late = if driven.is_late() == Some(true) { "; the generator was late" } else { "" };
    format!("{rate}/s: P50 {}, P99 {}, max {}{late}\n", span(all.p50), span(all.p99), span(all.max))
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn row(text: &mut String, name: &str, rest: &str) {
    line(text, &format!("  {name:<width$}{rest}", width = LABEL - 2));
}

fn heading(text: &mut String, name: &str, rest: &str) {
    line(text, &format!("{name:<LABEL$}{rest}"));
}

fn throughput(text: &mut String, driven: &Driven) {
    let result = &driven.result;
    let count = |number: u64| format_count(number as f64);
    let mut rest = format!(
        "{}/s, {} requests answered",
        format_count(per_s(result.completed, result)),
        count(result.completed)
    );
    if let (Some(cpu), Some(each)) = (driven.server_cpu, driven.cpu_ns_per_command()) {
        let measured = result.duration.saturating_sub(result.warmup).max(1);
        let busy = 100.0 * cpu as f64 / measured as f64;
        let _ =
            write!(rest, ", server busy {busy:.1} %, {} of CPU a command", format_span(each.round() as u64));
    }
    heading(text, "Throughput", &rest);
    let errors = &result.errors;
    let unanswered =
        result.requests.saturating_sub(result.completed + errors.oom + errors.misconf + errors.noreplicas);
    let unanswered = if unanswered as f64 > UNDER_WAY * result.requests as f64 { unanswered } else { 0 };
    let all = [
        ("OOM", errors.oom),
        ("MISCONF", errors.misconf),
        ("NOREPLICAS", errors.noreplicas),
        ("not answered by the end", unanswered),
    ];
    let shown: Vec<String> = all
        .iter()
        .filter(|one| one.1 > 0)
        .map(|(name, number)| format!("{} {name}", count(*number)))
        .collect();
    if !shown.is_empty() {
        row(text, "", &shown.join(", "));
    }
}

fn sojourns(text: &mut String, driven: &Driven) {
    let result = &driven.result;
    let names = ["mean", "P50", "P90", "P99", "P99.9", "P99.99", "max"];
    line(text, "");
    heading(text, "Sojourn", &names.map(|name| format!("{name:>11}")).concat());
    for scope in &result.scopes {
        let repeats_all = scope.sojourn.count() == result.completed && scope.name != "all";
        if scope.sojourn.count() > 0 && !repeats_all {
            let name = if scope.name == "all" { "all requests" } else { &scope.name };
            row(text, name, &cells(&scope.sojourn));
        }
    }
    row(text, "closed loop", &cells(&result.closed_loop_view));
}

fn cells(histogram: &Histogram) -> String {
    let cell = |value: &Option<u64>| format!("{:>11}", value.map_or("-".to_owned(), format_span));
    Quantiles::of(histogram).columns().iter().map(cell).collect()
}

fn windows(text: &mut String, driven: &Driven) {
    let all = driven.result.scopes.first().map_or(&[][..], |scope| &scope.windows[..]);
    if all.iter().all(|window| window.count == 0) {
        return;
    }
    line(text, "");
    heading(text, "Windows", &window_rows::heads());
    for window in all.iter().filter(|window| window.count > 0) {
        row(text, &format!("of {}", format_span(window.window)), &window_rows::cells(window));
    }
}

fn patterns(text: &mut String, driven: &Driven) {
    for pattern in &driven.result.patterns {
        let count = |number: u64| format_count(number as f64);
        let sums = &pattern.sums;
        line(text, "");
        heading(
            text,
            "Pattern",
            &format!(
                "{}: {} operations, {} failed, {} increments acknowledged",
                pattern.name,
                count(sums.operations),
                count(sums.failed),
                count(sums.increments_acked)
            ),
        );
        row(text, "sojourn", &cells(&pattern.sojourn));
    }
}

fn stalls(text: &mut String, stalls: &[EventRow]) {
    if stalls.is_empty() {
        return;
    }
    line(text, "");
    heading(text, "Longest stalls", "");
    for stall in stalls.iter().take(STALLS) {
        let at = stall.at as f64 / SECOND as f64;
        row(text, &format_span(stall.span), &format!("{} at {at:.3} s {}", stall.cause, stall.detail));
    }
}

/// Whether the generator kept its own times.
fn lateness(driven: &Driven) -> String {
    let manner = match driven.busy_share() {
        Some(busy) => format!("spinning, busy {:.0} %", 100.0 * busy),
        None => "sleeping".to_owned(),
    };
    let Some(is_late) = driven.is_late() else {
        return format!("Generator: {manner}; a closed loop has no times to be late for.");
    };
    let [p50, p99] = driven.lateness.quantiles([0.5, 0.99]).map(format_span);
    let verdict = match is_late {
        true => format!(
            "LATE: more than {:.0} % of the sojourn is its own; lower the rate or use an idle machine",
            100.0 * LATE_SHARE
        ),
        false => "in time".to_owned(),
    };
    format!("Generator: {manner}, late by {p50} at the median, {p99} at P99: {verdict}.")
}
