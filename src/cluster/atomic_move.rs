//! Atomic migration of slots: what a source and a target of Valkey 9 and Redis 8.4 decide, and when.
//!
//! The source forks; its child writes the moving slots as commands, while the parent keeps the writes to them for the
//! target. When the target has caught up the source pauses **all** writes, the target applies the rest and takes the
//! slots over. Nobody sees ASK or TRYAGAIN.
//!
//! | | Valkey 9 | Redis 8.4 |
//! |---|---|---|
//! | asked | the source (MIGRATESLOTS) | the target (MIGRATION IMPORT) |
//! | writes during the snapshot | stay in the source's output buffer | are sent on a connection of their own; the target keeps them |
//! | ready for the pause | the target has the snapshot, the buffer is no larger than `slot-migration-max-failover-repl-bytes` (0) | the target's ACK is no further behind than `…-handoff-max-lag-bytes`; it sends one when it has applied what it kept, then ten a second |
//! | after the pause's mark | the target asks, the source grants: 2 round trips to the end | the target takes over at once: 1 |
//! | the pause expires | manual failover time-out × 2; once granted, 2 s at least | `…-write-pause-timeout` |
//! | a failure | is final | is tried again from the start, once a second, by the target's cron |
//! | always too far behind | waits without end | fails after 60 s, or twice what snapshot and kept writes took |
//! | the source's keys afterwards | are deleted one by one in its main thread, each with a DEL | go to a background thread, with one TRIMSLOTS |
//!
//! Sources: cluster_migrateslots.c of Valkey 9 (`proceedWithSlotMigration`, `slotExportTryDoPause`), cluster_asm.c of
//! Redis 8.4 (`clusterSyncSlotsCommand`, `asmCron`, `asmSyncBufferStreamToDb`); each read at one commit. Redis sends
//! strings as SET and collections of up to 512 items as RESTORE, none of them compressed (`slotSnapshotSaveRio`).
//! Assumed: a retry comes a whole second after the failure, where the cron's phase decides. Left out:
//! authentication, CANCEL, time-outs of a silent peer (`repl-timeout`), the output buffer limit of the source, ACKs
//! while the target applies what it kept, the end of a job by a command that touches other slots too (Redis).
//!
//! Without a clock and without nodes, like `legacy_move.rs`: who drives it reports what happened.

use crate::redis::version::{Flavour, Version};
use crate::units::{MILLISECOND, NEVER, Nanos, SECOND};

/// `CLUSTER_MF_PAUSE_MULT`: how often the manual failover time-out a Valkey source pauses.
const PAUSE_FACTOR: u64 = 2;
/// `CLUSTER_OPERATION_TIMEOUT`: a Valkey source stays paused so long after it has granted.
const GRANTED_PAUSE: Nanos = 2 * SECOND;
/// Redis' target acknowledges from `clusterCron`, ten times a second (`asmCron`).
pub const ACK_PERIOD: Nanos = 100 * MILLISECOND;
/// Redis' target begins a failed job again with every tenth of them.
const RETRY_PERIOD: Nanos = SECOND;
/// `cluster-slot-migration-sync-buffer-drain-timeout`, hidden and not settable here …
const DRAIN_TIMEOUT: Nanos = 60 * SECOND;
/// … or so many times what the target took for snapshot and kept writes, if that is longer (`asmCron`).
const DRAIN_FACTOR: u64 = 2;

/// Settings of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicSetting {
    /// The source's version.
    pub version: Version,
    /// Bytes that may be missing at the pause: `cluster-slot-migration-handoff-max-lag-bytes` (Redis),
    /// `slot-migration-max-failover-repl-bytes` (Valkey; none: any number).
    pub max_lag: Option<u64>,
    /// `cluster-slot-migration-write-pause-timeout` (Redis), `cluster-manual-failover-timeout` (Valkey) \[ns\].
    pub pause_timeout: Nanos,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connecting and agreeing.
    Handshake,
    /// Waiting until the source has no child (one fork at a time, for all jobs).
    WaitingForFork,
    /// The child writes; the target applies what comes.
    Snapshot,
    /// The target has the snapshot; the rest is streamed.
    Streaming,
    /// Writes are paused at the source.
    Paused,
    /// The target may take over (Valkey), or is doing it (Redis).
    Granted,
    /// The slots are the target's.
    Done,
    /// Ended without.
    Failed(AtomicFailure),
}

/// Why a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicFailure {
    /// fork(2) failed.
    Fork,
    /// The child was killed or the connection is gone.
    Snapshot,
    /// The pause ended ahead of the stream ("Timed out before streaming completed").
    PauseExpired,
    /// The pause ended after the source had granted, ahead of the target's claim: writes may be lost ("Write loss
    /// risk!").
    GrantExpired,
    /// The lag has stayed above its limit too long (Redis).
    NotCaughtUp,
    /// The source lost the slots to a third node.
    OwnerChanged,
}

