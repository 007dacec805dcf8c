//! Whether what is recorded of experiments is still so.

use std::collections::BTreeMap;

use super::file::CLAIMS;
use super::finding::{Manifest, inputs, markdown};
use super::judge::faults;
use super::store::{Book, Entry, FINDING, MANIFEST, RESULT, UNDECIDED};
use super::table::{Results, Row};
use crate::scenario::Scenario;

/// Rows that are named of a result that differs.
const SHOWN: usize = 5;

/// What is recorded of `entry` and is not so, given what its scenarios answered now.
pub fn check(entry: &Entry, scenarios: &[Scenario], now: &Results) -> Vec<String> {
    let experiment = &entry.experiment;
    let mut found = Vec::new();
    let Some(recorded) = &entry.results else {
        return vec![format!("there is no {RESULT}: writepath experiments run {} --update", experiment.name)];
    };
    let manifest = Manifest::of(experiment, scenarios, now);
    match &entry.manifest {
        None => found.push(format!("there is no {MANIFEST}")),
        Some(own) if own.inputs_sha256 != inputs(experiment, scenarios) => {
            found.push(format!("{MANIFEST}: the experiment or a scenario has changed since it was run"));
        }
        Some(own) if own.result_sha256 != manifest.result_sha256 && *recorded == *now => {
            found.push(format!("{MANIFEST}: the digest is not that of {RESULT}"));
        }
        Some(own) if (own.seed, own.replications) != (experiment.seed, experiment.replications) => {
            found.push(format!("{MANIFEST}: seed or replications are others"));
        }
        Some(_) => {}
    }
    found.extend(differences(recorded, now));
    if *recorded == *now && entry.result.as_ref().is_some_and(|text| text.as_bytes() != now.csv()) {
        found.push(format!("{RESULT}: values or intervals are not those of its replications"));
    }
    if entry.finding.as_ref().is_none_or(|text| *text != markdown(experiment, now)) {
        found.push(format!("{FINDING} is not what the results say"));
    }
    found.extend(faults(experiment, now));
    found
}

/// Rows that are not the same, the first few of them.
fn differences(recorded: &Results, now: &Results) -> Vec<String> {
    let key = |row: &Row| (row.variant.clone(), row.metric.clone());
    let old: BTreeMap<_, &Row> = recorded.rows.iter().map(|row| (key(row), row)).collect();
    let new: BTreeMap<_, &Row> = now.rows.iter().map(|row| (key(row), row)).collect();
    let mut found = Vec::new();
    for row in &now.rows {
        match old.get(&key(row)) {
            Some(before) if *before == row => {}
            Some(before) => {
                let (before, now) = (mean(before), mean(row));
                found.push(format!(
                    "{RESULT}: {} @ {}: recorded {before}, now {now}",
                    row.metric, row.variant
                ));
            }
            None => found.push(format!("{RESULT}: {} @ {} is not recorded", row.metric, row.variant)),
        }
    }
    let gone = recorded.rows.iter().filter(|row| !new.contains_key(&key(row)));
    found.extend(gone.map(|row| format!("{RESULT}: {} @ {} is asked no more", row.metric, row.variant)));
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("{RESULT}: {more} more rows differ"));
    }
    found
}

/// The mean as it is stored, so that a difference in the last digit is seen.
fn mean(row: &Row) -> String {
    let values: Option<Vec<f64>> = row.values.iter().copied().collect();
    values.map_or_else(
        || "no value".to_owned(),
        |values| (values.iter().sum::<f64>() / values.len() as f64).to_string(),
    )
}

/// Claims that are missing, or decided twice.
pub fn coverage(book: &Book) -> Vec<String> {
    let decided = book.entries.iter().flat_map(|entry| {
        entry.experiment.claims.iter().map(|claim| (claim.number, entry.experiment.name.as_str()))
    });
    let left = book.undecided.iter().map(|claim| (claim.number, UNDECIDED));
    let all: Vec<(u64, &str)> = decided.chain(left).collect();
    let (mut missing, mut faults) = (Vec::new(), Vec::new());
    for number in 1..=CLAIMS {
        let places: Vec<&str> = all.iter().filter(|own| own.0 == number).map(|own| own.1).collect();
        match places.as_slice() {
            [] => missing.push(number.to_string()),
            [_] => {}
            several => faults.push(format!("claim {number} is in several places: {}", several.join(", "))),
        }
    }
    if !missing.is_empty() {
        faults.push(format!("claims that are nowhere: {}", missing.join(", ")));
    }
    faults
}
