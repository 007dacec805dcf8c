//! `patterns` in the JSON object of `run`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::patterns::PatternResult;
use crate::report::quantiles::Quantiles;
use crate::report::seconds;

/// What became of the operations of several steps of one group.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PatternOutput {
    /// Name of the pattern; `own` when the scenario spells out its steps.
    pub name: String,
    /// Group of clients that runs it.
    pub group: String,
    /// Operations that ended.
    pub operations: u64,
    /// Of those, without success.
    pub failed: u64,
    /// Of those, because the server replied an error or died.
    pub failed_refused: u64,
    /// Because no reply came in time and no retry was left.
    pub failed_timeout: u64,
    /// Because the client died between two steps.
    pub failed_client_death: u64,
    /// Operations of which a step was sent again.
    pub retried: u64,
    /// Requests given up.
    pub timeouts: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Increments executed.
    pub increments: u64,
    /// Increments whose reply a client has read.
    pub increments_acked: u64,
    /// Increments executed for a client that no longer waited: counted twice if it retried.
    pub increments_unseen: u64,
    /// Increments that a later SET wiped out: the true count less the server's.
    pub increments_lost: u64,
    /// Expiries of a key of the pattern.
    pub expiries: u64,
    /// Expiries that were followed until the next window ended.
    pub expiries_followed: u64,
    /// SETs that wrote after an expiry, mean.
    pub sets_per_expiry_mean: Option<f64>,
    /// The most after one expiry.
    pub sets_per_expiry_max: u64,
    /// Of the followed expiries, those that left the key without a time to live.
    pub expiries_left_without_ttl: u64,
    /// The same as a share.
    pub share_left_without_ttl: Option<f64>,
    /// Length of a window, in s.
    pub window_s: f64,
    /// Windows that ended.
    pub windows: u64,
    /// Of those, with a key that had no time to live.
    pub windows_without_ttl: u64,
    /// Mean time without one of keys that outlived a window so and got one or were deleted later, in s.
    pub without_ttl_s_mean: Option<f64>,
    /// Longest such time, those at the end of the run included, in s.
    pub without_ttl_s_max: f64,
    /// Keys at the end of the run.
    pub keys_at_end: u64,
    /// Of those, without a time to live for longer than a window.
    pub keys_without_ttl_at_end: u64,
    /// SETs that overwrote a counter which had been incremented.
    pub resets_mid_window: u64,
    /// Limit of a window.
    pub limit: Option<u64>,
    /// Increments let through beyond the limit of their window.
    pub over_limit: u64,
    /// Increments turned away although the limit of their window was not reached.
    pub locked_out: u64,
    /// Commands executed an operation.
    pub commands_per_operation: Option<f64>,
    /// Bytes added to the AOF an operation.
    pub aof_bytes_per_operation: Option<f64>,
    /// From the intended start of an operation to its last reply, of those that succeeded, in ns.
    pub sojourn_ns: Quantiles,
}

/// The output of one result.
pub fn output(pattern: &PatternResult) -> PatternOutput {
    let sums = &pattern.sums;
    PatternOutput {
        name: pattern.name.clone(),
        group: pattern.group.clone(),
        operations: sums.operations,
        failed: sums.failed,
        failed_refused: sums.refused,
        failed_timeout: sums.timed_out,
        failed_client_death: sums.died,
        retried: sums.retried,
        timeouts: sums.timeouts,
        retries: sums.retries,
        increments: sums.increments,
        increments_acked: sums.increments_acked,
        increments_unseen: sums.increments_unseen,
        increments_lost: sums.increments_lost,
        expiries: sums.expiries,
        expiries_followed: sums.followed,
        sets_per_expiry_mean: pattern.sets_per_expiry(),
        sets_per_expiry_max: pattern.sets_max,
        expiries_left_without_ttl: sums.left_without_ttl,
        share_left_without_ttl: pattern.share_left_without_ttl(),
        window_s: seconds(pattern.window),
        windows: sums.windows,
        windows_without_ttl: sums.windows_without_ttl,
        without_ttl_s_mean: (sums.bare_times > 0).then(|| seconds(sums.bare_time) / sums.bare_times as f64),
        without_ttl_s_max: seconds(pattern.bare_max),
        keys_at_end: pattern.keys_at_end.0,
        keys_without_ttl_at_end: pattern.keys_at_end.1,
        resets_mid_window: sums.resets_mid_window,
        limit: pattern.limit,
        over_limit: sums.over_limit,
        locked_out: sums.locked_out,
        commands_per_operation: pattern.per_operation(sums.commands),
        aof_bytes_per_operation: pattern.per_operation(sums.aof_bytes),
        sojourn_ns: Quantiles::of(&pattern.sojourn),
    }
}
