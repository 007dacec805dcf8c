//! The model file of what was found, in the format of `models/`.

use std::fmt::Write;

use crate::cost_model::NoiseClass;
use crate::dist::Dist;
use crate::models::PriceSource;
use crate::models::price::{PRICES, Price};
use crate::models::unit::{QUANTILES, Unit, Value};

use super::book::{Book, Finding};

/// Longest source of a prior that is repeated \[characters\].
const LONGEST_SOURCE: usize = 400;

/// What stands at the head of a model file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The machine in one line.
    pub machine: String,
    /// How the values were got.
    pub how: String,
    /// When, `2026-11-28`.
    pub date: String,
    /// The server they were got with, as scenarios name its version; empty: none.
    pub server: String,
}

/// The text of a model file; it reads back as the book's model.
pub fn text(book: &Book, head: &Head) -> String {
    let mut out = String::from(
        "# Prices of one machine, by writepath calibrate; every value with its source and its range over repeats.\n\
         # Ranges of quantiles, points and gaps are factors: on all quantiles, on the costs of points, on per-second.\n\
         # A source that begins with \"prior\" was not measured here.\n\n[meta]\n",
    );
    let meta =
        [("machine", &head.machine), ("how", &head.how), ("date", &head.date), ("server", &head.server)];
    for (key, value) in meta.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "{key} = {}", quoted(value));
    }
    for skipped in book.skipped() {
        let _ = writeln!(out, "# not measured: {}: {}", skipped.what, skipped.why.replace('\n', "; "));
    }
    let mut table = "";
    for price in PRICES {
        let (of, key) = price.name.split_once('.').expect("names of prices have a table");
        if of != table && price.unit != Unit::Gaps {
            let _ = write!(out, "\n[{of}]\n");
            table = of;
        }
        let value = price.get(&mut book.model().clone());
        match (book.finding(price.name), value) {
            (finding, Value::Gaps(classes)) => out += &gaps(book, price, finding, &classes),
            (Some(finding), value) => {
                let ends = |end: f64| number(price.unit, &value, end);
                let range = (ends(finding.range.0), ends(finding.range.1));
                out += &line(key, &value, price.unit, &range, &book.source(finding));
            }
            (None, value) => {
                let prior = book.prior_prices().iter().find(|source| source.name == price.name);
                let (range, source) = of_prior(book, price.unit, &value, prior);
                out += &line(key, &value, price.unit, &range, &source);
            }
        }
    }
    out
}

/// Range and source of a price that the prior has.
fn of_prior(
    book: &Book,
    unit: Unit,
    value: &Value,
    prior: Option<&PriceSource>,
) -> ((String, String), String) {
    let ends = prior.and_then(|prior| prior.range.split_once(" to "));
    let end = |text: &str| match text.strip_prefix('x') {
        Some(factor) => factor.to_owned(),
        None if matches!(unit, Unit::Count | Unit::Ratio) => text.to_owned(),
        None => quoted(text),
    };
    let range = match (ends, value) {
        (Some((low, high)), _) => (end(low), end(high)),
        (None, Value::Number(only)) => (number(unit, value, *only), number(unit, value, *only)),
        (None, _) => ("1".to_owned(), "1".to_owned()),
    };
    (range, prior_source(book, prior.map_or("", |prior| &prior.source)))
}

/// `prior two-core-vm: …`, once: a prior that was itself calibrated has its own.
fn prior_source(book: &Book, source: &str) -> String {
    let short: String = source.chars().take(LONGEST_SOURCE).collect();
    let cut = if short.len() < source.len() { " …" } else { "" };
    format!("prior {}: {short}{cut}", book.prior_name())
}

/// An end of a range: in the unit of a number, a factor of everything else.
fn number(unit: Unit, value: &Value, end: f64) -> String {
    match (value, unit) {
        (Value::Number(_), Unit::Count | Unit::Ratio) => end.to_string(),
        (Value::Number(_), unit) => quoted(&unit.number_text(end)),
        _ => ((end * 1e3).round() / 1e3).to_string(),
    }
}

fn line(key: &str, value: &Value, unit: Unit, (low, high): &(String, String), source: &str) -> String {
    let source = quoted(source);
    let range = format!("range = [{low}, {high}]");
    let span = |ns: f64| quoted(&Unit::Span.number_text(ns));
    match value {
        Value::Number(number) if matches!(unit, Unit::Count | Unit::Ratio) => {
            format!("{key} = {{ value = {number}, {range}, source = {source} }}\n")
        }
        Value::Number(_) => {
            format!("{key} = {{ value = {}, {range}, source = {source} }}\n", quoted(&value.text(unit)))
        }
        Value::Switch(on) => format!("{key} = {{ value = {on}, source = {source} }}\n"),
        Value::HugeCow(_) => {
            format!("{key} = {{ value = {}, source = {source} }}\n", quoted(&value.text(unit)))
        }
        Value::Spread(Dist::Quantiles(points)) => {
            let points: Vec<String> = points
                .iter()
                .filter_map(|(probability, ns)| {
                    let name = QUANTILES.iter().find(|known| known.1 == *probability)?.0;
                    Some(format!("{name} = {}", span(*ns)))
                })
                .collect();
            format!("{key} = {{ {}, {range}, source = {source} }}\n", points.join(", "))
        }
        Value::Curve(points) if !points.is_empty() => {
            let points: Vec<String> = points
                .iter()
                .map(|(slept, cost)| format!("[{}, {}]", span(*slept as f64), span(*cost as f64)))
                .collect();
            format!("{key} = {{ points = [{}], {range}, source = {source} }}\n", points.join(", "))
        }
        Value::Spread(_) | Value::Curve(_) | Value::Gaps(_) => {
            format!("{key} = {{ value = {}, {range}, source = {source} }}\n", quoted(&value.text(unit)))
        }
    }
}

