//! What happens beside the turns: gaps of the host, events of the scenario, crash samples, a child's phases, ticks.

use super::member::Told;
use super::replicas;
use super::run::Simulation;
use super::silence::Why;
use super::turn::Probe;
use crate::cause::Cause;
use crate::client::group::Unit;
use crate::observe::result::TimelineRow;
use crate::observe::sections::Mark;
use crate::scenario::Action;
use crate::units::{NEVER, Nanos};

impl<P: Probe> Simulation<P> {
    /// The time of the next thing that is not a turn.
    pub(super) fn update_special(&mut self) {
        let event = self.events.get(self.next_event).map_or(NEVER, |event| event.at);
        let warmup = if self.measuring { NEVER } else { self.warmup };
        self.special_at = self
            .noise
            .next_at()
            .min(self.server.loss.next_sample_at())
            .min(event)
            .min(warmup)
            .min(self.control_at)
            .min(self.server.next_special_at());
        self.update_due();
    }

    /// The time at which a turn has more to do than its commands.
    pub(super) fn update_due(&mut self) {
        self.due_at = self.special_at.min(self.server.cron_at).min(self.recorder.next_tick_at());
    }

    /// Does everything that is due at the start of a turn; the thread slept `slept` before it.
    #[cold]
    pub(super) fn special(&mut self, slept: Nanos) {
        self.host_gaps(slept);
        let now = self.server.main.now;
        while self.server.loss.next_sample_at() <= now {
            let at = self.server.loss.next_sample_at();
            self.server.aof.settle(at, &self.server.disk, &mut self.server.loss);
            self.server.loss.sample(at);
        }
        if now >= self.server.next_special_at() {
            self.server.child_progress();
            if now >= self.server.replication.wakes_at {
                self.server.replication_progress();
            }
        }
        if now >= self.control_at {
            self.take_calls();
        }
        if !self.measuring && now >= self.warmup {
            self.begin_measuring();
        }
        while self.events.get(self.next_event).is_some_and(|event| event.at <= self.server.main.now) {
            if self.member.as_ref().is_some_and(|member| member.is_parked()) {
                break;
            }
            self.next_event += 1;
            self.act(self.next_event - 1, slept);
        }
        self.update_special();
    }

    /// Gaps of the host up to now. One that began while the thread slept delays it by what is left of it; one
    /// that began while it ran delays it whole.
    #[cold]
    pub(super) fn host_gaps(&mut self, slept: Nanos) {
        let woken_at = self.server.main.now;
        while self.noise.next_at() <= self.server.main.now {
            let (at, length) = self.noise.take();
            let delay =
                if slept > 0 && at < woken_at { (at + length).saturating_sub(woken_at) } else { length };
            if delay > 0 {
                self.server.counters.host_gaps += 1;
                self.server.main.block(Cause::HostNoise, delay, String::new);
            }
        }
        self.update_special();
    }

    /// The warm-up is over: figures so far are forgotten.
    fn begin_measuring(&mut self) {
        self.measuring = true;
        let server = &mut self.server;
        server.main.blocks.clear();
        server.loss.clear();
        server.counters = Default::default();
        server.cow.measure();
        server.replication.measure();
        server.exact.measure();
        server.children.clear();
        server.expires.seen.clear();
        self.measured_from_at = server.main.now;
        self.busy_before = server.main.busy;
        self.row_busy = server.main.busy;
        (self.row_cycles, self.row_expired) = (0, 0);
        self.errors = Default::default();
        self.spent.fill(Default::default());
    }

    /// One event of the scenario; the thread slept `slept` before now.
    fn act(&mut self, index: usize, slept: Nanos) {
        let event = self.events[index].clone();
        let now = self.server.main.now;
        match event.action {
            Action::Bgsave => self.server.start_bgsave("BGSAVE".into()),
            Action::Save => self.server.save_now(),
            Action::Bgrewriteaof => self.server.start_rewrite("BGREWRITEAOF".into()),
            Action::ConfigSet { text, config } => {
                self.server.main.blocks.note(now, "config-set", text);
                self.server.reconfigure(*config);
            }
            Action::ForeignWriter { bytes_per_second, until } => {
                self.server.main.blocks.note(now, "foreign-writer", format!("{bytes_per_second:.0} bytes/s"));
                self.server.disk.set_foreign(now, bytes_per_second, until);
            }
            Action::Freeze { span } => {
                // A sleeping thread notices only what is left of it.
                let slept_through = if slept > 0 { now - event.at } else { 0 };
                let left = span.saturating_sub(slept_through);
                if self.falls_silent(Why::Freeze, left) {
                    return;
                }
                self.server.main.block(Cause::Freeze, left, String::new);
            }
            Action::DiskFull { until } => {
                self.server.main.blocks.note(now, "disk-full", String::new());
                self.server.disk.fill_until(until);
            }
            Action::FsyncFails { until } => {
                self.server.main.blocks.note(now, "fsync-fails", String::new());
                self.server.disk.fail_fsync_until(until);
            }
            Action::Crash { machine, restart } => self.crash(machine, restart),
            Action::Replica(action) => self.act_on_replicas(action),
        }
    }

    /// The server dies, and serves again after `restart`; who asked meanwhile lost the connection.
    pub(super) fn crash(&mut self, machine: bool, restart: Nanos) {
        if !self.falls_silent(Why::Crash { machine }, restart) {
            self.crash_now(machine, restart);
        }
    }

