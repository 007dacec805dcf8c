//! What is solved for: its values, where they go in a scenario, and how far they may range.

use super::range::default_range;
use crate::experiment::design::Form;
use crate::experiment::{Assignment, Template};
use crate::models::price::{self, PRICES};
use crate::models::unit::Unit;
use crate::scenario::problem::{Problem, Problems, nearest};
use crate::scenario::{Scenario, Source};
use crate::units::{format_bytes, format_count, format_span};

/// Which end of the values that meet the objectives is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The largest: small values are easy.
    Largest,
    /// The smallest: large values are easy.
    Smallest,
}

impl Direction {
    /// Its word in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Largest => "largest",
            Direction::Smallest => "smallest",
        }
    }
}

/// Names of their own that can be solved for.
const NAMES: &[&str] = &[
    "rate",
    "connections",
    "pipeline",
    "keys",
    "memory",
    "value-size",
    "shards",
    "hz",
    "ttl-jitter",
    "fsync",
];

/// Digits of a value, so that a probe can be typed.
const DIGITS: usize = 4;

/// What is solved for.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// As typed.
    pub name: String,
    /// How its values are written.
    pub form: Form,
    /// Which end is wanted; none: found from where the objectives are met.
    pub direction: Option<Direction>,
    /// Smallest and largest value to try, above 0.
    pub range: (f64, f64),
    /// What its values are of, and what that leaves out, if that needs words.
    pub note: Option<String>,
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    /// Settings that take the value itself.
    Settings(Vec<String>),
    /// A share of the load and the keys of this scenario.
    Shards(Box<Load>),
}

/// What shards divide.
#[derive(Clone, Debug)]
struct Load {
    /// Setting and value to divide, and whether it is a rate.
    groups: Vec<(String, f64, bool)>,
    keys: u64,
}

impl Unknown {
    /// Reads what `--solve`, `--from` and `--to` say for the scenario of `template`, which resolves to `scenario`.
    ///
    /// # Errors
    /// Everything that is wrong with the three.
    pub fn new(
        name: &str,
        (from, to): (Option<&str>, Option<&str>),
        template: &Template,
        scenario: &Scenario,
    ) -> Result<Unknown, Problems> {
        let mut unknown = of_name(name, scenario).map_err(|problem| Problems(vec![problem]))?;
        let mut problems = Vec::new();
        let mut end = |flag: &str, text: Option<&str>| {
            text.and_then(|text| match unknown.form.parse(text) {
                Ok(value) if value > 0.0 => Some(value),
                Ok(_) => {
                    problems.push(problem(
                        flag,
                        format!("{text}: is not above 0"),
                        "ranges are searched by ratio",
                    ));
                    None
                }
                Err(error) => {
                    problems.push(problem(flag, error, &format!("write a value as {name} takes it")));
                    None
                }
            })
        };
        let (from, to) = (end("--from", from), end("--to", to));
        let range = match (from, to) {
            (Some(from), Some(to)) => Ok((from, to)),
            _ => default_range(&unknown, template, scenario)
                .map(|range| (from.unwrap_or(range.0), to.unwrap_or(range.1))),
        };
        match range {
            Ok((low, high)) if low < high => unknown.range = (unknown.snap(low), unknown.snap(high)),
            Ok((low, high)) => {
                let read = format!("from {} to {} is no range", unknown.text(low), unknown.text(high));
                problems.push(problem("--from", read, "--from must be below --to"));
            }
            Err(error) => problems.push(error),
        }
        if problems.is_empty() { Ok(unknown) } else { Err(Problems(problems)) }
    }

    /// What lays `value` over a template.
    pub fn assignments(&self, value: f64) -> Vec<Assignment> {
        let assign = |key: &String, value: String| Assignment { key: key.clone(), value };
        match &self.target {
            Target::Settings(keys) => keys.iter().map(|key| assign(key, self.form.text(value))).collect(),
            Target::Shards(load) => {
                let share = |&(ref key, whole, is_rate): &(String, f64, bool)| {
                    let part = whole / value;
                    assign(key, if is_rate { Form::Rate.text(part) } else { part.ceil().to_string() })
                };
                let keys = (load.keys as f64 / value).ceil().to_string();
                load.groups.iter().map(share).chain([assign(&"dataset.keys".to_owned(), keys)]).collect()
            }
        }
    }

