//! The background worker of the AOF, and the disk's queue: every sync that is under way, whoever waits for it.

use super::event::{Track, Value};
use super::lanes::Lanes;
use super::output::Outlet;
use crate::cause::Cause;
use crate::observe::journal::{Charge, JobKind, Journal};
use crate::units::Nanos;

/// Their tracks.
pub struct Jobs {
    fsyncs: Syncs,
    /// What closes old files, where that is another worker.
    closes: Option<Syncs>,
    disk: Syncs,
}

/// Syncs of one kind: long ones by themselves, short ones of a stretch together.
struct Syncs {
    lanes: Lanes,
    short: Short,
}

/// Short syncs, none of them written yet.
#[derive(Clone, Copy, Default)]
struct Short {
    from: Nanos,
    until: Nanos,
    number: u64,
    sum: Nanos,
    longest: Nanos,
}

/// A sync of the main thread: under `always`, of a manifest, of a rewritten file, of nodes.conf.
fn is_sync(cause: Cause) -> bool {
    use Cause::{AofFsyncAlways, AofRewriteDoneFsync, ClusterConfigFsync, ManifestFsync};
    matches!(cause, AofFsyncAlways | AofRewriteDoneFsync | ClusterConfigFsync | ManifestFsync)
}

impl Jobs {
    /// No job yet. `one_worker`: fsyncs and closes share a thread (7.2 on). Tracks are numbered from `first` on.
    pub fn new(one_worker: bool, first: [Track; 3]) -> Self {
        let name = if one_worker { "bio_aof" } else { "bio_aof_fsync" };
        Jobs {
            fsyncs: Syncs::new(name, first[0]),
            closes: (!one_worker).then(|| Syncs::new("bio_close_file", first[1])),
            disk: Syncs::new("disk queue", first[2]),
        }
    }

    /// Takes what was begun since the last look.
    pub fn turned(&mut self, journal: &Journal, resolution: Nanos, out: &mut dyn Outlet) {
        for job in &journal.jobs {
            let name = match job.kind {
                JobKind::Fsync => "fdatasync",
                JobKind::Close => "fdatasync and close",
            };
            let waited = job.at - job.queued_at;
            let args = [("bytes", Value::Int(job.bytes)), ("waited_ns", Value::Int(waited))];
            let worker = match (&mut self.closes, job.kind) {
                (Some(closes), JobKind::Close) => closes,
                _ => &mut self.fsyncs,
            };
            worker.add((job.at, job.span), (name, &args), resolution, out);
            let args = [("by", Value::Text("bio thread")), ("bytes", Value::Int(job.bytes))];
            self.disk.add((job.at, job.span), ("fdatasync", &args), resolution, out);
        }
        for &Charge { at, span, cause } in journal.charges.iter().filter(|charge| is_sync(charge.cause)) {
            let args = [("by", Value::Text("main thread")), ("for", Value::Text(cause.name()))];
            self.disk.add((at, span), ("fdatasync", &args), resolution, out);
        }
    }

    /// The run is over.
    pub fn ended(&mut self, out: &mut dyn Outlet) {
        self.fsyncs.close(out);
        self.closes.iter_mut().for_each(|closes| closes.close(out));
        self.disk.close(out);
    }
}

impl Syncs {
    fn new(name: &'static str, first: Track) -> Self {
        Syncs { lanes: Lanes::new(name, first), short: Short::default() }
    }

    fn add(
        &mut self,
        (at, span): (Nanos, Nanos),
        (name, args): (&str, &[(&str, Value)]),
        resolution: Nanos,
        out: &mut dyn Outlet,
    ) {
        let Some((at, end)) = out.plan().within(at, at + span) else { return };
        if span >= resolution {
            return self.lanes.slice(at, end, name, args, out);
        }
        let length = out.plan().piece.max(resolution);
        if self.short.number > 0 && at / length != self.short.from / length {
            self.close(out);
        }
        let short = &mut self.short;
        if short.number == 0 {
            short.from = at;
        }
        short.until = short.until.max(end);
        short.number += 1;
        short.sum += end - at;
        short.longest = short.longest.max(end - at);
    }

    /// Writes short ones that were put off.
    fn close(&mut self, out: &mut dyn Outlet) {
        let short = std::mem::take(&mut self.short);
        if short.number == 0 {
            return;
        }
        let args = [
            ("number", Value::Int(short.number)),
            ("sum_ns", Value::Int(short.sum)),
            ("longest_ns", Value::Int(short.longest)),
        ];
        let name = if short.number == 1 { "fdatasync" } else { "fdatasyncs" };
        self.lanes.slice(short.from, short.until, name, &args, out);
    }
}
