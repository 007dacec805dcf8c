//! Starting and ending children: BGSAVE and the AOF rewrite of every version.

use super::child::{
    Child, ChildKind, Pace, Snapshot, StreamPart, fork_span, fork_succeeds, pace, preamble,
    syncs_incrementally,
};
use super::config::AppendFsync;
use super::rewrite::{MANIFEST_SYNCS_AT_END, MANIFEST_SYNCS_AT_START, diff_wait, drain_span};
use super::server::{Rdb, Server};
use super::version::RewriteStyle;
use crate::cause::Cause;
use crate::observe::result::ChildRow;
use crate::units::{NEVER, Nanos, SECOND};

/// A failed BGSAVE is not tried again until more than so many whole seconds later (`CONFIG_BGSAVE_RETRY_DELAY`).
pub const BGSAVE_RETRY: i64 = 5;
/// Bytes of a manifest.
const MANIFEST_BYTES: u64 = 300;

impl Server {
    fn snapshot(&self, kind: ChildKind) -> Snapshot {
        let rdb = kind == ChildKind::Bgsave || preamble(self.config.version, &self.config);
        Snapshot {
            keys: self.keyspace.keys(),
            value: self.value_mean,
            bytes_per_key: if rdb { self.rdb_bytes_per_key } else { self.aof_bytes_per_key }
                + self.saved_ttl_bytes_per_key(rdb),
            rdb,
            streams: self.streams.as_ref().map_or(StreamPart::default(), |streams| StreamPart {
                nodes: if rdb { streams.nodes() } else { streams.entries() },
                bytes: if rdb { streams.rdb_bytes() } else { streams.aof_bytes(self.config.version) },
            }),
        }
    }

    /// Bytes of the file that a rewrite now would write.
    pub fn rewritten_bytes(&self) -> u64 {
        self.snapshot(ChildKind::AofRewrite).file_bytes(&self.prices.child, &self.config)
    }

    pub(super) fn pace(&self, kind: ChildKind, stretch: f64) -> Pace {
        let incremental = syncs_incrementally(kind, &self.config);
        pace(&self.snapshot(kind), &self.prices.child, &self.config, incremental, &self.disk, stretch)
    }

    /// What a child's CPU time is stretched by.
    pub(super) fn child_stretch(&self) -> f64 {
        self.stretch_beside(self.main_load(), self.client_load + self.neighbour_load)
    }

    /// The same beside a main thread that is busy for a share `main` and others that use so many cores: the main thread gets
    /// what it asks for, up to its fair share, and the child has the rest together with the others.
    fn stretch_beside(&self, main: f64, others: f64) -> f64 {
        let cores = self.prices.machine.cores as f64;
        let rest = (cores - main) / (1.0 + others);
        1.0 / rest.max(cores / (2.0 + others)).min(1.0)
    }

    /// The same for what the main thread does itself.
    fn own_stretch(&self) -> f64 {
        let cores = self.prices.machine.cores as f64;
        ((1.0 + self.client_load + self.neighbour_load) / cores).max(1.0)
    }

    /// How long a child of `kind` would work now beside a main thread that is busy for a share `main`.
    pub fn child_span(&self, kind: ChildKind, main: f64) -> Nanos {
        self.pace(kind, self.stretch_beside(main, 0.0)).span
    }

    /// Share of a core that the main thread asked for so far.
    pub(super) fn main_load(&self) -> f64 {
        let off = self.main.idle + self.main.busy[Cause::CoreContention as usize];
        1.0 - off as f64 / self.main.now.max(1) as f64
    }

    /// BGSAVE; scheduled when a child lives.
    pub fn start_bgsave(&mut self, trigger: String) {
        if self.child.is_some() {
            self.rdb.scheduled = true;
            return;
        }
        self.rdb.scheduled = false;
        self.rdb.last_try_at = Some(self.main.now);
        let child = Child::new(ChildKind::Bgsave, trigger, self.main.now);
        if let Some(mut child) = self.fork(child) {
            let pace = self.pace(ChildKind::Bgsave, self.child_stretch());
            child.exits_at = self.main.now + pace.span;
            child.dirty_at_fork = self.rdb.dirty;
            if !self.config.appendonly {
                self.loss.cover(self.changes);
            }
            self.set_off(child, pace);
        } else {
            self.rdb.last_ok = false;
        }
    }

