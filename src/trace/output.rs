//! Where all servers of a run send their events, and how fine these may be.

use super::event::{Event, Sink};
use super::plan::Plan;
use crate::units::Nanos;

/// Share of the limit that is kept back for what comes in bursts and at the end.
const RESERVE: f64 = 0.05;
/// Below this share of what may have been written by now turns are shown finer again.
const CALM: f64 = 0.8;

/// The events' way out.
pub struct Output<S> {
    /// What writes them.
    pub sink: S,
    /// What is traced.
    pub plan: Plan,
    /// Turns shorter than this were merged where the most was going on \[ns\].
    pub coarsest: Nanos,
    /// When more had been written than a resolution of the user's may fill \[ns\].
    pub over_at: Option<Nanos>,
    arrows: u64,
}

/// Where the output stood at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    at: Nanos,
    bytes: u64,
}

/// What a server's trace does with the output, whatever it writes to.
pub trait Outlet {
    /// Passes an event on.
    fn put(&mut self, event: &Event);
    /// What is traced.
    fn plan(&self) -> &Plan;
    /// A number for the next arrow.
    fn next_arrow(&mut self) -> u64;
    /// Where the output stands at `now`.
    fn mark(&self, now: Nanos) -> Mark;
    /// The resolution from `now` on that keeps the file within its limit, after `resolution` since `mark` \[ns\].
    fn paced(&mut self, resolution: Nanos, mark: &Mark, now: Nanos) -> Nanos;
}

impl<S: Sink> Output<S> {
    /// Nothing has been written.
    pub fn new(sink: S, plan: Plan) -> Self {
        Output { sink, coarsest: plan.finest, over_at: None, plan, arrows: 0 }
    }

    /// Whether more has been written than a resolution of the user's may fill.
    pub fn is_over(&self) -> bool {
        self.plan.is_fixed && self.sink.bytes() > self.plan.limit
    }
}

impl<S: Sink> Outlet for Output<S> {
    fn put(&mut self, event: &Event) {
        self.sink.take(event);
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn next_arrow(&mut self) -> u64 {
        self.arrows += 1;
        self.arrows
    }

    fn mark(&self, now: Nanos) -> Mark {
        Mark { at: now, bytes: self.sink.bytes() }
    }

    fn paced(&mut self, resolution: Nanos, mark: &Mark, now: Nanos) -> Nanos {
        if self.plan.is_fixed {
            self.over_at = self.over_at.or_else(|| self.is_over().then_some(now));
            return resolution;
        }
        let rate = self.plan.limit as f64 * (1.0 - 2.0 * RESERVE) / self.plan.length() as f64;
        let reserve = self.plan.limit as f64 * RESERVE;
        let allowed = reserve + rate * now.saturating_sub(self.plan.from) as f64;
        let written = self.sink.bytes() as f64;
        let coarser = (2 * resolution).min(self.plan.length());
        let lately = (self.sink.bytes() - mark.bytes) as f64;
        let next = if written > allowed {
            // What has been written stays; that it grows no faster than it may is enough.
            if lately > rate * (now - mark.at) as f64 { coarser } else { resolution }
        } else if written < CALM * allowed {
            (resolution / 2).max(self.plan.finest)
        } else {
            resolution
        };
        self.coarsest = self.coarsest.max(next);
        next
    }
}
