//! What is not known of the machine: the prices of its model, each drawn from the range that the model gives it.
//!
//! A price is believed to be in its range and most likely at its value. That is the triangular distribution, the
//! usual one for a smallest, likeliest and largest value without data (Law, Simulation Modeling and Analysis, 6.11),
//! taken over the logarithm: what is not known of a price is a factor. A range that begins at 0 takes it over the
//! price itself. Distributions, curves and gaps are drawn as a factor around 1, all their numbers together. Prices
//! are independent.
//!
//! A price that the scenario or a flag sets is known, and not drawn. Nodes of a cluster with a model of their own keep
//! its values.

use super::template::{Assignment, Template};
use crate::models::unit::{Unit, Value};
use crate::models::{self, ModelSource, PriceSource};
use crate::scenario::problem::{Problem, Problems, nearest};
use crate::scenario::resolve::model_path;
use crate::scenario::tree::{Node, Place};

/// Name of the price that holds all classes of gaps.
const GAPS: &str = "noise.class";

/// The prices of a scenario's machine that are not known exactly.
#[derive(Clone, Debug)]
pub struct Prices {
    ranges: Vec<PriceRange>,
    /// The model's classes of gaps, which are one price with a range for each.
    gaps: Vec<String>,
}

/// One price with its range, the ends apart.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceRange {
    /// Dotted name, `fork.per-gib`; classes of gaps one by one, `noise.class.2`.
    pub name: String,
    /// Lower end, in the unit of the field (ns, bytes, bytes/s) or as a factor.
    pub low: f64,
    /// The model's value, or 1.
    pub value: f64,
    /// Upper end.
    pub high: f64,
    /// Unit of the three; none for factors.
    unit: Option<Unit>,
}

impl Prices {
    /// The prices of the scenario's machine whose ranges have two ends.
    ///
    /// # Errors
    /// Those of the scenario.
    pub fn of(template: &Template) -> Result<Prices, Problems> {
        let scenario = template.resolve()?;
        let setting = |key: &str| scenario.settings.iter().find(|setting| setting.key == key);
        let known = |name: &str| setting(&format!("machine.{name}")).is_some();
        let source = match setting("machine.model") {
            Some(model) => {
                let typed = Node::guess(&model.value, Place::default_value()).plain().unwrap_or_default();
                models::load(&model_path(&typed, &model.origin, template.base_dir()))?.1
            }
            None => models::load(models::DEFAULT)?.1,
        };
        Ok(Prices::of_model(&source, known))
    }

    fn of_model(source: &ModelSource, known: impl Fn(&str) -> bool) -> Prices {
        let is_gap = |price: &&PriceSource| price.unit == Unit::Gaps;
        let gaps = source.prices.iter().filter(is_gap).map(|price| price.value.clone()).collect();
        let unknown = |price: &&PriceSource| match price.unit {
            Unit::Gaps => !known(GAPS),
            _ => !known(&price.name),
        };
        let ranges = source.prices.iter().filter(unknown).filter_map(PriceRange::of).collect();
        Prices { ranges, gaps }
    }

    /// The prices, in the order of the model's file: one dimension each.
    pub fn ranges(&self) -> &[PriceRange] {
        &self.ranges
    }

    /// All but those that `settings` (`machine.fork.per-gib`) name.
    pub fn without(&self, settings: &[String]) -> Prices {
        let varied = |range: &PriceRange| {
            let name = if range.class().is_some() { GAPS } else { &range.name };
            settings.iter().any(|setting| setting.strip_prefix("machine.") == Some(name))
        };
        let ranges = self.ranges.iter().filter(|range| !varied(range)).cloned().collect();
        Prices { ranges, gaps: self.gaps.clone() }
    }

    /// These of them alone, by their names, `all` for all of them.
    ///
    /// # Errors
    /// Every name that is none of them, with the nearest.
    pub fn choose(&self, names: &[String]) -> Result<Prices, Problems> {
        if names.iter().any(|name| name == "all") {
            return Ok(self.clone());
        }
        let unknown = |name: &&String| !self.ranges.iter().any(|range| range.name == **name);
        let problem = |name: &String| {
            let known = self.ranges.iter().map(|range| range.name.as_str());
            let remedy = match nearest(name, known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => {
                    "expected a price whose range in the model has two ends, and that nothing sets".to_owned()
                }
            };
            let read = format!("{name}: no price to draw");
            Problem { file: "--prices".to_owned(), line: 0, column: 0, read, remedies: vec![remedy] }
        };
        let problems: Vec<Problem> = names.iter().filter(unknown).map(problem).collect();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let chosen = self.ranges.iter().filter(|range| names.contains(&range.name)).cloned().collect();
        Ok(Prices { ranges: chosen, gaps: self.gaps.clone() })
    }

