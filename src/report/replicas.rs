//! What people read about replicas.

use anstyle::{AnsiColor, Style};

use crate::observe::replicas::{ReplicaResult, ReplicationResult};
use crate::observe::result::RunResult;
use crate::units::{format_bytes, format_count, format_span};

/// Columns of a name.
const LABEL: usize = 14;
/// Most replicas shown.
const ROWS_MAX: usize = 5;
const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const WRONG: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// The section, line by line; empty without replicas.
pub fn lines(result: &RunResult) -> Vec<String> {
    let Some(replication) = &result.replication else { return Vec::new() };
    let names = ["state", "lag P50", "lag max", "in bytes", "INFO P50", "buffer max"];
    let columns = names.map(|name| format!("{name:>13}")).concat();
    let mut lines = vec![String::new(), format!("{HEADING}Replicas{HEADING:#}        {columns}")];
    for replica in replication.replicas.iter().take(ROWS_MAX) {
        lines.push(row(replica));
        if let Some(trouble) = trouble(replica) {
            lines.push(format!("  {WRONG}{trouble}{WRONG:#}"));
        }
    }
    if replication.replicas.len() > ROWS_MAX {
        let more = replication.replicas.len() - ROWS_MAX;
        lines.push(format!("  {FAINT}and {more} more in replicas.csv{FAINT:#}"));
    }
    lines.extend(failovers(replication));
    if replication.waits.waited > 0 {
        let waits = &replication.waits;
        let (waited, late) = (format_count(waits.waited as f64), format_count(waits.timed_out as f64));
        lines.push(format!("  {:<LABEL$}{waited} writes waited, {late} timed out", "WAIT"));
    }
    lines
}

fn row(replica: &ReplicaResult) -> String {
    let cells = [
        replica.state.to_owned(),
        format_span(replica.lag.quantile(0.5)),
        format_span(replica.lag.max()),
        format_bytes(replica.lag_bytes.max()),
        format_bytes(replica.info_lag_bytes.quantile(0.5)),
        format_bytes(replica.buffer_bytes_max),
    ];
    let name: String = replica.name.chars().take(LABEL - 1).collect();
    format!("  {name:<LABEL$}{}", cells.map(|cell| format!("{cell:>13}")).concat())
}

/// What went wrong with a replica, in a line.
fn trouble(replica: &ReplicaResult) -> Option<String> {
    if let Some(because) = replica.resync_loop {
        let (rate, limit) = (format_bytes(because.bytes_per_second as u64), format_bytes(because.limit));
        return Some(format!(
            "{rate}/s x {:.1} s of a resync is more than {limit}: this replica will never catch up",
            because.seconds
        ));
    }
    (replica.sync_full + replica.dropped_at.len() as u64 > 0).then(|| {
        format!(
            "cut {} times, {} full and {} partial resyncs",
            replica.dropped_at.len(),
            replica.sync_full,
            replica.sync_partial_ok
        )
    })
}

fn failovers(replication: &ReplicationResult) -> Vec<String> {
    let line = |row: &crate::observe::replicas::FailoverRow| {
        let lost = format_count(row.acknowledged_writes_lost as f64);
        let text =
            format!("failover to {} at {}: {lost} acknowledged writes lost", row.to, format_span(row.at));
        format!("  {WRONG}{text}{WRONG:#}")
    };
    replication.failovers.iter().take(ROWS_MAX).map(line).collect()
}
