//! Counters of a server under the names that INFO has for them, and a few that INFO lacks.

use super::event::{Event, Value};
use super::output::Outlet;
use crate::redis::server::Server;
use crate::sim::Turned;
use crate::units::{Nanos, SECOND};

/// Number of counters.
const COUNT: usize = 20;

/// (name, unit, value).
type Counter = (&'static str, &'static str, Value<'static>);

/// What was last said of a server's counters.
pub struct Counters {
    process: u32,
    last: [Option<Value<'static>>; COUNT],
    /// Time of the last look, and what had been counted by then.
    at: Nanos,
    next_at: Nanos,
    answered: u64,
    idle: Nanos,
    /// The largest AOF buffer since the last look, and when it was so.
    buffer: (u64, Nanos),
}

impl Counters {
    /// Nothing has been said.
    pub fn new(process: u32, out: &dyn Outlet) -> Self {
        let from = out.plan().from;
        Counters { process, last: [None; COUNT], at: 0, next_at: from, answered: 0, idle: 0, buffer: (0, 0) }
    }

    /// Looks at the server when it is time.
    pub fn turned(&mut self, seen: &Turned, resolution: Nanos, out: &mut dyn Outlet) {
        let now = seen.server.main.now;
        if !out.plan().holds(now) {
            (self.at, self.answered, self.idle) = (now, seen.answered, seen.server.main.idle);
            return;
        }
        if seen.server.aof.buffer > self.buffer.0 {
            self.buffer = (seen.server.aof.buffer, now);
        }
        if now >= self.next_at {
            self.look(seen, out);
            let every = out.plan().look.max(resolution);
            self.next_at = now - now % every + every;
        }
    }

    fn look(&mut self, seen: &Turned, out: &mut dyn Outlet) {
        let (server, now) = (seen.server, seen.server.main.now);
        let length = now - self.at;
        let (fullest, at) = std::mem::take(&mut self.buffer);
        if fullest > server.aof.buffer {
            // Between two looks it was fuller.
            let (process, value) = (self.process, Value::Int(fullest));
            out.put(&Event::Counter { process, at, name: "aof_buffer_length", unit: "bytes", value });
            self.last[0] = Some(value);
        }
        let rate = (seen.answered - self.answered) as f64 / length.max(1) as f64 * SECOND as f64;
        let busy = 1.0 - (server.main.idle - self.idle) as f64 / length.max(1) as f64;
        (self.at, self.answered, self.idle) = (now, seen.answered, server.main.idle);
        let counters = counters(server, rate.round() as u64, busy);
        for ((name, unit, value), last) in counters.into_iter().zip(&mut self.last) {
            let is_news = last.map_or_else(|| !is_zero(&value), |last| last != value);
            if is_news {
                out.put(&Event::Counter { process: self.process, at: now, name, unit, value });
                *last = Some(value);
            }
        }
    }
}

fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Int(0)) || *value == Value::Real(0.0)
}

/// All counters of `server`, which answered `rate` commands a second and was busy for a share `busy` of the time.
fn counters(server: &Server, rate: u64, busy: f64) -> [Counter; COUNT] {
    use Value::{Int, Real};
    let used = server.used_memory();
    let cow = if server.child.is_some() { server.cow.copied_bytes() } else { 0 };
    let aof = |bytes: u64| Int(if server.config.appendonly { bytes } else { 0 });
    let replication = &server.replication;
    let backlog = replication.backlog.as_ref().map_or(0, |backlog| backlog.histlen());
    let hundredth = |share: f64| Real((100.0 * share).round() / 100.0);
    [
        ("aof_buffer_length", "bytes", Int(server.aof.buffer)),
        ("aof_current_size", "bytes", aof(server.aof.current_size)),
        ("aof_base_size", "bytes", aof(server.aof.base_size)),
        ("aof_rewrite_buffer_length", "bytes", Int(server.rewrite_buffer())),
        ("aof_pending_bio_fsync", "fsyncs", Int(server.aof.fsync_in_progress().into())),
        ("aof_delayed_fsync", "fsyncs", Int(server.counters.aof_delayed_fsync)),
        ("used_memory", "bytes", Int(used)),
        ("used_memory_rss", "bytes", Int(server.rss())),
        ("mem_fragmentation_ratio", "ratio", hundredth(server.rss() as f64 / used.max(1) as f64)),
        ("current_cow_size", "bytes", Int(cow)),
        ("rdb_changes_since_last_save", "changes", Int(server.rdb.dirty)),
        ("db0:keys", "keys", Int(server.keys() + server.exact.present())),
        ("expired_keys", "keys", Int(server.counters.expired_keys)),
        ("evicted_keys", "keys", Int(server.counters.evicted_keys)),
        ("connected_slaves", "replicas", Int(replication.connected().count() as u64)),
        ("repl_backlog_histlen", "bytes", Int(backlog)),
        ("instantaneous_ops_per_sec", "commands/s", Int(rate)),
        ("main thread busy", "share", hundredth(busy)),
        ("page cache dirty", "bytes", Int(server.disk.dirty_bytes())),
        ("lost if the machine died now", "writes", Int(server.loss.machine_loss())),
    ]
}
