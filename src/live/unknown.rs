//! What a simulation knows of a server and nobody outside of a real one does: empty cells and nulls, never zeros.

use serde_json::Value;

use super::drive::{Driven, Sample};

/// Keys of the JSON object whose values are all unknown.
const OBJECTS: [&str; 2] = ["busy_ns", "loss"];
/// Counters that no INFO has.
const COUNTERS: [&str; 10] = [
    "children_failed",
    "aof_fsyncs",
    "aof_writes",
    "eventloop_cmd_per_cycle_max",
    "crons",
    "table_growths",
    "aof_bytes",
    "cow_faults",
    "slowlog_entries",
    "host_gaps",
];
/// What INFO does not say of a child.
const CHILDREN: [&str; 7] = [
    "trigger",
    "file_bytes",
    "end_stall_ns",
    "residual_bytes",
    "written_meanwhile_bytes",
    "written_meanwhile_commands",
    "ok",
];
/// What only the server's own keys would tell of a pattern.
const PATTERNS: [&str; 18] = [
    "increments",
    "increments_lost",
    "expiries",
    "expiries_followed",
    "sets_per_expiry_mean",
    "sets_per_expiry_max",
    "expiries_left_without_ttl",
    "share_left_without_ttl",
    "windows",
    "windows_without_ttl",
    "without_ttl_s_mean",
    "without_ttl_s_max",
    "keys_at_end",
    "keys_without_ttl_at_end",
    "resets_mid_window",
    "over_limit",
    "locked_out",
    "aof_bytes_per_operation",
];
/// Columns of `timeline.csv` that no INFO fills.
const TIMELINE: [&str; 5] = [
    "dirty_bytes",
    "pending_expired_keys",
    "unsynced_writes",
    "replica_buffer_bytes_max",
    "replica_lag_bytes_max",
];

/// Counters and columns that this version of the server does not have.
fn missing(driven: &Driven) -> Vec<&'static str> {
    let last = driven.samples.last();
    let lacks = |value: fn(&Sample) -> Option<f64>| last.and_then(value).is_none();
    [
        ("forks", lacks(|s| s.total_forks)),
        ("rdb_saves", lacks(|s| s.rdb_saves)),
        ("aof_rewrites", lacks(|s| s.aof_rewrites)),
        ("eventloop_cycles", lacks(|s| s.eventloop_cycles)),
        ("aof_buffer_bytes", lacks(|s| s.aof_buffer_length)),
        ("aof_bytes", lacks(|s| s.aof_current_size)),
        ("cow_bytes", lacks(|s| s.current_cow_size)),
        ("rewrite_buffer_bytes", lacks(|s| s.aof_rewrite_buffer_length)),
        ("server_busy_share", driven.server_cpu.is_none()),
        ("busy_share", driven.server_cpu.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, lacks)| lacks.then_some(name))
    .collect()
}

/// Nulls in the JSON object of a run.
pub fn in_json(output: &mut Value, driven: &Driven) {
    let blank = |object: &mut Value, is_unknown: &dyn Fn(&str) -> bool| {
        for (key, value) in object.as_object_mut().into_iter().flatten() {
            if is_unknown(key) {
                *value = Value::Null;
            }
        }
    };
    let missing = missing(driven);
    for object in OBJECTS {
        blank(&mut output[object], &|_| true);
    }
    blank(&mut output["counters"], &|key| COUNTERS.contains(&key) || missing.contains(&key));
    if missing.contains(&"server_busy_share") {
        output["server_busy_share"] = Value::Null;
    }
    for child in output["persistence"]["children"].as_array_mut().into_iter().flatten() {
        blank(child, &|key| CHILDREN.contains(&key));
    }
    if let Some(patterns) = output.get_mut("patterns").and_then(Value::as_array_mut) {
        patterns.iter_mut().for_each(|pattern| blank(pattern, &|key| PATTERNS.contains(&key)));
    }
}

/// Which table is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `summary.csv`.
    Summary,
    /// `timeline.csv`.
    Timeline,
    /// `patterns.csv`.
    Patterns,
}

/// Empty cells in a table of a run.
pub fn in_csv(bytes: &[u8], table: Table, driven: &Driven) -> Vec<u8> {
    let missing = missing(driven);
    let is_unknown = |column: &str| match table {
        Table::Summary => column == "server_busy_share" && missing.contains(&column),
        Table::Timeline => {
            TIMELINE.contains(&column) || column.starts_with("busy_share_") || missing.contains(&column)
        }
        Table::Patterns => PATTERNS.contains(&column),
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut unknown: Vec<bool> = Vec::new();
    for record in reader.records().flatten() {
        if unknown.is_empty() {
            // The header.
            unknown = record.iter().map(is_unknown).collect();
            writer.write_record(&record).expect("memory takes every byte");
            continue;
        }
        let cells = record.iter().zip(&unknown).map(|(cell, unknown)| if *unknown { "" } else { cell });
        writer.write_record(cells).expect("a row has the columns of its header");
    }
    writer.into_inner().expect("memory takes every byte")
}
