//! Copy-on-write in the parent: how many of its pages are still shared and write-protected, by popularity class.
//!
//! fork(2) protects every page. The first write to a protected page costs a fault: with a copy while the child
//! lives, without one after it has gone. Of a class with P pages, n writes to k random pages each leave
//! P·(1 − 1/P)^(n·k) protected, so a write meets a protected page with a probability that decays as e^(−n·k/P).
//! The count is an expectation, not drawn: single faults are microseconds, their sum is what matters.

use crate::cost_model::{CostModel, HugeCow};
use crate::math::whole;
use crate::units::{KIB, MIB, Nanos};

/// Below this share of protected pages a class counts as all private.
const NEGLIGIBLE: f64 = 1e-6;

/// Shared pages of the parent.
#[derive(Clone, Debug)]
pub struct Cow {
    classes: Vec<ClassPages>,
    page_bytes: u64,
    copy_cost: f64,
    reprotect_cost: f64,
    /// Cost of a fault now.
    cost: f64,
    /// Some class still has protected pages.
    active: bool,
    /// Faults since the start.
    faults: f64,
    /// Faults before the last fork.
    faults_at_fork: f64,
    /// Faults before the measured time.
    faults_before: f64,
    /// Pages copied for the last child; none while it lives.
    copied: Option<f64>,
    /// What was charged too little (or, below zero, too much) by rounding \[ns\].
    carry: f64,
}

#[derive(Clone, Copy, Debug)]
struct ClassPages {
    pages: f64,
    /// 1 / pages.
    per_page: f64,
    /// Share of its pages that is still protected.
    protected: f64,
}

impl Cow {
    /// Pages of a parent that never forked.
    pub fn new(machine: &CostModel, huge_pages: bool) -> Self {
        let copies_huge = huge_pages && machine.cow.huge == HugeCow::Copy;
        Cow {
            classes: Vec::new(),
            page_bytes: if copies_huge { 2 * MIB } else { 4 * KIB },
            copy_cost: if copies_huge { machine.cow.fault_huge } else { machine.cow.fault } as f64,
            reprotect_cost: machine.cow.reprotect as f64,
            cost: 0.0,
            active: false,
            faults: 0.0,
            faults_at_fork: 0.0,
            faults_before: 0.0,
            copied: Some(0.0),
            carry: 0.0,
        }
    }

    /// fork(2) with `rss` bytes resident. `keys_by_class` are the keys of each popularity class and
    /// `pages_per_key` the pages one key lies on: a class of few keys lies on few pages.
    pub fn fork(&mut self, rss: u64, keys_by_class: impl Iterator<Item = u64>, pages_per_key: f64) {
        let all = (rss / self.page_bytes).max(1) as f64;
        self.classes.clear();
        self.classes.extend(keys_by_class.map(|keys| {
            let pages = (keys as f64 * pages_per_key).clamp(1.0, all);
            ClassPages { pages, per_page: 1.0 / pages, protected: 1.0 }
        }));
        self.cost = self.copy_cost;
        self.active = true;
        self.faults_at_fork = self.faults;
        self.copied = None;
    }

    /// The child has gone; pages it left protected still cost a fault each.
    pub fn child_gone(&mut self) {
        self.cost = self.reprotect_cost;
        self.copied = Some(self.faults - self.faults_at_fork);
    }

    /// The process has gone, and what it shared with it.
    pub fn forget(&mut self) {
        self.child_gone();
        self.classes.clear();
        self.active = false;
    }

    /// Whether writes may still meet protected pages.
    #[inline(always)]
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Share of its protected pages that stays so when `touches` random pages of `class` are written.
    #[inline(always)]
    pub fn left_by(&self, class: usize, touches: f64) -> f64 {
        // One by one each touch leaves a share 1 − 1/P; many at once the same to first order, bounded by zero.
        let step = touches * self.classes[class].per_page;
        if step < 0.01 { 1.0 - step + 0.5 * step * step } else { libm::exp(-step) }
    }

    /// `touches` random pages of `class` are written; returns the time of the faults.
    #[inline]
    pub fn touch(&mut self, class: usize, touches: f64) -> Nanos {
        self.leave(class, self.left_by(class, touches))
    }

    /// The same of pages that [leave so much](Self::left_by).
    #[inline(always)]
    pub fn leave(&mut self, class: usize, left: f64) -> Nanos {
        let pages = &mut self.classes[class];
        if pages.protected < NEGLIGIBLE {
            return 0;
        }
        let after = pages.protected * left;
        let faults = (pages.protected - after) * pages.pages;
        pages.protected = after;
        self.faults += faults;
        let due = self.carry + faults * self.cost;
        let charged = whole(due.max(0.0));
        self.carry = due - charged as f64;
        charged
    }

    /// Further classes on `pages` pages each, shared by the fork just made.
    pub fn share(&mut self, pages: impl Iterator<Item = f64>) {
        self.classes.extend(pages.map(|pages| {
            let pages = pages.max(1.0);
            ClassPages { pages, per_page: 1.0 / pages, protected: 1.0 }
        }));
    }

    /// `pages` random pages of `class` give way to fresh ones, which nobody shares.
    pub fn replace(&mut self, class: usize, pages: f64) {
        let class = &mut self.classes[class];
        class.protected *= (1.0 - pages * class.per_page).max(0.0);
    }

    /// Forgets classes that are all private; called now and then.
    pub fn tidy(&mut self) {
        self.active = self.classes.iter().any(|class| class.protected > NEGLIGIBLE);
    }

    /// Bytes copied for the last child, so far if it lives.
    pub fn copied_bytes(&self) -> u64 {
        let pages = self.copied.unwrap_or(self.faults - self.faults_at_fork);
        (pages * self.page_bytes as f64) as u64
    }

    /// Forgets the faults so far: the measured time begins.
    pub fn measure(&mut self) {
        self.faults_before = self.faults;
    }

    /// Faults since the start, an expectation.
    #[inline(always)]
    pub fn expected_faults(&self) -> f64 {
        self.faults
    }

    /// Faults of the measured time.
    pub fn faults(&self) -> u64 {
        (self.faults - self.faults_before) as u64
    }
}