    /// The settings that give each price its value at a share of its distribution, 0 to 1, a share for each price.
    pub fn at(&self, shares: &[f64]) -> Vec<Assignment> {
        let assign = |name: &str, value: String| Assignment { key: format!("machine.{name}"), value };
        let mut classes = self.gaps.clone();
        let mut gaps_drawn = false;
        let mut found = Vec::with_capacity(shares.len());
        for (range, &share) in self.ranges.iter().zip(shares) {
            let number = range.quantile(share);
            match (range.unit, range.class()) {
                (_, Some(class)) => {
                    gaps_drawn = true;
                    classes[class] = scaled_gaps(&classes[class], number);
                }
                (Some(unit), None) => found.push(assign(&range.name, unit.number_text(number))),
                (None, None) => found.push(assign(&range.name, format!("x{number}"))),
            }
        }
        if gaps_drawn {
            found.push(assign(GAPS, classes.join(", ")));
        }
        found
    }
}

impl PriceRange {
    /// None where the range is a single value.
    fn of(price: &PriceSource) -> Option<PriceRange> {
        let (low, high) = price.range.split_once(" to ")?;
        let read = |text: &str| match price.unit.is_number() {
            true => price.unit.number(text).ok(),
            false => text.strip_prefix('x')?.parse().ok(),
        };
        let (low, high) = (read(low)?, read(high)?);
        let unit = price.unit.is_number().then_some(price.unit);
        let value = unit.map_or(Ok(1.0), |unit| unit.number(&price.value)).ok()?;
        (low < high).then(|| PriceRange { name: price.name.clone(), low, value, high, unit })
    }

    /// The value below which the price is with probability `share`.
    pub fn quantile(&self, share: f64) -> f64 {
        let number = match self.low > 0.0 {
            true => {
                let ln = libm::log;
                libm::exp(triangular((ln(self.low), ln(self.value), ln(self.high)), share))
            }
            false => triangular((self.low, self.value, self.high), share),
        };
        let number = number.clamp(self.low, self.high);
        let whole = |unit: Unit| unit != Unit::Ratio;
        if self.unit.is_some_and(whole) { number.round() } else { number }
    }

    /// Number of the class of gaps that this is, from 0.
    fn class(&self) -> Option<usize> {
        let number = self.name.strip_prefix(GAPS)?.strip_prefix('.')?;
        number.parse::<usize>().ok()?.checked_sub(1)
    }
}

/// Quantile of the triangular distribution from `low` to `high` with its peak at `mode`.
fn triangular((low, mode, high): (f64, f64, f64), share: f64) -> f64 {
    let width = high - low;
    match share <= (mode - low) / width {
        true => low + (share * width * (mode - low)).sqrt(),
        false => high - ((1.0 - share) * width * (high - mode)).sqrt(),
    }
}

