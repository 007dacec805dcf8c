//! The keys of `[[workload]]` that concern operations of several steps.

use super::super::keys::{EVENT, Kind, WORKLOAD};
use super::super::pattern::{BUILT_IN, Backoff, Call, MAX_TTL_MS, Patience, Pattern, built_in};
use super::super::problem::nearest;
use super::super::reader::{Fault, Reader, Section};
use super::super::shapes::popularity;
use super::super::steps::{part, steps};
use super::super::tree::{Node, Table, Value};
use super::super::values::{choice, quantity, text};
use super::super::{Action, KeyPopularity, Source, TimedEvent, Workload};
use crate::redis::config::RedisConfig;
use crate::redis::version::Version;
use crate::units::{self, MILLISECOND};

/// Keys that only mean something with `pattern`.
const PATTERN_KEYS: &[&str] = &["window", "limit", "pattern-keys", "client-death", "release"];
/// The same, about patience.
const PATIENCE_KEYS: &[&str] = &["timeout", "retries", "retry-backoff", "retry-budget"];
/// Keys that mean nothing with `pattern`.
const COMMAND_KEYS: &[&str] = &["operation", "mix", "value-size"];

/// Reads the pattern of a group, if it has one.
pub fn read(
    section: &Section<'_>,
    version: Version,
    source: &Source,
    reader: &mut Reader,
) -> Option<Pattern> {
    if !section.has("pattern") {
        for key in PATTERN_KEYS.iter().chain(PATIENCE_KEYS).filter(|key| section.has(key)) {
            let remedy = match PATIENCE_KEYS.contains(key) {
                true => "single commands are sent once; for SETs with time-outs write pattern = \"set\"",
                false => "add pattern = \"get-set-incr\" or another, or take it out",
            };
            reader.problem(&section.place_of(key), format!("workload.{key} is of a pattern"), remedy);
        }
        return None;
    }
    for key in COMMAND_KEYS.iter().filter(|key| section.has(key)) {
        let read = format!("workload.{key} is given beside pattern");
        reader.problem(
            &section.place_of(key),
            read,
            "keep one of them: a pattern says what its commands are",
        );
    }
    if section.table.get("pipeline").is_some_and(|node| !matches!(node.value, Value::Integer(1))) {
        let remedy = "take it out: a step waits for the reply to the one before";
        reader.problem(&section.place_of("pipeline"), "workload.pipeline is of single commands", remedy);
    }
    let window_ms = reader.read(section, "window", window).value.unwrap_or(1000);
    let limit = reader.whole(section, "limit").value;
    let key_count = reader.whole(section, "pattern-keys").value.unwrap_or(1);
    let got = reader.read(section, "pattern", |node| named_or_own(node, window_ms, limit));
    let (name, steps) = got.value?;
    for call in steps.iter().flat_map(|step| &step.calls) {
        if let Some(missing) = call.missing_in(version) {
            let (read, remedy) = missing.split_once("; ").unwrap_or((missing, ""));
            let read = format!("workload.pattern: {read}, and redis.version is {version}");
            reader.problem(&got.place, read, remedy);
        }
    }
    let keys = reader.read(section, "keys", |node| fitting(node, key_count));
    let client_death = reader.real(section, "client-death").value.unwrap_or(0.0);
    if client_death > 0.0 && steps.len() < 2 {
        let remedy = "take it out, or take a pattern of several steps, such as \"incr-expire\"";
        reader.problem(
            &section.place_of("client-death"),
            "workload.client-death: a pattern of one step has no point at which its client could die",
            remedy,
        );
    }
    let released = section.has("release") && reader.choice(section, "release").value.is_some();
    if released {
        check_release(section, source, key_count, reader);
    }
    Some(Pattern {
        name,
        steps,
        window_ms,
        limit,
        key_count,
        keys: keys.value.unwrap_or(KeyPopularity::Uniform),
        client_death,
        patience: patience(section, reader),
        released,
    })
}

fn window(node: &Node) -> Result<u64, Fault> {
    let span = quantity(node, units::parse_span)?;
    if span == 0 || !span.is_multiple_of(MILLISECOND) || span / MILLISECOND > MAX_TTL_MS {
        let read = format!("{} is no time to live", node.literal());
        return Err(Fault::new(read, "expected whole milliseconds, at least \"1ms\""));
    }
    Ok(span / MILLISECOND)
}

fn named_or_own(
    node: &Node,
    window_ms: u64,
    limit: Option<u64>,
) -> Result<(String, Vec<super::super::pattern::Step>), Fault> {
    if let Value::List(nodes) = &node.value {
        let steps = steps(nodes)?;
        one_type(steps.iter().flat_map(|step| &step.calls))?;
        return Ok(("own".into(), steps));
    }
    let name = text(node)?;
    if let Some(steps) = built_in(&name, window_ms, limit) {
        return Ok((name, steps));
    }
    let names = BUILT_IN.iter().map(|pattern| pattern.0);
    let mut fault = Fault::new(
        format!("unknown pattern {name:?}"),
        format!(
            "expected one of: {}; or a list of steps, [{{ do = \"INCR\" }}]",
            names.clone().collect::<Vec<_>>().join(", ")
        ),
    );
    if let Some(near) = nearest(&name, names) {
        fault.remedies.insert(0, format!("did you mean {near:?}?"));
    }
    Err(fault)
}

