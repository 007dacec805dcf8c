//! What the server propagates by itself, apart from any command: `propagateDeletion`.

use super::server::Server;
use crate::cause::Cause;
use crate::units::{KIB, Nanos};

impl Server {
    /// `commands` commands of `bytes` that the server adds to the AOF and the replication stream by itself: the DELs of
    /// expired keys. They are no writes of a client, so a crash that loses them loses nothing that was acknowledged.
    pub fn propagate(&mut self, bytes: u64, commands: u64) {
        if bytes == 0 {
            return;
        }
        if self.replication.feeds {
            self.feed_replicas(bytes, commands * self.prices.cpu.del, self.changes);
        }
        if !self.config.appendonly {
            return;
        }
        self.aof.append(bytes, self.changes);
        self.counters.aof_bytes += bytes;
        if self.keeps_rewrite_buffer() {
            let copy = self.prices.cpu.aof_append_per_kib / KIB as f64 * bytes as f64;
            let append = commands * self.prices.cpu.aof_append + copy as Nanos;
            self.main.charge_unless_free(Cause::AofRewriteBuffer, append);
        }
    }
}
