//! What a run leaves behind about replicas.

use super::histogram::Histogram;
use crate::units::Nanos;

/// Replication over the run: figures of the primary and of each replica.
#[derive(Clone, Debug, Default)]
pub struct ReplicationResult {
    /// Each replica, in the order of the scenario.
    pub replicas: Vec<ReplicaResult>,
    /// Partial resynchronisations accepted over the measured time (`sync_partial_ok`).
    pub sync_partial_ok: u64,
    /// Partial resynchronisations refused (`sync_partial_err`).
    pub sync_partial_err: u64,
    /// Bytes that entered the stream over the measured time.
    pub stream_bytes: u64,
    /// `repl_backlog_histlen` at the end.
    pub backlog_bytes: u64,
    /// `repl_backlog_size`.
    pub backlog_size: u64,
    /// Failovers and their cost, in order.
    pub failovers: Vec<FailoverRow>,
    /// WAIT and WAITAOF.
    pub waits: WaitCounts,
}

/// One replica.
#[derive(Clone, Debug)]
pub struct ReplicaResult {
    /// Its name.
    pub name: String,
    /// The replica it follows; none: the primary.
    pub of: Option<String>,
    /// Its state as INFO names it (`online`, `wait_bgsave`, `send_bulk`), or `disconnected`.
    pub state: &'static str,
    /// True lag: bytes of the stream it has not applied, sampled at every serverCron.
    pub lag_bytes: Histogram,
    /// True lag in time: age of the oldest byte it has not applied \[ns\].
    pub lag: Histogram,
    /// What INFO shows: `master_repl_offset` − `slaveN:offset`, sampled likewise while it is connected.
    pub info_lag_bytes: Histogram,
    /// Largest output buffer the primary kept for it \[bytes\].
    pub buffer_bytes_max: u64,
    /// Bytes sent to it, snapshots included.
    pub sent_bytes: u64,
    /// `master_repl_offset` it has applied at the end.
    pub applied_offset: u64,
    /// The last one the primary knows of.
    pub acked_offset: u64,
    /// Full resynchronisations begun.
    pub sync_full: u64,
    /// Partial ones accepted.
    pub sync_partial_ok: u64,
    /// When its link was cut by the primary \[ns\].
    pub dropped_at: Vec<Nanos>,
    /// Full resynchronisations that a limit of the output buffer ended.
    pub syncs_dropped: u64,
    /// It will never catch up: what arrives while it resynchronises exceeds the limit.
    pub resync_loop: Option<ResyncLoop>,
    /// Acknowledged writes that were lost when it took over.
    pub acknowledged_writes_lost: u64,
    /// Each resynchronisation.
    pub syncs: Vec<SyncRow>,
}

/// W × T > limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResyncLoop {
    /// W: bytes a second that entered the stream during the longest such sync.
    pub bytes_per_second: f64,
    /// T: how long a whole sync takes \[s\].
    pub seconds: f64,
    /// The limit it meets \[bytes\].
    pub limit: u64,
}

/// One resynchronisation.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncRow {
    /// `partial`, `disk`, `diskless`, `rdb-channel`, or `chained` for one from another replica.
    pub kind: &'static str,
    /// When the replica asked for it \[ns\].
    pub start: Nanos,
    /// Until it was online, or dropped, or the run ended \[ns\].
    pub duration: Nanos,
    /// Bytes of the snapshot, or of the backlog.
    pub bytes: u64,
    /// `online`, `dropped`, or `running` at the end.
    pub outcome: &'static str,
}

/// One change of the primary.
#[derive(Clone, Debug, PartialEq)]
pub struct FailoverRow {
    /// When \[ns\].
    pub at: Nanos,
    /// The replica that took over.
    pub to: String,
    /// Bytes of the stream it had not applied.
    pub bytes_lost: u64,
    /// Acknowledged writes it had not applied.
    pub acknowledged_writes_lost: u64,
}

/// WAIT and WAITAOF over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitCounts {
    /// Client writes that waited.
    pub waited: u64,
    /// Of those, answered because enough replicas had acknowledged.
    pub acknowledged: u64,
    /// Of those, answered because the time was over.
    pub timed_out: u64,
}