    /// AOF rewrite; scheduled when a child lives.
    pub fn start_rewrite(&mut self, trigger: String) {
        if self.child.is_some() {
            self.rewrite.scheduled = true;
            return;
        }
        self.rewrite.scheduled = false;
        let style = self.config.version.rewrite_style();
        if style == RewriteStyle::MultiPart {
            // The old INCR ends here, whole; its close is the worker's.
            self.flush(true);
            self.with_flush_context(|aof, _, cx| aof.open_new_file(cx));
            self.sync_manifest(MANIFEST_SYNCS_AT_START, "start of rewrite");
        }
        let child = Child::new(ChildKind::AofRewrite, trigger, self.main.now);
        let Some(mut child) = self.fork(child) else {
            self.rewrite.ended(false, self.main.now, &self.config);
            return;
        };
        let pace = self.pace(ChildKind::AofRewrite, self.child_stretch());
        let written_at = self.main.now + pace.span;
        match style {
            RewriteStyle::Streamed => {
                child.stops_streaming_at = written_at + diff_wait(self.change_rate());
                if pace.chunk_wait > 0 {
                    child.next_chunk_at = self.main.now + self.chunk_period(&pace);
                    child.chunk = (pace.chunk_wait, self.chunk_period(&pace));
                }
            }
            RewriteStyle::BufferAtEnd | RewriteStyle::MultiPart => child.exits_at = written_at,
        }
        self.set_off(child, pace);
    }

    /// Time between two waits for the disk of a child up to 6.2.
    fn chunk_period(&self, pace: &Pace) -> Nanos {
        let chunks = (self.rewritten_bytes() / super::child::SYNC_CHUNK).max(1);
        (pace.span / chunks).max(1)
    }

    /// fork(2); none when the kernel refuses.
    pub(super) fn fork(&mut self, mut child: Child) -> Option<Child> {
        let rss = self.rss();
        child.start = self.main.now;
        if !fork_succeeds(&self.prices, rss) {
            self.counters.children_failed += 1;
            self.main.blocks.note(self.main.now, "fork-failed", "not enough memory for the child".into());
            return None;
        }
        child.fork = fork_span(&self.prices.fork, rss, self.huge_pages);
        let detail = match child.kind {
            ChildKind::Bgsave if child.trigger == "BGSAVE" => "BGSAVE".to_string(),
            ChildKind::Bgsave => format!("BGSAVE ({})", child.trigger),
            ChildKind::AofRewrite => format!("AOF rewrite ({})", child.trigger),
            ChildKind::SlotSnapshot => child.trigger.clone(),
        };
        self.main.block(Cause::Fork, child.fork, || detail);
        self.counters.forks += 1;
        let exact = (!self.exact.is_empty()).then_some(self.exact.present());
        let classes = self.keyspace.present().iter().copied().chain(exact);
        self.cow.fork(rss, classes, self.pages_per_key);
        if let Some(streams) = &self.streams {
            self.cow.share(streams.pages());
        }
        child.appended_at_fork = self.aof.appended;
        child.changes_at_fork = self.changes;
        Some(child)
    }

    pub(super) fn set_off(&mut self, mut child: Child, pace: Pace) {
        let snapshot = self.snapshot(child.kind);
        child.file_bytes = snapshot.file_bytes(&self.prices.child, &self.config);
        self.disk.set_child_rate(self.main.now, pace.rate);
        self.child = Some(child);
        self.refresh_flags();
    }

    /// Syncs of the manifest and its directory, one after the other.
    fn sync_manifest(&mut self, syncs: u32, when: &str) {
        for _ in 0..syncs {
            let span = self.disk.fdatasync(self.main.now, MANIFEST_BYTES);
            self.main.block(Cause::ManifestFsync, span, || when.to_string());
        }
    }

