//! The life of one request, phase by phase: for people and in JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::human::{BARS, FAINT, HEADING};
use super::sparkline::bar;
use super::wrap::paint;
use crate::observe::blame::life::{Life, Phase, Stage, Wanted};
use crate::observe::result::{EventRow, RunResult};
use crate::units::{Nanos, format_count, format_span};

/// Phases that are listed for people; of more, the longest.
const ROWS_MAX: usize = 30;
/// Cells of the longest bar.
const BAR: usize = 20;
/// Width of the name of a phase.
const NAME: usize = 24;

/// The life of a request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LifeOutput {
    /// What was asked for: `p50`, `p90`, `p99`, `p999`, `p9999`, `max` or `#N`.
    pub wanted: String,
    /// It is the n-th answered request, from 1; of its node, in a cluster.
    pub number: u64,
    /// Its group.
    pub group: String,
    /// Its connection, over all groups.
    pub connection: u32,
    /// Commands of its client write.
    pub commands: u32,
    /// Commands that the turn executed which answered it.
    pub turn_commands: u64,
    /// When the client meant to send it, in s.
    pub arrived_at_s: f64,
    /// From then to the reply, in ns.
    pub sojourn_ns: Nanos,
    /// What it is charged to, in ns; the values add up to `sojourn_ns`.
    pub causes: BTreeMap<&'static str, Nanos>,
    /// What happened, in order and without a gap.
    pub phases: Vec<PhaseOutput>,
}

/// A span of a request's life.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PhaseOutput {
    /// Start after the intended time, in ns.
    pub after_ns: Nanos,
    /// Length, in ns.
    pub span_ns: Nanos,
    /// What the main thread did, or `asleep`; on the way there and back `network`, `client` or `redirect`.
    pub what: &'static str,
    /// `way-in`, `waiting` (it can be read, and the server does other things), `turn` (which answers it) or `way-back`.
    pub stage: &'static str,
    /// More of a stall.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Text of what was asked for.
fn text(wanted: Wanted) -> String {
    match wanted {
        Wanted::Quantile(name, _) => name.to_owned(),
        Wanted::Max => "max".to_owned(),
        Wanted::Number(number) => format!("#{number}"),
    }
}

/// The JSON object of a request that was found in a run with that result.
pub fn output(life: &Life, wanted: Wanted, result: &RunResult) -> LifeOutput {
    let phase = |phase: &Phase| PhaseOutput {
        after_ns: phase.from - life.arrived_at,
        span_ns: phase.until - phase.from,
        what: phase.what,
        stage: phase.stage.name(),
        detail: detail(phase, result),
    };
    LifeOutput {
        wanted: text(wanted),
        number: life.number,
        group: group(life, result),
        connection: life.connection,
        commands: life.commands,
        turn_commands: life.turn_commands,
        arrived_at_s: super::seconds(life.arrived_at),
        sojourn_ns: life.read_at - life.arrived_at,
        causes: life.parts.iter().map(|&(part, ns)| (part.name(), ns)).collect(),
        phases: life.phases.iter().map(phase).collect(),
    }
}

/// The text for people, after an empty line.
pub fn human(life: &Life, wanted: Wanted, result: &RunResult) -> String {
    let sojourn = life.read_at - life.arrived_at;
    let of = if result.scopes.iter().filter(|scope| !scope.operation.is_empty()).count() > 1 {
        format!(" of {}", group(life, result))
    } else {
        String::new()
    };
    let head = format!(
        "{}: number {}{of}, meant at {}, connection {}, answered after {} in a turn of {} commands",
        text(wanted),
        life.number,
        format_span(life.arrived_at),
        life.connection,
        format_span(sojourn),
        format_count(life.turn_commands as f64),
    );
    let mut text = format!("\n{}  {}\n", paint(HEADING, "Request"), paint(FAINT, &head));
    let longest = life.phases.iter().map(|phase| phase.until - phase.from).max().unwrap_or(1).max(1);
    for row in rows(&life.phases) {
        let line = match row {
            Row::Phase(phase) => {
                let span = phase.until - phase.from;
                let bar = format!("{:<BAR$}", bar(span as f64 / longest as f64, BAR));
                let detail = detail(phase, result);
                let note = [stage(phase.stage), &detail].into_iter().filter(|note| !note.is_empty());
                let note = note.collect::<Vec<_>>().join(": ");
                let (after, span) = (format_span(phase.from - life.arrived_at), format_span(span));
                format!("  {after:>10}  {:<NAME$}{span:>10}  {} {note}", phase.what, paint(BARS, &bar))
            }
            Row::More(number, span) => {
                format!("  {:>10}  {:<NAME$}{:>10}", "", format!("{number} short phases"), format_span(span))
            }
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let mut parts = life.parts.clone();
    parts.sort_by_key(|part| std::cmp::Reverse(part.1));
    let parts: Vec<String> =
        parts.iter().map(|(part, ns)| format!("{} {}", part.name(), format_span(*ns))).collect();
    for (place, line) in super::wrap::wrap(&parts.join(", "), super::human::WIDTH - 12).iter().enumerate() {
        let label = if place == 0 { "charged to" } else { "" };
        text.push_str(&format!("  {label:<10}  {line}\n"));
    }
    text
}

/// What people read of a stage.
fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::WayIn => "on its way",
        Stage::Waiting => "waiting",
        Stage::Turn => "its turn",
        Stage::WayBack => "on its way back",
    }
}

