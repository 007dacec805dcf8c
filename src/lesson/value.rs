//! Numbers of a lesson with what they measure: lengths of time, sizes, rates, shares, counts.

use serde_json::Value as Json;

use crate::experiment::amount::share;
use crate::units::{
    SECOND, format_bytes, format_count, format_span, parse_bandwidth, parse_bytes, parse_rate, parse_span,
};

/// A number and its dimensions, in seconds and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The number in base units: s, bytes, 1/s, bytes/s.
    pub number: f64,
    /// Exponent of time.
    time: i8,
    /// Exponent of bytes.
    bytes: i8,
    /// Shown in per cent.
    share: bool,
}

/// Parts of JSON keys, and the dimensions of what they name: (part, time, bytes, scale). The first that fits counts.
const UNITS: [(&str, i8, i8, f64); 6] = [
    ("_bytes_per_s_", -1, 1, 1.0),
    ("_per_s_", -1, 0, 1.0),
    ("_ns_", 1, 0, 1.0 / SECOND as f64),
    ("_s_", 1, 0, 1.0),
    ("_seconds_", 1, 0, 1.0),
    ("_bytes_", 0, 1, 1.0),
];

impl Value {
    /// A number without a unit.
    pub fn count(number: f64) -> Value {
        Value { number, time: 0, bytes: 0, share: false }
    }

    /// A number under the key `path` of a run's JSON, or in the column of that name: names say their units.
    pub fn under(path: &str, number: f64) -> Value {
        // The last part of a path that names a unit: `sojourn_ns.p99`, `persistence.children.0.fork_ns`.
        let parts = path.rsplit('.').map(|part| format!("_{part}_"));
        let found = parts.into_iter().find_map(|part| {
            if part.contains("_share_") {
                return Some(Value { share: true, ..Value::count(number) });
            }
            let unit = UNITS.iter().find(|unit| part.contains(unit.0))?;
            Some(Value { number: number * unit.3, time: unit.1, bytes: unit.2, share: false })
        });
        found.unwrap_or(Value::count(number))
    }

