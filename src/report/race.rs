//! What `select` prints.

use anstyle::Style;
use serde::Serialize;

use super::csv::table;
use super::wrap::{paint, wrap};
use crate::experiment::select::{Race, Raced, Standing};
use crate::stats::interval::LEVEL;
use crate::stats::sequential::Width;
use crate::units::format_count;

const TITLE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
/// Columns of the output.
const WIDTH: usize = 100;

/// A race and how it went.
#[derive(Clone, Copy, Debug)]
pub struct RaceReport<'a> {
    /// Names of the scenarios.
    pub names: &'a [String],
    /// Seed of all of them.
    pub seed: u64,
    /// What was asked.
    pub race: &'a Race,
    /// How it went.
    pub raced: &'a Raced,
}

#[derive(Debug, Serialize)]
struct RaceOutput<'a> {
    best: Option<&'a str>,
    metric: String,
    confidence: f64,
    delta: f64,
    delta_is_share: bool,
    seed: u64,
    replications: u64,
    replications_at_most: u64,
    runs: u64,
    runs_of_equal_allocation: u64,
    candidates: Vec<CandidateOutput<'a>>,
}

#[derive(Debug, Serialize)]
struct CandidateOutput<'a> {
    name: &'a str,
    mean: f64,
    replications: u64,
    beaten_by: Option<&'a str>,
}

impl RaceReport<'_> {
    /// One JSON object.
    pub fn json(&self) -> Vec<u8> {
        let (delta, delta_is_share) = match self.race.delta {
            Width::Relative(share) => (share, true),
            Width::Absolute(width) => (width, false),
        };
        let candidate = |(name, standing): (_, &Standing)| CandidateOutput {
            name,
            mean: standing.mean,
            replications: standing.replications,
            beaten_by: self.name(standing.beaten_by),
        };
        let output = RaceOutput {
            best: self.name(self.raced.best),
            metric: self.race.metric.to_string(),
            confidence: LEVEL,
            delta,
            delta_is_share,
            seed: self.seed,
            replications: self.raced.replications,
            replications_at_most: self.raced.at_most,
            runs: self.raced.runs,
            runs_of_equal_allocation: self.equal_allocation(),
            candidates: self.by_name().map(candidate).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&output).expect("plain values are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// A row a scenario.
    pub fn csv(&self) -> Vec<u8> {
        let column = format!("{}_mean", self.race.metric.column());
        let header = ["scenario", "seed", "metric", &column, "replications", "best", "beaten_by"];
        table(
            header.map(str::to_owned).to_vec(),
            self.by_name().enumerate().map(|(index, (name, standing))| {
                vec![
                    name.to_owned(),
                    self.seed.to_string(),
                    self.race.metric.to_string(),
                    standing.mean.to_string(),
                    standing.replications.to_string(),
                    (self.raced.best == Some(index)).to_string(),
                    self.name(standing.beaten_by).unwrap_or_default().to_owned(),
                ]
            }),
        )
    }

    /// The answer in a sentence or two.
    pub fn answer(&self) -> String {
        let Race { metric, delta, .. } = self.race;
        let zone = match delta {
            Width::Relative(share) => format!("{} %", 100.0 * share),
            Width::Absolute(width) => metric.quantity.unit.show(*width),
        };
        let confidence = 100.0 * LEVEL;
        match self.name(self.raced.best) {
            Some(best) => format!(
                "Best in {metric}: {best}. With {confidence:.0} % probability no other is better by {zone} or more."
            ),
            None => {
                let left = self.by_name().filter(|(_, standing)| standing.beaten_by.is_none());
                let names: Vec<&str> = left.map(|(name, _)| name).collect();
                format!(
                    "Not decided after {} replications between {}; {} would decide it at the latest, or a larger --delta.",
                    self.raced.replications,
                    names.join(", "),
                    format_count(self.raced.at_most as f64)
                )
            }
        }
    }

    /// All of it for people, with colours as ANSI sequences.
    pub fn human(&self) -> String {
        let metric = self.race.metric.to_string();
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let row = |name: &str, value: &str, runs: &str, fate: &str| {
            format!("{name:<width$} {value:>12} {runs:>13}  {fate}").trim_end().to_owned()
        };
        let mut lines = wrap(&self.answer(), WIDTH);
        lines.iter_mut().for_each(|line| *line = paint(TITLE, line));
        lines.extend([String::new(), row("", &metric, "replications", "")]);
        for (index, (name, standing)) in self.by_name().enumerate() {
            let fate = match standing.beaten_by {
                Some(other) => format!("beaten by {}", self.names[other]),
                None if self.raced.best == Some(index) => "best".to_owned(),
                None => "in the race".to_owned(),
            };
            let mean = self.race.metric.quantity.unit.show(standing.mean);
            lines.push(row(name, &mean, &standing.replications.to_string(), &fate));
        }
        let cost = format!(
            "{} runs; as many replications of each would have been {}. Seed {}.",
            self.raced.runs,
            self.equal_allocation(),
            self.seed
        );
        lines.extend([String::new(), paint(FAINT, &cost)]);
        lines.join("\n") + "\n"
    }

    /// Runs if every scenario had been run as often as those that stayed longest.
    fn equal_allocation(&self) -> u64 {
        self.names.len() as u64 * self.raced.simulated
    }

    fn by_name(&self) -> impl Iterator<Item = (&str, &Standing)> {
        self.names.iter().map(String::as_str).zip(&self.raced.standings)
    }

    fn name(&self, scenario: Option<usize>) -> Option<&str> {
        scenario.map(|scenario| self.names[scenario].as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Metric;

    fn with_report(best: Option<usize>, check: impl FnOnce(RaceReport)) {
        let standing = |mean, replications, beaten_by| Standing { mean, replications, beaten_by };
        let fate = |scenario| best.and_then(|best| (best != scenario).then_some(best));
        let raced = Raced {
            standings: vec![
                standing(3e5, 14, fate(0)),
                standing(2e5, 14, fate(1)),
                standing(9e5, 10, Some(1)),
            ],
            best,
            replications: 14,
            simulated: 14,
            at_most: 60,
            runs: 42,
        };
        let race =
            Race { metric: Metric::parse("p99").expect("one"), delta: Width::Relative(0.05), budget: 14 };
        let names = ["always", "no", "slow"].map(str::to_owned);
        check(RaceReport { names: &names, seed: 3, race: &race, raced: &raced });
    }

    #[test]
    fn the_winner_comes_first_and_the_price_last() {
        with_report(Some(1), |report| {
            let text = anstream::adapter::strip_str(&report.human()).to_string();
            assert!(
                text.starts_with(
                    "Best in p99: no. With 95 % probability no other is better by 5 % or more.\n"
                ),
                "{text}"
            );
            assert!(text.contains("\nalways       300 us            14  beaten by no\n"), "{text}");
            assert!(
                text.ends_with("42 runs; as many replications of each would have been 42. Seed 3.\n"),
                "{text}"
            );
            let json: serde_json::Value = serde_json::from_slice(&report.json()).expect("JSON");
            assert_eq!((&json["best"], &json["candidates"][2]["beaten_by"]), (&"no".into(), &"no".into()));
            let csv = String::from_utf8(report.csv()).expect("text");
            assert!(csv.contains("\nno,3,p99,200000,14,true,\n"), "{csv}");
        });
    }

    #[test]
    fn an_open_race_names_who_is_left_and_what_would_decide_it() {
        with_report(None, |report| {
            assert_eq!(
                report.answer(),
                "Not decided after 14 replications between always, no; 60 would decide it at the latest, or a larger --delta."
            );
        });
    }
}