enum Row<'a> {
    Phase(&'a Phase),
    /// So many phases in a row, and their time.
    More(usize, Nanos),
}

/// The phases, or the longest of them with the others between them added up.
fn rows(phases: &[Phase]) -> Vec<Row<'_>> {
    let span = |phase: &Phase| phase.until - phase.from;
    let mut spans: Vec<Nanos> = phases.iter().map(span).collect();
    spans.sort_unstable_by(|a, b| b.cmp(a));
    let least = spans.get(ROWS_MAX).map_or(0, |&span| span + 1);
    let mut rows = Vec::new();
    for phase in phases {
        match rows.last_mut() {
            _ if span(phase) >= least => rows.push(Row::Phase(phase)),
            Some(Row::More(number, sum)) => (*number, *sum) = (*number + 1, *sum + span(phase)),
            _ => rows.push(Row::More(1, span(phase))),
        }
    }
    rows
}

fn group(life: &Life, result: &RunResult) -> String {
    result.spent.get(life.group as usize).map_or_else(String::new, |group| group.0.clone())
}

/// What the list of stalls says of a phase.
fn detail(phase: &Phase, result: &RunResult) -> String {
    let is_it =
        |row: &&EventRow| row.cause == phase.what && row.at < phase.until && row.at + row.span > phase.from;
    result.events.iter().find(is_it).map_or_else(String::new, |row| row.detail.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::blame::Part;
    use crate::report::fixture;

    fn life(phases: Vec<Phase>) -> Life {
        let until = phases.last().map_or(0, |phase| phase.until);
        Life {
            group: 0,
            connection: 7,
            number: 1234,
            commands: 1,
            turn_commands: 500,
            arrived_at: 0,
            readable_at: 100,
            polled_at: 1000,
            sent_at: until,
            read_at: until,
            phases,
            parts: vec![(Part::Network, 1), (Part::Queue, until - 1)],
        }
    }

    fn phases(number: u64) -> Vec<Phase> {
        let phase = |n: u64| Phase {
            from: n * 1000,
            until: (n + 1) * 1000,
            what: if n.is_multiple_of(2) { "command" } else { "fork" },
            stage: Stage::Waiting,
        };
        (0..number).map(phase).collect()
    }

    #[test]
    fn a_life_is_told_in_order_with_what_is_known_of_its_stalls() {
        let mut result = fixture::nothing();
        let row = EventRow { at: 500, span: 900, cause: "fork", detail: "BGSAVE (60 10000)".into() };
        result.events = vec![row];
        let life = life(phases(3));
        let text = human(&life, Wanted::Quantile("p999", 0.999), &result);
        assert!(text.contains("p999: number 1234, meant at 0 ns, connection 7"), "{text}");
        assert!(text.contains("waiting: BGSAVE (60 10000)"), "{text}");
        assert!(text.contains("charged to  queue 3.00 us, network 1 ns"), "{text}");
        let json = serde_json::to_value(output(&life, Wanted::Max, &result)).unwrap();
        assert_eq!(json["phases"][1]["detail"], "BGSAVE (60 10000)");
        assert_eq!(json["phases"][2]["after_ns"], 2000);
        assert_eq!((json["wanted"].as_str(), json["sojourn_ns"].as_u64()), (Some("max"), Some(3000)));
    }

    #[test]
    fn of_many_phases_the_longest_are_listed() {
        let mut many = phases(1000);
        many.iter_mut().skip(500).step_by(2).take(ROWS_MAX).for_each(|phase| phase.until += 1);
        let rows = rows(&many);
        let listed = rows.iter().filter(|row| matches!(row, Row::Phase(_))).count();
        let others: usize = rows.iter().map(|row| if let Row::More(n, _) = row { *n } else { 0 }).sum();
        assert_eq!((listed, others), (ROWS_MAX, 1000 - ROWS_MAX));
    }
}