    /// Reads `12ms`, `64MiB`, `5000/s`, `40MiB/s`, `5%`, `10M`, `2.5`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Value, String> {
        let of = |number, time, bytes| Value { number, time, bytes, share: false };
        if text.trim_end().ends_with('%') {
            return share(text).map(|number| Value { share: true, ..Value::count(number) });
        }
        // Numbers of things have suffixes too (k, M, B), so what ends with a B is bytes, and of the rest counts come first.
        let things =
            |number: Result<f64, String>, rest: &str| number.ok().filter(|_| !rest.trim_end().ends_with('B'));
        let rate =
            || things(parse_rate(text), text.trim_end().strip_suffix("/s")?).map(|number| of(number, -1, 0));
        let bandwidth = || parse_bandwidth(text).ok().map(|number| of(number, -1, 1));
        let count = || things(parse_rate(&format!("{text}/s")), text).map(|number| of(number, 0, 0));
        let span = || parse_span(text).ok().map(|nanos| of(nanos as f64 / SECOND as f64, 1, 0));
        let size = || parse_bytes(text).ok().map(|bytes| of(bytes as f64, 0, 1));
        let found = rate().or_else(bandwidth).or_else(count).or_else(span).or_else(size);
        found.ok_or_else(|| {
            format!("{text:?} is no quantity; write for example 12ms, 64MiB, 5000/s, 5% or 10M")
        })
    }

    /// Reads a quantity of the same dimensions as this one; a share also as a plain number.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse_alike(self, text: &str) -> Result<Value, String> {
        let read = Value::parse(text)?;
        match self.is_alike(read) {
            true => Ok(Value { share: self.share, ..read }),
            false => Err(format!("{text:?} is no {}; write for example {}", self.noun(), self.example())),
        }
    }

    /// Whether two numbers can be added and compared.
    pub fn is_alike(self, other: Value) -> bool {
        (self.time, self.bytes) == (other.time, other.bytes)
    }

    /// The sum, or another function of two numbers of the same dimensions.
    ///
    /// # Errors
    /// When they have not.
    pub fn with(self, other: Value, of: impl Fn(f64, f64) -> f64) -> Result<Value, String> {
        match self.is_alike(other) {
            true => Ok(self.alike(of(self.number, other.number))),
            false => Err(format!("a {} and a {} do not go together", self.noun(), other.noun())),
        }
    }

    /// A plain number, to be shown in per cent.
    ///
    /// # Errors
    /// When it has a unit.
    pub fn as_share(self) -> Result<Value, String> {
        self.plain(|number| number).map(|plain| Value { share: true, ..plain })
    }

    /// Another number of the same dimensions.
    pub fn alike(self, number: f64) -> Value {
        Value { number, ..self }
    }

    /// The product.
    pub fn times(self, other: Value) -> Value {
        Value {
            number: self.number * other.number,
            time: self.time + other.time,
            bytes: self.bytes + other.bytes,
            share: self.share && other.share,
        }
    }

    /// The quotient.
    ///
    /// # Errors
    /// By 0.
    pub fn over(self, other: Value) -> Result<Value, String> {
        if other.number == 0.0 {
            return Err("a division by 0".to_owned());
        }
        let (time, bytes) = (self.time - other.time, self.bytes - other.bytes);
        // A share of something else than a share stays one: 10 % / 2.
        let share = self.share && !other.share && (time, bytes) == (0, 0);
        Ok(Value { number: self.number / other.number, time, bytes, share })
    }

    /// A function of a plain number.
    ///
    /// # Errors
    /// When it has a unit.
    pub fn plain(self, of: impl Fn(f64) -> f64) -> Result<Value, String> {
        match (self.time, self.bytes) {
            (0, 0) => Ok(self.alike(of(self.number))),
            _ => Err(format!("a {} where a plain number is needed", self.noun())),
        }
    }

    /// For people: `12.3 ms`, `64 MiB`, `5000/s`, `5.00 %`, `10.0 M`.
    pub fn show(self) -> String {
        match (self.time, self.bytes) {
            (0, 0) if self.share => match 100.0 * self.number {
                percent if percent != 0.0 && percent.abs() < 0.1 => format!("{percent:.4} %"),
                percent if percent.abs() < 10.0 => format!("{percent:.2} %"),
                percent => format!("{percent:.1} %"),
            },
            (1, 0) => format_span((self.number * SECOND as f64).round() as u64),
            (0, 1) => format_bytes(self.number.round() as u64),
            (-1, 1) => format!("{}/s", format_bytes(self.number.round() as u64)),
            (-1, 0) => format!("{}/s", format_count(self.number)),
            _ => format_count(self.number),
        }
    }

    /// The base unit of the number in tables: `s`, `bytes`, `1/s`, `bytes/s`, `share`; empty for a count.
    pub fn unit(self) -> &'static str {
        match (self.time, self.bytes) {
            (0, 0) if self.share => "share",
            (1, 0) => "s",
            (0, 1) => "bytes",
            (-1, 1) => "bytes/s",
            (-1, 0) => "1/s",
            _ => "",
        }
    }

    fn noun(self) -> &'static str {
        match self.unit() {
            "share" => "share",
            "s" => "length of time",
            "bytes" => "size",
            "bytes/s" => "bandwidth",
            "1/s" => "rate",
            _ => "plain number",
        }
    }

    /// A quantity of this kind as people type it.
    pub fn example(self) -> &'static str {
        match self.unit() {
            "share" => "5%",
            "s" => "12ms",
            "bytes" => "64MiB",
            "bytes/s" => "40MiB/s",
            "1/s" => "5000/s",
            _ => "42",
        }
    }
}

/// The numbers that `path` names in the JSON of a run: keys and indices with dots between them, `*` for all that there
/// are, and the `name` of an entry for its index (`groups.readers.requests`).
///
/// # Errors
/// When there is no such key; null is no number.
pub fn numbers(json: &Json, path: &str) -> Result<Vec<Value>, String> {
    let mut found = vec![json];
    for part in path.split('.') {
        found = match part {
            "*" => found.into_iter().flat_map(children).collect(),
            _ => {
                let inner: Option<Vec<&Json>> = found.into_iter().map(|json| child(json, part)).collect();
                inner.ok_or_else(|| format!("{path}: there is no {part}"))?
            }
        };
    }
    let number = |json: &Json| json.as_f64().ok_or_else(|| format!("{path}: {json} is no number"));
    found.into_iter().map(|json| Ok(Value::under(path, number(json)?))).collect()
}

