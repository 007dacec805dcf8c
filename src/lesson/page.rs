//! A lesson with the numbers of its runs in it: what text, HTML and the book show.

use super::Lesson;
use super::file::{Expect, Picture, Run};
use super::run::{Done, Results};
use super::value::Value;
use crate::experiment::Pool;
use crate::lesson::run::{RunError, simulate};
use crate::report::plot::source::Source;
use crate::report::plot::svg::series::{Series, svg};
use crate::report::plot::text::share;
use crate::units::{GIB, KIB, MIB};

/// A page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The lesson.
    pub lesson: &'a Lesson,
    /// Number of lessons.
    pub lessons: usize,
    /// Its runs, done.
    pub results: Results<'a>,
    /// Every field with its value.
    pub fields: Vec<(&'a str, Value)>,
    /// Place of the right answer among the choices.
    pub right: Option<usize>,
    /// The number that was asked for.
    pub guess: Option<Value>,
    /// Pictures.
    pub pictures: Vec<Drawn>,
    /// Paragraphs about what to notice.
    pub notice: Vec<String>,
}

/// A picture with its numbers.
#[derive(Clone, Debug)]
pub enum Drawn {
    /// Bars.
    Bars {
        /// What they are.
        title: String,
        /// The bars.
        bars: Vec<Bar>,
        /// Their lengths go by the logarithm.
        logarithmic: bool,
    },
    /// Lines over time.
    Time {
        /// What they are.
        title: String,
        /// The column of `timeline.csv`, for units.
        column: String,
        /// A line a run.
        lines: Vec<Series>,
    },
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Its value for people.
    pub shown: String,
    /// Its length, 0 to 1.
    pub share: f64,
}

impl<'a> Page<'a> {
    /// Runs the lesson and fills its page.
    ///
    /// # Errors
    /// That it was stopped, or what is wrong with the lesson.
    pub fn make(
        lesson: &'a Lesson,
        lessons: usize,
        pool: &Pool,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Page<'a>, RunError> {
        let mut done = simulate(&lesson.file.run, 1, pool, goes_on)?;
        let results = Results::of(&lesson.file, done.pop().unwrap_or_default());
        Page::fill(lesson, lessons, results)
            .map_err(|error| RunError::Lesson(format!("lesson {}: {error}", lesson.name)))
    }

    fn fill(lesson: &'a Lesson, lessons: usize, results: Results<'a>) -> Result<Page<'a>, String> {
        let file = &lesson.file;
        let right = match file.choice.is_empty() {
            true => None,
            false => Some(right(lesson, &results)?),
        };
        let pictures = file.picture.iter().map(|picture| draw(picture, &file.run, &results));
        Ok(Page {
            lesson,
            lessons,
            right,
            guess: file.guess.as_ref().map(|guess| results.number(guess)).transpose()?,
            pictures: pictures.collect::<Result<_, String>>()?,
            notice: file
                .notice
                .iter()
                .map(|notice| results.fill(&notice.text))
                .collect::<Result<_, String>>()?,
            fields: results.fields()?,
            results,
        })
    }

    /// Conditions that do not hold: what the lesson says is not so. Empty unless a mechanism is wrong.
    ///
    /// # Errors
    /// What is wrong with a condition.
    pub fn unmet(&self) -> Result<Vec<&'a Expect>, String> {
        let mut unmet = Vec::new();
        for expect in &self.lesson.file.expect {
            if !self.results.holds(&expect.that)? {
                unmet.push(expect);
            }
        }
        Ok(unmet)
    }

    /// The right answer in words.
    pub fn answer(&self) -> String {
        match (self.right, self.guess) {
            (Some(right), _) => format!("{}: {}", letter(right), self.lesson.file.choice[right].text),
            (None, Some(value)) => value.show(),
            (None, None) => String::new(),
        }
    }
}

/// The letter of a choice.
pub fn letter(place: usize) -> char {
    char::from(b'a' + place as u8)
}

