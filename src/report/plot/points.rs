//! `points.csv` as it is read back: the axes of a sweep, and what one metric was at each point.

use std::collections::BTreeMap;
use std::io::Read;

use csv::StringRecord;

use super::measure::{Measure, is_logarithmic};
use super::table::{ReadError, Table, number};
use crate::experiment::Metric;

/// The columns that follow the axes.
const AFTER_THE_AXES: &str = "point";
/// The metric that is shown when none is asked for, if the sweep has it.
const USUAL_METRIC: &str = "p99";

/// One axis of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The setting in snake_case: its column without the unit, `workload_rate`.
    pub key: String,
    /// Its levels for people: numbers ascending, words in the order of the points.
    pub levels: Vec<String>,
    /// What the levels are numbers of; none for words.
    pub measure: Option<Measure>,
    /// The levels as numbers; empty for words.
    pub numbers: Vec<f64>,
    /// The levels lie on a logarithmic scale.
    pub logarithmic: bool,
}

/// What the metric was at a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value, and its interval where there is one.
    Value(f64, Option<(f64, f64)>),
    /// Why there is none.
    Nothing(String),
}

/// A point of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The number of its level on each axis.
    pub levels: Vec<usize>,
    /// What the metric was there.
    pub outcome: Outcome,
}

/// One metric over a sweep.
#[derive(Clone, Debug)]
pub struct Points {
    /// The axes, in the order of the columns.
    pub axes: Vec<Axis>,
    /// The points, in the order of the rows; at least one.
    pub points: Vec<Point>,
    /// What was read.
    pub metric: Metric,
    /// Name of the scenario.
    pub scenario: String,
    /// Replications of a point as written; empty when unknown.
    pub replications: String,
    /// The seed, likewise.
    pub seed: String,
}

/// Where a column of the table is.
struct Columns {
    axes: usize,
    replications: Option<usize>,
    scenario: Option<usize>,
    seed: Option<usize>,
    status: usize,
    reason: Option<usize>,
    value: usize,
    low: Option<usize>,
    high: Option<usize>,
    why_not: Option<usize>,
}

impl Points {
    /// Reads `points.csv`; without a metric P99, or the first that the table has.
    ///
    /// # Errors
    /// What is wrong behind the name of the file: no table of points, no such metric, a row that is no point, no row.
    pub fn read(table: impl Read, metric: Option<&Metric>) -> Result<Points, ReadError> {
        let mut table = Table::open(table)?;
        let header = table.header().clone();
        let (columns, metric) = Columns::find(&header, metric).map_err(ReadError::Content)?;
        let mut levels: Vec<Levels> = vec![Levels::default(); columns.axes];
        let mut points = Vec::new();
        let mut shared =
            [columns.scenario, columns.replications, columns.seed].map(|column| (column, String::new()));
        for row in table.rows() {
            let row = row?;
            // A point that could not run has neither: the first that has one tells.
            for (column, text) in shared.iter_mut().filter(|known| matches!(known.1.as_str(), "" | "0")) {
                *text = column.map_or_else(String::new, |column| row[column].to_owned());
            }
            let own =
                levels.iter_mut().enumerate().map(|(axis, levels)| levels.number_of(&row[axis])).collect();
            points.push(Point { levels: own, outcome: columns.outcome(&row)? });
        }
        if points.is_empty() {
            return Err(ReadError::Content(": has no points".to_owned()));
        }
        let mut axes = Vec::new();
        for (axis, levels) in levels.into_iter().enumerate() {
            let (built, places) = Axis::new(&header[axis], levels.in_order);
            points.iter_mut().for_each(|point| point.levels[axis] = places[point.levels[axis]]);
            axes.push(built);
        }
        let [scenario, replications, seed] = shared.map(|known| known.1);
        Ok(Points { axes, points, metric, scenario, replications, seed })
    }
}