fn children(json: &Json) -> Vec<&Json> {
    match json {
        Json::Array(items) => items.iter().collect(),
        Json::Object(keys) => keys.values().collect(),
        _ => Vec::new(),
    }
}

fn child<'a>(json: &'a Json, part: &str) -> Option<&'a Json> {
    match json {
        Json::Array(items) => match part.parse::<usize>() {
            Ok(index) => items.get(index),
            Err(_) => items.iter().find(|item| item.get("name").and_then(Json::as_str) == Some(part)),
        },
        _ => json.get(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        Value::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_typed_is_shown_again() {
        let typed = [
            "12.0 ms",
            "64.0 MiB",
            "148 B",
            "5000/s",
            "444 k/s",
            "40.0 MiB/s",
            "12 B/s",
            "5.00 %",
            "42",
            "2.50",
            "0.0060 %",
        ];
        for text in typed {
            assert_eq!(read(&text.replace(' ', "")).show(), text);
        }
        assert_eq!(read("10M").show(), "10.0 M");
        assert_eq!((read("0").unit(), read("0s").unit(), read("3").unit()), ("", "s", ""));
        assert!(Value::parse("many").is_err());
    }

    #[test]
    fn dimensions_are_kept_and_checked() {
        let product = read("40MiB/s").times(read("2s"));
        assert_eq!((product.show(), product.unit()), ("80.0 MiB".to_owned(), "bytes"));
        assert_eq!(read("1").over(read("4ms")).map(Value::show), Ok("250/s".to_owned()));
        assert_eq!(read("10%").times(read("300")).show(), "30");
        assert_eq!(read("10%").over(read("5%")).map(|ratio| ratio.unit()), Ok(""));
        assert!(
            read("1s").with(read("1"), |a, b| a + b).is_err_and(|error| error.contains("length of time"))
        );
        assert!(read("1s").plain(f64::sqrt).is_err() && read("1s").over(read("0")).is_err());
        assert!(read("1s").parse_alike("3").is_err_and(|error| error.contains("12ms")));
        assert_eq!(read("10%").parse_alike("0.2").map(Value::show), Ok("20.0 %".to_owned()));
    }

    #[test]
    fn keys_say_their_units() {
        let unit = |path: &str| Value::under(path, 1.0).unit();
        let paths = [
            ("sojourn_ns.p99", "s"),
            ("windows.0.p99_ns_worst", "s"),
            ("duration_s", "s"),
            ("loss.machine_death_seconds_max", "s"),
            ("loss.machine_death_writes_max", ""),
            ("memory.rss_bytes_max", "bytes"),
            ("throughput_per_s", "1/s"),
            ("replicas.0.resync_loop_because.bytes_per_s", "bytes/s"),
            ("server_busy_share", "share"),
            ("patterns.0.share_left_without_ttl", "share"),
            ("patterns.0.sets_per_expiry_mean", ""),
        ];
        for (path, expected) in paths {
            assert_eq!(unit(path), expected, "{path}");
        }
        assert_eq!(Value::under("fork_ns", 12e6).show(), "12.0 ms");
    }

    #[test]
    fn paths_go_by_key_index_name_and_all() {
        let json = json!({"groups": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "none": null});
        let found = |path: &str| {
            numbers(&json, path).map(|found| found.iter().map(|value| value.number).collect::<Vec<_>>())
        };
        assert_eq!(found("groups.1.n"), Ok(vec![2.0]));
        assert_eq!(found("groups.a.n"), Ok(vec![1.0]));
        assert_eq!(found("groups.*.n"), Ok(vec![1.0, 2.0]));
        assert!(found("groups.c.n").is_err_and(|error| error == "groups.c.n: there is no c"));
        assert!(found("none").is_err());
    }
}
