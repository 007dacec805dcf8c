//! The `replicas` and `replication` keys of the JSON object.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::histogram::Histogram;
use crate::observe::replicas::{ReplicaResult, ReplicationResult};
use crate::report::seconds;

/// One replica.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplicaOutput {
    /// Its name.
    pub name: String,
    /// The replica it follows; none: the primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// `online`, `wait_bgsave`, `send_bulk` or `disconnected` at the end.
    pub state: &'static str,
    /// Largest true lag, in bytes of the stream it had not applied.
    pub lag_bytes_max: u64,
    /// Largest true lag, in s: age of the oldest byte it had not applied.
    pub lag_s_max: f64,
    /// True lag in bytes, sampled at every serverCron.
    pub lag_bytes: LagQuantiles,
    /// True lag in ns, sampled at every serverCron.
    pub lag_ns: LagQuantiles,
    /// What INFO shows: master_repl_offset less the replica's offset, in bytes, sampled likewise.
    pub info_lag_bytes: LagQuantiles,
    /// Largest output buffer of the primary for it, in bytes.
    pub buffer_bytes_max: u64,
    /// Bytes sent to it, snapshots included.
    pub sent_bytes: u64,
    /// Offset of the stream it has applied.
    pub applied_offset: u64,
    /// Offset the primary knows of.
    pub acked_offset: u64,
    /// Full resynchronisations.
    pub sync_full: u64,
    /// Partial resynchronisations.
    pub sync_partial_ok: u64,
    /// When its link was cut, in s.
    pub dropped_at_s: Vec<f64>,
    /// It will never catch up.
    pub resync_loop: bool,
    /// Why: W x T > limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resync_loop_because: Option<ResyncLoopOutput>,
    /// Acknowledged writes that were lost when it took over.
    pub acknowledged_writes_lost: u64,
    /// Its resynchronisations.
    pub syncs: Vec<SyncOutput>,
}

/// Quantiles of a lag.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LagQuantiles {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 99 % are at most this.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// W x T > limit.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResyncLoopOutput {
    /// W: growth of the output buffer, in bytes a second.
    pub bytes_per_s: f64,
    /// T: a whole synchronisation, in s.
    pub sync_s: f64,
    /// The limit, in bytes.
    pub limit_bytes: u64,
}

/// One resynchronisation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SyncOutput {
    /// `partial`, `disk`, `diskless`, `rdb-channel` or `chained`.
    pub kind: &'static str,
    /// When it was asked for, in s.
    pub start_s: f64,
    /// Until the replica had its data and was online, or was dropped, in s.
    pub duration_s: f64,
    /// Bytes of the snapshot, or of the backlog.
    pub bytes: u64,
    /// `online`, `dropped`, or `running` at the end.
    pub outcome: &'static str,
}

/// Replication as a whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReplicationOutput {
    /// Bytes that entered the stream.
    pub stream_bytes: u64,
    /// repl_backlog_size.
    pub backlog_size_bytes: u64,
    /// repl_backlog_histlen at the end.
    pub backlog_bytes: u64,
    /// Partial resynchronisations accepted.
    pub sync_partial_ok: u64,
    /// Partial resynchronisations refused.
    pub sync_partial_err: u64,
    /// Changes of the primary.
    pub failovers: Vec<FailoverOutput>,
    /// Client writes that waited for replicas.
    pub waits: WaitOutput,
}

/// One change of the primary.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailoverOutput {
    /// When, in s.
    pub at_s: f64,
    /// The replica that took over.
    pub to: String,
    /// Bytes of the stream it had not applied.
    pub bytes_lost: u64,
    /// Acknowledged writes among them.
    pub acknowledged_writes_lost: u64,
}

/// WAIT and WAITAOF.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitOutput {
    /// Client writes that waited.
    pub waited: u64,
    /// Answered because enough replicas had acknowledged.
    pub acknowledged: u64,
    /// Answered because the time was over.
    pub timed_out: u64,
}

fn lag(histogram: &Histogram) -> LagQuantiles {
    LagQuantiles {
        mean: histogram.mean(),
        p50: histogram.quantile(0.5),
        p99: histogram.quantile(0.99),
        max: histogram.max(),
    }
}

/// The `replicas` array; none without replicas.
pub fn replicas(result: Option<&ReplicationResult>) -> Option<Vec<ReplicaOutput>> {
    result.map(|result| result.replicas.iter().map(replica).collect())
}

fn replica(replica: &ReplicaResult) -> ReplicaOutput {
    ReplicaOutput {
        name: replica.name.clone(),
        of: replica.of.clone(),
        state: replica.state,
        lag_bytes_max: replica.lag_bytes.max(),
        lag_s_max: seconds(replica.lag.max()),
        lag_bytes: lag(&replica.lag_bytes),
        lag_ns: lag(&replica.lag),
        info_lag_bytes: lag(&replica.info_lag_bytes),
        buffer_bytes_max: replica.buffer_bytes_max,
        sent_bytes: replica.sent_bytes,
        applied_offset: replica.applied_offset,
        acked_offset: replica.acked_offset,
        sync_full: replica.sync_full,
        sync_partial_ok: replica.sync_partial_ok,
        dropped_at_s: replica.dropped_at.iter().map(|&at| seconds(at)).collect(),
        resync_loop: replica.resync_loop.is_some(),
        resync_loop_because: replica.resync_loop.map(|because| ResyncLoopOutput {
            bytes_per_s: because.bytes_per_second,
            sync_s: because.seconds,
            limit_bytes: because.limit,
        }),
        acknowledged_writes_lost: replica.acknowledged_writes_lost,
        syncs: replica
            .syncs
            .iter()
            .map(|row| SyncOutput {
                kind: row.kind,
                start_s: seconds(row.start),
                duration_s: seconds(row.duration),
                bytes: row.bytes,
                outcome: row.outcome,
            })
            .collect(),
    }
}

/// The `replication` object; none without replicas.
pub fn replication(result: Option<&ReplicationResult>) -> Option<ReplicationOutput> {
    result.map(|result| ReplicationOutput {
        stream_bytes: result.stream_bytes,
        backlog_size_bytes: result.backlog_size,
        backlog_bytes: result.backlog_bytes,
        sync_partial_ok: result.sync_partial_ok,
        sync_partial_err: result.sync_partial_err,
        failovers: result
            .failovers
            .iter()
            .map(|row| FailoverOutput {
                at_s: seconds(row.at),
                to: row.to.clone(),
                bytes_lost: row.bytes_lost,
                acknowledged_writes_lost: row.acknowledged_writes_lost,
            })
            .collect(),
        waits: WaitOutput {
            waited: result.waits.waited,
            acknowledged: result.waits.acknowledged,
            timed_out: result.waits.timed_out,
        },
    })
}
