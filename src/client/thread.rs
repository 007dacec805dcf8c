//! A client thread: it reads one reply after the other.

use crate::curve::Curve;
use crate::units::Nanos;

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
