//! What became of operations of several steps: `patterns.csv`, and the verdict in words.

use super::csv::table;
use super::json::patterns::output;
use crate::observe::patterns::PatternResult;
use crate::observe::result::RunResult;
use crate::units::{format_count, format_span};

/// `patterns.csv`: a row per group that runs a pattern, with the keys of `patterns` in the JSON object as columns.
pub fn csv(result: &RunResult) -> Vec<u8> {
    let mut header = vec!["scenario".to_owned(), "seed".to_owned()];
    let mut rows = Vec::new();
    for pattern in &result.patterns {
        let cells = cells(pattern);
        if rows.is_empty() {
            header.extend(cells.iter().map(|cell| cell.0.clone()));
        }
        let own = [result.scenario.clone(), result.seed.to_string()];
        rows.push(own.into_iter().chain(cells.into_iter().map(|cell| cell.1)).collect());
    }
    table(header, rows.into_iter())
}

/// Name and text of every value, those of the sojourn one by one.
fn cells(pattern: &PatternResult) -> Vec<(String, String)> {
    let value = serde_json::to_value(output(pattern)).expect("plain values are always JSON");
    let mut cells = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(parts) => {
                cells.extend(parts.iter().map(|(part, value)| (format!("{name}_{part}"), cell(value))));
            }
            None => cells.push((name.clone(), cell(value))),
        }
    }
    cells
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What happened to a pattern's counters, in sentences.
pub fn verdict(pattern: &PatternResult) -> Vec<String> {
    let sums = &pattern.sums;
    let count = |count: u64| format_count(count as f64);
    let mut sentences = vec![format!(
        "{}: {} operations, {} expiries.",
        pattern.name,
        count(sums.operations),
        count(sums.expiries)
    )];
    if let (Some(share), Some(sets)) = (pattern.share_left_without_ttl(), pattern.sets_per_expiry()) {
        sentences.push(match sums.left_without_ttl {
            0 => format!("No expiry left its key without a time to live ({sets:.2} SETs an expiry)."),
            _ => format!(
                "{:.0} % of the expiries left the key without a time to live ({sets:.2} SETs an expiry): it \
                 counts on for ever.",
                100.0 * share
            ),
        });
    } else if sums.windows_without_ttl > 0 {
        let (without, windows) = (count(sums.windows_without_ttl), count(sums.windows));
        sentences.push(format!("{without} of {windows} windows ended with a key without a time to live."));
    }
    if sums.increments_lost > 0 {
        let share = 100.0 * sums.increments_lost as f64 / sums.increments.max(1) as f64;
        sentences.push(format!(
            "{} increments were wiped out by a late SET ({share:.4} %).",
            count(sums.increments_lost)
        ));
    } else {
        sentences.push("No increment was lost.".into());
    }
    if let Some(limit) = pattern.limit {
        sentences.push(format!(
            "Beyond the limit of {} in {}, {} were let through; {} were turned away below it.",
            count(limit),
            format_span(pattern.window),
            count(sums.over_limit),
            count(sums.locked_out)
        ));
    }
    if sums.timeouts > 0 {
        sentences.push(format!(
            "{} requests timed out, {} were sent again, {} operations failed; {} increments were done for a client \
             that no longer waited.",
            count(sums.timeouts),
            count(sums.retries),
            count(sums.failed),
            count(sums.increments_unseen)
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;
    use crate::observe::patterns::PatternSums;
    use crate::report::fixture;
    use crate::units::SECOND;

    fn racy() -> PatternResult {
        PatternResult {
            name: "get-set-incr".into(),
            group: "workload-1".into(),
            limit: Some(100),
            window: 60 * SECOND,
            sums: PatternSums {
                operations: 1000,
                expiries: 10,
                followed: 10,
                sets: 10,
                left_without_ttl: 5,
                increments: 1000,
                increments_lost: 10,
                ..PatternSums::default()
            },
            sets_max: 3,
            bare_max: 0,
            keys_at_end: (1, 0),
            sojourn: Histogram::new(),
        }
    }

    #[test]
    fn the_table_has_a_column_for_every_key() {
        let mut result = fixture::nothing();
        result.patterns = vec![racy(), racy()];
        let text = String::from_utf8(csv(&result)).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 3);
        let at = |name: &str| rows[1][rows[0].iter().position(|column| *column == name).expect("a column")];
        assert_eq!((at("scenario"), at("name"), at("operations")), ("article", "get-set-incr", "1000"));
        assert_eq!((at("sets_per_expiry_mean"), at("sojourn_ns_p99")), ("1.0", ""));
    }

    #[test]
    fn the_verdict_says_what_was_left_and_lost() {
        let text = verdict(&racy()).join(" ");
        assert!(
            text.contains("50 % of the expiries left the key without a time to live (1.00 SETs"),
            "{text}"
        );
        assert!(text.contains("10 increments were wiped out"), "{text}");
    }
}
