//! The answer on top: what the tail is, what it would be, and the least that can be done about it.

use super::{WhyReport, noun, quantile_name, worse};
use crate::cause::Cause;
use crate::experiment::compare::Verdict;
use crate::experiment::metric::Unit;
use crate::experiment::why::{Change, Effect, Effort, Remedy};
use crate::observe::blame::Band;
use crate::observe::histogram::Histogram;
use crate::report::phrase::spans;
use crate::report::words::blocks_longer;
use crate::report::{busy_share, words};
use crate::stats::paired::Interval;
use crate::units::{Nanos, format_span};

/// Share of a quantile that a cause must have for it to be the cause; below, it is one in part.
const MOST: f64 = 0.6;
/// Share of a quantile from which a second cause is worth naming.
const NEXT: f64 = 0.15;
/// A remedy is worth its name from this part of what taking the cause away would give.
const GOOD: f64 = 0.5;
/// Values further apart than by this factor are both given.
const APART: f64 = 1.3;
/// Causes whose gains differ by less than this are alike.
const ALIKE: f64 = 0.8;
/// Quantiles at which bands begin.
const BANDS: &[&str] = &["p50", "p90", "p99", "p999"];
/// Blocks this part of the excess over the median, or longer, are those that make a quantile.
const LONG: f64 = 0.5;

/// A few sentences, with numbers.
pub(super) fn sentence(report: &WhyReport) -> String {
    let findings = report.findings;
    let headline = findings.headline;
    let Some(all) = sojourn(report).filter(|sojourn| sojourn.count() > 0) else {
        return words::answer(report.run, report.about).join(" ");
    };
    let value = quantile(all, headline);
    let mut causes: Vec<(Cause, &Effect)> = findings
        .without
        .iter()
        .filter(|effect| effect.gain(headline) > 0.0)
        .filter_map(|effect| match effect.change {
            Change::Without(without) => Some((without.cause, effect)),
            Change::Remedy(_) => None,
        })
        .collect();
    // Of those without which the tail is about as short, the one that requests waited for longest.
    let most = causes.first().map_or(0.0, |(_, effect)| ALIKE * effect.gain(headline));
    let alike = causes.iter().take_while(|(_, effect)| effect.gain(headline) >= most).count();
    causes[..alike].sort_by(|a, b| blamed(report, b.0).total_cmp(&blamed(report, a.0)));
    let mut sentences = Vec::new();
    let needed = match causes.first() {
        Some(&(cause, effect)) => {
            sentences.extend(blame(report, (headline, value), cause, effect));
            let share =
                |effect: &Effect| effect.gain(headline) / effect.base(headline).unwrap_or(f64::INFINITY);
            let next = causes.get(1).filter(|(_, effect)| share(effect) >= NEXT);
            sentences.extend(next.and_then(|(cause, effect)| {
                let to = effect.mean(headline)?;
                Some(format!("Without {} instead: {}.", cause.name(), within(to)))
            }));
            GOOD * effect.gain(headline)
        }
        None => {
            sentences.push(unresolved(report, all));
            0.0
        }
    };
    sentences.extend(cheapest(report, headline, needed));
    sentences.join(" ")
}

/// What can be said where no other world is known to be better.
fn unresolved(report: &WhyReport, all: &Histogram) -> String {
    let spans = [("P99", all.quantile(0.99)), ("P99.9", all.quantile(0.999)), ("worst", all.max())];
    let spans = spans.map(|(name, span)| format!("{} at {name}", format_span(span))).join(", ");
    let causes = Cause::ALL.into_iter().map(|cause| (cause, blamed(report, cause)));
    let (cause, share) = causes.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Cause::Command, 0.0));
    if share < MOST {
        let busy = 100.0 * busy_share(report.run);
        return format!(
            "No single cause shapes the tail: {spans} stay within what the runs can tell whichever is taken away; the \
             server is busy {busy:.0} % of the time."
        );
    }
    let blocks = report.run.blocks.iter().find(|blocks| blocks.cause == cause);
    let what = blocks.map_or_else(
        || cause.name().to_owned(),
        |blocks| blocks_longer(report.run, blocks, blocks.longest / 2),
    );
    format!(
        "{spans}: {:.0} % of the time of the slowest requests went to {what}. The runs differ too much from one another to \
         say what the tail would be without ({} of each; --replications for more).",
        100.0 * share,
        report.findings.replications
    )
}

/// Share of the time of the requests beyond the quantile of the answer that `cause` took, what waited behind it included.
fn blamed(report: &WhyReport, cause: Cause) -> f64 {
    let from = BANDS.iter().position(|name| *name == report.findings.headline).unwrap_or(BANDS.len() - 1);
    let Some(blame) = &report.run.blame else { return 0.0 };
    let bands: Vec<Band> = blame.bands().into_iter().filter(|band| band.requests > 0).collect();
    // The slowest there are, where so few requests were made that none lies beyond.
    let is_beyond =
        |(index, band): &(usize, &Band)| BANDS[from..].contains(&band.from) || index + 1 == bands.len();
    let beyond = bands.iter().enumerate().filter(is_beyond).map(|(_, band)| band);
    let sums = |(own, whole), band: &Band| (own + band.of(cause.name()), whole + band.sojourn_ns);
    let (own, whole) = beyond.fold((0, 0), sums);
    own as f64 / whole.max(1) as f64
}

