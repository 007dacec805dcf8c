//! What an experiment asks of a run: a metric of the catalogue, a number of `run --format json`, or a sum, difference,
//! product or quotient of such.
//!
//! A number of the JSON object is named by its keys: `counters.aof_fsyncs`. In a list a step is a place (`windows.0`), a
//! word that an item has as its name, kind, cause or group (`persistence.children.aof-rewrite`: the first of them), or one
//! of `max`, `min`, `sum`, `mean`, `count` of what follows (`persistence.children.bgsave.max.fork_ns`). `blocks` is added to
//! the object: `blocks.fork.longest_ns`, `count` and `sum_ns` of every cause, 0 where nothing blocked.

use serde_json::{Map, Value, json};

use crate::cause::Cause;
use crate::experiment::Metric;
use crate::experiment::metric::Unit;
use crate::observe::result::RunResult;
use crate::report::About;
use crate::report::json::run_output;

/// A question with one number for an answer.
#[derive(Clone, Debug)]
pub struct Ask {
    terms: Vec<(Operator, Term)>,
    /// What the answer is measured in.
    pub unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Plus,
    Minus,
    Times,
    Over,
}

#[derive(Clone, Debug)]
enum Term {
    Constant(f64),
    Metric(Metric),
    Path(Vec<String>),
}

/// Numbers of the JSON object that stand in no table.
const PLAIN: &[&str] = &["requests", "completed", "duration_s", "warmup_s"];

/// Units by the end of a key, the more particular first.
const ENDINGS: &[(&str, Unit)] = &[
    ("per_s", Unit::PerSecond),
    ("_ns", Unit::Nanos),
    ("_s", Unit::Seconds),
    ("bytes", Unit::Bytes),
    ("share", Unit::Share),
];

/// Units as `unit =` names them.
pub const UNITS: &[(&str, Unit)] = &[
    ("ns", Unit::Nanos),
    ("s", Unit::Seconds),
    ("per-s", Unit::PerSecond),
    ("count", Unit::Count),
    ("bytes", Unit::Bytes),
    ("share", Unit::Share),
];

/// The name of a unit in files.
pub fn unit_name(unit: Unit) -> &'static str {
    UNITS.iter().find(|known| known.1 == unit).map_or("", |known| known.0)
}

impl Ask {
    /// Reads `A`, or `A / B - C …` from left to right, with spaces around each operator.
    ///
    /// # Errors
    /// What is no term, and what one is.
    pub fn parse(text: &str) -> Result<Ask, String> {
        let mut words = text.split_whitespace();
        let first = words.next().ok_or("there is nothing to ask")?;
        let mut terms = vec![(Operator::Plus, term(first)?)];
        while let Some(operator) = words.next() {
            let operator = match operator {
                "+" => Operator::Plus,
                "-" => Operator::Minus,
                "*" => Operator::Times,
                "/" => Operator::Over,
                other => {
                    return Err(format!("{other:?} is no operator\n  write + - * or / between two numbers"));
                }
            };
            let next = words.next().ok_or_else(|| format!("{text:?} ends with an operator"))?;
            terms.push((operator, term(next)?));
        }
        let unit = unit_of(&terms);
        Ok(Ask { terms, unit })
    }

    /// The same, measured in `unit` if one is given.
    pub fn in_unit(self, unit: Option<Unit>) -> Ask {
        Ask { unit: unit.unwrap_or(self.unit), ..self }
    }

    /// The answer of a run whose JSON object is `output`; none where it has no such thing.
    pub fn of(&self, run: &RunResult, output: &Value) -> Option<f64> {
        self.terms.iter().try_fold(0.0, |sum, (operator, term)| {
            let value = match term {
                Term::Constant(number) => *number,
                Term::Metric(metric) => metric.of(run)?,
                Term::Path(path) => number_at(output, path)?,
            };
            match operator {
                Operator::Plus => Some(sum + value),
                Operator::Minus => Some(sum - value),
                Operator::Times => Some(sum * value),
                Operator::Over => (value != 0.0).then(|| sum / value),
            }
        })
    }
}

/// The JSON object that paths are looked up in.
pub fn output(run: &RunResult, about: &About) -> Value {
    let mut output = serde_json::to_value(run_output(run, about)).unwrap_or_default();
    let blocks: Map<String, Value> = Cause::ALL
        .iter()
        .map(|&cause| {
            let found = run.blocks.iter().find(|blocks| blocks.cause == cause);
            let (count, sum, longest) = found.map_or((0, 0, 0), |b| (b.count, b.sum, b.longest));
            (cause.name().to_owned(), json!({"count": count, "sum_ns": sum, "longest_ns": longest}))
        })
        .collect();
    output["blocks"] = Value::Object(blocks);
    output
}

fn term(word: &str) -> Result<Term, String> {
    if let Ok(number) = word.parse::<f64>() {
        return Ok(Term::Constant(number));
    }
    match Metric::parse(word) {
        Ok(metric) => Ok(Term::Metric(metric)),
        Err(_) if PLAIN.contains(&word) || word.contains('.') && !word.contains(':') => {
            Ok(Term::Path(word.split('.').map(str::to_owned).collect()))
        }
        Err(error) => Err(format!("{error}\n  or a number of run --format json by its keys: counters.forks")),
    }
}