    /// The same, when nobody else can take its place.
    pub(super) fn crash_now(&mut self, machine: bool, restart: Nanos) {
        let lost = self.server.crash(machine);
        let kind = if machine { "machine" } else { "process" };
        let at = self.server.main.now;
        self.server.main.blocks.note(at, "crash", format!("{kind} death: {lost} acknowledged writes lost"));
        self.refuse_clients(restart);
        self.died(at);
        self.server.rdb.last_save = self.server.unix_seconds(self.server.main.now);
    }

    /// Nobody serves for `restart`: who asks meanwhile loses the connection.
    pub(super) fn refuse_clients(&mut self, restart: Nanos) {
        let restart = restart.min(self.horizon.saturating_sub(self.server.main.now));
        self.server.main.block(Cause::Restart, restart, String::new);
        let back_at = self.server.main.now;
        let mut refused = std::mem::take(&mut self.backlog);
        refused.extend(self.release_writes());
        let (executed, held) = self.lose_waiting();
        refused.extend(held);
        // Those were counted when their commands were executed.
        self.answered -= executed.iter().map(|unit| unit.commands as u64).sum::<u64>();
        refused.extend(executed);
        for group in &mut self.groups {
            // Closed loops find the server again once each connection has been refused.
            let mut left = if group.is_closed() { self.last_turn.len() } else { usize::MAX };
            while group.next_readable_at() < back_at && left > 0 {
                refused.push(group.take());
                left -= 1;
            }
        }
        for unit in refused {
            self.refuse(unit, back_at);
        }
    }

    /// The connection of `unit` breaks at `at`.
    pub(super) fn refuse(&mut self, unit: Unit, at: Nanos) {
        self.answered += unit.commands as u64;
        let read_at = self.groups[unit.group as usize].receive(unit.connection, unit.commands, at).read_at;
        if let Some(member) = &mut self.member {
            // What becomes of it is for the client's library to say.
            member.told.push(Told::Lost(unit, read_at));
            self.groups[unit.group as usize].with_routed(|routed| routed.unfinished());
            return;
        }
        if unit.arrived_at >= self.warmup {
            self.errors.connection_lost += unit.commands as u64;
        }
        if self.patterned {
            self.refuse_step(&unit, read_at);
        }
        let queued = self.groups.iter().flat_map(|group| group.queued());
        let ticketed = queued.filter(|queued| queued.1 > 0).count() as u32;
        if let Some(member) = &mut self.member {
            member.ticketed = ticketed;
        }
    }

    /// An `always` server exits when it cannot keep its promise; nobody starts it again.
    pub(super) fn exit(&mut self) -> bool {
        self.backlog.append(&mut self.units);
        self.crash(false, NEVER);
        false
    }

    /// Cores that the clients on this machine used since the last serverCron.
    pub(super) fn note_client_load(&mut self) {
        if !self.server.prices.client.local {
            return;
        }
        let busy: Nanos = self.groups.iter().map(|group| group.client_busy).sum();
        let elapsed = self.server.main.now - self.client_load_at;
        if elapsed > 0 {
            let threads = self.server.prices.client.threads as f64;
            self.server.client_load = ((busy - self.client_busy) as f64 / elapsed as f64).min(threads);
            (self.client_busy, self.client_load_at) = (busy, self.server.main.now);
        }
    }

    /// Closes windows and writes rows of the timeline.
    #[cold]
    pub(crate) fn tick(&mut self) {
        let now = self.server.main.now;
        let (server, rows) = (&mut self.server, &mut self.rows);
        let (row_busy, row_cycles) = (&mut self.row_busy, &mut self.row_cycles);
        let row_expired = &mut self.row_expired;
        self.recorder.tick(now, |end, quantiles| {
            server.aof.settle(now, &server.disk, &mut server.loss);
            let busy = server.main.busy.iter().zip(row_busy.iter()).map(|(now, then)| now - then).collect();
            *row_busy = server.main.busy;
            let cycles = server.counters.eventloop_cycles;
            let [repl_backlog_bytes, replica_buffer_bytes_max, replica_lag_bytes_max] = replicas::row(server);
            let expired = server.counters.expired_keys;
            rows.push(TimelineRow {
                at: end,
                completed: quantiles.map_or(0, |(completed, _)| completed),
                sojourn: quantiles.map(|(_, quantiles)| quantiles),
                busy,
                eventloop_cycles: cycles - std::mem::replace(row_cycles, cycles),
                aof_buffer_bytes: server.aof.buffer,
                aof_bytes: if server.config.appendonly { server.aof.current_size } else { 0 },
                dirty_bytes: server.disk.dirty_bytes(),
                used_bytes: server.used_memory(),
                rss_bytes: server.rss(),
                cow_bytes: server.cow.copied_bytes(),
                rewrite_buffer_bytes: server.rewrite_buffer(),
                keys: server.keys(),
                expired_keys: expired - std::mem::replace(row_expired, expired),
                volatile_keys: server.expires.keys(),
                pending_expired_keys: server.expires.pending(),
                changes_since_save: server.rdb.dirty,
                unsynced_writes: server.loss.machine_loss(),
                child: server.child.as_ref().map_or("none", |child| child.kind.name()),
                repl_backlog_bytes,
                replica_buffer_bytes_max,
                replica_lag_bytes_max,
            });
        });
        while self.marks.len() < self.recorder.sections_ended() {
            // A turn that began in the warm-up may end after a section.
            self.marks.push(if self.measuring { self.mark() } else { Mark::default() });
        }
        self.update_due();
    }
}