    /// What a streaming child does between its fork and its exit.
    pub fn child_progress(&mut self) {
        let now = self.main.now;
        let Some(child) = &mut self.child else { return };
        let appended = self.aof.appended;
        if now >= child.next_chunk_at {
            // The child reads nothing while it waits for the disk; the buffer gathers, then drains.
            let (wait, period) = child.chunk;
            child.next_chunk_at = if child.stops_streaming_at == NEVER { NEVER } else { now + period };
            let rate = (appended - child.appended_at_fork) as f64 / (now - child.start).max(1) as f64;
            let backlog = rate * wait as f64;
            let span = drain_span(backlog, self.prices.memory.memmove_bandwidth, self.prices.disk.write);
            self.main.block(Cause::AofRewriteBuffer, span, || "pipe to the child".into());
        }
        let Some(child) = &mut self.child else { return };
        if now >= child.stops_streaming_at {
            child.appended_at_stop = appended;
            child.stops_streaming_at = NEVER;
            child.next_chunk_at = NEVER;
            let diff = appended - child.appended_at_fork;
            let write = diff as f64 / self.prices.disk.page_cache_bandwidth * SECOND as f64;
            child.exits_at = now + write as Nanos + self.disk.fdatasync(now, diff);
        }
    }

    /// `checkChildrenDone`: the end of a child is noticed here and nowhere else.
    pub(super) fn check_child(&mut self) {
        if self.child.as_ref().is_none_or(|child| child.exits_at > self.main.now) {
            return;
        }
        let Some(child) = self.child.take() else { return };
        self.disk.set_child_rate(self.main.now, 0.0);
        self.cow.child_gone();
        self.cow_max = self.cow_max.max(self.cow.copied_bytes());
        let noticed = self.main.now;
        let no_space = || child.kind != ChildKind::SlotSnapshot && self.disk.is_full(noticed);
        let failed = child.fails.or_else(|| no_space().then_some("no space left"));
        let residual = match (child.kind, failed) {
            (ChildKind::Bgsave, _) if child.to_replicas => 0,
            (ChildKind::Bgsave, _) => self.bgsave_done(&child, failed.is_none()),
            (ChildKind::AofRewrite, None) => self.rewrite_done(&child),
            (ChildKind::AofRewrite, Some(_)) | (ChildKind::SlotSnapshot, _) => 0,
        };
        if child.kind == ChildKind::AofRewrite {
            self.rewrite.ended(failed.is_none(), self.main.now, &self.config);
        }
        self.counters.children_failed += failed.is_some() as u64;
        self.main.blocks.note(
            noticed,
            "child-exit",
            format!("{}{}", child.kind.name(), failed.map(|why| format!(": {why}")).unwrap_or_default()),
        );
        let to_replicas = child.to_replicas;
        self.children.push(ChildRow {
            kind: child.kind.name(),
            start: child.start,
            fork: child.fork,
            duration: noticed - child.start - child.fork,
            cow_bytes: self.cow.copied_bytes(),
            file_bytes: child.file_bytes,
            end_stall: self.main.now - noticed,
            residual_bytes: residual,
            written_meanwhile_bytes: self.aof.appended - child.appended_at_fork,
            written_meanwhile_commands: self.changes - child.changes_at_fork,
            ok: failed.is_none(),
            trigger: child.trigger,
        });
        self.sync_child_ended(to_replicas, failed.is_none());
    }

    /// `backgroundSaveDoneHandler`.
    fn bgsave_done(&mut self, child: &Child, ok: bool) -> u64 {
        self.rdb.last_ok = ok;
        if ok {
            self.rdb.dirty -= child.dirty_at_fork;
            self.rdb.last_save = self.unix_seconds(self.main.now);
            self.counters.rdb_saves += 1;
            self.disk.take_space(child.file_bytes as i64 - self.rdb.file_bytes as i64);
            self.rdb.file_bytes = child.file_bytes;
        }
        if !self.config.appendonly {
            if ok {
                self.loss.covered_is_safe(self.main.now);
            } else {
                self.loss.cover_failed();
            }
        }
        0
    }

