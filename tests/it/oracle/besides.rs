//! What happens to the server of the slow engine beside its turns.

use writepath::cause::Cause;
use writepath::scenario::Action;
use writepath::units::Nanos;

use super::engine::Engine;

impl Engine<'_> {
    /// What a server that has just woken finds done to it: gaps of the host, crash samples, its child, events.
    pub(super) fn besides(&mut self, woken_at: Nanos, slept: Nanos) {
        let events = &self.scenario.events;
        let event_at = |next: usize| events.get(next).map_or(Nanos::MAX, |event| event.at);
        let server = &self.server;
        let due = [self.noise.next_at(), server.loss.next_sample_at(), event_at(self.next_event)];
        if woken_at < due.into_iter().fold(server.next_special_at(), Nanos::min) {
            return;
        }
        self.host_gaps(slept);
        let now = self.server.main.now;
        while self.server.loss.next_sample_at() <= now {
            let at = self.server.loss.next_sample_at();
            self.server.aof.settle(at, &self.server.disk, &mut self.server.loss);
            self.server.loss.sample(at);
        }
        if self.server.next_special_at() <= now {
            self.server.child_progress();
        }
        while event_at(self.next_event) <= self.server.main.now {
            let event = events[self.next_event].clone();
            self.next_event += 1;
            // Asleep, the server misses the beginning of a freeze.
            let missed = if slept > 0 { self.server.main.now - event.at } else { 0 };
            self.act(event.action, missed);
        }
    }

    /// Gaps of the host up to now: of one that began during a sleep only the rest counts.
    pub(super) fn host_gaps(&mut self, slept: Nanos) {
        let now = self.server.main.now;
        while self.noise.next_at() <= self.server.main.now {
            let (at, length) = self.noise.take();
            let asleep = slept > 0 && at < now;
            let delay = if asleep { (at + length).saturating_sub(now) } else { length };
            self.server.counters.host_gaps += (delay > 0) as u64;
            self.server.main.block(Cause::HostNoise, delay, String::new);
        }
    }

    fn act(&mut self, action: Action, missed: Nanos) {
        let (now, server) = (self.server.main.now, &mut self.server);
        match action {
            Action::Bgsave => server.start_bgsave("BGSAVE".into()),
            Action::Save => server.save_now(),
            Action::Bgrewriteaof => server.start_rewrite("BGREWRITEAOF".into()),
            Action::ConfigSet { config, .. } => server.reconfigure(*config),
            Action::ForeignWriter { bytes_per_second, until } => {
                server.disk.set_foreign(now, bytes_per_second, until);
            }
            Action::Freeze { span } => {
                server.main.block(Cause::Freeze, span.saturating_sub(missed), String::new);
            }
            other => panic!("{other:?} is not generated"),
        }
    }
}
