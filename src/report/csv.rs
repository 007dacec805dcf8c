//! The CSV tables: a header with units, base units in every cell, an empty field for what is missing.

use super::intervals::Intervals;
use super::quantiles::Quantiles;
use super::{busy_share, per_s, seconds};
use crate::cause::Cause;
use crate::observe::result::{RunResult, Scope, TimelineRow, WindowQuantiles};
use crate::units::SECOND;

/// Columns of `summary.csv` and what they hold.
///
/// A row per scope for the whole run (`window_s` empty), then one per window length.
pub const SUMMARY_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("scope", "all, read, write, or a workload group"),
    ("operation", "operations of a group as written; empty for all, read and write"),
    ("window_s", "length of the windows; empty for the whole run"),
    ("windows", "windows with at least one request"),
    ("requests", "requests answered"),
    ("throughput_per_s", "requests answered a second"),
    ("sojourn_ns_mean", "mean time from intended arrival to reply at the client"),
    ("sojourn_ns_p50", "median of it"),
    ("sojourn_ns_p90", "90 % are at most this"),
    ("sojourn_ns_p99", "99 % are at most this"),
    ("sojourn_ns_p999", "99.9 % are at most this"),
    ("sojourn_ns_p9999", "99.99 % are at most this; empty below 10,000 requests"),
    ("sojourn_ns_max", "longest"),
    ("p99_ns_median", "median over the windows of their P99"),
    ("p99_ns_worst", "worst window's P99"),
    ("p999_ns_worst", "worst window's P99.9"),
    ("p99_worst_at_s", "start of the window with the worst P99"),
    ("arrived", "requests that arrived, answered or not (scope all)"),
    ("server_busy_share", "share of the time the main thread was busy (scope all)"),
    ("closed_loop_view_ns_p99", "P99 a closed-loop benchmark would have printed (scope all)"),
    ("closed_loop_view_ns_p999", "P99.9 of the same"),
    ("closed_loop_view_ns_max", "longest of the same"),
    ("aof_bytes_per_command", "bytes a command of the group added to the AOF"),
    ("cow_faults_per_command", "copy-on-write faults a command of the group met"),
    ("cpu_ns_per_command", "main-thread time of executing one of its commands, without system calls"),
    ("sojourn_ns_mean_low", "lower end of the mean's 95 % interval"),
    ("sojourn_ns_mean_high", "upper end"),
    ("sojourn_ns_p50_low", "lower end of the median's"),
    ("sojourn_ns_p50_high", "upper end"),
    ("sojourn_ns_p90_low", "lower end of P90's"),
    ("sojourn_ns_p90_high", "upper end"),
    ("sojourn_ns_p99_low", "lower end of P99's"),
    ("sojourn_ns_p99_high", "upper end"),
    ("sojourn_ns_p999_low", "lower end of P99.9's"),
    ("sojourn_ns_p999_high", "upper end"),
    ("sojourn_ns_p9999_low", "lower end of P99.99's"),
    ("sojourn_ns_p9999_high", "upper end"),
    ("reason", "why an interval is missing: what the run has too little of"),
];

/// Columns of [`SUMMARY_COLUMNS`] about a group's commands, and about intervals.
const SPENT_COLUMNS: usize = 3;
const INTERVAL_COLUMNS: usize = 13;

/// Columns of `timeline.csv` and what they hold, before one `busy_share_…` a cause and the rest.
const TIMELINE_HEAD: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("time_s", "end of the interval"),
    ("completed", "requests answered in it"),
    ("throughput_per_s", "the same a second"),
    ("sojourn_ns_p50", "median sojourn of those"),
    ("sojourn_ns_p90", "90 % are at most this"),
    ("sojourn_ns_p99", "99 % are at most this"),
    ("sojourn_ns_p999", "99.9 % are at most this"),
    ("sojourn_ns_max", "longest"),
    ("busy_share", "share of the interval the main thread was busy"),
];

/// The columns after the causes.
const TIMELINE_TAIL: &[(&str, &str)] = &[
    ("eventloop_cycles", "turns of the event loop"),
    ("aof_buffer_bytes", "bytes in the AOF buffer"),
    ("aof_bytes", "size of the AOF"),
    ("dirty_bytes", "dirty bytes in the page cache"),
    ("used_bytes", "used_memory"),
    ("rss_bytes", "used_memory_rss, without the child"),
    ("cow_bytes", "bytes copied on write since the last fork"),
    ("rewrite_buffer_bytes", "bytes in the rewrite buffer (before 7.0)"),
    ("keys", "keys"),
    ("expired_keys", "keys deleted in it because their deadline had passed"),
    ("volatile_keys", "keys with a deadline"),
    ("pending_expired_keys", "keys past their deadline and still in memory"),
    ("changes_since_save", "rdb_changes_since_last_save"),
    ("unsynced_writes", "acknowledged writes that a machine's death now would lose"),
    ("child", "none, bgsave or aof-rewrite"),
    ("repl_backlog_bytes", "bytes in the replication backlog"),
    ("replica_buffer_bytes_max", "bytes in the largest output buffer of a replica"),
    ("replica_lag_bytes_max", "bytes that the replica furthest behind has not applied"),
];

