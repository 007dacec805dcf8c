//! A client thread: it reads one reply after the other.

use crate::cost_model::CostModel;
use crate::curve::Curve;
use crate::scenario::{Source, Workload};
use crate::units::{Nanos, SECOND};

/// A client thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thread {
    /// It is busy until then with what is in its queue.
    pub(super) free_at: Nanos,
    /// When the last reply for it came.
    last_reply_at: Nanos,
}

impl Thread {
    /// When a reply that comes at `at` is here: a thread takes replies in the order in which the server sent them.
    #[inline(always)]
    pub(super) fn takes(&mut self, at: Nanos) -> Nanos {
        self.last_reply_at = self.last_reply_at.max(at);
        self.last_reply_at
    }

    /// Reads the reply that comes at `at` and sends once, beside the replies; `spans` are the time of the one and of the
    /// other. Returns when it begins to read.
    #[inline(always)]
    pub(super) fn reads_and_sends(&mut self, at: Nanos, spans: (Nanos, Nanos), wakeup: &Curve) -> Nanos {
        let here_at = self.takes(at);
        let read_at = self.read(here_at, spans.0, wakeup);
        self.free_at += spans.1;
        read_at
    }

    /// When it begins to read, for `span`, what is here since `here_at`; asleep it wakes up first.
    #[inline(always)]
    pub(super) fn read(&mut self, here_at: Nanos, span: Nanos, wakeup: &Curve) -> Nanos {
        let read_at = match here_at.checked_sub(self.free_at) {
            Some(slept) if slept > 0 => here_at + wakeup.at(slept),
            _ => self.free_at,
        };
        self.free_at = read_at + span;
        read_at
    }
}

/// How long a client thread on the server's machine sleeps before it sends, in an open loop: half the mean gap
/// between its sends, since replies wake it as well. A closed loop sends while it is awake; on other machines
/// the intended time is that of the send.
pub(super) fn sleep_before_send(workload: &Workload, machine: &CostModel, threads: u32) -> Nanos {
    let Source::Open { schedule, .. } = &workload.source else { return 0 };
    if !machine.client.local {
        return 0;
    }
    let rate = schedule.iter().map(|piece| piece.1).fold(0.0, f64::max) / workload.pipeline as f64;
    let gap = threads as f64 * SECOND as f64 / rate.max(1e-3);
    (0.5 * gap) as Nanos
}
