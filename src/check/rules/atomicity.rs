//! Steps that others can come between. The article's fourth check.

use super::{Rule, count, field, seconds};
use crate::check::facts::Facts;
use crate::check::finding::{Finding, Severity};
use crate::check::monitor::{Gap, GapKind};
use crate::check::source::Place;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "counter-get-set-incr",
        Severity::Serious,
        "MONITOR, source",
        "a counter is begun by GET, then SET, then INCR in separate commands",
        |facts| counter(facts, GapKind::GetSetIncr),
    ),
    Rule::new(
        "counter-set-nx-incr",
        Severity::Serious,
        "MONITOR, source",
        "a counter is begun by SET NX EX and INCR in separate commands",
        |facts| counter(facts, GapKind::SetNxIncr),
    ),
    Rule::new(
        "counter-incr-expire",
        Severity::Warning,
        "MONITOR, source",
        "a counter gets its time to live by a second command after INCR",
        |facts| counter(facts, GapKind::IncrExpire),
    ),
    Rule::new(
        "hot-key",
        Severity::Warning,
        "MONITOR",
        "one key has a fifth or more of 1,000 commands or more; a warning from half",
        hot_key,
    ),
];

/// Places of source that are shown.
const SHOWN: usize = 5;

fn counter(facts: &Facts, kind: GapKind) -> Option<Finding> {
    let monitor = facts.monitor.as_ref().map(|monitor| &monitor.gaps);
    let places = facts.source.as_ref().map(|source| &source.places);
    facts.input(&monitor.map(|_| ()).or(places.map(|_| ())), "a MONITOR capture or source")?;
    let gap = monitor.and_then(|gaps| gaps.iter().find(|gap| gap.kind == kind));
    let places: Vec<&Place> = places.into_iter().flatten().filter(|place| place.kind == kind).collect();
    if gap.is_none() && places.is_empty() {
        return None;
    }
    let mut evidence = Vec::new();
    if let Some(gap) = gap {
        evidence.push(field(
            &format!("MONITOR {}", kind.steps()),
            format!(
                "operations: {}, keys: {}, with another client's write between: {}",
                gap.operations, gap.keys, gap.interleaved
            ),
        ));
        let span = format!(
            "{} increments/s, {} between the steps",
            count(gap.increments_per_s),
            seconds(gap.span_s)
        );
        evidence.push(field(&gap.key, span));
    }
    evidence.extend(places.iter().take(SHOWN).map(|place| {
        field(&format!("{}:{}", place.file, place.line), format!("{} on {}", kind.steps(), place.key))
    }));
    if places.len() > SHOWN {
        evidence.push(field("more places", places.len() - SHOWN));
    }
    let severity = if kind == GapKind::IncrExpire { Severity::Warning } else { Severity::Serious };
    Some(Finding::new(severity, evidence, consequence(kind, gap), REMEDY))
}

const REMEDY: &str = "MULTI; INCR k; EXPIRE k t NX; EXEC (7.0 on: it also heals a key without TTL), or one Lua script \
                      with INCR and EXPIRE if the result is 1; INCREX (Redis 8.8)";

fn consequence(kind: GapKind, gap: Option<&Gap>) -> String {
    let chance = gap.map_or_else(
        || "P = ½ (1 − e^(−2λr)) an expiry, ½ from some 5,000 increments a second".to_owned(),
        |gap| format!("{:.2} % of its expiries at the rate seen on {}", 100.0 * gap.immortal(), gap.key),
    );
    match kind {
        GapKind::GetSetIncr => format!(
            "A client that saw the counter alive sends INCR after it has expired: that makes a counter without a time \
             to live, which never resets ({chance}). Late SETs throw away increments on top."
        ),
        GapKind::SetNxIncr => format!(
            "The counter can expire between the two: INCR then makes one without a time to live, which never resets \
             ({chance}). SET NX EX followed by INCR is no cure for GET, SET, INCR."
        ),
        GapKind::IncrExpire => {
            "A client that dies, or loses its connection, between the two leaves a counter without a \
                                time to live, which never resets."
                .to_owned()
        }
    }
}

fn hot_key(facts: &Facts) -> Option<Finding> {
    let monitor = facts.input(&facts.monitor, "a MONITOR capture")?;
    let (key, commands) = monitor.hottest.as_ref()?;
    let share = *commands as f64 / monitor.commands.max(1) as f64;
    (monitor.commands >= 1000 && share >= 0.2).then(|| {
        Finding::new(
            if share >= 0.5 { Severity::Warning } else { Severity::Note },
            vec![field(key, format!("{commands} of {} commands", monitor.commands))],
            format!(
                "{:.0} % of the commands address one key. Its limit is that of the thread, the same as for all keys \
                 together; in a cluster one node has all of it.",
                100.0 * share
            ),
            "sub-keys help only if they land on different nodes; in one server they change nothing",
        )
    })
}
