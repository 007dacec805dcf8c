//! Where keys that are kept exactly meet the active expire cycle.
//!
//! They stand in the table of deadlines with the others: the cycle samples them, and finds those that are due where the
//! hash of their number lies. The two sides are brought together ahead of each call of the cycle and after it; what a
//! command meets in between is deleted lazily and needs no table.

use super::server::Server;

impl Server {
    /// Ahead of a call: how many exact keys have a deadline, and which of them are due.
    pub(super) fn sync_exact_keys(&mut self) {
        if self.exact.is_empty() {
            return;
        }
        for id in self.exact.take_gone() {
            self.expires.exact_met(id);
        }
        let volatile = self.exact.volatile();
        while self.expires.exact_volatile() > volatile {
            self.expires.exact_unset();
        }
        let alive = self.child.is_some();
        while self.expires.exact_volatile() < volatile {
            let (used, limit) = (self.used_memory(), self.config.maxmemory);
            let growth = self.expires.exact_set(alive, |bytes| limit == 0 || used + bytes <= limit);
            if let super::dict::Growth::Allocated { new_bytes } = growth {
                self.expires_table_grew(new_bytes);
            }
        }
        let mut due = Vec::new();
        self.exact.advance(self.unix_ms(self.main.now), &mut due);
        for id in due {
            let deadline = self.exact.deadline_ms(id).expect("it is past its deadline");
            self.expires.exact_due(id, deadline);
        }
    }

    /// After a call: those it deleted are gone.
    pub(super) fn drop_swept_exact_keys(&mut self) {
        let now = self.main.now;
        for id in std::mem::take(&mut self.expires.deleted_exact) {
            let there = self.exact.expire(id, now, self.unix_ms(now));
            assert!(there, "the cycle met the key before a command did");
        }
    }
}
