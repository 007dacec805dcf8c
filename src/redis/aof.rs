//! The append-only file: its buffer, write(2) once a turn, and the three fsync policies.
//!
//! Redis: `flushAppendOnlyFile` in aof.c, the worker in bio.c. Left out: partial writes (a write either succeeds
//! or fails whole) and `aof-timestamp-enabled` lines, one of 17 bytes a second at most.

use super::config::{AppendFsync, RedisConfig};
use super::disk::Disk;
use super::loss::LossTracker;
use super::main_thread::MainThread;
use super::version::Version;
use crate::cause::Cause;
use crate::observe::journal::{Job, JobKind};
use crate::observe::result::Counters;
use crate::units::{NEVER, Nanos, SECOND};

/// `everysec`: an fsync is due this long after the last one.
const FSYNC_PERIOD: Nanos = SECOND;
/// `everysec`: a write is postponed at most this long behind a running fsync.
const POSTPONE_LIMIT: Nanos = 2 * SECOND;

/// What happened to the promise of an `always` server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing unusual.
    Fine,
    /// A write or fsync failed under `always`: the process exits.
    Exit,
}

/// State of the AOF.
#[derive(Clone, Debug)]
pub struct Aof {
    /// Bytes in `aof_buf`.
    pub buffer: u64,
    /// `aof_current_size`: bytes of all files, buffer not included.
    pub current_size: u64,
    /// `aof_base_size`.
    pub base_size: u64,
    /// Size of the BASE file alone (7.0 on), which the base is after a restart.
    pub base_file_size: u64,
    /// Number of the last write command in the buffer.
    pub last_write: u64,
    /// Bytes ever appended to the buffer.
    pub appended: u64,
    /// Bytes ever written.
    pub written: u64,
    /// Bytes that died in the buffer.
    pub lost: u64,
    /// `aof_last_write_status` is ok.
    pub write_ok: bool,
    /// `aof_bio_fsync_status` is ok.
    pub fsync_ok: bool,
    /// Clock of `flushAppendOnlyFile`: milliseconds from 7.4 on, whole seconds before.
    grain: Nanos,
    /// The cached clock is refreshed in every turn (6.0 on: `call`; 7.2 on: `afterSleep`), not only by serverCron.
    pub clock_each_turn: bool,
    /// fsync and the fsync-and-close of an old file share one worker (7.2 on).
    one_worker: bool,
    /// An empty buffer under `always` still gets a due fsync (7.0 on).
    always_retries: bool,
    /// The server's wall clock is this far into a second when the run begins.
    phase: Nanos,
    /// Cached clock.
    clock: Nanos,
    /// Until this time of the cached clock a flush is one write(2) and nothing else.
    quiet_until: Nanos,
    fsync_due_at: Nanos,
    force_at: Nanos,
    /// End of the running fsync; [`NEVER`] when none runs.
    fsync_done_at: Nanos,
    /// The running fsync is of the file that is written now.
    fsync_of_current_file: bool,
    /// The worker is busy with closing an old file until then.
    worker_free_at: Nanos,
    /// End of the sync of a file that is being closed; [`NEVER`] when none is.
    close_done_at: Nanos,
    /// Written since the last fsync was handed over.
    unsynced: bool,
}

impl Aof {
    /// An AOF of `version` with the given sizes; `phase` is the wall clock's offset from a whole second.
    pub fn new(version: Version, base_size: u64, current_size: u64, phase: Nanos) -> Self {
        let grain = if version.has(7, 4) { 1 } else { SECOND };
        Aof {
            buffer: 0,
            current_size,
            base_size,
            base_file_size: base_size,
            last_write: 0,
            appended: 0,
            written: 0,
            lost: 0,
            write_ok: true,
            fsync_ok: true,
            grain,
            clock_each_turn: version.has(6, 0),
            one_worker: version.has(7, 2),
            always_retries: version.has(7, 0),
            phase: phase % SECOND,
            clock: 0,
            quiet_until: 0,
            fsync_due_at: 0,
            force_at: NEVER,
            fsync_done_at: NEVER,
            fsync_of_current_file: true,
            worker_free_at: 0,
            close_done_at: NEVER,
            unsynced: false,
        }
    }