fn gaps(book: &Book, price: &Price, finding: Option<&Finding>, classes: &[NoiseClass]) -> String {
    if classes.is_empty() {
        return "\n[noise]\nclass = []\n".to_owned();
    }
    let mut out = String::new();
    for (index, class) in classes.iter().enumerate() {
        let name = format!("{}.{}", price.name, index + 1);
        let (range, source) = match finding {
            Some(finding) => {
                ((finding.range.0.to_string(), finding.range.1.to_string()), book.source(finding))
            }
            None => {
                let prior = book.prior_prices().iter().find(|source| source.name == name);
                of_prior(book, Unit::Gaps, &Value::Gaps(Vec::new()), prior)
            }
        };
        let span = |ns: u64| quoted(&Unit::Span.number_text(ns as f64));
        let _ = write!(
            out,
            "\n[[noise.class]]\nper-second = {}\nshortest = {}\nlongest = {}\nrange = [{}, {}]\nsource = {}\n",
            class.per_second,
            span(class.shortest),
            span(class.longest),
            range.0,
            range.1,
            quoted(&source)
        );
    }
    out
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.replace(['\n', '\r', '\t'], " ")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::fit::Repeats;
    use crate::cost_model::CostModel;
    use crate::models::{self, parse};

    fn head() -> Head {
        Head {
            machine: "a \"small\" VM \\ 2 cores".to_owned(),
            how: "by this test".to_owned(),
            date: "2026-11-28".to_owned(),
            server: "7.0".to_owned(),
        }
    }

    #[test]
    fn an_empty_book_is_the_prior_and_says_so_of_every_price() {
        for (name, _) in models::builtin() {
            let book = Book::new(models::load(name).expect("built in"), "2026-11-28, Redis 7.0".to_owned());
            let written = text(&book, &head());
            let (model, source) =
                parse(&written, "mine.toml", name).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(model.server, "7.0");
            assert_eq!(&CostModel { server: String::new(), ..model }, book.model());
            assert_eq!(source.machine, head().machine);
            let (_, prior) = models::load(name).expect("built in");
            for (found, known) in source.prices.iter().zip(&prior.prices) {
                assert_eq!((&found.name, &found.range), (&known.name, &known.range));
                assert!(found.source.starts_with(&format!("prior {name}: ")), "{}", found.source);
            }
        }
    }

    #[test]
    fn what_was_found_is_written_with_value_range_and_source() {
        let prior = models::load("two-core-vm").expect("built in");
        let mut book = Book::new(prior, "2026-11-28, Redis 7.0".to_owned());
        let repeats = Repeats { median: 1301.0, low: 1200.0, high: 1500.0, count: 7 };
        book.number_found("cpu.set", Some(repeats), "rounds of SET", Some(0.02));
        let spread = Value::Spread(Dist::Quantiles(vec![(0.0, 1e5), (0.5, 2e5), (0.999, 3e6)]));
        let found =
            |price, value, range| Finding { price, value, range, how: "here".to_owned(), residual: None };
        book.found(found("disk.fdatasync", spread.clone(), (0.5, 1.25)));
        let class = NoiseClass { per_second: 12.5, shortest: 20_000, longest: 50_000 };
        book.found(found("noise.class", Value::Gaps(vec![class]), (0.5, 2.0)));
        book.found(found("cpu.wakeup", Value::Curve(Vec::new()), (1.0, 1.0)));
        book.skip("replica", "needs a server of our own");
        let written = text(&book, &head());
        let (model, source) =
            parse(&written, "mine.toml", "mine").unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!((model.cpu.set, &model.noise.classes[..]), (1301, &[class][..]));
        assert_eq!(model.disk.fdatasync, Dist::Quantiles(vec![(0.0, 1e5), (0.5, 2e5), (0.999, 3e6)]));
        let set = source.prices.iter().find(|price| price.name == "cpu.set").expect("there");
        assert_eq!(set.range, "1.2us to 1.5us");
        assert!(
            set.source.starts_with("measured 2026-11-28, Redis 7.0, median of 7 repeats, "),
            "{}",
            set.source
        );
        assert!(written.contains("# not measured: replica: needs a server of our own\n"));
        let get = source.prices.iter().find(|price| price.name == "cpu.get").expect("there");
        assert!(get.source.starts_with("prior two-core-vm: measured 2026-11-24"), "{}", get.source);
    }
}