/// Columns of `replicas.csv` and what they hold.
pub const REPLICAS_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("replica", "its name"),
    ("of", "the replica it follows; empty for the primary"),
    ("state", "online, wait_bgsave, send_bulk or disconnected at the end"),
    ("lag_bytes_p50", "true lag, sampled at every serverCron"),
    ("lag_bytes_p99", "99 % are at most this"),
    ("lag_bytes_max", "largest"),
    ("lag_s_max", "largest age of a byte it had not applied"),
    ("info_lag_bytes_p50", "master_repl_offset less the replica's offset as INFO shows it"),
    ("info_lag_bytes_max", "largest of the same"),
    ("buffer_bytes_max", "largest output buffer"),
    ("sent_bytes", "bytes sent to it, snapshots included"),
    ("sync_full", "full resynchronisations"),
    ("sync_partial_ok", "partial resynchronisations"),
    ("dropped", "times its link was cut"),
    ("resync_loop", "1 if it will never catch up"),
    ("acknowledged_writes_lost", "lost when it took over"),
];

/// Columns of `events.csv` and what they hold.
pub const EVENTS_COLUMNS: &[(&str, &str)] = &[
    ("scenario", "name of the scenario"),
    ("seed", "seed of all randomness"),
    ("start_s", "start"),
    ("span_ns", "length; 0 for a change of state"),
    ("cause", "cause of the stall, or what changed"),
    ("detail", "more"),
];

/// Columns of `timeline.csv` and what they hold.
pub fn timeline_columns() -> Vec<(String, String)> {
    let own = |&(name, meaning): &(&str, &str)| (name.to_owned(), meaning.to_owned());
    let cause = |cause: &Cause| (busy_column(*cause), format!("of that: {}", cause.describe()));
    let head = TIMELINE_HEAD.iter().map(own);
    head.chain(Cause::ALL.iter().map(cause)).chain(TIMELINE_TAIL.iter().map(own)).collect()
}

/// `busy_share_aof_write` for `aof-write`.
fn busy_column(cause: Cause) -> String {
    format!("busy_share_{}", cause.name().replace('-', "_"))
}

/// `summary.csv`.
pub fn summary(result: &RunResult) -> Vec<u8> {
    let header: Vec<String> = SUMMARY_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let whole = result.scopes.iter().map(|scope| whole_run(result, scope));
    let windows = result
        .scopes
        .iter()
        .flat_map(|scope| scope.windows.iter().map(move |window| window_row(result, scope, window)));
    table(header, whole.chain(windows))
}

/// `timeline.csv`.
pub fn timeline(result: &RunResult) -> Vec<u8> {
    let header = timeline_columns().into_iter().map(|column| column.0).collect();
    let starts = std::iter::once(result.warmup).chain(result.timeline.iter().map(|row| row.at));
    table(header, starts.zip(&result.timeline).map(|(start, row)| interval_row(result, start, row)))
}

/// `events.csv`.
pub fn events(result: &RunResult) -> Vec<u8> {
    let header = EVENTS_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let rows = result.events.iter().map(|event| {
        let mut row = own_columns(result);
        row.extend([seconds(event.at).to_string(), event.span.to_string(), event.cause.to_owned()]);
        row.push(event.detail.clone());
        row
    });
    table(header, rows)
}

/// `replicas.csv`: a row per replica, none without any.
pub fn replicas(result: &RunResult) -> Vec<u8> {
    let header = REPLICAS_COLUMNS.iter().map(|column| column.0.to_owned()).collect();
    let replicas = result.replication.iter().flat_map(|replication| &replication.replicas);
    let rows = replicas.map(|replica| {
        let mut row = own_columns(result);
        row.extend([replica.name.clone(), replica.of.clone().unwrap_or_default(), replica.state.to_owned()]);
        let lag = &replica.lag_bytes;
        row.extend([lag.quantile(0.5), lag.quantile(0.99), lag.max()].map(|bytes| bytes.to_string()));
        row.push(seconds(replica.lag.max()).to_string());
        let counts = [
            replica.info_lag_bytes.quantile(0.5),
            replica.info_lag_bytes.max(),
            replica.buffer_bytes_max,
            replica.sent_bytes,
            replica.sync_full,
            replica.sync_partial_ok,
            replica.dropped_at.len() as u64,
            u64::from(replica.resync_loop.is_some()),
            replica.acknowledged_writes_lost,
        ];
        row.extend(counts.map(|count| count.to_string()));
        row
    });
    table(header, rows)
}