impl Columns {
    /// The columns of a header, and the metric that they show.
    fn find(header: &StringRecord, metric: Option<&Metric>) -> Result<(Columns, Metric), String> {
        let axes = header.iter().position(|name| name == AFTER_THE_AXES);
        let find = |name: &str| {
            header.iter().skip(axes?).position(|own| own == name).map(|at| at + axes.unwrap_or(0))
        };
        let (Some(axes), Some(status)) = (axes, find("status")) else {
            return Err(":1: is not a table of points: it has no columns point and status".to_owned());
        };
        let known: Vec<Metric> =
            Metric::all().into_iter().filter(|metric| find(&metric.column()).is_some()).collect();
        let usual = || known.iter().find(|metric| metric.to_string() == USUAL_METRIC).or(known.first());
        let metric = metric.or_else(usual).ok_or_else(|| ":1: has no metric".to_owned())?;
        let column = metric.column();
        let value = find(&column).ok_or_else(|| {
            let known: Vec<String> = known.iter().map(Metric::to_string).collect();
            format!(": has no {metric} (column {column})\n  it has: {}", known.join(", "))
        })?;
        let beside = |end: &str| find(&format!("{column}_{end}"));
        let (low, high, why_not) = (beside("low"), beside("high"), beside("reason"));
        let (replications, scenario, seed) = (find("replications"), find("scenario"), find("seed"));
        let reason = find("reason");
        let columns =
            Columns { axes, replications, scenario, seed, status, reason, value, low, high, why_not };
        Ok((columns, metric.clone()))
    }

    /// What a row says of the metric.
    fn outcome(&self, row: &StringRecord) -> Result<Outcome, ReadError> {
        let end = |column: Option<usize>| column.map_or(Ok(None), |column| number(row, column));
        let (value, low, high) = (number(row, self.value)?, end(self.low)?, end(self.high)?);
        let text = |column: Option<usize>| column.map_or("", |column| &row[column]);
        let status = &row[self.status];
        Ok(match value {
            Some(value) if status == "ok" => Outcome::Value(value, low.zip(high)),
            _ if status == "ok" => Outcome::Nothing(one_line(text(self.why_not), "no value")),
            _ => Outcome::Nothing(one_line(text(self.reason), status)),
        })
    }
}

/// A reason on one line; `otherwise` when there is none.
fn one_line(reason: &str, otherwise: &str) -> String {
    let words: Vec<&str> = reason.split_whitespace().collect();
    if words.is_empty() { otherwise.to_owned() } else { words.join(" ") }
}

