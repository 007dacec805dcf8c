//! Replicas, each a process: where its link stands, and how far it is behind.

use super::event::{Event, Track, Value};
use super::output::Outlet;
use crate::redis::link::{Link, LinkState};
use crate::redis::server::Server;
use crate::units::Nanos;

/// The replicas of a server.
pub struct ReplicaTracks {
    replicas: Vec<ReplicaTrack>,
    next_at: Nanos,
}

struct ReplicaTrack {
    track: Track,
    state: LinkState,
    since: Nanos,
    said: [u64; 4],
}

impl ReplicaTracks {
    /// Those of a server, of the given names, the first of which is process number `first`.
    pub fn new(names: &[String], first: u32, out: &mut dyn Outlet) -> Self {
        let replicas = names.iter().zip(first..).map(|(name, process)| {
            let track = Track { process, thread: 1 };
            out.put(&Event::Process { process, name });
            out.put(&Event::Thread { track, name: "link to the primary" });
            ReplicaTrack { track, state: LinkState::Online, since: NOT_YET, said: [0; 4] }
        });
        ReplicaTracks { replicas: replicas.collect(), next_at: out.plan().from }
    }

    /// Looks at the replicas of `server`.
    pub fn turned(&mut self, server: &Server, resolution: Nanos, out: &mut dyn Outlet) {
        if self.replicas.is_empty() {
            return;
        }
        let now = server.main.now;
        for (replica, link) in self.replicas.iter_mut().zip(&server.replication.links) {
            if replica.since == NOT_YET {
                (replica.state, replica.since) = (link.state, 0);
            } else if replica.state != link.state {
                replica.close(now, out);
                (replica.state, replica.since) = (link.state, now);
            }
        }
        if now >= self.next_at && out.plan().holds(now) {
            for (replica, link) in self.replicas.iter_mut().zip(&server.replication.links) {
                replica.look(server, link, out);
            }
            let every = out.plan().look.max(resolution);
            self.next_at = now - now % every + every;
        }
    }

    /// The run is over at `now`.
    pub fn ended(&mut self, now: Nanos, out: &mut dyn Outlet) {
        self.replicas.iter_mut().for_each(|replica| replica.close(now, out));
    }
}

/// Nothing has been seen of it.
const NOT_YET: Nanos = Nanos::MAX;

impl ReplicaTrack {
    /// Writes the state that ends at `now`.
    fn close(&mut self, now: Nanos, out: &mut dyn Outlet) {
        if let Some((at, end)) = out.plan().within(self.since, now) {
            let (track, name) = (self.track, self.state.name());
            out.put(&Event::Slice { track, at, span: end - at, name, args: &[] });
        }
    }

    /// True lag, and what the primary has of it: what it acknowledged, and the seconds since, as INFO shows them.
    fn look(&mut self, server: &Server, link: &Link, out: &mut dyn Outlet) {
        let now = server.main.now;
        let offset = server.replication.offset;
        let online = link.state == LinkState::Online;
        let second = |at| server.unix_seconds(at);
        let lag = if online { (second(now) - second(link.acked_at)).max(0) as u64 } else { 0 };
        let counters = [
            ("behind the primary", "bytes", offset.saturating_sub(link.would_hold(now))),
            ("not acknowledged", "bytes", offset.saturating_sub(link.acked)),
            ("lag", "seconds", lag),
            ("output buffer in the primary", "bytes", server.replication.buffered(link)),
        ];
        let process = self.track.process;
        for ((name, unit, value), said) in counters.into_iter().zip(&mut self.said) {
            if *said != value {
                out.put(&Event::Counter { process, at: now, name, unit, value: Value::Int(value) });
                *said = value;
            }
        }
    }
}