/// The one choice whose condition holds.
fn right(lesson: &Lesson, results: &Results<'_>) -> Result<usize, String> {
    let choices = &lesson.file.choice;
    let holds: Vec<bool> =
        choices.iter().map(|choice| results.holds(&choice.when)).collect::<Result<_, String>>()?;
    match holds.iter().filter(|holds| **holds).count() {
        1 => Ok(holds.iter().position(|holds| *holds).unwrap_or_default()),
        number => Err(format!("{number} of the choices are right")),
    }
}

fn draw(picture: &Picture, runs: &[Run], results: &Results<'_>) -> Result<Drawn, String> {
    match picture {
        Picture::Bars { title, rows, logarithmic } => {
            let values: Vec<Value> =
                rows.iter().map(|(_, field)| results.number(field)).collect::<Result<_, String>>()?;
            let numbers = values.iter().map(|value| value.number);
            let extent = (numbers.clone().fold(f64::INFINITY, f64::min), numbers.fold(0.0, f64::max));
            if *logarithmic && extent.0 <= 0.0 {
                return Err(format!("{title}: 0 has no logarithm"));
            }
            let bar = |(label, value): (&String, &Value)| Bar {
                label: label.clone(),
                shown: value.show(),
                share: share(value.number, extent, *logarithmic),
            };
            let bars = rows.iter().map(|row| &row.0).zip(&values).map(bar).collect();
            Ok(Drawn::Bars { title: title.clone(), bars, logarithmic: *logarithmic })
        }
        Picture::Time { title, column, runs: shown } => {
            let is_shown = |run: &&Run| shown.is_empty() || shown.contains(&run.name);
            let line = |run: &Run| -> Result<Series, String> {
                let done = results.runs.iter().find(|done| done.name == run.name);
                let done = done.ok_or_else(|| format!("{title}: no run is named {}", run.name))?;
                Ok(Series { label: run.label.clone(), points: points(done, column)? })
            };
            let lines = runs.iter().filter(is_shown).map(line).collect::<Result<_, String>>()?;
            Ok(Drawn::Time { title: title.clone(), column: column.clone(), lines })
        }
    }
}

/// Time \[s\] and value of a column.
fn points(done: &Done, column: &str) -> Result<Vec<(f64, Option<f64>)>, String> {
    let times = done.timeline.column("time_s")?;
    let values = done.timeline.column(column)?;
    Ok(times.into_iter().flatten().zip(values).collect())
}

impl Drawn {
    /// What lines over time show, in words: the range of each. Empty of bars, which are words already.
    pub fn alt(&self) -> String {
        let Drawn::Time { column, lines, .. } = self else { return String::new() };
        let range = |line: &Series| {
            let values = line.points.iter().filter_map(|point| point.1);
            let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
            let show = |number: f64| Value::under(column, number).show();
            format!("{} from {} to {}", line.label, show(low), show(high))
        };
        lines.iter().map(range).collect::<Vec<_>>().join("; ")
    }

    /// A picture over time as a figure; none for bars, which need none.
    ///
    /// # Errors
    /// When there is nothing to draw.
    pub fn svg(&self) -> Result<Option<String>, String> {
        let Drawn::Time { title, column, lines } = self else { return Ok(None) };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let source = Source { writepath: Some(version), seed: Some(1), ..Source::default() };
        let most =
            lines.iter().flat_map(|line| line.points.iter().filter_map(|point| point.1)).fold(0.0, f64::max);
        let grain = grain(column, most);
        let scaled = |line: &Series| {
            let point = |&(at, value): &(f64, Option<f64>)| (at, value.map(|value| value / grain));
            Series { label: line.label.clone(), points: line.points.iter().map(point).collect() }
        };
        let lines: Vec<Series> = lines.iter().map(scaled).collect();
        svg(title, &lines, &|number| Value::under(column, grain * number).show(), &source).map(Some)
    }
}

/// What round numbers on a scale are multiples of: of bytes the unit that they are shown in.
fn grain(column: &str, most: f64) -> f64 {
    if Value::under(column, most).unit() != "bytes" {
        return 1.0;
    }
    [GIB, MIB, KIB].map(|unit| unit as f64).into_iter().find(|unit| most >= *unit).unwrap_or(1.0)
}
