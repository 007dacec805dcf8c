//! The main thread's time: where it stands, on whose account it was taken, and how long it was held at once.
//!
//! [`MainThread::charge`] and [`MainThread::block`] are the only ways to take time, so that the time the thread
//! was busy is, to the nanosecond, the sum over causes.

use crate::cause::{Cause, Causes};
use crate::observe::blame::log::Log;
use crate::observe::blocks::Blocks;
use crate::observe::journal::Job;
use crate::units::Nanos;

/// Clock and books of the main thread.
#[derive(Clone, Debug)]
pub struct MainThread {
    /// Where the thread stands: everything up to here has happened to it.
    pub now: Nanos,
    /// Time taken by cause \[ns\], indexed by `Cause as usize`.
    pub busy: [Nanos; Cause::COUNT],
    /// Time slept in epoll_wait \[ns\].
    pub idle: Nanos,
    /// Long holds, one by one.
    pub blocks: Blocks,
    /// Causes whose blocks take no time.
    free: Causes,
    /// What requests may have waited for, where somebody asks.
    pub log: Option<Box<Log>>,
}

impl MainThread {
    /// A thread that stands at time 0 and lists holds of at least `stall_threshold`; blocks on `free` take no time.
    pub fn new(stall_threshold: Nanos, free: Causes) -> Self {
        let blocks = Blocks::new(stall_threshold);
        MainThread { now: 0, busy: [0; Cause::COUNT], idle: 0, blocks, free, log: None }
    }

    /// Takes `span` on account of `cause`: ordinary work.
    #[inline(always)]
    pub fn charge(&mut self, cause: Cause, span: Nanos) {
        if let Some(log) = &mut self.log {
            log.add(self.now, cause, span);
        }
        if let Some(journal) = &mut self.blocks.journal {
            journal.charge(self.now, span, cause);
        }
        self.busy[cause as usize] += span;
        self.now += span;
    }

    /// Takes `span` on account of `cause`: something during which nothing else can run, listed when it is long.
    /// `detail` is made only then.
    pub fn block(&mut self, cause: Cause, span: Nanos, detail: impl FnOnce() -> String) {
        if self.free.has(cause) {
            return;
        }
        if self.blocks.journal.is_some() && span > 0 {
            return self.block_told(cause, span, detail());
        }
        self.blocks.add(self.now, span, cause, detail);
        self.charge(cause, span);
    }

    /// Takes `span` on account of `cause`, unless that takes no time: ordinary work that no price of its own stands for.
    pub fn charge_unless_free(&mut self, cause: Cause, span: Nanos) {
        if !self.free.has(cause) {
            self.charge(cause, span);
        }
    }

    /// The same while somebody reads the journal.
    #[cold]
    fn block_told(&mut self, cause: Cause, span: Nanos, detail: String) {
        self.blocks.add(self.now, span, cause, || detail.clone());
        self.charge(cause, span);
        if let Some(journal) = &mut self.blocks.journal {
            journal.detail(detail);
        }
    }

    /// A job of the background worker, for whoever reads the journal.
    pub fn hand_over(&mut self, job: Job) {
        if let Some(journal) = &mut self.blocks.journal {
            journal.jobs.push(job);
        }
    }

    /// Is woken for `span`, and not yet on a core.
    pub fn rouse(&mut self, span: Nanos) {
        if let Some(log) = &mut self.log {
            log.add(self.now, Cause::WakeUp, span);
        }
        self.idle += span;
        self.now += span;
    }

    /// Sleeps until `until` (no effect when that is past).
    #[inline(always)]
    pub fn sleep(&mut self, until: Nanos) -> Nanos {
        let slept = until.saturating_sub(self.now);
        if let Some(log) = &mut self.log {
            log.sleep(self.now, slept);
        }
        self.idle += slept;
        self.now += slept;
        slept
    }
}
