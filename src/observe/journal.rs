//! What a server's main thread and its background worker did, piece by piece, for somebody who watches turn by turn.
//!
//! Kept only while somebody does: without a reader nothing of this is allocated.

use crate::cause::Cause;
use crate::units::Nanos;

/// Time that the main thread took on one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Start \[ns\].
    pub at: Nanos,
    /// Length \[ns\], > 0.
    pub span: Nanos,
    /// On whose account.
    pub cause: Cause,
}

/// What the background worker of the AOF (bio.c) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// fdatasync of the file that is written now (`BIO_AOF_FSYNC`).
    Fsync,
    /// fdatasync of a file that is finished, and its close (`BIO_CLOSE_AOF`, before 7.2 `BIO_CLOSE_FILE`).
    Close,
}

/// A job of the background worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it is.
    pub kind: JobKind,
    /// When the main thread handed it over \[ns\].
    pub queued_at: Nanos,
    /// When the worker begins with it \[ns\].
    pub at: Nanos,
    /// How long it works on it \[ns\].
    pub span: Nanos,
    /// Bytes that go to the device.
    pub bytes: u64,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When \[ns\].
    pub at: Nanos,
    /// What changed (`child-exit`, `config-set` …).
    pub what: &'static str,
    /// More.
    pub detail: String,
}

/// What happened since it was last cleared, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Time of the main thread. Two that follow one another without a gap are one turn's, or of two turns back to back.
    pub charges: Vec<Charge>,
    /// Details of some of them: (index, text).
    pub details: Vec<(usize, String)>,
    /// Jobs handed to the background worker.
    pub jobs: Vec<Job>,
    /// Changes of state.
    pub notes: Vec<Note>,
}

impl Journal {
    /// Adds time of the main thread.
    #[cold]
    #[inline(never)]
    pub fn charge(&mut self, at: Nanos, span: Nanos, cause: Cause) {
        if span > 0 {
            self.charges.push(Charge { at, span, cause });
        }
    }

    /// Says more of the last one.
    pub fn detail(&mut self, text: String) {
        if let Some(last) = self.charges.len().checked_sub(1).filter(|_| !text.is_empty()) {
            self.details.push((last, text));
        }
    }

    /// Everything has been read.
    pub fn clear(&mut self) {
        self.charges.clear();
        self.details.clear();
        self.jobs.clear();
        self.notes.clear();
    }
}