/// What follows from a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing now.
    Nothing,
    /// The source pauses all clients' writes and queues the mark (PAUSED, STREAM-EOF) behind the stream. Report
    /// [`AtomicMove::on_mark`] when the target has applied all ahead of it.
    PauseWrites {
        /// The pause ends at this time, whatever happens.
        until: Nanos,
    },
    /// The target asks the source (REQUEST-FAILOVER). Report [`AtomicMove::on_takeover_asked`] one way later.
    AskTakeover,
    /// The source grants (FAILOVER-GRANTED): one way later the target takes over, with a new epoch, and tells all
    /// nodes. The pause may have grown.
    Grant {
        /// The pause ends at this time.
        until: Nanos,
    },
    /// The target takes over now, with a new epoch, and tells all nodes.
    TakeOver,
    /// The slots are the target's: the source's clients go on, and are redirected; it deletes the keys of the slots.
    Done,
    /// The job has ended: writes go on at the source, the target deletes what it has of the slots.
    Fail {
        /// When the job begins again from the handshake; none: never.
        again_at: Option<Nanos>,
    },
}

/// Times and numbers of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtomicBooks {
    /// Beginnings.
    pub attempts: u32,
    /// Length of the last attempt's snapshot: fork to the target's having it \[ns\].
    pub snapshot: Nanos,
    /// Length of streaming after it \[ns\].
    pub streaming: Nanos,
    /// Length of all pauses of writes \[ns\].
    pub paused: Nanos,
    /// Bytes that were missing when the last pause began.
    pub lag_at_pause: u64,
}

/// One job: any number of slots from one source to one target.
#[derive(Clone, Debug)]
pub struct AtomicMove {
    setting: AtomicSetting,
    stage: Stage,
    /// When the present stage began.
    since: Nanos,
    /// When the present attempt's snapshot began.
    forked_at: Nanos,
    /// When writes were paused; none: they are not.
    paused_at: Option<Nanos>,
    /// End of the pause.
    until: Nanos,
    /// When the target had first applied all that it kept during the snapshot (Redis).
    drained_at: Option<Nanos>,
    books: AtomicBooks,
}

impl AtomicMove {
    /// A job that begins now.
    pub fn new(setting: AtomicSetting, now: Nanos) -> Self {
        AtomicMove {
            setting,
            stage: Stage::Handshake,
            since: now,
            forked_at: now,
            paused_at: None,
            until: NEVER,
            drained_at: None,
            books: AtomicBooks { attempts: 1, ..AtomicBooks::default() },
        }
    }