    /// Appends `bytes` of `writes` commands, the last of which has number `last_write`.
    #[inline(always)]
    pub fn append(&mut self, bytes: u64, last_write: u64) {
        self.buffer += bytes;
        self.appended += bytes;
        self.last_write = last_write;
    }

    /// The server looks at its clock.
    #[inline(always)]
    pub fn refresh_clock(&mut self, now: Nanos) {
        self.clock = now;
    }

    /// `span` after now, counted in the server's grain: whole seconds begin at the wall clock's.
    fn after(&self, span: Nanos) -> Nanos {
        let wall = self.clock + self.phase;
        (wall - wall % self.grain + span).saturating_sub(self.phase)
    }

    /// Whether an fsync is pending or running, as bio.c counts it.
    #[inline(always)]
    pub fn fsync_in_progress(&self) -> bool {
        self.fsync_done_at != NEVER
    }

    /// When the running fsync ends; [`NEVER`] without one.
    pub fn fsync_done_at(&self) -> Nanos {
        self.fsync_done_at
    }

    /// Whether a write is being postponed.
    pub fn is_postponed(&self) -> bool {
        self.force_at != NEVER
    }

    /// Takes note of an fsync that has ended by `now`.
    #[inline(always)]
    pub fn settle(&mut self, now: Nanos, disk: &Disk, loss: &mut LossTracker) {
        if self.fsync_done_at.min(self.close_done_at) <= now {
            self.settle_ended(now, disk, loss);
        }
    }

    #[cold]
    fn settle_ended(&mut self, now: Nanos, disk: &Disk, loss: &mut LossTracker) {
        if self.close_done_at <= now.min(self.fsync_done_at) {
            loss.covered_is_safe(self.close_done_at);
            self.close_done_at = NEVER;
        }
        if self.fsync_done_at > now {
            return;
        }
        self.fsync_ok = !disk.fsync_fails(self.fsync_done_at);
        if self.fsync_ok {
            loss.covered_is_safe(self.fsync_done_at);
        } else {
            loss.cover_failed();
        }
        self.fsync_done_at = NEVER;
    }

    /// The common case of [`Aof::flush`]: at most bytes to write, no fsync that runs or is due. False when it is not that
    /// case, and nothing was done.
    #[inline(always)]
    pub fn flush_quietly(&mut self, cx: &mut FlushContext) -> bool {
        if !self.is_quiet() || cx.disk.is_full(cx.main.now) {
            return false;
        }
        if self.buffer > 0 {
            self.write(false, cx);
        }
        true
    }

    /// `flushAppendOnlyFile(force)`; numbers in comments are its steps.
    pub fn flush(
        &mut self,
        force: bool,
        child_alive: bool,
        config: &RedisConfig,
        cx: &mut FlushContext,
    ) -> Flushed {
        let flushed = self.flush_by_steps(force, child_alive, config, cx);
        let calm = self.write_ok && self.fsync_done_at == NEVER && self.close_done_at == NEVER;
        self.quiet_until = match config.appendfsync {
            AppendFsync::No if calm => NEVER,
            AppendFsync::Everysec if calm => self.fsync_due_at,
            _ => 0,
        };
        flushed
    }

    fn flush_by_steps(
        &mut self,
        force: bool,
        child_alive: bool,
        config: &RedisConfig,
        cx: &mut FlushContext,
    ) -> Flushed {
        self.settle(cx.main.now, cx.disk, cx.loss);
        if self.buffer == 0 {
            return self.flush_empty(child_alive, config, cx);
        }
        let in_progress = self.fsync_in_progress();
        if in_progress && !force && config.appendfsync == AppendFsync::Everysec && !self.postponed_enough(cx)
        {
            return Flushed::Fine;
        }
        if cx.disk.is_full(cx.main.now) {
            return self.fail(config);
        }
        self.write(in_progress, cx);
        self.sync(in_progress, child_alive, config, cx)
    }

