//! Rates over time: from the scenario itself or from a CSV file.

use std::path::Path;

use super::files::Files;
use super::reader::Fault;
use super::shapes::pairs;
use super::tree::Node;
use super::values::{quantity, rate};
use crate::units::{self, Nanos, SECOND};

/// Reads `[["0s", "5000/s"], ["2h", "20000/s"]]`.
pub fn schedule(node: &Node) -> Result<Vec<(Nanos, f64)>, Fault> {
    let mut steps = Vec::new();
    for (at, per_second) in pairs(node, "[time, rate]")? {
        let from = quantity(at, units::parse_span).map_err(|fault| fault.at(&at.place))?;
        let rate = rate(per_second).map_err(|fault| fault.at(&per_second.place))?;
        next_step(&mut steps, from, rate).map_err(|fault| fault.at(&at.place))?;
    }
    some_rate(&steps)?;
    Ok(steps)
}

fn next_step(steps: &mut Vec<(Nanos, f64)>, from: Nanos, rate: f64) -> Result<(), Fault> {
    match steps.last() {
        None if from != 0 => Err(Fault::new("the schedule does not begin at 0s", "begin with a step at 0s")),
        Some(last) if from <= last.0 => Err(Fault::new("the times do not rise", "order the steps by time")),
        _ => {
            steps.push((from, rate));
            Ok(())
        }
    }
}

fn some_rate(steps: &[(Nanos, f64)]) -> Result<(), Fault> {
    if steps.iter().any(|step| step.1 > 0.0) {
        return Ok(());
    }
    Err(Fault::new("the schedule has no rate above 0", "add a step, for example [\"0s\", \"5000/s\"]"))
}

/// Reads a schedule from a CSV file with the columns time_s and rate_per_s.
pub fn schedule_csv(path: &Path, files: &Files) -> Result<Vec<(Nanos, f64)>, Fault> {
    let named = path.display();
    // A device or pipe may never end.
    if !path.is_file() {
        return Err(Fault::new(format!("{named} is no file"), "the path counts from the scenario's folder"));
    }
    let broken =
        |error: csv::Error| Fault::new(format!("{named}: {error}"), "expected columns time_s,rate_per_s");
    let content = files.read(path).map_err(|error| broken(error.into()))?;
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&content[..]);
    if rows.headers().map_err(broken)? != vec!["time_s", "rate_per_s"] {
        return Err(Fault::new(
            format!("{named}:1: other columns"),
            "expected a first line time_s,rate_per_s",
        ));
    }
    let mut steps = Vec::new();
    for row in rows.records() {
        let row = row.map_err(broken)?;
        let line = row.position().map_or(0, |position| position.line());
        let field = |index: usize, high: f64| {
            let text = row.get(index).unwrap_or("");
            text.parse::<f64>().ok().filter(|number| (0.0..=high).contains(number)).ok_or_else(|| {
                Fault::new(
                    format!("{named}:{line}: {text:?} is no number from 0 to {high}"),
                    "write seconds,rate",
                )
            })
        };
        let from = (field(0, 9e9)? * SECOND as f64).round() as Nanos;
        next_step(&mut steps, from, field(1, 1e9)?)
            .map_err(|fault| Fault { read: format!("{named}:{line}: {}", fault.read), ..fault })?;
    }
    some_rate(&steps)?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Place;
    use super::*;

    fn node(text: &str) -> Node {
        Node::guess(text, Place::flag("--set"))
    }

    #[test]
    fn schedules_begin_at_zero_and_rise() {
        assert_eq!(
            schedule(&node("[['0s','5/s'],['2s','0/s']]")).unwrap(),
            vec![(0, 5.0), (2 * SECOND, 0.0)]
        );
        for text in ["[['1s','5/s']]", "[['0s','5/s'],['0s','6/s']]", "[]", "[['0s','0/s']]", "[['0s']]"] {
            assert!(schedule(&node(text)).is_err(), "{text}");
        }
    }
}