/// Header and rows as CSV. Writing into memory fails only on rows of unequal length, which would be a bug here.
pub(super) fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        writer.write_record(&row).expect("every row of a table has the columns of its header");
    }
    writer.into_inner().expect("memory takes every byte")
}

/// `scenario` and `seed`.
pub(super) fn own_columns(result: &RunResult) -> Vec<String> {
    vec![result.scenario.clone(), result.seed.to_string()]
}

fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn whole_run(result: &RunResult, scope: &Scope) -> Vec<String> {
    let mut row = own_columns(result);
    row.extend([scope.name.clone(), scope.operation.clone(), String::new(), String::new()]);
    row.push(scope.sojourn.count().to_string());
    row.push(per_s(scope.sojourn.count(), result).to_string());
    let quantiles = Quantiles::of(&scope.sojourn);
    row.push(cell(quantiles.mean));
    row.extend(quantiles.columns()[1..].iter().map(|value| cell(*value)));
    row.extend(vec![String::new(); 4]);
    if scope.name == "all" {
        let closed = Quantiles::of(&result.closed_loop_view);
        row.extend([result.requests.to_string(), busy_share(result).to_string()]);
        row.extend([cell(closed.p99), cell(closed.p999), cell(closed.max)]);
    }
    let spent = result.spent.iter().find(|(name, _)| *name == scope.name && !scope.operation.is_empty());
    if let Some((_, spent)) = spent {
        row.resize(SUMMARY_COLUMNS.len() - INTERVAL_COLUMNS - SPENT_COLUMNS, String::new());
        row.extend([
            cell(spent.aof_bytes_per_command()),
            cell(spent.cow_faults_per_command()),
            cell(spent.cpu_per_command()),
        ]);
    }
    if let Some(intervals) = Intervals::of(result, scope) {
        row.resize(SUMMARY_COLUMNS.len() - INTERVAL_COLUMNS, String::new());
        row.extend(intervals.columns().iter().flat_map(|interval| [cell(interval.low), cell(interval.high)]));
        row.push(intervals.reasons().join("; "));
    }
    row.resize(SUMMARY_COLUMNS.len(), String::new());
    row
}

fn window_row(result: &RunResult, scope: &Scope, window: &WindowQuantiles) -> Vec<String> {
    let mut row = own_columns(result);
    row.extend([scope.name.clone(), scope.operation.clone()]);
    row.extend([seconds(window.window).to_string(), window.count.to_string()]);
    row.extend(vec![String::new(); 9]);
    if window.count > 0 {
        row.extend([window.p99_median, window.p99_worst, window.p999_worst].map(|value| value.to_string()));
        row.push(seconds(window.p99_worst_at).to_string());
    }
    row.resize(SUMMARY_COLUMNS.len(), String::new());
    row
}