    /// Step 1: nothing to write, but an fsync may be due.
    fn flush_empty(&mut self, child_alive: bool, config: &RedisConfig, cx: &mut FlushContext) -> Flushed {
        let due = match config.appendfsync {
            AppendFsync::Everysec => {
                self.unsynced && self.clock >= self.fsync_due_at && !self.fsync_in_progress()
            }
            AppendFsync::Always => self.unsynced && self.always_retries,
            AppendFsync::No => false,
        };
        if due { self.sync(false, child_alive, config, cx) } else { Flushed::Fine }
    }

    /// Step 3: whether the write must happen although an fsync runs.
    #[cold]
    fn postponed_enough(&mut self, cx: &mut FlushContext) -> bool {
        if !self.is_postponed() {
            self.force_at = self.after(POSTPONE_LIMIT);
            return false;
        }
        let enough = self.clock >= self.force_at;
        cx.counters.aof_delayed_fsync += enough as u64;
        enough
    }

    /// Steps 4 and 5: one write(2) of the whole buffer.
    #[inline(always)]
    fn write(&mut self, in_progress: bool, cx: &mut FlushContext) {
        if in_progress && self.fsync_of_current_file && cx.disk.prices().write_waits_for_fdatasync {
            let wait = self.fsync_done_at.saturating_sub(cx.main.now);
            cx.main.block(Cause::AofWritePendingFsync, wait, String::new);
            self.settle(cx.main.now, cx.disk, cx.loss);
        }
        let (cost, throttled) = cx.disk.write_aof(cx.main.now, self.buffer);
        cx.main.charge(Cause::AofWrite, cost);
        if throttled > 0 {
            cx.main.block(Cause::AofWriteThrottled, throttled, String::new);
        }
        cx.counters.aof_writes += 1;
        self.written += self.buffer;
        self.current_size += self.buffer;
        self.buffer = 0;
        self.write_ok = true;
        self.unsynced = true;
        self.force_at = NEVER;
        cx.loss.wrote(self.last_write);
    }

    /// Steps 6 and 7: fsync by policy. `in_progress` is the value of step 2, as in the server.
    #[inline]
    fn sync(
        &mut self,
        in_progress: bool,
        child_alive: bool,
        config: &RedisConfig,
        cx: &mut FlushContext,
    ) -> Flushed {
        if config.no_appendfsync_on_rewrite && child_alive {
            return Flushed::Fine;
        }
        match config.appendfsync {
            AppendFsync::Always => self.fsync_now(cx),
            AppendFsync::Everysec if self.clock >= self.fsync_due_at => {
                if !in_progress {
                    self.start_fsync(cx);
                }
                self.fsync_due_at = self.after(FSYNC_PERIOD);
                Flushed::Fine
            }
            AppendFsync::Everysec | AppendFsync::No => Flushed::Fine,
        }
    }

    /// `always`: fdatasync in the main thread, before any reply of the turn.
    fn fsync_now(&mut self, cx: &mut FlushContext) -> Flushed {
        let span = cx.disk.fdatasync(cx.main.now, cx.disk.flushable());
        cx.disk.flush_aof();
        cx.main.block(Cause::AofFsyncAlways, span, String::new);
        cx.counters.aof_fsyncs += 1;
        if cx.disk.fsync_fails(cx.main.now) {
            return Flushed::Exit;
        }
        self.unsynced = false;
        cx.loss.synced_now(cx.main.now, self.last_write);
        Flushed::Fine
    }

    /// Hands an fdatasync of the current file to the background worker.
    pub fn start_fsync(&mut self, cx: &mut FlushContext) {
        let start = cx.main.now.max(self.worker_free_at);
        let span = cx.disk.fdatasync(start, cx.disk.flushable());
        let bytes = cx.disk.flush_aof();
        cx.main.hand_over(Job { kind: JobKind::Fsync, queued_at: cx.main.now, at: start, span, bytes });
        self.fsync_done_at = start + span;
        self.quiet_until = 0;
        self.fsync_of_current_file = true;
        self.unsynced = false;
        cx.counters.aof_fsyncs += 1;
        cx.loss.cover(self.last_write);
    }

