//! The runs of a lesson, and the numbers it takes from them.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::expression;
use super::file::{File, Run};
use super::value::{Value, numbers};
use crate::experiment::{Pool, Template};
use crate::pilot;
use crate::report::json::run_output;
use crate::report::{About, csv};
use crate::scenario::resolve::Overrides;
use crate::scenario::{Scenario, builtin};
use crate::sim::{RunOptions, SimError};
use crate::stats::estimate::SECTIONS;

/// Names that stand for others that stand for others.
const DEPTH_MAX: usize = 8;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its name in expressions.
    pub name: String,
    /// The object of `run --format json`.
    pub json: Json,
    /// `timeline.csv`.
    pub timeline: Timeline,
}

/// The table `timeline.csv` of a run.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Why a lesson has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
    /// The lesson is wrong: a bug of the lesson.
    #[error("{0}")]
    Lesson(String),
}

/// The results of some runs, and names for numbers in them.
#[derive(Clone, Debug)]
pub struct Results<'a> {
    /// The runs in their order.
    pub runs: Vec<Done>,
    fields: Vec<(&'a str, &'a str)>,
}

impl Run {
    /// The scenario it runs.
    ///
    /// # Errors
    /// No such scenario, or settings that it does not take.
    pub fn resolve(&self) -> Result<Scenario, String> {
        let text = builtin::get(&self.scenario).ok_or_else(|| format!("no scenario {}", self.scenario))?;
        let template =
            Template::new(text.to_owned(), self.scenario.clone(), PathBuf::from("."), Overrides::default());
        template.with(&self.assignments()).map_err(|problems| problems.to_string())
    }

    /// Simulates replication number `replication`; number 0 is what its command prints.
    fn simulate(&self, replication: u64, goes_on: &dyn Fn() -> bool) -> Result<Done, RunError> {
        let scenario = self.resolve().map_err(RunError::Lesson)?;
        let options = RunOptions {
            timeline: true,
            replication,
            sections: SECTIONS,
            random_phase: true,
            ..RunOptions::default()
        };
        let result =
            pilot::simulate(&scenario, &options, &mut |_| goes_on()).map_err(|error| match error {
                SimError::Stopped => RunError::Stopped,
                other => RunError::Lesson(format!("{}: {other}", self.name)),
            })?;
        let output = run_output(&result, &About::of(&scenario));
        let json = serde_json::to_value(&output).map_err(|error| RunError::Lesson(error.to_string()))?;
        Ok(Done { name: self.name.clone(), json, timeline: Timeline::read(&csv::timeline(&result)) })
    }
}

/// Replications `0..replications` of `runs` on the threads of `pool`: by replication, then in their order.
///
/// # Errors
/// The first run without a result.
pub fn simulate(
    runs: &[Run],
    replications: u64,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Vec<Done>>, RunError> {
    let number = runs.len();
    let one = |index: usize| runs[index % number].simulate((index / number) as u64, goes_on);
    let done: Vec<Done> =
        pool.map(number * replications as usize, one).into_iter().collect::<Result<_, _>>()?;
    Ok(done.chunks(number).map(<[Done]>::to_vec).collect())
}

impl<'a> Results<'a> {
    /// The runs of `file`, done, under the names of its fields.
    pub fn of(file: &'a File, runs: Vec<Done>) -> Self {
        let fields = file.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Results { runs, fields }
    }

    /// Runs without names for numbers in them.
    pub fn unnamed(runs: Vec<Done>) -> Self {
        Results { runs, fields: Vec::new() }
    }

    /// Every field with its value.
    ///
    /// # Errors
    /// The first that has none.
    pub fn fields(&self) -> Result<Vec<(&'a str, Value)>, String> {
        self.fields.iter().map(|&(name, _)| Ok((name, self.number(name)?))).collect()
    }

    /// The number that an expression stands for.
    ///
    /// # Errors
    /// What is wrong with it, or with a run.
    pub fn number(&self, text: &str) -> Result<Value, String> {
        expression::number(text, &|name| self.named(name, DEPTH_MAX))
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// As [`Results::number`].
    pub fn holds(&self, text: &str) -> Result<bool, String> {
        expression::holds(text, &|name| self.named(name, DEPTH_MAX))
    }

    /// `text` with every `{field}` in it replaced by its value.
    ///
    /// # Errors
    /// A field that has no value, a bracket that is not closed.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text}: a }} is missing"))?;
            filled.push_str(before);
            filled.push_str(&self.number(name)?.show());
            rest = after;
        }
        Ok(filled + rest)
    }

    /// What a field, or `RUN.KEY.KEY`, or `RUN.timeline.COLUMN` stands for.
    fn named(&self, name: &str, depth: usize) -> Result<Vec<Value>, String> {
        if let Some((_, text)) = self.fields.iter().find(|field| field.0 == name) {
            let depth = depth.checked_sub(1).ok_or_else(|| format!("{name} stands for itself"))?;
            return expression::number(text, &|name| self.named(name, depth)).map(|value| vec![value]);
        }
        let (run, path) = name.split_once('.').unwrap_or((name, ""));
        let run = self.runs.iter().find(|done| done.name == run);
        let run = run.ok_or_else(|| format!("no field and no run is named {name}"))?;
        match path.strip_prefix("timeline.") {
            Some(column) => {
                let values = run.timeline.column(column)?;
                Ok(values.into_iter().flatten().map(|number| Value::under(column, number)).collect())
            }
            None => numbers(&run.json, path),
        }
    }
}

impl Timeline {
    fn read(table: &[u8]) -> Timeline {
        // A table that this program has just written.
        let mut reader = ::csv::Reader::from_reader(table);
        let header = reader.headers().map(|row| row.iter().map(str::to_owned).collect()).unwrap_or_default();
        let rows = reader.records().flatten().map(|row| row.iter().map(str::to_owned).collect()).collect();
        Timeline { header, rows }
    }

    /// The numbers of a column as the table has them; none where a field is empty.
    ///
    /// # Errors
    /// When there is no such column, or it holds no numbers.
    pub fn column(&self, name: &str) -> Result<Vec<Option<f64>>, String> {
        let place = self.header.iter().position(|column| column == name);
        let place = place.ok_or_else(|| format!("timeline.csv has no column {name}"))?;
        let number = |row: &Vec<String>| match row[place].as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("{name}: {text:?} is no number")),
        };
        self.rows.iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn results() -> Results<'static> {
        let timeline = Timeline::read(b"time_s,used_bytes\n1,1024\n2,\n3,2048\n");
        let run = Done { name: "a".to_owned(), json: json!({"fork_ns": 12_000_000}), timeline };
        let fields = vec![("fork", "a.fork_ns"), ("twice", "2 * fork"), ("knot", "knot + 1ms")];
        Results { runs: vec![run], fields }
    }

    #[test]
    fn text_is_filled_with_fields_paths_and_columns() {
        let results = results();
        assert_eq!(
            results.fill("{twice}, {max(a.timeline.used_bytes)}."),
            Ok("24.0 ms, 2.00 KiB.".to_owned())
        );
        assert_eq!(results.holds("fork < twice"), Ok(true));
    }

    #[test]
    fn what_has_no_value_is_named() {
        let results = results();
        for (text, error) in [
            ("{knot}", "knot stands for itself"),
            ("{spoon}", "no field and no run is named spoon"),
            ("{fork", "a } is missing"),
            ("{a.timeline.rss}", "no column rss"),
        ] {
            assert!(
                results.fill(text).is_err_and(|found| found.contains(error)),
                "{text}: {:?}",
                results.fill(text)
            );
        }
    }
}