/// The levels of an axis as they are met.
#[derive(Clone, Default)]
struct Levels {
    in_order: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Levels {
    fn number_of(&mut self, level: &str) -> usize {
        if let Some(&number) = self.numbers.get(level) {
            return number;
        }
        self.in_order.push(level.to_owned());
        self.numbers.insert(level.to_owned(), self.in_order.len() - 1);
        self.in_order.len() - 1
    }
}

impl Axis {
    /// An axis from its column, and where each of `levels` has gone.
    fn new(column: &str, levels: Vec<String>) -> (Axis, Vec<usize>) {
        let read: Option<Vec<f64>> = levels.iter().map(|level| level.parse().ok()).collect();
        let Some(read) = read.filter(|numbers| numbers.iter().all(|number: &f64| number.is_finite())) else {
            let places = (0..levels.len()).collect();
            // An empty word would be invisible.
            let shown = |level: String| if level.is_empty() { "\"\"".to_owned() } else { level };
            let levels = levels.into_iter().map(shown).collect();
            let words =
                Axis { key: column.to_owned(), levels, measure: None, numbers: vec![], logarithmic: false };
            return (words, places);
        };
        let mut order: Vec<usize> = (0..levels.len()).collect();
        order.sort_by(|&a, &b| read[a].total_cmp(&read[b]));
        let mut places = vec![0; levels.len()];
        order.iter().enumerate().for_each(|(place, &level)| places[level] = place);
        let numbers: Vec<f64> = order.iter().map(|&level| read[level]).collect();
        let (measure, key) = Measure::of(column);
        let shown: Vec<String> = numbers.iter().map(|&number| measure.show(number)).collect();
        // Three digits may not tell two levels apart.
        let are_alike = shown.windows(2).any(|pair| pair[0] == pair[1]);
        let exact = || order.iter().map(|&level| levels[level].clone()).collect();
        let axis = Axis {
            key: if are_alike { column } else { key }.to_owned(),
            levels: if are_alike { exact() } else { shown },
            measure: Some(measure),
            logarithmic: is_logarithmic(&numbers),
            numbers,
        };
        (axis, places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::sample::POINTS;

    fn content(error: Result<Points, ReadError>) -> String {
        error.expect_err("it is damaged").to_string()
    }

    #[test]
    fn axes_are_the_columns_ahead_of_the_point_with_numbers_in_order() {
        let points = Points::read(POINTS.as_bytes(), None).expect("a table of points");
        assert_eq!(points.metric.to_string(), "p99");
        assert_eq!([&points.scenario, &points.replications, &points.seed], ["article", "3", "1"]);
        let [fsync, rate] = points.axes.as_slice() else { panic!("two axes") };
        assert_eq!(
            (fsync.levels.as_slice(), fsync.measure),
            (["no".to_owned(), "always".to_owned()].as_slice(), None)
        );
        assert_eq!((rate.key.as_str(), rate.measure), ("workload_rate", Some(Measure::Rate)));
        assert_eq!(rate.levels, ["1000/s", "10 k/s", "100 k/s"]);
        assert!(rate.logarithmic && rate.numbers == [1e3, 1e4, 1e5]);
        assert_eq!(
            points.points[0],
            Point { levels: vec![0, 1], outcome: Outcome::Value(350e3, Some((340e3, 361e3))) }
        );
        assert_eq!(
            points.points[5].outcome,
            Outcome::Nothing("offered load is 61.2; lower the rate".to_owned())
        );
        assert_eq!(points.points[4].outcome, Outcome::Nothing("needs 20 forks, has 3".to_owned()));
    }

    #[test]
    fn what_did_not_run_has_no_value_whatever_its_fields_say() {
        let table = "redis_hz,point,status,reason,sojourn_ns_p99\n10,0,overload,too much,5\n20,1,invalid,,\n";
        let points = Points::read(table.as_bytes(), None).expect("a table of points").points;
        let reasons = points.into_iter().map(|point| point.outcome);
        let expected = ["too much", "invalid"].map(|reason| Outcome::Nothing(reason.to_owned()));
        assert_eq!(reasons.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn levels_that_look_alike_are_written_out() {
        let table = "workload_rate_per_s,point,status,sojourn_ns_p99\n31623,0,ok,1\n31640.5,1,ok,1\n";
        let axis = &Points::read(table.as_bytes(), None).expect("a table of points").axes[0];
        assert_eq!(
            (axis.key.as_str(), axis.levels.as_slice()),
            ("workload_rate_per_s", ["31623".to_owned(), "31640.5".to_owned()].as_slice())
        );
    }

    #[test]
    fn what_is_no_table_of_points_says_where_and_why() {
        assert!(content(Points::read(&b"a,b\n1,2\n"[..], None)).contains("no columns point and status"));
        let header = POINTS.lines().next().expect("a header");
        assert_eq!(content(Points::read(header.as_bytes(), None)), ": has no points");
        let short = format!("{header}\nno,1000,0\n");
        assert_eq!(content(Points::read(short.as_bytes(), None)), ":2: 3 fields where the header has 15");
        let words = POINTS.replace("350000", "many");
        assert_eq!(content(Points::read(words.as_bytes(), None)), ":2: \"many\" is not a number");
        let loss = Metric::parse("loss").expect("a metric");
        let missing = content(Points::read(POINTS.as_bytes(), Some(&loss)));
        assert_eq!(missing, ": has no loss (column machine_death_seconds_max)\n  it has: p99, throughput");
    }
}
