//! SLOWLOG: commands whose execution alone took long.
//!
//! What a client waits for besides (queueing, fork, write(2), fdatasync, the active expire cycle) is not in it: duration is
//! taken around the command's function (`call`, server.c; `slowlogPushEntryIfNeeded`, slowlog.c). The simulator's price of a
//! command holds its parsing, too; appending to the AOF buffer and copying pages are left out as there.

use super::server::Server;
use crate::units::{MICROSECOND, Nanos};

impl Server {
    /// Shortest execution that is logged \[ns\]; none if nothing is.
    #[inline]
    pub fn slowlog_threshold(&self) -> Option<Nanos> {
        u64::try_from(self.config.slowlog_log_slower_than)
            .ok()
            .map(|micros| micros.saturating_mul(MICROSECOND))
    }

    /// `commands` commands have taken `execution` \[ns\] each.
    #[inline]
    pub fn note_slow(&mut self, execution: Nanos, commands: u64) {
        if self.slowlog_threshold().is_some_and(|least| execution >= least) {
            self.counters.slowlog_entries += commands;
        }
    }
}
