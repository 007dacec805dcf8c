//! The rules: what each reads, when it fires, how bad it is.
//!
//! A rule is a function of the facts. It is silent where nothing is wrong, and also where something it needs is not known;
//! which of the two it was, the facts remember ([`Facts::take_missed`]).

mod atomicity;
mod clients;
mod cluster;
mod disk;
mod expiry;
mod fork;
mod memory;
mod persistence;
mod replication;
mod rewrite;
mod slow;
mod snapshots;

use std::collections::BTreeMap;

pub(super) use persistence::mode;

use super::facts::Facts;
use super::finding::{Finding, Severity};
use crate::units::{Nanos, format_bytes, format_count, format_span};

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub id: &'static str,
    /// The worst that it says.
    pub severity: Severity,
    /// Fields, settings and inputs that it reads.
    pub reads: &'static str,
    /// When it fires.
    pub fires: &'static str,
    look: fn(&Facts) -> Option<Finding>,
}

impl Rule {
    const fn new(
        id: &'static str,
        severity: Severity,
        reads: &'static str,
        fires: &'static str,
        look: fn(&Facts) -> Option<Finding>,
    ) -> Self {
        Rule { id, severity, reads, fires, look }
    }

    /// What it says of these facts.
    pub fn look(&self, facts: &Facts) -> Option<Finding> {
        Some(Finding { id: self.id, ..(self.look)(facts)? })
    }
}

/// All rules, in the order of the article's checklist.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        persistence::RULES,
        disk::RULES,
        rewrite::RULES,
        snapshots::RULES,
        fork::RULES,
        memory::RULES,
        slow::RULES,
        cluster::RULES,
        atomicity::RULES,
        expiry::RULES,
        replication::RULES,
        clients::RULES,
    ]
    .into_iter()
    .flatten()
}

/// What all rules say, the worst first; and what was not known, with the rules that had to be silent for it.
pub fn look(facts: &Facts) -> (Vec<Finding>, BTreeMap<String, Vec<&'static str>>) {
    let (mut findings, mut silent) = (Vec::new(), BTreeMap::<String, Vec<&'static str>>::new());
    for rule in all() {
        facts.take_missed();
        match rule.look(facts) {
            Some(finding) => findings.push(finding),
            None => {
                facts
                    .take_missed()
                    .into_iter()
                    .for_each(|what| silent.entry(what).or_default().push(rule.id));
            }
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    (findings, silent)
}

/// Milliseconds as text.
fn ms(ms: f64) -> String {
    format_span((ms.max(0.0) * 1e6) as Nanos)
}

/// Seconds as text.
fn seconds(s: f64) -> String {
    ms(s * 1000.0)
}

/// A period as text: to the second below ten minutes.
pub(super) fn every(s: f64) -> String {
    if (2.0..600.0).contains(&s) { format!("{s:.0} s") } else { seconds(s) }
}

fn bytes(bytes: f64) -> String {
    format_bytes(bytes.max(0.0) as u64)
}

fn count(number: f64) -> String {
    format_count(number)
}

/// `1 time`, `12 times`.
fn times(number: f64) -> String {
    format!("{} time{}", count(number), if number == 1.0 { "" } else { "s" })
}

/// One line of evidence.
fn field(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

#[cfg(test)]
mod tests;
