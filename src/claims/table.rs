//! `result.csv`: what the runs of an experiment answered, replication by replication, and the intervals that follow.

use super::ask::{UNITS, unit_name};
use super::figure::{Figure, Place};
use crate::experiment::metric::Unit;
use crate::stats::interval::LEVEL;
use crate::stats::paired::{Interval, Moments, Paired};

/// Columns of `result.csv`.
pub const COLUMNS: &[&str] = &[
    "variant",
    "scenario",
    "redis_version",
    "model",
    "seed",
    "replications",
    "metric",
    "unit",
    "value",
    "low",
    "high",
    "values",
];

/// The answers of all variants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Rows by variant, then by metric.
    pub rows: Vec<Row>,
}

/// A metric of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The variant.
    pub variant: String,
    /// Name of its scenario.
    pub scenario: String,
    /// Version of its server.
    pub redis_version: String,
    /// Its machine.
    pub model: String,
    /// Its seed.
    pub seed: u64,
    /// Name of the metric.
    pub metric: String,
    /// What it is measured in.
    pub unit: Unit,
    /// One a replication, none where the run has no such thing.
    pub values: Vec<Option<f64>>,
}

/// A figure as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The mean over replications and its interval of 95 %.
    pub interval: Interval,
    /// What it is measured in.
    pub unit: Unit,
    /// It is one number over another.
    pub is_ratio: bool,
}

impl Results {
    /// The answers of `place`, if every replication has one.
    fn values(&self, place: &Place) -> Option<(Vec<f64>, Unit)> {
        let is_it = |row: &&Row| row.variant == place.variant && row.metric == place.metric;
        let row = self.rows.iter().find(is_it)?;
        let values: Option<Vec<f64>> = row.values.iter().copied().collect();
        Some((values.filter(|values| values.len() >= 2)?, row.unit))
    }

    /// The figure with its interval; none where a run has no such thing, or 0 is divided by.
    ///
    /// A quotient is that of geometric means, replication by replication in the same random world.
    pub fn measured(&self, figure: &Figure) -> Option<Measured> {
        let (of, unit) = self.values(&figure.of)?;
        let Some(over) = &figure.over else {
            return Some(Measured { interval: Moments::of(&of).interval(LEVEL), unit, is_ratio: false });
        };
        let (over, _) = self.values(over)?;
        let interval = match Paired::of(&over, &of, LEVEL).ratio {
            Some(ratio) => ratio,
            // Something over nothing has no quotient; nothing over something has.
            None if over.contains(&0.0) => return None,
            None => {
                let quotients: Vec<f64> = of.iter().zip(&over).map(|(of, over)| of / over).collect();
                Moments::of(&quotients).interval(LEVEL)
            }
        };
        Some(Measured { interval, unit: Unit::Count, is_ratio: true })
    }

    /// The file's bytes.
    pub fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let mut write = |record: &[String]| writer.write_record(record).expect("memory takes all");
        write(&COLUMNS.iter().map(|&column| column.to_owned()).collect::<Vec<_>>());
        for row in &self.rows {
            let place = Place { metric: row.metric.clone(), variant: row.variant.clone() };
            let measured = self.measured(&Figure { of: place, over: None }).map(|measured| measured.interval);
            let values: Vec<String> = row.values.iter().map(|&value| number(value)).collect();
            write(&[
                row.variant.clone(),
                row.scenario.clone(),
                row.redis_version.clone(),
                row.model.clone(),
                row.seed.to_string(),
                row.values.len().to_string(),
                row.metric.clone(),
                unit_name(row.unit).to_owned(),
                number(measured.map(|own| own.value)),
                number(measured.map(|own| own.low)),
                number(measured.map(|own| own.high)),
                values.join(";"),
            ]);
        }
        writer.into_inner().expect("memory takes all")
    }

    /// Reads the file back. Values and intervals are taken from the answers of the replications.
    ///
    /// # Errors
    /// Line, column and what is wrong there.
    pub fn read(text: &str) -> Result<Results, (usize, usize, String)> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let broken = |error: &csv::Error| {
            let line = error.position().map_or(1, |position| position.line() as usize);
            (line, 1, format!("this is no CSV: {error}"))
        };
        let header = reader.headers().map_err(|error| broken(&error))?;
        if header.iter().ne(COLUMNS.iter().copied()) {
            return Err((1, 1, format!("the columns are not {}", COLUMNS.join(","))));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| broken(&error))?;
            let line = record.position().map_or(1, |position| position.line() as usize);
            rows.push(row(&record).map_err(|(field, read)| (line, column_of(&record, field), read))?);
        }
        Ok(Results { rows })
    }
}

/// The column in which a field begins, from 1.
fn column_of(record: &csv::StringRecord, field: usize) -> usize {
    let width = |text: &str| {
        let quotes = if text.contains([',', '"', '\n']) { 2 + text.matches('"').count() } else { 0 };
        text.chars().count() + quotes + 1
    };
    1 + record.iter().take(field).map(width).sum::<usize>()
}

