//! What a user could change, one knob at a time, where it applies to the scenario at hand.
//!
//! Every remedy is settings as `--set` takes them (and, where a replica is added, lines of a scenario file), so that
//! `writepath compare SCENARIO --to …` shows the same and more. What it gives and costs is measured in the same runs; what no
//! run can measure stands beside it in words.

mod disk;
mod keys;
mod load;
mod replication;
mod snapshots;

use super::tail::Tail;
use crate::experiment::{Assignment, Template};
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::scenario::problem::Problems;

/// What it takes to do it, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// A line of redis.conf, or of the kernel's settings.
    Setting,
    /// A change of the clients.
    Client,
    /// Another version of the server.
    Upgrade,
    /// Another machine or disk.
    Machine,
    /// More servers.
    Servers,
}

impl Effort {
    /// Its word in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Effort::Setting => "setting",
            Effort::Client => "client",
            Effort::Upgrade => "upgrade",
            Effort::Machine => "machine",
            Effort::Servers => "servers",
        }
    }
}

/// A single knob.
#[derive(Clone, Debug, PartialEq)]
pub struct Remedy {
    /// Its name in JSON and tables.
    pub id: &'static str,
    /// What to do.
    pub title: String,
    /// What that takes.
    pub effort: Effort,
    /// Settings that do it.
    pub settings: Vec<Assignment>,
    /// Lines that a scenario file gets as well.
    pub lines: &'static str,
    /// What it costs that no run can measure; empty for nothing.
    pub beside: &'static str,
}

impl Remedy {
    fn new(id: &'static str, title: impl Into<String>, effort: Effort) -> Remedy {
        Remedy { id, title: title.into(), effort, settings: Vec::new(), lines: "", beside: "" }
    }

    /// With one more setting.
    fn set(mut self, key: &str, value: impl Into<String>) -> Remedy {
        self.settings.push(Assignment { key: key.to_owned(), value: value.into() });
        self
    }

    fn but(self, beside: &'static str) -> Remedy {
        Remedy { beside, ..self }
    }

    /// The scenario of `template` with it.
    ///
    /// # Errors
    /// Problems of the scenario under these settings.
    pub fn scenario(&self, template: &Template) -> Result<Scenario, Problems> {
        if self.lines.is_empty() {
            return template.with(&self.settings);
        }
        let text = format!("{}\n{}", template.text(), self.lines);
        let file = template.file().to_owned();
        let longer = Template::new(text, file, template.base_dir().to_owned(), template.overrides().clone());
        longer.with(&self.settings)
    }
}

/// What a remedy may depend on.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The scenario before it is resolved.
    pub template: &'a Template,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What happened in it.
    pub run: &'a RunResult,
    /// What its tail is made of.
    pub tail: &'a Tail,
}

/// A remedy where it applies.
type Rule = fn(&Case) -> Option<Remedy>;

/// Every remedy there is, cheap ones first.
const RULES: &[&[Rule]] = &[snapshots::RULES, disk::RULES, keys::RULES, replication::RULES, load::RULES];

/// Those that apply to `case`.
pub fn remedies(case: &Case) -> Vec<Remedy> {
    let mut all: Vec<Remedy> = RULES.iter().copied().flatten().filter_map(|rule| rule(case)).collect();
    all.sort_by_key(|remedy| remedy.effort);
    all
}

#[cfg(test)]
mod tests;
