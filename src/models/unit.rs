//! Units of prices, and a price's value as text: read and printed by the same rules for files and flags.

use crate::cost_model::{HugeCow, NoiseClass};
use crate::dist::Dist;
use crate::units::{self, Nanos};

/// What a price is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A length of time.
    Span,
    /// A length of time per KiB.
    SpanPerKib,
    /// A length of time per MiB.
    SpanPerMib,
    /// A length of time per GiB.
    SpanPerGib,
    /// A size.
    Bytes,
    /// Bytes a second.
    Bandwidth,
    /// A whole number.
    Count,
    /// A number without unit.
    Ratio,
    /// true or false.
    Switch,
    /// `copy` or `split`.
    HugeCow,
    /// A distribution of a length of time, by quantiles.
    Spread,
    /// Cost over time slept, points joined by lines.
    Curve,
    /// Classes of gaps by length.
    Gaps,
}

/// Value of a price in the unit of its field (ns, bytes, bytes/s).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Span, bytes, bandwidth, count or ratio.
    Number(f64),
    /// A switch.
    Switch(bool),
    /// What the kernel does with huge pages.
    HugeCow(HugeCow),
    /// A distribution \[ns\].
    Spread(Dist),
    /// (slept, cost) \[ns\].
    Curve(Vec<(Nanos, Nanos)>),
    /// Gaps.
    Gaps(Vec<NoiseClass>),
}

/// Names of quantiles in files, with their probabilities.
pub const QUANTILES: &[(&str, f64)] = &[
    ("p0", 0.0),
    ("p10", 0.1),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("p9999", 0.9999),
    ("p99999", 0.99999),
];

impl Unit {
    /// What a value looks like, for messages.
    pub fn expected(self) -> &'static str {
        match self {
            Unit::Span => "a span such as \"1.2us\"",
            Unit::SpanPerKib => "a span per KiB such as \"0.5us\"",
            Unit::SpanPerMib => "a span per MiB such as \"50us\"",
            Unit::SpanPerGib => "a span per GiB such as \"10ms\"",
            Unit::Bytes => "a size such as \"64MiB\"",
            Unit::Bandwidth => "a bandwidth such as \"200MiB/s\"",
            Unit::Count => "a whole number such as 4",
            Unit::Ratio => "a number such as 1.5",
            Unit::Switch => "true or false",
            Unit::HugeCow => "\"copy\" or \"split\"",
            Unit::Spread => "quantiles from p0 up, such as p0 = \"0.2ms\", p50 = \"0.3ms\", p99 = \"0.6ms\"",
            Unit::Curve => {
                "points of (slept, cost), such as points = [[\"20us\", \"10us\"], [\"1ms\", \"31us\"]]"
            }
            Unit::Gaps => "classes of per-second, shortest and longest",
        }
    }

    /// Whether values are numbers with an own range (others give a range of factors).
    pub fn is_number(self) -> bool {
        !matches!(self, Unit::Switch | Unit::HugeCow | Unit::Spread | Unit::Curve | Unit::Gaps)
    }

    /// A number of this unit as files write it, exactly.
    pub fn number_text(self, number: f64) -> String {
        match self {
            Unit::Count | Unit::Ratio | Unit::Switch | Unit::HugeCow => number.to_string(),
            Unit::Bytes => bytes_text(number),
            Unit::Bandwidth => bytes_text(number) + "/s",
            _ => span_text(number),
        }
    }

    /// Reads one number of this unit.
    pub fn number(self, text: &str) -> Result<f64, String> {
        match self {
            Unit::Bytes => units::parse_bytes(text).map(|n| n as f64),
            Unit::Bandwidth => units::parse_bandwidth(text),
            Unit::Count => units::parse_count(text).map(|n| n as f64),
            Unit::Ratio => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(format!("{text:?} is not a number")),
            },
            _ => units::parse_span(text).map(|n| n as f64),
        }
    }

    /// Reads a value: a number with its unit; quantiles `p0=0.2ms,p50=0.3ms` or one span for a fixed time; points
    /// `20us:10us,1ms:31us` or `none`; gaps `260/s 20us..50us, …` or `none`.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let items = || text.split(',').map(str::trim);
        match self {
            Unit::Switch => match text {
                "true" | "yes" => Ok(Value::Switch(true)),
                "false" | "no" => Ok(Value::Switch(false)),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            Unit::HugeCow => match text {
                "copy" => Ok(Value::HugeCow(HugeCow::Copy)),
                "split" => Ok(Value::HugeCow(HugeCow::Split)),
                _ => Err(format!("{text:?} is neither copy nor split")),
            },
            Unit::Spread if !text.contains('=') => {
                Ok(Value::Spread(Dist::Fixed(units::parse_span(text)? as f64)))
            }
            Unit::Spread => {
                let pair = |item: &str| {
                    let (name, value) =
                        item.split_once('=').ok_or(format!("{item:?} is not like p50=0.3ms"))?;
                    Ok((name.trim().to_string(), units::parse_span(value)? as f64))
                };
                spread(items().map(pair).collect::<Result<_, String>>()?)
            }
            Unit::Curve if text == "none" => Ok(Value::Curve(Vec::new())),
            Unit::Curve => {
                let pair = |item: &str| {
                    let (slept, cost) =
                        item.split_once(':').ok_or(format!("{item:?} is not like 20us:10us"))?;
                    Ok((units::parse_span(slept)?, units::parse_span(cost)?))
                };
                curve(items().map(pair).collect::<Result<_, String>>()?)
            }
            Unit::Gaps if text == "none" => Ok(Value::Gaps(Vec::new())),
            Unit::Gaps => items().map(gap).collect::<Result<_, _>>().map(Value::Gaps),
            _ => self.number(text).map(Value::Number),
        }
    }
}