fn interval_row(result: &RunResult, start: u64, interval: &TimelineRow) -> Vec<String> {
    let length = interval.at.saturating_sub(start).max(1) as f64;
    let share = |busy: u64| (busy as f64 / length).to_string();
    let mut row = own_columns(result);
    row.push(seconds(interval.at).to_string());
    row.push(interval.completed.to_string());
    row.push((interval.completed as f64 * SECOND as f64 / length).to_string());
    row.extend((0..5).map(|index| cell(interval.sojourn.map(|sojourn| sojourn[index]))));
    row.push(share(interval.busy.iter().sum()));
    row.extend(
        Cause::ALL.iter().map(|&cause| share(interval.busy.get(cause as usize).copied().unwrap_or(0))),
    );
    let counts = [
        interval.eventloop_cycles,
        interval.aof_buffer_bytes,
        interval.aof_bytes,
        interval.dirty_bytes,
        interval.used_bytes,
        interval.rss_bytes,
        interval.cow_bytes,
        interval.rewrite_buffer_bytes,
        interval.keys,
        interval.expired_keys,
        interval.volatile_keys,
        interval.pending_expired_keys,
        interval.changes_since_save,
        interval.unsynced_writes,
    ];
    row.extend(counts.map(|count| count.to_string()));
    row.push(interval.child.to_owned());
    let replicas =
        [interval.repl_backlog_bytes, interval.replica_buffer_bytes_max, interval.replica_lag_bytes_max];
    row.extend(replicas.map(|bytes| bytes.to_string()));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_headers_are_the_promised_ones() {
        let result = fixture::forks();
        let header = |bytes| text(bytes).lines().next().unwrap().to_owned();
        assert_eq!(
            header(summary(&result)),
            "scenario,seed,scope,operation,window_s,windows,requests,throughput_per_s,sojourn_ns_mean,\
             sojourn_ns_p50,sojourn_ns_p90,sojourn_ns_p99,sojourn_ns_p999,sojourn_ns_p9999,sojourn_ns_max,\
             p99_ns_median,p99_ns_worst,p999_ns_worst,p99_worst_at_s,arrived,server_busy_share,\
             closed_loop_view_ns_p99,closed_loop_view_ns_p999,closed_loop_view_ns_max,\
             aof_bytes_per_command,cow_faults_per_command,cpu_ns_per_command,sojourn_ns_mean_low,\
             sojourn_ns_mean_high,sojourn_ns_p50_low,sojourn_ns_p50_high,sojourn_ns_p90_low,sojourn_ns_p90_high,\
             sojourn_ns_p99_low,sojourn_ns_p99_high,sojourn_ns_p999_low,sojourn_ns_p999_high,\
             sojourn_ns_p9999_low,sojourn_ns_p9999_high,reason"
        );
        assert_eq!(
            header(timeline(&result)),
            "scenario,seed,time_s,completed,throughput_per_s,sojourn_ns_p50,sojourn_ns_p90,sojourn_ns_p99,\
             sojourn_ns_p999,sojourn_ns_max,busy_share,busy_share_wake_up,busy_share_event_loop,\
             busy_share_read,busy_share_command,busy_share_reply,busy_share_aof_write,\
             busy_share_aof_write_pending_fsync,busy_share_aof_write_throttled,busy_share_aof_fsync_always,\
             busy_share_fork,busy_share_cow,busy_share_aof_rewrite_buffer,busy_share_aof_rewrite_diff_write,\
             busy_share_aof_rewrite_done_fsync,busy_share_manifest_fsync,busy_share_aof_rename,\
             busy_share_cron,busy_share_rehash,busy_share_table_allocation,busy_share_table_free,\
             busy_share_eviction_cycle,busy_share_expire_cycle,busy_share_save,busy_share_restart,\
             busy_share_host_noise,\
             busy_share_freeze,busy_share_core_contention,busy_share_replica_write,busy_share_diskless_copy,\
             busy_share_rdb_send,busy_share_migrate,busy_share_restore,busy_share_cluster_command,\
             busy_share_cluster_config_write,busy_share_cluster_config_fsync,eventloop_cycles,aof_buffer_bytes,aof_bytes,\
             dirty_bytes,used_bytes,rss_bytes,cow_bytes,rewrite_buffer_bytes,keys,expired_keys,volatile_keys,\
             pending_expired_keys,changes_since_save,\
             unsynced_writes,child,repl_backlog_bytes,replica_buffer_bytes_max,replica_lag_bytes_max"
        );
        assert_eq!(header(events(&result)), "scenario,seed,start_s,span_ns,cause,detail");
    }

    #[test]
    fn what_is_missing_is_an_empty_field() {
        let csv = text(summary(&fixture::nothing()));
        assert_eq!(csv.lines().nth(1), Some("article,1,all,,,,0,0,,,,,,,,,,,,0,0,,,,,,,,,,,,,,,,,,,"));
        let mut result = fixture::forks();
        result.timeline = vec![TimelineRow { at: SECOND, child: "none", ..TimelineRow::default() }];
        let csv = text(timeline(&result));
        assert!(csv.lines().nth(1).unwrap().starts_with("article,1,1,0,0,,,,,,0,"), "{csv}");
    }

    #[test]
    fn the_first_interval_begins_when_the_warm_up_ends() {
        let mut result = fixture::forks();
        result.warmup = 60 * SECOND;
        let row = |at| TimelineRow { at, completed: 5000, child: "none", ..TimelineRow::default() };
        result.timeline = vec![row(61 * SECOND), row(62 * SECOND)];
        let csv = text(timeline(&result));
        let throughputs: Vec<&str> = csv.lines().skip(1).map(|row| row.split(',').nth(4).unwrap()).collect();
        assert_eq!(throughputs, ["5000", "5000"]);
    }

    #[test]
    fn a_summary_has_a_row_per_scope_and_window() {
        let csv = text(summary(&fixture::forks()));
        let windows: Vec<&str> = csv.lines().skip(1).map(|row| row.split(',').nth(4).unwrap()).collect();
        assert_eq!(windows, ["", "", "10", "60"]);
    }
}
