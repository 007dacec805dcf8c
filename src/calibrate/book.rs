//! What has been found so far: prices with their ranges and sources over those of a prior.

use crate::cost_model::CostModel;
use crate::models::price::{self, PRICES};
use crate::models::unit::{Unit, Value};
use crate::models::{self, ModelSource, PriceSource, contradictions};

use super::fit::Repeats;

/// A price that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Dotted name.
    pub price: &'static str,
    /// Its value.
    pub value: Value,
    /// Smallest and largest over repeats: numbers in the unit of the value, else factors on it.
    pub range: (f64, f64),
    /// How it was got, after the words "measured", date and server.
    pub how: String,
    /// Root mean square of what the fit leaves, as a share; none where nothing was fitted.
    pub residual: Option<f64>,
}

/// Something that was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// A dotted price, or a group of measurements.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// The prices of a machine while they are being measured.
#[derive(Clone, Debug)]
pub struct Book {
    model: CostModel,
    prior: CostModel,
    prior_source: ModelSource,
    /// Date and server, at the head of every source.
    stamp: String,
    findings: Vec<Finding>,
    skipped: Vec<Skipped>,
}

impl Book {
    /// Nothing is measured yet: every price is the prior's. `stamp` is date and server.
    pub fn new(prior: (CostModel, ModelSource), stamp: String) -> Self {
        let (prior, prior_source) = prior;
        Book { model: prior.clone(), prior, prior_source, stamp, findings: Vec::new(), skipped: Vec::new() }
    }

    /// The prices as they are known now.
    pub fn model(&self) -> &CostModel {
        &self.model
    }

    /// What was measured, in the order of the file format.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was not, in the order in which that was noticed.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Name of the prior.
    pub fn prior_name(&self) -> &str {
        &self.prior.name
    }

    /// The finding of a price, if it was measured.
    pub fn finding(&self, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.price == name)
    }

    /// Value of a price in the prior.
    pub fn prior_value(&self, name: &str) -> Option<Value> {
        Some(price::find(name)?.get(&mut self.prior.clone()))
    }

    /// The prior's prices with their sources; classes of gaps one by one.
    pub fn prior_prices(&self) -> &[PriceSource] {
        &self.prior_source.prices
    }

    /// A number \[ns, bytes, bytes/s\]: measured if it was, else the prior's; 0 for what is no number.
    pub fn number(&self, name: &str) -> f64 {
        match price::find(name).map(|price| price.get(&mut self.model.clone())) {
            Some(Value::Number(number)) => number,
            _ => 0.0,
        }
    }

    /// Notes that something was not measured, and why.
    pub fn skip(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.skipped.push(Skipped { what: what.into(), why: why.into() });
    }

    /// A number from its repeats: their median, rounded as files write it.
    ///
    /// What is below zero, or beyond what is plausible, is noise or a fit that found nothing: the prior stays.
    pub fn number_found(
        &mut self,
        name: &'static str,
        repeats: Option<Repeats>,
        how: &str,
        residual: Option<f64>,
    ) {
        let Some(repeats) = repeats else {
            return self.skip(name, "the measurements do not tell it apart");
        };
        let Some(price) = price::find(name) else { return };
        let round = |number: f64| if price.unit == Unit::Ratio { rounded(number) } else { number.round() };
        let value = round(repeats.median);
        if !(price.min..=price.max).contains(&value) {
            let value = price.unit.number_text(value);
            return self.skip(
                name,
                format!("{value} was measured, which is not plausible: noise, or nothing to see"),
            );
        }
        let range = (round(repeats.low).clamp(price.min, value), round(repeats.high).clamp(value, price.max));
        let how = format!("{}, {how}", times(repeats.count));
        self.found(Finding { price: name, value: Value::Number(value), range, how, residual });
    }

    /// Any price; one that is not plausible is skipped by name.
    pub fn found(&mut self, finding: Finding) {
        let Some(price) = price::find(finding.price) else { return };
        if let Err(error) = price.set(&mut self.model, finding.value.clone()) {
            return self.skip(finding.price, format!("measured, but {error}"));
        }
        self.findings.retain(|old| old.price != finding.price);
        self.findings.push(finding);
        let place = |name: &str| PRICES.iter().position(|price| price.name == name);
        self.findings.sort_by_key(|finding| place(finding.price));
    }

    /// Source of a finding as the file gives it.
    pub fn source(&self, finding: &Finding) -> String {
        let residual = finding.residual.map(|share| format!("; the fit leaves {:.1} %", 100.0 * share));
        format!("measured {}, {}{}", self.stamp, finding.how, residual.unwrap_or_default())
    }

    /// Takes back what contradicts itself across measured and prior prices; the prior's part gives way.
    pub fn settle(&mut self) {
        if contradictions(&self.model).is_empty() {
            return;
        }
        // Both contradictions are a price that may not be above another, which is as large as it may be then.
        let limits = [("fork.per-gib-huge", "fork.per-gib"), ("disk.dirty-background", "disk.dirty-limit")];
        for (lower, upper) in limits {
            let most = self.number(upper);
            if self.number(lower) > most {
                let how = format!("set to {upper}, since {} has more", self.prior.name);
                let value = Value::Number(most);
                self.found(Finding { price: lower, value, range: (most, most), how, residual: None });
            }
        }
    }

    /// Every value as text, in the order of the file format: (name, now, prior).
    pub fn values(&self) -> Vec<(&'static str, String, String)> {
        let prior = models::values(&self.prior);
        let now = models::values(&self.model);
        now.into_iter().zip(prior).map(|((name, now), (_, prior))| (name, now, prior)).collect()
    }
}

/// Three digits after the point: as many as repeats are ever good for.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("median of {count} repeats"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        Book::new(models::load("two-core-vm").expect("built in"), "2026-11-28, Redis 7.0".to_owned())
    }

    fn repeats(median: f64, low: f64, high: f64) -> Option<Repeats> {
        Some(Repeats { median, low, high, count: 5 })
    }

    #[test]
    fn a_finding_replaces_the_prior_and_says_how_it_was_got() {
        let mut book = book();
        assert_eq!(book.number("cpu.set"), 1250.0);
        book.number_found("cpu.set", repeats(1000.4, 900.2, 1100.6), "rounds", Some(0.021));
        assert_eq!((book.number("cpu.set"), book.model().cpu.set), (1000.0, 1000));
        let finding = book.finding("cpu.set").expect("it was found").clone();
        assert_eq!(finding.range, (900.0, 1101.0));
        assert_eq!(
            book.source(&finding),
            "measured 2026-11-28, Redis 7.0, median of 5 repeats, rounds; the fit leaves 2.1 %"
        );
        assert_eq!(book.prior_value("cpu.set"), Some(Value::Number(1250.0)));
    }

    #[test]
    fn what_is_not_plausible_leaves_the_prior() {
        let mut book = book();
        book.number_found("cpu.set", repeats(-3.0, -5.0, 1.0), "rounds", None);
        book.number_found("cpu.get", None, "rounds", None);
        assert_eq!((book.number("cpu.set"), book.findings().len()), (1250.0, 0));
        let names: Vec<&str> = book.skipped().iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(names, ["cpu.set", "cpu.get"]);
    }

    #[test]
    fn a_cheap_fork_takes_the_huge_pages_of_the_prior_with_it() {
        let mut book = book();
        book.number_found("fork.per-gib", repeats(500_000.0, 4e5, 6e5), "BGSAVE", None);
        book.settle();
        assert_eq!(book.model().fork.per_gib_huge, 500_000.0);
        assert!(contradictions(book.model()).is_empty());
    }
}
