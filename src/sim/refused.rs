//! What a node replied instead of executing commands.

use crate::redis::node_query::Verdict;

/// Commands that were not executed, by reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) moved: u64,
    pub(crate) ask: u64,
    pub(crate) tryagain: u64,
    pub(crate) clusterdown: u64,
    pub(crate) crossslot: u64,
}

impl Refused {
    /// One more.
    pub(super) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Serve => {}
            Verdict::Moved { .. } => self.moved += 1,
            Verdict::Ask { .. } => self.ask += 1,
            Verdict::TryAgain => self.tryagain += 1,
            Verdict::CrossSlot => self.crossslot += 1,
            Verdict::Unbound | Verdict::Down | Verdict::DownForWrites => self.clusterdown += 1,
        }
    }
}
