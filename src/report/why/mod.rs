//! What `why` prints and writes.

mod human;
mod json;
mod sentence;

use super::About;
use super::csv::table;
use crate::experiment::compare::Row;
use crate::experiment::metric::Unit;
use crate::experiment::why::{Change, Effect, Findings, Plan};
use crate::observe::blame::life::{Life, Wanted};
use crate::observe::result::RunResult;

/// A run, what made its tail, and what else there could have been.
#[derive(Clone, Copy, Debug)]
pub struct WhyReport<'a> {
    /// What happened.
    pub run: &'a RunResult,
    /// What a report says of the scenario beside.
    pub about: &'a About,
    /// What was looked into.
    pub plan: &'a Plan,
    /// The other worlds.
    pub findings: &'a Findings,
    /// The life of one request, if somebody asked for it.
    pub traced: Option<(&'a Life, Wanted)>,
}

/// A change below this part of the value is no cost to anybody.
const WORTH_A_WORD: f64 = 0.01;

/// Columns of the table and what they hold.
pub const WHY_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "scenario"),
    ("seed", "seed"),
    ("kind", "band, without or remedy"),
    ("name", "band of quantiles, cause that is taken away, or remedy"),
    ("metric", "part of the band's sojourn, or name of the metric"),
    ("column", "its unit: ns, or the metric's column in other tables"),
    ("value", "time of the part; mean of the metric as it is"),
    ("changed", "mean of the metric under the change"),
    ("change", "the difference"),
    ("change_low", "lower end of its 95 % interval"),
    ("change_high", "upper end"),
    ("verdict", "better, worse, differs, no difference seen or not comparable"),
    ("reason", "why there is no value"),
];

impl WhyReport<'_> {
    /// The answer in a few sentences.
    pub fn sentence(&self) -> String {
        sentence::sentence(self)
    }

    /// One JSON object.
    pub fn json(&self) -> Vec<u8> {
        json::json(self)
    }

    /// All of it for people, with colours as ANSI sequences.
    pub fn human(&self) -> String {
        human::human(self)
    }

    /// A row a part of a band, and a row a metric of every other world.
    pub fn csv(&self) -> Vec<u8> {
        let header = WHY_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
        let head = |kind: &str, name: &str| {
            [&self.run.scenario, &self.run.seed.to_string(), kind, name].map(str::to_owned).to_vec()
        };
        let bands = self.run.blame.iter().flat_map(|blame| blame.bands()).flat_map(|band| {
            let name = format!("{}-{}", band.from, band.to);
            band.causes.into_iter().map(move |(cause, span)| (name.clone(), cause, span))
        });
        let mut rows: Vec<Vec<String>> = bands
            .map(|(name, cause, span)| {
                let cells = [cause, "ns", &span.to_string(), "", "", "", "", "", ""].map(str::to_owned);
                head("band", &name).into_iter().chain(cells).collect()
            })
            .collect();
        for effect in self.findings.without.iter().chain(&self.findings.remedies) {
            let (kind, name) = match &effect.change {
                Change::Without(without) => ("without", without.cause.name()),
                Change::Remedy(remedy) => ("remedy", remedy.id),
            };
            match &effect.rows {
                Ok(all) => rows.extend(all.iter().map(|row| [head(kind, name), cells(row)].concat())),
                Err(reason) => {
                    let empty = std::iter::repeat_n(String::new(), 8).chain([reason.clone()]);
                    rows.push(head(kind, name).into_iter().chain(empty).collect());
                }
            }
        }
        table(header, rows.into_iter())
    }
}

/// The cells of a metric.
fn cells(row: &Row) -> Vec<String> {
    let paired = row.compared.as_ref().ok();
    let numbers = match paired {
        Some(paired) => {
            let change = paired.difference;
            [paired.a, paired.b, change.value, change.low, change.high].map(|value| value.to_string())
        }
        None => Default::default(),
    };
    let mut cells = vec![row.metric.to_string(), row.metric.column()];
    cells.extend(numbers);
    cells.push(row.verdict.name().to_owned());
    cells.push(row.compared.as_ref().err().cloned().unwrap_or_default());
    cells
}

/// What got worse under a change, in words: `loss 1.01 s to 58 s`.
fn worse(effect: &Effect) -> Vec<String> {
    use crate::experiment::compare::Verdict::Worse;
    let rows = effect.rows.iter().flatten().filter(|row| row.verdict == Worse);
    let words = rows.filter_map(|row| {
        let paired = row.compared.as_ref().ok()?;
        let unit = row.metric.quantity.unit;
        let (from, to) = (unit.show(paired.a), unit.show(paired.b));
        let is_worth_a_word = (paired.b - paired.a).abs() >= WORTH_A_WORD * paired.a.abs();
        (is_worth_a_word && from != to).then(|| format!("{} {from} to {to}", noun(row.metric.quantity.name)))
    });
    words.collect()
}

/// What a metric is called in a sentence.
fn noun(metric: &str) -> &str {
    match metric {
        "loss" => "loss in a crash",
        "loss-writes-mean" => "writes lost in a crash",
        "busy" => "server busy",
        "used" => "used memory",
        "rss" => "largest RSS",
        "max" => "the worst",
        other => quantile_name(other).unwrap_or(other),
    }
}

/// `P99.9` of `p999`.
fn quantile_name(metric: &str) -> Option<&'static str> {
    Some(match metric {
        "p50" => "P50",
        "p90" => "P90",
        "p99" => "P99",
        "p999" => "P99.9",
        "p9999" => "P99.99",
        _ => return None,
    })
}

/// The part of a JSON key that says what a change is measured in.
fn unit_suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos => "_ns",
        Unit::Seconds => "_s",
        Unit::PerSecond => "_per_s",
        Unit::Share => "_share",
        Unit::Bytes => "_bytes",
        Unit::Count => "",
    }
}

#[cfg(test)]
mod tests;