    /// Settings that a value changes.
    pub fn settings(&self) -> Vec<&str> {
        match &self.target {
            Target::Settings(keys) => keys.iter().map(String::as_str).collect(),
            Target::Shards(load) => load.groups.iter().map(|group| group.0.as_str()).collect(),
        }
    }

    /// The nearest value that is tried: whole for counts, else of four digits.
    pub fn snap(&self, value: f64) -> f64 {
        let digits = |value: f64| format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
        match self.is_counted() {
            true => value.round().max(1.0),
            false if self.form.is_whole() => digits(value).round().max(1.0),
            false => digits(value),
        }
    }

    /// Whether every whole number is a value that may be wanted.
    pub fn is_counted(&self) -> bool {
        matches!(self.form, Form::Count | Form::Directive)
    }

    /// A value for people.
    pub fn text(&self, value: f64) -> String {
        match self.form {
            Form::Rate => format!("{}/s", grouped(value)),
            Form::Count | Form::Directive => grouped(value),
            Form::Number => format_count(value),
            Form::Bytes => format_bytes(value as u64),
            Form::Bandwidth => format!("{}/s", format_bytes(value as u64)),
            Form::Span => format_span(value as u64),
            Form::Factor => format!("x{value:.3}"),
        }
    }

    /// Unit of its values in tables.
    pub fn unit(&self) -> &'static str {
        match self.form {
            Form::Rate => "1/s",
            Form::Count | Form::Directive | Form::Number | Form::Factor => "1",
            Form::Bytes => "B",
            Form::Bandwidth => "B/s",
            Form::Span => "ns",
        }
    }
}

