//! serverCron, in the server's order (server.c; section comments name its steps).

use super::aof::Flushed;
use super::expire_cycle::CycleKind;
use super::server::Server;
use super::work::Work;
use crate::cause::Cause;
use crate::units::SECOND;

/// Clients a tick may serve before dynamic-hz doubles hz (`MAX_CLIENTS_PER_CLOCK_TICK`).
const CLIENTS_PER_TICK: u32 = 200;
/// Largest hz (`CONFIG_MAX_HZ`).
const MAX_HZ: u32 = 500;

impl Server {
    /// One serverCron. The next is due 1000/hz ms after its end.
    pub fn cron(&mut self) -> Flushed {
        let mut flushed = Flushed::Fine;
        self.counters.crons += 1;
        self.main.charge(Cause::Cron, self.prices.cpu.cron);
        // Cached clock, statistics.
        self.aof.refresh_clock(self.main.now);
        self.adapt_hz();
        self.disk.advance(self.main.now);
        self.write_back();
        self.cow.tidy();
        self.note_memory();
        // databasesCron.
        self.active_expire_cycle(CycleKind::Slow);
        self.cron_rehash();
        self.cron_rehash_expires();
        // A scheduled rewrite, then the child or the triggers.
        if self.child.is_none() && self.rewrite.scheduled {
            self.start_rewrite("BGREWRITEAOF".into());
        }
        if self.child.is_some() {
            self.check_child();
        } else {
            self.check_save_points();
            self.check_growth();
        }
        if self.config.appendonly && (self.aof.is_postponed() || !self.aof.write_ok) {
            flushed = self.flush(false);
        }
        self.cron_replication();
        if self.child.is_none() && self.rdb.scheduled {
            self.start_bgsave("BGSAVE".into());
        }
        self.refresh_flags();
        self.cron_at = self.main.now + self.period();
        flushed
    }

    fn adapt_hz(&mut self) {
        self.hz = self.config.hz;
        while self.config.dynamic_hz && self.clients / self.hz > CLIENTS_PER_TICK && self.hz < MAX_HZ {
            self.hz = (self.hz * 2).min(MAX_HZ);
        }
    }

    /// The kernel's flusher, which wakes on its own period.
    fn write_back(&mut self) {
        while self.next_write_back_at <= self.main.now {
            let at = self.next_write_back_at;
            self.next_write_back_at += self.prices.disk.dirty_writeback;
            if self.disk.periodic_write_back(at) {
                self.loss.written_back(at);
            }
        }
    }

    /// Takes note of the largest RSS, copies and rewrite buffer.
    pub fn note_memory(&mut self) {
        let copied = self.cow.copied_bytes();
        self.cow_max = self.cow_max.max(copied);
        let alive = if self.child.is_some() { copied } else { 0 };
        self.rss_max = self.rss_max.max(self.rss() + alive);
        self.rewrite.buffer_max = self.rewrite.buffer_max.max(self.rewrite_buffer());
    }

    /// At most 1 ms of moving buckets, when no child lives.
    fn cron_rehash(&mut self) {
        if self.child.is_some() {
            return;
        }
        self.keyspace.dict.shrink(false);
        if !self.config.activerehashing || !self.keyspace.dict.is_rehashing() {
            return;
        }
        let mut work = Work::default();
        self.rehash(self.keyspace.dict.cron_rehash_budget(self.rehash_step), &mut work);
        self.main.block(Cause::Rehash, work.rehash, || "serverCron".into());
    }

    /// First matching save point: whole seconds, strictly more than the point's.
    fn check_save_points(&mut self) {
        let now = self.main.now;
        let age = self.unix_seconds(now) - self.rdb.last_save;
        let may_retry = self.rdb.last_ok
            || self.rdb.last_try_at.is_none_or(|tried| {
                self.unix_seconds(now) - self.unix_seconds(tried) > super::persist::BGSAVE_RETRY
            });
        let point = self
            .config
            .save
            .iter()
            .find(|point| self.rdb.dirty >= point.changes && age > point.seconds as i64 && may_retry);
        if let Some(point) = point {
            self.start_bgsave(format!("save {} {}", point.seconds, point.changes));
        }
    }

    fn check_growth(&mut self) {
        let due = self.config.appendonly
            && self.child.is_none()
            && self.rewrite.is_due(&self.config, self.aof.current_size, self.aof.base_size, self.main.now);
        if due {
            self.start_rewrite(format!("growth {} %", self.config.auto_aof_rewrite_percentage));
        }
    }

    /// Mean write commands a second so far, for what depends on their rate.
    pub(super) fn change_rate(&self) -> f64 {
        self.changes as f64 / (self.main.now.max(1) as f64 / SECOND as f64)
    }
}