    /// A write failed: `always` cannot keep its promise, the others refuse writes until one succeeds.
    #[cold]
    fn fail(&mut self, config: &RedisConfig) -> Flushed {
        self.write_ok = false;
        if config.appendfsync == AppendFsync::Always { Flushed::Exit } else { Flushed::Fine }
    }

    /// A new file takes the place of the current one, which is fsynced and closed by the worker (7.0 on).
    pub fn open_new_file(&mut self, cx: &mut FlushContext) {
        let span = cx.disk.fdatasync(cx.main.now, cx.disk.flushable());
        let bytes = cx.disk.flush_aof();
        let mut start = self.worker_free_at.max(cx.main.now);
        if self.one_worker && self.fsync_in_progress() {
            start = start.max(self.fsync_done_at);
        }
        let end = start + span;
        cx.main.hand_over(Job { kind: JobKind::Close, queued_at: cx.main.now, at: start, span, bytes });
        if self.one_worker {
            self.worker_free_at = end;
        }
        cx.loss.cover(self.last_write);
        self.close_done_at = end;
        self.quiet_until = 0;
        self.unsynced = false;
        self.fsync_of_current_file = false;
    }

    /// Before 7.0, end of a rewrite: the old file is closed and its buffer dropped, since the rewrite buffer holds
    /// the same bytes.
    pub fn abandon_old_file(&mut self, cx: &mut FlushContext) {
        self.settle(cx.main.now, cx.disk, cx.loss);
        cx.disk.flush_aof();
        self.written += std::mem::take(&mut self.buffer);
        self.force_at = NEVER;
        if std::mem::replace(&mut self.fsync_done_at, NEVER) != NEVER {
            cx.loss.cover_failed();
        }
        cx.loss.wrote(self.last_write);
        self.unsynced = true;
    }

    /// The process is gone: what was in the buffer is lost, nothing runs any more.
    pub fn die(&mut self) {
        self.lost += std::mem::take(&mut self.buffer);
        (self.fsync_done_at, self.close_done_at, self.force_at) = (NEVER, NEVER, NEVER);
        (self.write_ok, self.fsync_ok, self.unsynced) = (true, true, false);
    }

    /// Whether a flush now is at most one write(2).
    #[inline(always)]
    pub fn is_quiet(&self) -> bool {
        self.clock < self.quiet_until
    }

    /// Until when of the cached clock that holds.
    pub fn quiet_until(&self) -> Nanos {
        self.quiet_until
    }

    /// What `writes` quiet flushes have written: `bytes` that never waited in the buffer.
    pub fn wrote_quietly(&mut self, bytes: u64, last_write: u64) {
        self.appended += bytes;
        self.written += bytes;
        self.current_size += bytes;
        self.last_write = last_write;
        self.unsynced = true;
    }

    /// The policy may be another one: the next flush goes through all steps.
    pub fn disquiet(&mut self) {
        self.quiet_until = 0;
    }

    /// Whether writes get MISCONF because of the AOF.
    pub fn refuses_writes(&self) -> bool {
        !(self.write_ok && self.fsync_ok)
    }

    /// Panics unless every byte appended was written, is in the buffer, or died in it.
    pub fn check(&self) {
        assert_eq!(self.appended, self.written + self.buffer + self.lost, "bytes of the AOF buffer");
    }
}

/// What a flush works with.
pub struct FlushContext<'a> {
    /// The main thread.
    pub main: &'a mut MainThread,
    /// The disk.
    pub disk: &'a mut Disk,
    /// Loss books.
    pub loss: &'a mut LossTracker,
    /// INFO's counters.
    pub counters: &'a mut Counters,
}