/// One class of gaps, `factor` times as often, as often as leaves a core at most.
fn scaled_gaps(class: &str, factor: f64) -> String {
    let scaled = |value: Value| value.scaled(Unit::Gaps, factor);
    let value = Unit::Gaps.parse(class).and_then(scaled);
    value.map_or_else(|_| class.to_owned(), |value| value.text(Unit::Gaps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::resolve::Overrides;
    use std::path::PathBuf;

    fn template(set: &[&str]) -> Template {
        let text = "[[workload]]\nrate = \"100/s\"\n[machine]\nmodel = \"two-core-vm\"\ncpu.set = \"1us\"\n"
            .to_owned();
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let overrides = Overrides { set, ..Overrides::default() };
        Template::new(text, "x.toml".to_owned(), PathBuf::from("."), overrides)
    }

    fn range(low: f64, value: f64, high: f64) -> PriceRange {
        PriceRange { name: "x".to_owned(), low, value, high, unit: Some(Unit::Ratio) }
    }

    #[test]
    fn draws_are_triangular_over_the_logarithm() {
        // From 1 to 100 with its peak at 10: symmetric, so a half is below 10, and an eighth below √10.
        let symmetric = range(1.0, 10.0, 100.0);
        for (share, value) in
            [(0.0, 1.0), (0.125, f64::sqrt(10.0)), (0.5, 10.0), (0.875, 10f64.powf(1.5)), (1.0, 100.0)]
        {
            let found = symmetric.quantile(share);
            assert!((found / value - 1.0).abs() < 1e-12, "{share}: {found}");
        }
        // The peak at an end: the density falls all the way, three quarters are in the lower half.
        let falling = range(1.0, 1.0, 100.0);
        assert!((falling.quantile(0.75) / 10.0 - 1.0).abs() < 1e-12);
        // From 0 on over the price itself.
        assert!((range(0.0, 0.0, 4.0).quantile(0.75) - 2.0).abs() < 1e-12);
        assert!((range(0.0, 4.0, 4.0).quantile(0.25) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn prices_without_two_ends_and_those_that_are_set_are_not_drawn() {
        let drawn = |set: &[&str]| {
            let prices = Prices::of(&template(set)).expect("a sound scenario");
            prices.ranges().iter().map(|range| range.name.clone()).collect::<Vec<_>>()
        };
        let names = drawn(&[]);
        assert!(names.contains(&"fork.per-gib".to_owned()) && names.contains(&"noise.class.1".to_owned()));
        for name in ["cpu.set", "machine.cores", "machine.overcommit", "disk.dirty-expire"] {
            assert!(!names.contains(&name.to_owned()), "{name}");
        }
        let fewer = drawn(&["machine.fork.per-gib=12ms", "machine.noise.class=none"]);
        let gaps = names.iter().filter(|name| name.starts_with("noise.class")).count();
        assert_eq!(fewer.len(), names.len() - 1 - gaps);
    }

    #[test]
    fn every_draw_is_a_machine_within_the_ranges_of_every_model() {
        for (name, _) in models::builtin() {
            let template = template(&[&format!("machine.model={name}")]);
            let prices = Prices::of(&template).expect("a sound scenario");
            let (value, _) = models::load(name).expect("built in");
            for share in [0.0, 0.3, 0.7, 1.0] {
                let assignments = prices.at(&vec![share; prices.ranges().len()]);
                let scenario =
                    template.with(&assignments).unwrap_or_else(|problems| panic!("{name}: {problems}"));
                for range in prices.ranges().iter().filter(|range| range.unit.is_some()) {
                    let price = crate::models::price::find(&range.name).expect("a price");
                    let number = price.get(&mut scenario.machine.clone()).numbers()[0];
                    // Spans are printed in a larger unit and read back: a rounding apart.
                    let expected = range.quantile(share);
                    assert!((number - expected).abs() <= 1.0, "{name} {}: {number} {expected}", range.name);
                }
                let factor =
                    prices.ranges().iter().find(|range| range.name == "disk.fdatasync").expect("drawn");
                let mean = scenario.machine.disk.fdatasync.mean() / value.disk.fdatasync.mean();
                assert!((mean / factor.quantile(share) - 1.0).abs() < 1e-3, "{name}: {mean}");
                for (class, own) in scenario.machine.noise.classes.iter().enumerate() {
                    let name = format!("noise.class.{}", class + 1);
                    let factor = prices.ranges().iter().find(|range| range.name == name);
                    let expected = factor.map_or(1.0, |range| range.quantile(share));
                    let often = own.per_second / value.noise.classes[class].per_second;
                    assert!((often / expected - 1.0).abs() < 1e-9, "{name}: {often} {expected}");
                }
            }
        }
    }

    #[test]
    fn names_that_cannot_be_drawn_are_all_named() {
        let prices = Prices::of(&template(&[])).expect("a sound scenario");
        let choose =
            |names: &[&str]| prices.choose(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(choose(&["fork.per-gib", "cpu.read"]).expect("both").ranges().len(), 2);
        assert_eq!(choose(&["all"]).expect("all").ranges().len(), prices.ranges().len());
        let text = choose(&["fork.per-gb", "cpu.set"]).expect_err("neither").to_string();
        assert!(
            text.contains("did you mean \"fork.per-gib\"?") && text.contains("cpu.set: no price"),
            "{text}"
        );
    }
}