/// A number with four digits at most, or whole, its thousands apart.
fn grouped(value: f64) -> String {
    if value < 1000.0 {
        let text = format!("{value:.1}");
        return text.strip_suffix(".0").unwrap_or(&text).to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A problem of a flag, with what to do about it.
pub fn problem(flag: &str, read: String, remedy: &str) -> Problem {
    Problem { file: flag.to_owned(), line: 0, column: 0, read, remedies: vec![remedy.to_owned()] }
}

/// An unknown whose range is still open.
fn unknown(name: &str, target: Target, form: Form, direction: Option<Direction>) -> Unknown {
    Unknown { name: name.to_owned(), form, direction, range: (0.0, 0.0), note: None, target }
}

/// The same whose values go to these settings as they are.
fn of_settings(name: &str, keys: &[&str], form: Form, direction: Option<Direction>) -> Unknown {
    let keys = keys.iter().map(|key| key.to_string()).collect();
    unknown(name, Target::Settings(keys), form, direction)
}

/// The unknown of that name, its range still open.
fn of_name(name: &str, scenario: &Scenario) -> Result<Unknown, Problem> {
    use Direction::{Largest, Smallest};
    let settings = |keys: &[&str], form, direction| of_settings(name, keys, form, direction);
    Ok(match name {
        "rate" => {
            if !scenario.workloads.iter().any(|group| matches!(group.source, Source::Open { .. })) {
                let read = "rate: no group of the scenario is an open loop".to_owned();
                return Err(problem("--solve", read, "a closed loop has no rate: solve for connections"));
            }
            settings(&["rate"], Form::Rate, Some(Largest))
        }
        "connections" | "keys" => settings(&[name], Form::Count, Some(Largest)),
        "memory" => settings(&["dataset.memory"], Form::Bytes, Some(Largest)),
        "pipeline" => settings(&[name], Form::Count, None),
        "value-size" => settings(&[name], Form::Bytes, Some(Largest)),
        "hz" => settings(&["redis.hz"], Form::Directive, None),
        "fsync" => settings(FSYNC, Form::Factor, Some(Largest)),
        "ttl-jitter" => {
            let keys = jitters(scenario);
            if keys.is_empty() {
                let read = "ttl-jitter: no key of the scenario has a time to live".to_owned();
                return Err(problem(
                    "--solve",
                    read,
                    "give dataset.ttl or workload.ttl as a table: { dist = \"fixed\", value = \"1h\" }",
                ));
            }
            unknown(name, Target::Settings(keys), Form::Span, Some(Smallest))
        }
        "shards" => {
            let load = load(scenario)?;
            let mut unknown = unknown(name, Target::Shards(Box::new(load)), Form::Count, Some(Smallest));
            unknown.note = Some(
                "shards: one server with its equal share of the load and the keys stands for all; a hot key, uneven slots \
                 and what nodes do for each other are left out (for those: [cluster], --solve cluster.primaries)"
                    .to_owned(),
            );
            unknown
        }
        _ => return of_setting(name),
    })
}

/// The times of an fdatasync.
const FSYNC: &[&str] =
    &["machine.disk.fdatasync", "machine.disk.fdatasync-busy", "machine.disk.fdatasync-per-kib"];

/// A price by its own name or below `machine`, or any other setting with numbers.
fn of_setting(name: &str) -> Result<Unknown, Problem> {
    let dotted = match price::find(name) {
        Some(_) => format!("machine.{name}"),
        None => name.to_owned(),
    };
    let priced = dotted.strip_prefix("machine.").and_then(price::find);
    if let Some(price) = priced {
        // Times cost, the more the larger; of bandwidths, sizes and counts it is seen where they are met.
        let is_cost =
            matches!(price.unit, Unit::Span | Unit::SpanPerKib | Unit::SpanPerMib | Unit::SpanPerGib);
        let is_scaled = matches!(price.unit, Unit::Spread | Unit::Curve | Unit::Gaps);
        let direction = (is_cost || is_scaled).then_some(Direction::Largest);
        let form = if is_scaled { Some(Form::Factor) } else { Form::of(&dotted) };
        return match form {
            Some(form) => Ok(of_settings(name, &[&dotted], form, direction)),
            None => Err(problem(
                "--solve",
                format!("{name} has no order"),
                "solve for a number; run both values and compare them",
            )),
        };
    }
    if let Some(form) = Form::of(&dotted).filter(|_| dotted.contains('.')) {
        return Ok(of_settings(name, &[&dotted], form, None));
    }
    let all = NAMES.iter().copied().chain(PRICES.iter().map(|price| price.name));
    let meant = nearest(name, all).map(|near| format!("did you mean {near}?"));
    let expected =
        format!("expected {}, a price as fork.per-gib, or a setting as redis.hz", NAMES.join(", "));
    let remedies = meant.into_iter().chain([expected]).collect();
    Err(Problem {
        remedies,
        ..problem("--solve", format!("{name:?} is nothing that has a value to solve for"), "")
    })
}

/// Settings of the jitter of every time to live.
fn jitters(scenario: &Scenario) -> Vec<String> {
    let of_dataset = scenario.dataset.ttl.is_some().then(|| "dataset.ttl.jitter".to_owned());
    let groups = scenario.workloads.iter().filter(|group| group.ttl.is_some());
    of_dataset.into_iter().chain(groups.map(|group| format!("workload.{}.ttl.jitter", group.name))).collect()
}

/// What equal shards share.
fn load(scenario: &Scenario) -> Result<Load, Problem> {
    let refused = |read: &str, remedy: &str| Err(problem("--solve", format!("shards: {read}"), remedy));
    if scenario.cluster.is_some() {
        return refused("the scenario is a cluster already", "use --solve cluster.primaries");
    }
    if scenario.start.used_memory.is_some() || scenario.start.used_memory_rss.is_some() {
        return refused(
            "the state of one server cannot be divided",
            "leave out --info and start.used-memory",
        );
    }
    let mut groups = Vec::new();
    for group in &scenario.workloads {
        match &group.source {
            Source::Open { schedule, .. } if schedule.len() == 1 => {
                groups.push((format!("workload.{}.rate", group.name), schedule[0].1, true));
            }
            Source::Open { .. } => {
                let read = format!("{} has a schedule", group.name);
                return refused(&read, "give it one rate, that of its busiest time: --rate");
            }
            // A client waits for one server at a time, so each server sees its share of them.
            Source::Closed { .. } => {
                groups.push((
                    format!("workload.{}.connections", group.name),
                    group.connections.into(),
                    false,
                ));
            }
        }
    }
    Ok(Load { groups, keys: scenario.dataset.keys })
}

#[cfg(test)]
mod tests;