impl Value {
    /// The value as [`Unit::parse`] reads it.
    pub fn text(&self, unit: Unit) -> String {
        let join = |items: Vec<String>| if items.is_empty() { "none".to_string() } else { items.join(", ") };
        match self {
            Value::Number(number) => unit.number_text(*number),
            Value::Switch(on) => on.to_string(),
            Value::HugeCow(HugeCow::Copy) => "copy".to_string(),
            Value::HugeCow(HugeCow::Split) => "split".to_string(),
            Value::Spread(Dist::Quantiles(points)) => join(points.iter().map(quantile_text).collect()),
            Value::Spread(dist) => span_text(dist.mean()),
            Value::Curve(points) => {
                let point = |(slept, cost): &(Nanos, Nanos)| {
                    format!("{}:{}", span_text(*slept as f64), span_text(*cost as f64))
                };
                join(points.iter().map(point).collect())
            }
            Value::Gaps(classes) => {
                let class = |c: &NoiseClass| {
                    let (shortest, longest) = (span_text(c.shortest as f64), span_text(c.longest as f64));
                    format!("{}/s {shortest}..{longest}", c.per_second)
                };
                join(classes.iter().map(class).collect())
            }
        }
    }

    /// The value times `factor`, ≥ 0: of a distribution all quantiles, of a curve the costs, of gaps how often they
    /// come. Numbers that are whole stay so.
    ///
    /// # Errors
    /// What has no multiple, and gaps that would leave no core.
    pub fn scaled(&self, unit: Unit, factor: f64) -> Result<Value, String> {
        let whole = |number: f64| (number * factor).round();
        Ok(match self {
            Value::Number(number) if unit == Unit::Ratio => Value::Number(number * factor),
            Value::Number(number) => Value::Number(whole(*number)),
            Value::Switch(_) | Value::HugeCow(_) => return Err("there is no multiple of it".to_string()),
            Value::Spread(Dist::Quantiles(points)) => {
                let points = points.iter().map(|point| (point.0, whole(point.1)));
                Value::Spread(Dist::Quantiles(points.collect()))
            }
            Value::Spread(dist) => Value::Spread(Dist::Fixed(whole(dist.mean()))),
            Value::Curve(points) => {
                let points = points.iter().map(|point| (point.0, whole(point.1 as f64) as Nanos));
                Value::Curve(points.collect())
            }
            Value::Gaps(classes) => {
                let scaled = |c: &NoiseClass| gaps(c.per_second * factor, c.shortest, c.longest);
                Value::Gaps(classes.iter().map(scaled).collect::<Result<_, _>>()?)
            }
        })
    }

    /// The numbers in it that must be plausible.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Value::Number(number) => vec![*number],
            Value::Switch(_) | Value::HugeCow(_) => Vec::new(),
            Value::Spread(Dist::Quantiles(points)) => points.iter().map(|point| point.1).collect(),
            Value::Spread(dist) => vec![dist.mean()],
            Value::Curve(points) => points.iter().flat_map(|p| [p.0 as f64, p.1 as f64]).collect(),
            Value::Gaps(classes) => classes.iter().map(|class| class.longest as f64).collect(),
        }
    }
}

