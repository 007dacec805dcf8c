//! A run of a command on keys that exist, and what many of the same add up to.

use super::replication::Feed;
use super::work::{Answered, Work};
use crate::units::Nanos;

/// A command all of whose runs are alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alike {
    pub(super) is_write: bool,
    pub(super) changes: bool,
    /// CPU time without the AOF append.
    pub(super) cpu: Nanos,
    pub(super) append: Nanos,
    pub(super) input: u64,
    pub(super) reply: u64,
    pub(super) aof: u64,
    pub(super) dirty: u64,
    pub(super) hits: u64,
    /// Pages a run touches.
    pub(super) pages: f64,
    /// Commands and bytes for replicas.
    pub(super) fed: (u64, u64),
}

impl Alike {
    /// What `commands` commands add up to, faults apart.
    #[inline(always)]
    pub(crate) fn work(&self, commands: u32, appendonly: bool) -> Work {
        let n = commands as u64;
        let appended = if appendonly { n } else { 0 };
        Work {
            cpu: n * self.cpu + appended * self.append,
            append: appended * self.append,
            aof_bytes: appended * self.aof,
            changed: n * self.changes as u64,
            dirty: n * self.dirty,
            commands: n,
            input_bytes: n * self.input,
            reply_bytes: n * self.reply,
            hits: n * self.hits,
            ..Work::default()
        }
    }

    /// Adds what feeding replicas with `commands` commands costs, and what they get.
    #[inline(always)]
    pub(crate) fn feed(&self, commands: u32, feed: &Feed, work: &mut Work) {
        let n = commands as u64;
        let (parts, bytes) = self.fed;
        work.cpu += n * feed.cost(parts, bytes);
        work.repl_bytes += n * bytes;
        work.repl_work += if bytes > 0 { n * self.cpu } else { 0 };
    }

    /// How `commands` commands are counted.
    #[inline(always)]
    pub(crate) fn answered(&self, commands: u32) -> Answered {
        let (reads, writes) = if self.is_write { (0, commands) } else { (commands, 0) };
        Answered { reads, writes, errors: 0 }
    }
}