/// A key is a string, a sorted set or a list: a command of another type would get WRONGTYPE.
fn one_type<'c>(calls: impl Iterator<Item = &'c Call>) -> Result<(), Fault> {
    let mut seen = [false; 3];
    for call in calls {
        match call {
            Call::Get | Call::Set { .. } | Call::Incr | Call::Increx { .. } => seen[0] = true,
            Call::Zadd | Call::Zremrangebyscore | Call::Zcard => seen[1] = true,
            Call::Lpush | Call::Ltrim { .. } => seen[2] = true,
            Call::Del | Call::Expire { .. } => {}
        }
    }
    if seen.iter().filter(|seen| **seen).count() > 1 {
        return Err(Fault::new(
            "the steps use commands of several types on one key",
            "keep to strings, or sorted sets, or lists: the server would reply WRONGTYPE",
        ));
    }
    Ok(())
}

fn fitting(node: &Node, keys: u64) -> Result<KeyPopularity, Fault> {
    match popularity(node)? {
        KeyPopularity::Hot { keys: hot, .. } if hot > keys => Err(Fault::new(
            format!("{hot} hot keys, but the pattern has {keys}"),
            "lower the hot keys or raise pattern-keys",
        )),
        popularity => Ok(popularity),
    }
}

fn check_release(section: &Section<'_>, source: &Source, key_count: u64, reader: &mut Reader) {
    let place = section.place_of("release");
    if let Source::Open { .. } = source {
        let read = "workload.release: clients of an open loop do not wait for an expiry";
        reader.problem(&place, read, "set loop = \"closed\"");
    }
    if key_count > 1 {
        let read = "workload.release: clients wait for the expiry of one key";
        reader.problem(&section.place_of("pattern-keys"), read, "take pattern-keys out, or set it to 1");
    }
    if matches!(source, Source::Closed { think } if think.mean() > 0.0) {
        let read = "workload.think: clients that wait for an expiry do not think";
        reader.problem(&section.place_of("think"), read, "take it out, or take release out");
    }
}

fn patience(section: &Section<'_>, reader: &mut Reader) -> Patience {
    let timeout = reader.whole(section, "timeout").value;
    if timeout.is_none() {
        for key in PATIENCE_KEYS.iter().skip(1).filter(|key| section.has(key)) {
            let read = format!("workload.{key} without timeout: a client that waits for ever never retries");
            reader.problem(&section.place_of(key), read, "add timeout = \"200ms\"");
        }
        return Patience::endless();
    }
    let retries = reader.whole(section, "retries").value.unwrap_or(0) as u32;
    if !section.has("retries") {
        for key in PATIENCE_KEYS.iter().skip(2).filter(|key| section.has(key)) {
            let read = format!("workload.{key} without retries");
            reader.problem(&section.place_of(key), read, "add retries = 3");
        }
    }
    if retries == 0 && !section.has("retry-backoff") && !section.has("retry-budget") {
        return Patience { timeout, ..Patience::endless() };
    }
    let backoff = reader.read(section, "retry-backoff", backoff).value;
    Patience {
        timeout,
        retries,
        backoff: backoff.unwrap_or(Backoff::Constant(0)),
        budget: reader.real(section, "retry-budget").value,
    }
}

/// Keys of a backoff that is a table.
pub const BACKOFF_KEYS: [&str; 4] = ["kind", "base", "cap", "jitter"];

fn backoff(node: &Node) -> Result<Backoff, Fault> {
    let Value::Table(table) = &node.value else {
        return quantity(node, units::parse_span).map(Backoff::Constant);
    };
    if let Some(entry) = table.entries.iter().find(|entry| !BACKOFF_KEYS.contains(&entry.key.as_str())) {
        let remedy = super::super::file::suggestion(&entry.key, BACKOFF_KEYS.into_iter());
        return Err(Fault::new(format!("unknown key {:?}", entry.key), remedy).at(&entry.place));
    }
    let needed = |key: &str| {
        table.get(key).ok_or_else(|| Fault::new(format!("{key} is missing"), format!("add {key} = …")))
    };
    let kind = needed("kind")?;
    choice(kind, &["exponential"]).map_err(|fault| fault.at(&kind.place))?;
    let span = |key: &str| part(needed(key)?, Kind::Span(MILLISECOND / 1000, 86_400_000 * MILLISECOND));
    let (base, cap) = (span("base")?, span("cap")?);
    if cap < base {
        return Err(Fault::new("cap is below base", "expected cap at least base"));
    }
    let jitter = match table.get("jitter") {
        Some(node) => choice(node, &["full", "none"]).map_err(|fault| fault.at(&node.place))? == "full",
        None => true,
    };
    Ok(Backoff::Exponential { base, cap, jitter })
}

/// What keys that are kept exactly do not survive is refused.
pub fn check_events(tree: &Table, groups: &[Workload], events: &[TimedEvent], reader: &mut Reader) {
    let crashes = events.iter().any(|event| matches!(event.action, Action::Crash { .. }));
    if !crashes || groups.iter().all(|group| group.pattern.is_none()) {
        return;
    }
    let sections = Section::repeated(&EVENT, tree);
    let crash = |section: &&Section<'_>| {
        section.table.get("do").and_then(Node::plain).is_some_and(|action| action == "crash")
    };
    let place = sections.iter().find(crash).map(|section| section.place_of("do"));
    let place = place.unwrap_or_else(|| Section::single(&WORKLOAD, tree).place);
    reader.problem(
        &place,
        "event.do: a crash beside a pattern: what its counters lose is not modelled",
        "take the crash out, or take operation instead of pattern",
    );
}

/// What keys of patterns are left out of.
pub fn note_limits(groups: &[Workload], config: &RedisConfig, reader: &mut Reader) {
    if config.maxmemory > 0 && groups.iter().any(|group| group.pattern.is_some()) {
        reader.notes.push("eviction draws keys of the dataset only, not those of patterns".into());
    }
}
