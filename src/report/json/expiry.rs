//! The key `expiry`: how late keys with a time to live were deleted, and what that cost.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::expiry::ExpiryResult;
use crate::report::seconds;
use crate::units::{MILLISECOND, Nanos};

/// Expiry over the measured time; present when keys have a time to live.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExpiryOutput {
    /// Keys deleted because their deadline had passed.
    pub expired_keys: u64,
    /// Of those, deleted by a command that met them.
    pub expired_on_access: u64,
    /// From deadline to deletion, in ns.
    pub lag_ns: LagOutput,
    /// Most dead keys in memory at once.
    pub pending_expired_keys_max: u64,
    /// Dead keys in memory at the end.
    pub pending_expired_keys: u64,
    /// Keys with a deadline at the end, dead ones included.
    pub volatile_keys: u64,
    /// Longest call of the active cycle, in ns.
    pub slice_ns_max: Nanos,
    /// Calls from serverCron.
    pub slow_cycles: u64,
    /// Calls from beforeSleep.
    pub fast_cycles: u64,
    /// Calls that ended by time (`expired_time_cap_reached_count`).
    pub time_cap_reached: u64,
    /// `expired_stale_perc` at the end.
    pub expired_stale_perc: f64,
    /// Time of all calls, in ms.
    pub expire_cycle_cpu_ms: f64,
    /// Longest spell in which every slow cycle ended by time, in s.
    pub storm_s: f64,
    /// Keys deleted a second in that spell.
    pub storm_keys_per_s: f64,
    /// Largest share of any second of the run that the cycle took.
    pub busy_share_max: f64,
}

/// Quantiles of the time from deadline to deletion, in ns; empty without a deletion.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LagOutput {
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<Nanos>,
    /// 90 % are at most this.
    pub p90: Option<Nanos>,
    /// 99 % are at most this.
    pub p99: Option<Nanos>,
    /// 99.9 % are at most this.
    pub p999: Option<Nanos>,
    /// Largest.
    pub max: Option<Nanos>,
}

impl From<&ExpiryResult> for ExpiryOutput {
    fn from(result: &ExpiryResult) -> Self {
        let any = result.lag.count() > 0;
        let quantiles = result.lag.quantiles([0.5, 0.9, 0.99, 0.999]);
        let some = |value: Nanos| any.then_some(value);
        ExpiryOutput {
            expired_keys: result.expired_keys,
            expired_on_access: result.expired_on_access,
            lag_ns: LagOutput {
                mean: any.then(|| result.lag.mean()),
                p50: some(quantiles[0]),
                p90: some(quantiles[1]),
                p99: some(quantiles[2]),
                p999: some(quantiles[3]),
                max: some(result.lag.max()),
            },
            pending_expired_keys_max: result.pending_max,
            pending_expired_keys: result.pending,
            volatile_keys: result.volatile_keys,
            slice_ns_max: result.slice_max,
            slow_cycles: result.slow_cycles,
            fast_cycles: result.fast_cycles,
            time_cap_reached: result.time_cap_reached,
            expired_stale_perc: result.stale * 100.0,
            expire_cycle_cpu_ms: result.cycle_time as f64 / MILLISECOND as f64,
            storm_s: seconds(result.storm),
            storm_keys_per_s: result.storm_rate_per_s,
            busy_share_max: result.busy_share_max,
        }
    }
}
