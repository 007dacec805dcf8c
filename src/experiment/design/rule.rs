//! Exclusion rules: which combinations of values a design leaves out.
//!
//! A rule is comparisons joined by `and`: `redis.appendfsync=always and workload.rate>20000/s`. It leaves out the
//! points for which all of them hold.

use super::axis::{Axis, Level};
use crate::scenario::file::suggestion;
use crate::scenario::reader::Fault;

/// Most rules of a design.
pub const RULES_MAX: usize = 64;

/// A rule as read.
#[derive(Clone, Debug)]
pub struct Rule {
    terms: Vec<Term>,
}

/// One comparison.
#[derive(Clone, Debug)]
struct Term {
    /// Number of the axis.
    axis: usize,
    comparison: Comparison,
    value: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer signs before those they begin with.
const SIGNS: &[(&str, Comparison)] = &[
    ("!=", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

impl Rule {
    /// Reads a rule about `axes`.
    ///
    /// # Errors
    /// What is wrong: no comparison, a setting that is no axis, a value without the axis' unit.
    pub fn parse(text: &str, axes: &[Axis]) -> Result<Rule, Fault> {
        let terms = text.split(" and ").map(|term| Term::parse(term.trim(), axes));
        let terms = terms.collect::<Result<Vec<_>, _>>();
        terms
            .map(|terms| Rule { terms })
            .map_err(|fault| Fault { read: format!("{text:?}: {}", fault.read), ..fault })
    }

    /// Whether all its comparisons of this axis hold for this value.
    pub fn holds(&self, axis: usize, level: &Level) -> bool {
        self.terms.iter().filter(|term| term.axis == axis).all(|term| term.holds(level))
    }
}

impl Term {
    fn parse(text: &str, axes: &[Axis]) -> Result<Term, Fault> {
        let found = text.char_indices().find_map(|(at, _)| {
            let sign = SIGNS.iter().find(|(sign, _)| text[at..].starts_with(sign))?;
            Some((&text[..at], sign.1, &text[at + sign.0.len()..]))
        });
        let Some((key, comparison, value)) = found else {
            let remedy = "write comparisons joined by and: redis.hz>100 and rate<=1000/s";
            return Err(Fault::new(format!("{text:?} compares nothing"), remedy));
        };
        let (key, value) = (key.trim(), value.trim());
        let Some(index) = axes.iter().position(|axis| axis.key == key) else {
            let keys = axes.iter().map(|axis| axis.key.as_str());
            return Err(Fault::new(format!("{key:?} is no axis of the design"), suggestion(key, keys)));
        };
        let axis = &axes[index];
        let number = match axis.form.filter(|_| axis.is_numeric()).map(|form| form.parse(value)) {
            Some(Err(error)) => return Err(Fault::from_message(&error)),
            Some(Ok(number)) => Some(number),
            None => None,
        };
        if number.is_none() && !matches!(comparison, Comparison::Equal | Comparison::Unequal) {
            return Err(Fault::new(format!("{key} has no order"), "compare it by = or !="));
        }
        Ok(Term { axis: index, comparison, value: Level { text: value.to_owned(), number } })
    }

    fn holds(&self, level: &Level) -> bool {
        let (Some(typed), Some(number)) = (self.value.number, level.number) else {
            let equal = self.value.cell(false) == level.cell(false);
            return equal == (self.comparison == Comparison::Equal);
        };
        match self.comparison {
            Comparison::Equal => number == typed,
            Comparison::Unequal => number != typed,
            Comparison::Less => number < typed,
            Comparison::AtMost => number <= typed,
            Comparison::More => number > typed,
            Comparison::AtLeast => number >= typed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tree::Place;

    fn axes() -> Vec<Axis> {
        let axis =
            |text| Axis::parse(text, Place::flag("--vary")).unwrap_or_else(|fault| panic!("{fault:?}"));
        ["redis.appendfsync=no,everysec,always", "workload.rate=1k/s..100k/s:3:log"].map(axis).to_vec()
    }

    /// Texts of the combinations that the rule leaves out.
    fn left_out(rule: &str) -> Vec<String> {
        let axes = axes();
        let rule = Rule::parse(rule, &axes).unwrap_or_else(|fault| panic!("{fault:?}"));
        let mut found = Vec::new();
        for policy in [0.0, 0.4, 0.8].map(|share| axes[0].at(share)) {
            for rate in [1e3, 1e4, 1e5] {
                let rate = Level { text: format!("{rate}/s"), number: Some(rate) };
                if rule.holds(0, &policy) && rule.holds(1, &rate) {
                    found.push(format!("{} {}", policy.text, rate.text));
                }
            }
        }
        found
    }

    #[test]
    fn a_rule_leaves_out_what_all_its_comparisons_hold_for() {
        assert_eq!(
            left_out("redis.appendfsync=always and workload.rate>5k/s"),
            ["always 10000/s", "always 100000/s"]
        );
        assert_eq!(left_out("workload.rate=600k/min").len(), 3);
        assert_eq!(left_out("redis.appendfsync!=\"no\" and workload.rate<=1000/s").len(), 2);
        assert_eq!(left_out("workload.rate>=1k/s and workload.rate<10k/s").len(), 3);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (rule, read) in [
            ("workload.rate", "compares nothing"),
            ("workload.raet>1/s", "no axis"),
            ("workload.rate>1", "has no unit"),
            ("redis.appendfsync>no", "has no order"),
            ("workload.rate>1/s and", "no unit of time"),
        ] {
            let fault = Rule::parse(rule, &axes()).expect_err(rule);
            assert!(fault.read.contains(read) && !fault.remedies.is_empty(), "{rule}: {fault:?}");
        }
    }
}