fn sojourn<'a>(report: &'a WhyReport) -> Option<&'a Histogram> {
    report.run.scopes.iter().find(|scope| scope.name == "all").map(|scope| &scope.sojourn)
}

/// The quantile of that name, or the maximum.
fn quantile(sojourn: &Histogram, name: &str) -> Nanos {
    let digits = name.strip_prefix('p').and_then(|digits| format!("0.{digits}").parse().ok());
    digits.map_or(sojourn.max(), |share| sojourn.quantile(share))
}

fn shown(name: &str) -> &str {
    quantile_name(name).unwrap_or("The worst sojourn")
}

/// `346 us (345 to 347 us)`.
fn within(value: Interval) -> String {
    let show = |value: f64| Unit::Nanos.show(value.max(0.0));
    let (low, high) = (show(value.low), show(value.high));
    match (low.split_once(' '), high.split_once(' ')) {
        _ if low == high => show(value.value),
        (Some((number, unit)), Some((_, other))) if unit == other => {
            format!("{} ({number} to {high})", show(value.value))
        }
        _ => format!("{} ({low} to {high})", show(value.value)),
    }
}

/// `P99.9 of 1.37 ms is forks: 138 forks of 122 ms (…). Without them it would be 346 us.`
fn blame(
    report: &WhyReport,
    (headline, value): (&str, Nanos),
    cause: Cause,
    effect: &Effect,
) -> Option<String> {
    let share = effect.gain(headline) / effect.base(headline)?;
    let verb = if share >= MOST { "comes from" } else { "comes in part from" };
    let median = sojourn(report)?.quantile(0.5);
    let beyond = (LONG * value.saturating_sub(median) as f64) as Nanos;
    let blocks = report.run.blocks.iter().find(|blocks| blocks.cause == cause && blocks.longest > beyond);
    let (what, them) = match blocks {
        Some(blocks) => {
            let them = if spans(blocks, beyond).0 == 1 { "it" } else { "them" };
            (blocks_longer(report.run, blocks, beyond), them)
        }
        None => (format!("{} ({})", cause.name(), cause.describe()), "it"),
    };
    let to = effect.mean(headline)?;
    let value = of_whole_run(value, effect.base(headline)?, report.findings.replications);
    Some(format!("{} of {value} {verb} {what}. Without {them} it would be {}.", shown(headline), within(to)))
}

/// The value of the whole run, or that of the runs that are compared where the two tell different stories.
fn of_whole_run(value: Nanos, base: f64, replications: usize) -> String {
    let apart = (base / value.max(1) as f64).max(value as f64 / base.max(1.0));
    match apart > APART {
        true => format!(
            "{} (mean of {replications} runs; {} in the first)",
            Unit::Nanos.show(base),
            format_span(value)
        ),
        false => format_span(value),
    }
}

/// What costs least among the remedies that give at least `needed`.
fn cheapest(report: &WhyReport, headline: &str, needed: f64) -> Option<String> {
    let remedies = report.findings.remedies.iter();
    let mut useful: Vec<(&Effect, &Remedy)> = remedies
        .filter(|effect| effect.gain(headline) > needed.max(0.0))
        .filter_map(|effect| match &effect.change {
            Change::Remedy(remedy) => Some((effect, remedy)),
            Change::Without(_) => None,
        })
        .collect();
    // The sort is stable, and the list is sorted by gain.
    useful.sort_by_key(|(effect, remedy)| rank(effect, remedy));
    let Some((effect, remedy)) = useful.first() else {
        let helps = needed > 0.0;
        return helps.then(|| "None of the remedies below gives half of that.".to_owned());
    };
    let to = within(effect.mean(headline)?);
    let costs: Vec<String> = worse(effect)
        .into_iter()
        .chain((!remedy.beside.is_empty()).then(|| remedy.beside.to_owned()))
        .collect();
    let costs = match costs.is_empty() {
        true => "costs nothing that the runs show".to_owned(),
        false => format!("costs: {}", costs.join("; ")),
    };
    let name = if headline == "max" { noun(headline) } else { shown(headline) };
    Some(format!("Cheapest: {}: {name} {to}; {costs}.", remedy.title))
}

/// How dear it is: first what loses more or refuses more, then what it takes.
fn rank(effect: &Effect, remedy: &Remedy) -> (bool, Effort) {
    let is_worse = |metric| effect.row(metric).is_some_and(|row| row.verdict == Verdict::Worse);
    (["loss", "errors", "p50"].into_iter().any(is_worse), remedy.effort)
}