/// A distribution from named quantiles \[ns\], in any order.
pub fn spread(named: Vec<(String, f64)>) -> Result<Value, String> {
    let mut points = Vec::new();
    for (name, value) in named {
        let Some(&(_, probability)) = QUANTILES.iter().find(|known| known.0 == name) else {
            let known: Vec<&str> = QUANTILES.iter().map(|known| known.0).collect();
            return Err(format!("unknown quantile {name:?}; expected one of: {}", known.join(", ")));
        };
        points.push((probability, value));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.len() < 2 || points[0].0 != 0.0 {
        return Err("quantiles need p0 and at least one more".to_string());
    }
    if points.windows(2).any(|pair| pair[1].0 == pair[0].0 || pair[1].1 < pair[0].1) {
        return Err("quantiles must not repeat or fall".to_string());
    }
    Ok(Value::Spread(Dist::Quantiles(points)))
}

/// A curve whose points rise.
pub fn curve(points: Vec<(Nanos, Nanos)>) -> Result<Value, String> {
    match points.windows(2).any(|pair| pair[1].0 <= pair[0].0 || pair[1].1 < pair[0].1) {
        true => Err("points must rise".to_string()),
        false => Ok(Value::Curve(points)),
    }
}

/// One class of gaps from its numbers, checked.
pub fn gaps(per_second: f64, shortest: Nanos, longest: Nanos) -> Result<NoiseClass, String> {
    if shortest == 0 || longest < shortest {
        return Err("gaps need 0 < shortest <= longest".to_string());
    }
    // The share of a core that the gaps take is at most the number a second times the longest.
    if !(0.0..=1e6).contains(&per_second) || per_second * longest as f64 >= 0.9e9 {
        return Err(format!("{per_second}/s gaps of up to {} leave no core", span_text(longest as f64)));
    }
    Ok(NoiseClass { per_second, shortest, longest })
}

fn gap(item: &str) -> Result<NoiseClass, String> {
    let parts = item.split_once(' ').and_then(|(rate, rest)| Some((rate, rest.split_once("..")?)));
    let (rate, (shortest, longest)) = parts.ok_or(format!("{item:?} is not like 260/s 20us..50us"))?;
    gaps(units::parse_rate(rate)?, units::parse_span(shortest)?, units::parse_span(longest)?)
}

fn quantile_text(&(probability, value): &(f64, f64)) -> String {
    let name = QUANTILES.iter().find(|known| known.1 == probability).map_or("p", |known| known.0);
    format!("{name}={}", span_text(value))
}

fn span_text(ns: f64) -> String {
    let units = [(3600e9, "h"), (1e9, "s"), (1e6, "ms"), (1e3, "us")];
    let (scale, unit) = units.into_iter().find(|unit| ns >= unit.0).unwrap_or((1.0, "ns"));
    format!("{}{unit}", ns / scale)
}

/// The largest unit in which the number has at most three decimals.
fn bytes_text(bytes: f64) -> String {
    let units = ["TiB", "GiB", "MiB", "KiB"];
    for (power, unit) in (1..=4).rev().zip(units) {
        let number = bytes / 1024f64.powi(power);
        let rounded = (number * 1e3).round() / 1e3;
        if number >= 1.0 && (rounded * 1024f64.powi(power)).round() == bytes.round() {
            return format!("{rounded}{unit}");
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiple_is_of_costs_and_of_how_often() {
        for (unit, text, twice) in [
            (Unit::Span, "22.5ms", "45ms"),
            (Unit::Ratio, "1.45", "2.9"),
            (Unit::Count, "4", "8"),
            (Unit::Spread, "p0=200us, p99=640us", "p0=400us, p99=1.28ms"),
            (Unit::Spread, "1ms", "2ms"),
            (Unit::Curve, "20us:10us, 1ms:31us", "20us:20us, 1ms:62us"),
            (Unit::Gaps, "260/s 20us..50us, 0.1/s 5ms..10ms", "520/s 20us..50us, 0.2/s 5ms..10ms"),
        ] {
            let scaled = unit.parse(text).and_then(|value| value.scaled(unit, 2.0));
            assert_eq!(scaled.map(|value| value.text(unit)), Ok(twice.to_string()));
        }
        assert!(Value::Switch(true).scaled(Unit::Switch, 2.0).is_err());
        assert!(Unit::Gaps.parse("500/s 1ms..1ms").and_then(|gaps| gaps.scaled(Unit::Gaps, 2.0)).is_err());
    }

    #[test]
    fn values_are_printed_as_they_are_read() {
        for (unit, text) in [
            (Unit::Span, "22.5ms"),
            (Unit::SpanPerKib, "750ns"),
            (Unit::Span, "0ns"),
            (Unit::Bytes, "24GiB"),
            (Unit::Bandwidth, "1.4GiB/s"),
            (Unit::Count, "4"),
            (Unit::Ratio, "1.45"),
            (Unit::Switch, "true"),
            (Unit::HugeCow, "split"),
            (Unit::Spread, "p0=200us, p50=290us, p99=640us, p9999=5.4ms"),
            (Unit::Spread, "1ms"),
            (Unit::Curve, "20us:10us, 100us:20us, 1ms:31us"),
            (Unit::Curve, "none"),
            (Unit::Gaps, "260/s 20us..50us, 0.1/s 5ms..10ms"),
            (Unit::Gaps, "none"),
        ] {
            assert_eq!(unit.parse(text).map(|value| value.text(unit)), Ok(text.to_string()));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (unit, text) in [
            (Unit::Span, "12"),
            (Unit::Bandwidth, "12ms"),
            (Unit::Ratio, "inf"),
            (Unit::Switch, "1"),
            (Unit::Spread, "p0=1ms"),
            (Unit::Spread, "p0=2ms,p50=1ms"),
            (Unit::Spread, "p0=1ms,p0=1ms"),
            (Unit::Spread, "p0=1ms,p42=2ms"),
            (Unit::Curve, "1ms:1us,1ms:2us"),
            (Unit::Gaps, "1000/s 1ms..2ms"),
            (Unit::Gaps, "1/s 0us..2ms"),
            (Unit::Gaps, ""),
        ] {
            assert!(unit.parse(text).is_err(), "{text}");
        }
    }
}
