//! One price of a model file: its value in any of the forms, its source and its range.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PriceSource;
use super::price::Price;
use super::read::Reader;
use super::unit::{self, Unit, Value};
use crate::units;

type Entry<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    /// Reads one price into the model and its source.
    pub(super) fn price(&mut self, price: &Price, entry: &Entry<'_>) {
        if price.unit == Unit::Gaps {
            return self.gaps(price, entry);
        }
        let Some(table) = self.table(price.name, entry) else { return };
        let value = match price.unit {
            Unit::Spread if get(table, "value").is_none() => self.spread(price.name, table, entry),
            Unit::Curve if get(table, "value").is_none() => self.curve(price.name, table, entry),
            _ => self.value(price, table, entry),
        };
        let others: &[&str] = match price.unit {
            Unit::Switch | Unit::HugeCow => &["value", "source"],
            Unit::Curve => &["value", "points", "source", "range"],
            _ => &["value", "source", "range"],
        };
        self.no_others(price, table, others);
        let source = self.source_text(price.name, table, entry);
        let Some(value) = value else { return };
        let range = match price.unit {
            Unit::Switch | Unit::HugeCow => Some("-".to_string()),
            unit => self.range(price, unit.is_number().then_some(&value), table, entry),
        };
        self.store(price, value, source, range, entry);
    }

    fn store(
        &mut self,
        price: &Price,
        value: Value,
        source: Option<String>,
        range: Option<String>,
        at: &Entry<'_>,
    ) {
        let text = value.text(price.unit);
        match price.set(&mut self.model, value) {
            Err(error) => self.problem(at.span().start, format!("{}: {error}", price.name), Vec::new()),
            Ok(()) => {
                if let (Some(source), Some(range)) = (source, range) {
                    let name = price.name.to_string();
                    self.source.prices.push(PriceSource {
                        name,
                        unit: price.unit,
                        value: text,
                        source,
                        range,
                    });
                }
            }
        }
    }

    fn table<'e, 'i>(&mut self, name: &str, entry: &'e Entry<'i>) -> Option<&'e DeTable<'i>> {
        let table = entry.get_ref().as_table();
        if table.is_none() {
            let remedy =
                format!("write {} = {{ value = …, source = \"…\", range = [low, high] }}", last(name));
            self.problem(entry.span().start, format!("{name}: a price needs its source"), vec![remedy]);
        }
        table
    }

    fn no_others(&mut self, price: &Price, table: &DeTable<'_>, known: &[&str]) {
        let quantiles = unit::QUANTILES.iter().map(|quantile| quantile.0);
        let quantile = |key: &str| price.unit == Unit::Spread && key.starts_with('p');
        for (key, _) in table.iter().filter(|e| !known.contains(&e.0.get_ref().as_ref())) {
            if !quantile(key.get_ref()) {
                let name = format!("{}.{}", price.name, key.get_ref());
                self.unknown(key.span().start, &name, known.iter().copied().chain(quantiles.clone()));
            }
        }
    }

    fn source_text(&mut self, name: &str, table: &DeTable<'_>, entry: &Entry<'_>) -> Option<String> {
        let text =
            get(table, "source").and_then(|source| source.get_ref().as_str()).filter(|s| !s.is_empty());
        if text.is_none() {
            let remedy = "say where the value is from: source = \"…\"".to_string();
            self.problem(entry.span().start, format!("{name}: missing source"), vec![remedy]);
        }
        text.map(str::to_string)
    }

    /// One number or text of the file, read by `read`.
    fn one<T>(
        &mut self,
        name: &str,
        entry: &Entry<'_>,
        expected: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let result = match scalar(entry.get_ref()) {
            Some(text) => read(&text),
            None => Err(format!("found {}", entry.get_ref().type_str())),
        };
        result
            .map_err(|error| {
                let remedy = format!("expected {expected}");
                self.problem(entry.span().start, format!("{name}: {error}"), vec![remedy]);
            })
            .ok()
    }

    fn value(&mut self, price: &Price, table: &DeTable<'_>, entry: &Entry<'_>) -> Option<Value> {
        let Some(value) = get(table, "value") else {
            let expected = format!("expected value = {}", price.unit.expected());
            self.problem(entry.span().start, format!("{}: missing value", price.name), vec![expected]);
            return None;
        };
        self.one(price.name, value, price.unit.expected(), |text| price.unit.parse(text))
    }

    fn spread(&mut self, name: &str, table: &DeTable<'_>, entry: &Entry<'_>) -> Option<Value> {
        let mut named = Vec::new();
        for (key, value) in table.iter().filter(|e| e.0.get_ref().starts_with('p')) {
            let span =
                self.one(&format!("{name}.{}", key.get_ref()), value, Unit::Span.expected(), |text| {
                    units::parse_span(text)
                })?;
            named.push((key.get_ref().to_string(), span as f64));
        }
        self.built(name, Unit::Spread, unit::spread(named), entry)
    }

    fn curve(&mut self, name: &str, table: &DeTable<'_>, entry: &Entry<'_>) -> Option<Value> {
        let points = get(table, "points").and_then(|points| points.get_ref().as_array());
        let read = |point: &Entry<'_>| match point.get_ref().as_array().map(|pair| pair.as_ref()) {
            Some([slept, cost]) => Some((span_of(slept)?, span_of(cost)?)),
            _ => None,
        };
        let built = match points.map(|points| points.iter().map(read).collect::<Option<Vec<_>>>()) {
            Some(Some(points)) => unit::curve(points),
            _ => Err("no points of two spans".to_string()),
        };
        self.built(name, Unit::Curve, built, entry)
    }

    fn built(
        &mut self,
        name: &str,
        unit: Unit,
        built: Result<Value, String>,
        entry: &Entry<'_>,
    ) -> Option<Value> {
        built
            .map_err(|error| {
                let remedy = format!("expected {}", unit.expected());
                self.problem(entry.span().start, format!("{name}: {error}"), vec![remedy]);
            })
            .ok()
    }

    /// The range as text. Numbers give their smallest and largest value, everything else two factors around 1.
    fn range(
        &mut self,
        price: &Price,
        value: Option<&Value>,
        table: &DeTable<'_>,
        entry: &Entry<'_>,
    ) -> Option<String> {
        let (unit, price_value) = match value {
            Some(Value::Number(number)) => (price.unit, *number),
            _ => (Unit::Ratio, 1.0),
        };
        let name = format!("{}.range", price.name);
        let Some(range) = get(table, "range") else {
            let remedy = format!("expected range = [low, high] of {}", unit.expected());
            self.problem(entry.span().start, format!("{name}: missing"), vec![remedy]);
            return None;
        };
        let Some([low, high]) = range.get_ref().as_array().map(|ends| ends.as_ref()) else {
            self.problem(range.span().start, format!("{name}: expected [low, high]"), Vec::new());
            return None;
        };
        let low_number = self.one(&name, low, unit.expected(), |text| unit.number(text));
        let high_number = self.one(&name, high, unit.expected(), |text| unit.number(text));
        let (low, high) = (low_number?, high_number?);
        if !(low..=high).contains(&price_value) {
            let (low, high) = (unit.number_text(low), unit.number_text(high));
            let read = format!("{}: {} is outside its own range", price.name, unit.number_text(price_value));
            self.problem(range.span().start, read, vec![format!("the range is {low} to {high}")]);
            return None;
        }
        if value.is_some() && (low < price.min || high > price.max) {
            let read = format!("{name}: reaches beyond {}, the plausible range", price.allowed());
            self.problem(range.span().start, read, Vec::new());
            return None;
        }
        let factor = if value.is_some() { "" } else { "x" };
        Some(format!("{factor}{} to {factor}{}", unit.number_text(low), unit.number_text(high)))
    }

    fn gaps(&mut self, price: &Price, entry: &Entry<'_>) {
        let Some(array) = entry.get_ref().as_array() else {
            let expected = "expected [[noise.class]] tables, or class = [] in [noise]".to_string();
            self.problem(entry.span().start, format!("{}: no array", price.name), vec![expected]);
            return;
        };
        let mut classes = Vec::new();
        for class in array.iter() {
            let Some(table) = self.table(price.name, class) else { continue };
            self.no_others(price, table, &["per-second", "shortest", "longest", "source", "range"]);
            let source = self.source_text(price.name, table, class);
            let range = self.range(price, None, table, class);
            let number = |key: &str, unit: Unit| {
                get(table, key)
                    .and_then(|value| scalar(value.get_ref()))
                    .ok_or(format!("missing {key}"))
                    .and_then(|text| unit.number(&text))
            };
            let read = || {
                let (shortest, longest) = (number("shortest", Unit::Span)?, number("longest", Unit::Span)?);
                unit::gaps(number("per-second", Unit::Ratio)?, shortest as u64, longest as u64)
            };
            match read() {
                Err(error) => {
                    self.problem(class.span().start, format!("{}: {error}", price.name), Vec::new())
                }
                Ok(gaps) => {
                    classes.push(gaps);
                    if let (Some(source), Some(range)) = (source, range) {
                        let (name, unit) = (format!("{}.{}", price.name, classes.len()), price.unit);
                        let value = Value::Gaps(vec![gaps]).text(unit);
                        self.source.prices.push(PriceSource { name, unit, value, source, range });
                    }
                }
            }
        }
        if let Err(error) = price.set(&mut self.model, Value::Gaps(classes)) {
            self.problem(entry.span().start, format!("{}: {error}", price.name), Vec::new());
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn get<'e, 'i>(table: &'e DeTable<'i>, key: &str) -> Option<&'e Entry<'i>> {
    table.iter().find(|entry| entry.0.get_ref() == key).map(|entry| entry.1)
}

fn span_of(entry: &Entry<'_>) -> Option<u64> {
    units::parse_span(entry.get_ref().as_str()?).ok()
}

/// A text, number or switch of the file as text.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().to_string()),
        DeValue::Float(float) => Some(float.as_str().to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}
