//! Time-outs and retries of clients: when one gives up waiting, and when it sends again.
//!
//! A request that its client no longer waits for stays in the server's socket: it is executed all the same, and its
//! reply is dropped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::Ticket;
use crate::rng::{Stream, Uniform};
use crate::scenario::pattern::{Backoff, Patience};
use crate::units::{NEVER, Nanos};

/// Most retries that a budget can save up for a stall.
const BUCKET: f64 = 100.0;

/// Timers of a group's requests, and its right to retry.
#[derive(Clone, Debug)]
pub struct Timers {
    patience: Patience,
    /// (when its client gives up, request); requests that were answered are taken out when they come to the top.
    running: BinaryHeap<Reverse<(Nanos, Ticket)>>,
    tokens: f64,
    stream: Stream,
}

impl Timers {
    /// The timers of a group; `stream` draws the jitter of pauses.
    pub fn new(patience: Patience, stream: Stream) -> Self {
        Timers { patience, running: BinaryHeap::new(), tokens: 0.0, stream }
    }

    /// When a client that sends at `at` gives up waiting; [`NEVER`] without a time-out.
    pub fn gives_up_at(&self, at: Nanos) -> Nanos {
        self.patience.timeout.map_or(NEVER, |timeout| at.saturating_add(timeout))
    }

    /// A request is sent whose client gives up at `at`.
    pub fn start(&mut self, at: Nanos, request: Ticket) {
        if at < NEVER {
            self.running.push(Reverse((at, request)));
        }
    }

    /// The next timer; [`NEVER`] if there is none.
    #[inline(always)]
    pub fn next_at(&self) -> Nanos {
        self.running.peek().map_or(NEVER, |top| top.0.0)
    }

    /// Takes the next timer.
    pub fn take(&mut self) -> Option<(Nanos, Ticket)> {
        self.running.pop().map(|top| top.0)
    }

    /// An operation begins: the budget grows.
    pub fn operation_begins(&mut self) {
        if let Some(share) = self.patience.budget {
            self.tokens = (self.tokens + share).min(BUCKET);
        }
    }

    /// The pause before a step that was sent again `done` times already is sent once more; none if it is not.
    pub fn pause(&mut self, done: u32) -> Option<Nanos> {
        if done >= self.patience.retries {
            return None;
        }
        if self.patience.budget.is_some() {
            if self.tokens < 1.0 {
                return None;
            }
            self.tokens -= 1.0;
        }
        Some(match self.patience.backoff {
            Backoff::Constant(pause) => pause,
            Backoff::Exponential { base, cap, jitter } => {
                let longest =
                    base.checked_shl(done).filter(|pause| pause >> done == base).unwrap_or(cap).min(cap);
                if jitter { self.stream.below(longest + 1) } else { longest }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{StreamId, Streams};

    fn timers(backoff: Backoff, budget: Option<f64>) -> Timers {
        let patience = Patience { timeout: Some(100), retries: 4, backoff, budget };
        Timers::new(patience, Streams::new(1, 0).open(StreamId::Retry, 0))
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_end() {
        let mut timers = timers(Backoff::Exponential { base: 50, cap: 300, jitter: false }, None);
        let pauses: Vec<_> = (0..5).map(|done| timers.pause(done)).collect();
        assert_eq!(pauses, [Some(50), Some(100), Some(200), Some(300), None]);
    }

    #[test]
    fn full_jitter_is_uniform_up_to_the_pause() {
        let mut timers = timers(Backoff::Exponential { base: 1000, cap: 4000, jitter: true }, None);
        let sum: u64 = (0..10_000).map(|_| timers.pause(1).expect("a retry is left")).sum();
        // Mean 1000, standard deviation 577 / 100.
        assert!((sum as f64 / 1e4 - 1000.0).abs() < 4.0 * 5.8, "{sum}");
    }

    #[test]
    fn a_budget_allows_its_share_and_no_more() {
        let mut timers = timers(Backoff::Constant(0), Some(0.1));
        let mut retries = 0;
        for _ in 0..10_000 {
            timers.operation_begins();
            retries += timers.pause(0).is_some() as u32;
        }
        assert!((999..=1000).contains(&retries), "{retries}");
    }
}