    /// `backgroundRewriteDoneHandler`; returns the rewrite buffer's bytes that were left for it.
    fn rewrite_done(&mut self, child: &Child) -> u64 {
        self.counters.aof_rewrites += 1;
        let meanwhile = self.aof.appended - child.appended_at_fork;
        let old_size = self.aof.current_size;
        let (size, residual) = match self.config.version.rewrite_style() {
            RewriteStyle::MultiPart => {
                self.main.block(Cause::AofRename, self.prices.disk.write, String::new);
                self.sync_manifest(MANIFEST_SYNCS_AT_END, "end of rewrite");
                (child.file_bytes + meanwhile - self.aof.buffer, 0)
            }
            RewriteStyle::Streamed => {
                (child.file_bytes + meanwhile, self.aof.appended - child.appended_at_stop)
            }
            RewriteStyle::BufferAtEnd => (child.file_bytes + meanwhile, meanwhile),
        };
        if self.config.version.rewrite_style() != RewriteStyle::MultiPart {
            self.write_residual(residual);
        }
        self.aof.current_size = size;
        self.aof.base_size = size;
        self.aof.base_file_size = child.file_bytes;
        self.disk.take_space(size as i64 - old_size as i64);
        residual
    }

    /// Before 7.0: the rest of the rewrite buffer goes to the new file in the main thread.
    fn write_residual(&mut self, bytes: u64) {
        self.with_flush_context(|aof, _, cx| {
            aof.abandon_old_file(cx);
            let (cost, throttled) = cx.disk.write_aof(cx.main.now, bytes);
            cx.main.block(Cause::AofRewriteDiffWrite, cost, || format!("{bytes} bytes"));
            cx.main.block(Cause::AofWriteThrottled, throttled, String::new);
        });
        match self.config.appendfsync {
            AppendFsync::Always => {
                let span = self.disk.fdatasync(self.main.now, bytes);
                self.disk.flush_aof();
                self.main.block(Cause::AofRewriteDoneFsync, span, String::new);
                self.loss.synced_now(self.main.now, self.changes);
            }
            AppendFsync::Everysec => self.with_flush_context(|aof, _, cx| aof.start_fsync(cx)),
            AppendFsync::No => {}
        }
        self.main.block(Cause::AofRename, self.prices.disk.write, String::new);
    }

    /// SAVE by command: the main thread writes the file itself.
    pub fn save_now(&mut self) {
        if self.child.as_ref().is_some_and(|child| child.kind == ChildKind::Bgsave) {
            self.main.blocks.note(self.main.now, "save-refused", "a BGSAVE is running".into());
            return;
        }
        let pace = self.pace(ChildKind::Bgsave, self.own_stretch());
        self.main.block(Cause::Save, pace.span, || "SAVE".into());
        self.rdb.dirty = 0;
        self.rdb.last_ok = true;
        self.rdb.last_save = self.unix_seconds(self.main.now);
        self.counters.rdb_saves += 1;
        self.note_slow(pace.span, 1);
        if !self.config.appendonly {
            self.loss.synced_now(self.main.now, self.changes);
        }
    }

    /// The process dies with its child; returns acknowledged writes lost.
    pub fn crash(&mut self, machine: bool) -> u64 {
        self.lose_child();
        self.replication_crashed();
        self.begin_anew(machine)
    }

    /// A replica serves from now on, whose process has no child and an AOF of its own.
    pub fn succeed(&mut self) {
        self.lose_child();
        self.begin_anew(false);
    }

    fn lose_child(&mut self) {
        if self.child.take().is_some() {
            self.counters.children_failed += 1;
            self.disk.set_child_rate(self.main.now, 0.0);
        }
    }

    fn begin_anew(&mut self, machine: bool) -> u64 {
        self.cow.forget();
        self.aof.die();
        if machine {
            self.disk.flush_aof();
        }
        // The base after a restart: the loaded file up to 6.2, the BASE file alone from 7.0 on.
        if self.config.version.rewrite_style() != RewriteStyle::MultiPart {
            self.aof.base_size = self.aof.current_size;
        } else {
            self.aof.base_size = self.aof.base_file_size.min(self.aof.current_size);
        }
        self.rewrite = super::rewrite::Rewrite { buffer_max: self.rewrite.buffer_max, ..Default::default() };
        // The next process takes its data for saved and has tried no BGSAVE.
        self.rdb = Rdb { dirty: 0, last_ok: true, last_try_at: None, scheduled: false, ..self.rdb };
        let lost = self.loss.crash(self.main.now, machine);
        self.refresh_flags();
        lost
    }
}