/// The unit of a result: that of the first term, unless it is divided by something that has one itself.
fn unit_of(terms: &[(Operator, Term)]) -> Unit {
    let own = |term: &Term| match term {
        Term::Constant(_) => None,
        Term::Metric(metric) => Some(metric.quantity.unit),
        Term::Path(path) => Some(path.iter().rev().find_map(|key| ending(key)).unwrap_or(Unit::Count)),
    };
    let first = terms.first().and_then(|first| own(&first.1)).unwrap_or(Unit::Count);
    let divided = terms.iter().any(|(operator, term)| *operator == Operator::Over && own(term).is_some());
    if divided { Unit::Count } else { first }
}

fn ending(key: &str) -> Option<Unit> {
    let of = |part: &str| {
        ENDINGS.iter().find(|(ending, _)| part == ending.trim_start_matches('_') || part.ends_with(ending))
    };
    // A statistic may stand behind the unit: span_ns_max, seconds_mean.
    let stripped = ["_max", "_mean", "_median", "_worst"].iter().find_map(|tail| key.strip_suffix(tail));
    let key = stripped.unwrap_or(key);
    if key.ends_with("seconds") {
        return Some(Unit::Seconds);
    }
    of(key).map(|known| known.1)
}

fn number_at(value: &Value, path: &[String]) -> Option<f64> {
    let Some((step, rest)) = path.split_first() else {
        return value.as_f64().or_else(|| value.as_bool().map(f64::from));
    };
    match value {
        Value::Object(keys) => number_at(keys.get(step)?, rest),
        Value::Array(items) => in_list(items, step, rest),
        _ => None,
    }
}

fn in_list(items: &[Value], step: &str, rest: &[String]) -> Option<f64> {
    let all = || items.iter().filter_map(|item| number_at(item, rest));
    let count = all().count() as f64;
    match step {
        "count" => Some(items.len() as f64),
        "sum" => Some(all().sum()),
        "mean" => (count > 0.0).then(|| all().sum::<f64>() / count),
        "max" => all().reduce(f64::max),
        "min" => all().reduce(f64::min),
        _ => match step.parse::<usize>() {
            Ok(place) => number_at(items.get(place)?, rest),
            Err(_) => {
                let named: Vec<Value> = items.iter().filter(|item| is_called(item, step)).cloned().collect();
                match rest.first().map(String::as_str) {
                    Some("count" | "sum" | "mean" | "max" | "min") => number_at(&Value::Array(named), rest),
                    _ => number_at(named.first()?, rest),
                }
            }
        },
    }
}

fn is_called(item: &Value, word: &str) -> bool {
    ["name", "kind", "cause", "group"].iter().any(|key| item.get(key).and_then(Value::as_str) == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn answer(text: &str) -> Option<f64> {
        let run = fixture::forks();
        Ask::parse(text).expect("a question").of(&run, &output(&run, &fixture::about()))
    }

    #[test]
    fn catalogue_and_json_agree_and_can_be_reckoned_with() {
        let run = fixture::forks();
        assert_eq!(answer("forks"), Some(run.counters.forks as f64));
        assert_eq!(answer("counters.forks"), answer("forks"));
        assert_eq!(answer("sojourn_ns.p99"), answer("p99"));
        assert_eq!(answer("counters.forks + 1 * 2 - 2"), Some(2.0 * run.counters.forks as f64));
        assert_eq!(answer("p99 / p50"), Some(answer("p99").unwrap() / answer("p50").unwrap()));
        assert_eq!(answer("p99 / counters.evicted_keys"), None, "nothing is divided by nothing");
    }

    #[test]
    fn items_of_lists_are_found_by_place_word_and_statistic() {
        let run = fixture::forks();
        let children = &run.children;
        assert!(!children.is_empty());
        let forks = || children.iter().map(|child| child.fork as f64);
        assert_eq!(answer("persistence.children.count"), Some(children.len() as f64));
        assert_eq!(answer("persistence.children.max.fork_ns"), forks().reduce(f64::max));
        assert_eq!(answer("persistence.children.sum.fork_ns"), Some(forks().sum()));
        let kind = children[0].kind;
        assert_eq!(answer(&format!("persistence.children.{kind}.fork_ns")), Some(children[0].fork as f64));
        assert!(answer(&format!("persistence.children.{kind}.min.fork_ns")).is_some());
        assert_eq!(answer("persistence.children.nobody.fork_ns"), None);
        assert_eq!(answer("blocks.migrate.longest_ns"), Some(0.0));
        let longest = run.blocks.iter().map(|blocks| blocks.longest).max().unwrap_or(0);
        assert_eq!(answer("longest-stall"), Some(longest as f64));
    }

    #[test]
    fn units_follow_from_names() {
        let unit = |text: &str| unit_name(Ask::parse(text).expect("a question").unit);
        assert_eq!(unit("p99"), "ns");
        assert_eq!(unit("sojourn_ns.p99"), "ns");
        assert_eq!(unit("windows.0.p99_ns_worst"), "ns");
        assert_eq!(unit("loss.machine_death_seconds_max"), "s");
        assert_eq!(unit("cluster.migrations.0.duration_s"), "s");
        assert_eq!(unit("cluster.per_s.ask"), "per-s");
        assert_eq!(unit("memory.cow_bytes_max"), "bytes");
        assert_eq!(unit("hot_key.busy_share.aof"), "share");
        assert_eq!(unit("counters.forks"), "count");
        assert_eq!(unit("p99 / p50"), "count");
        assert_eq!(unit("p99 / 2"), "ns");
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert!(Ask::parse("p98").expect_err("not kept").contains("did you mean"));
        assert!(Ask::parse("p99 x p50").expect_err("no operator").contains("no operator"));
        assert!(Ask::parse("p99 /").is_err() && Ask::parse("").is_err());
    }
}