/// One line; on an error the field and what is wrong with it.
fn row(record: &csv::StringRecord) -> Result<Row, (usize, String)> {
    if record.len() != COLUMNS.len() {
        return Err((0, format!("{} fields, not {}", record.len(), COLUMNS.len())));
    }
    let text = |field: usize| record[field].to_owned();
    let whole = |field: usize| {
        record[field].parse::<u64>().map_err(|_| (field, format!("{:?} is no whole number", &record[field])))
    };
    let unit = UNITS.iter().find(|known| known.0 == &record[7]);
    let value = |text: &str| match text {
        "" => Ok(None),
        text => text.parse::<f64>().map(Some).map_err(|_| (11, format!("{text:?} is no number"))),
    };
    let row = Row {
        variant: text(0),
        scenario: text(1),
        redis_version: text(2),
        model: text(3),
        seed: whole(4)?,
        metric: text(6),
        unit: unit.ok_or_else(|| (7, format!("{:?} is no unit", &record[7])))?.1,
        values: record[11].split(';').map(value).collect::<Result<_, _>>()?,
    };
    match whole(5)? == row.values.len() as u64 {
        true => Ok(row),
        false => Err((11, format!("{} values of {} replications", row.values.len(), &record[5]))),
    }
}

impl Measured {
    /// The value with its unit.
    pub fn value(&self) -> String {
        self.show(self.interval.value)
    }

    /// Value and interval; the value alone where replications do not differ.
    pub fn with_interval(&self) -> String {
        let Interval { low, high, .. } = self.interval;
        let (value, low, high) = (self.value(), self.show(low), self.show(high));
        match low == high {
            true => value,
            // Not in parentheses: findings have figures inside of them.
            false => format!("{value} [{low} to {high}]"),
        }
    }

    fn show(&self, value: f64) -> String {
        self.unit.show(value)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn row_of(variant: &str, metric: &str, unit: Unit, values: &[f64]) -> Row {
        Row {
            variant: variant.to_owned(),
            scenario: "article".to_owned(),
            redis_version: "7.2".to_owned(),
            model: "cloud-vm".to_owned(),
            seed: 1,
            metric: metric.to_owned(),
            unit,
            values: values.iter().map(|&value| Some(value)).collect(),
        }
    }

    fn results() -> Results {
        let mut none = row_of("b, c", "loss", Unit::Seconds, &[1.0, 2.0]);
        none.values[1] = None;
        Results {
            rows: vec![
                row_of("a", "p99", Unit::Nanos, &[1000.0, 1200.0, 1100.0]),
                row_of("b, c", "p99", Unit::Nanos, &[500.0, 600.0, 550.0]),
                row_of("b, c", "forks", Unit::Count, &[0.0, 0.0, 0.0]),
                none,
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let results = results();
        let text = String::from_utf8(results.csv()).expect("text");
        assert_eq!(Results::read(&text).expect("its own file"), results);
        assert!(text.contains("1000;1200;1100") && text.contains("\"b, c\""), "{text}");
    }

    #[test]
    fn intervals_and_quotients_follow_from_the_replications() {
        let measured = |text: &str| results().measured(&Figure::parse(text).expect("a figure"));
        // t(2, 97.5 %) = 4.303, standard error 100/√3.
        let own = measured("p99 @ a").expect("it is there").interval;
        assert!((own.value - 1100.0).abs() < 1e-9 && (own.high - 1100.0 - 248.4).abs() < 0.1, "{own:?}");
        let ratio = measured("p99 @ a over b, c").expect("both are there");
        assert!((ratio.interval.value - 2.0).abs() < 1e-9 && ratio.is_ratio);
        assert_eq!(measured("forks @ b, c over p99 @ a").expect("0 over something").interval.value, 0.0);
        assert_eq!(measured("p99 @ a over forks @ b, c"), None);
        assert_eq!(measured("loss @ b, c"), None, "one replication has none");
        assert_eq!(measured("p99 @ d"), None);
        assert_eq!(measured("p99 @ a").expect("it is there").with_interval(), "1.10 us [852 ns to 1.35 us]");
        assert_eq!(measured("forks @ b, c").expect("it is there").with_interval(), "0");
    }

    #[test]
    fn damage_is_found_at_its_place() {
        let text = String::from_utf8(results().csv()).expect("text");
        let fault = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Results::read(&text.replacen(from, to, 1)).expect_err(to)
        };
        assert_eq!(fault("variant,", "variants,").0, 1);
        assert_eq!(fault("1000;1200", "1000;x").0, 2);
        assert_eq!(fault("1000;1200;1100", "1000;1200").2, "2 values of 3 replications");
        let (line, column, read) = fault(",ns,550", ",us,550");
        assert_eq!((line, column, read.as_str()), (3, 37, "\"us\" is no unit"));
        assert_eq!(fault("loss,s,", "loss,").0, 5);
    }
}