    /// Whether the source is a Valkey.
    pub fn is_valkey(&self) -> bool {
        self.setting.version.flavour == Flavour::Valkey
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Times and numbers so far.
    pub fn books(&self) -> AtomicBooks {
        self.books
    }

    /// Length of all pauses of writes up to `now` \[ns\].
    pub fn paused_until(&self, now: Nanos) -> Nanos {
        self.books.paused + self.paused_at.map_or(0, |at| now.saturating_sub(at))
    }

    /// Round trips of the handshake between source and target: connecting and ESTABLISH (Valkey); connecting, the
    /// node's name, SYNC, then connecting the second channel and RDBCHANNEL (Redis).
    pub fn handshake_round_trips(&self) -> u32 {
        if self.is_valkey() { 2 } else { 5 }
    }

    /// Whether writes to the slots are kept for the target.
    pub fn keeps_writes(&self) -> bool {
        matches!(self.stage, Stage::Snapshot | Stage::Streaming | Stage::Paused | Stage::Granted)
    }

    /// Whether writes that are kept are sent at once; else they stay at the source.
    pub fn sends_writes(&self) -> bool {
        self.keeps_writes() && !(self.is_valkey() && self.stage == Stage::Snapshot)
    }

    /// The time at which [`on_time`](Self::on_time) has something to do, `NEVER` if none.
    pub fn deadline(&self) -> Nanos {
        match self.stage {
            Stage::Paused | Stage::Granted => self.until,
            Stage::Streaming => self.drained_at.map_or(NEVER, |at| {
                let taken = at.saturating_sub(self.forked_at);
                at.saturating_add(DRAIN_TIMEOUT.max(taken.saturating_mul(DRAIN_FACTOR)))
            }),
            _ => NEVER,
        }
    }

    fn go(&mut self, stage: Stage, now: Nanos) {
        self.stage = stage;
        self.since = now;
    }

    /// The handshake is over.
    pub fn on_connected(&mut self, now: Nanos) -> Action {
        if self.stage == Stage::Handshake {
            self.go(Stage::WaitingForFork, now);
        }
        Action::Nothing
    }

    /// The source, which had no child, has forked, or could not.
    pub fn on_forked(&mut self, now: Nanos, forked: bool) -> Action {
        match (self.stage, forked) {
            (Stage::WaitingForFork, true) => {
                self.forked_at = now;
                self.go(Stage::Snapshot, now);
                Action::Nothing
            }
            (Stage::WaitingForFork, false) => self.fail(AtomicFailure::Fork, now),
            _ => Action::Nothing,
        }
    }

    /// The target has applied the snapshot to its last key (SNAPSHOT-EOF). From here on lag is reported.
    pub fn on_snapshot_applied(&mut self, now: Nanos) -> Action {
        if self.stage == Stage::Snapshot {
            self.books.snapshot = now.saturating_sub(self.since);
            self.go(Stage::Streaming, now);
        }
        Action::Nothing
    }

    /// How much is missing. Valkey: bytes in the source's output buffer, whenever they may have changed. Redis: bytes
    /// sent ahead of what the target's ACK says, when an ACK arrives; `drained`: the target has applied all that it
    /// kept during the snapshot (its first ACK comes then).
    pub fn on_lag(&mut self, now: Nanos, bytes: u64, drained: bool) -> Action {
        if self.stage != Stage::Streaming {
            return Action::Nothing;
        }
        if drained && !self.is_valkey() {
            self.drained_at.get_or_insert(now);
        }
        if self.setting.max_lag.is_some_and(|limit| bytes > limit) {
            return Action::Nothing;
        }
        self.books.streaming = now.saturating_sub(self.since);
        self.books.lag_at_pause = bytes;
        let factor = if self.is_valkey() { PAUSE_FACTOR } else { 1 };
        self.until = now.saturating_add(self.setting.pause_timeout.saturating_mul(factor));
        self.paused_at = Some(now);
        self.go(Stage::Paused, now);
        Action::PauseWrites { until: self.until }
    }

    /// The target has applied all writes and the mark behind them.
    pub fn on_mark(&mut self, now: Nanos) -> Action {
        match self.stage {
            Stage::Paused if self.is_valkey() => Action::AskTakeover,
            Stage::Paused => {
                self.go(Stage::Granted, now);
                Action::TakeOver
            }
            _ => Action::Nothing,
        }
    }

    /// The target's request has arrived at the source (Valkey).
    pub fn on_takeover_asked(&mut self, now: Nanos) -> Action {
        if self.stage != Stage::Paused {
            return Action::Nothing;
        }
        if now > self.until {
            return self.fail(AtomicFailure::PauseExpired, now);
        }
        self.until = self.until.max(now.saturating_add(GRANTED_PAUSE));
        self.go(Stage::Granted, now);
        Action::Grant { until: self.until }
    }

    /// The source hears that the slots are the target's.
    pub fn on_ownership(&mut self, now: Nanos) -> Action {
        match self.stage {
            Stage::Done | Stage::Failed(_) => Action::Nothing,
            _ => {
                self.resume(now);
                self.go(Stage::Done, now);
                Action::Done
            }
        }
    }

    /// The child died, a connection is gone, or another node has the slots.
    pub fn on_failure(&mut self, now: Nanos, failure: AtomicFailure) -> Action {
        match self.stage {
            Stage::Done | Stage::Failed(_) => Action::Nothing,
            _ => self.fail(failure, now),
        }
    }

    /// A deadline has come.
    pub fn on_time(&mut self, now: Nanos) -> Action {
        if now < self.deadline() {
            return Action::Nothing;
        }
        let failure = match self.stage {
            Stage::Paused => AtomicFailure::PauseExpired,
            Stage::Granted => AtomicFailure::GrantExpired,
            _ => AtomicFailure::NotCaughtUp,
        };
        self.fail(failure, now)
    }

    /// A failed job begins again (Redis).
    pub fn retry(&mut self, now: Nanos) {
        if matches!(self.stage, Stage::Failed(_)) {
            self.books.attempts += 1;
            self.drained_at = None;
            self.go(Stage::Handshake, now);
        }
    }

    fn resume(&mut self, now: Nanos) {
        if let Some(at) = self.paused_at.take() {
            self.books.paused += now.saturating_sub(at);
        }
        self.until = NEVER;
    }

    fn fail(&mut self, failure: AtomicFailure, now: Nanos) -> Action {
        self.resume(now);
        self.go(Stage::Failed(failure), now);
        let again = !self.is_valkey() && failure != AtomicFailure::OwnerChanged;
        Action::Fail { again_at: again.then(|| now.saturating_add(RETRY_PERIOD)) }
    }
}

#[cfg(test)]
mod tests;
