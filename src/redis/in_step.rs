//! Replicas in step, which have been sent all of the stream: what quiet turns write to them.
//!
//! A replica in step takes what a turn feeds with one write(2) when its socket has room. How much room there is at least
//! follows from what replicas had certainly done when a run of quiet turns began; how far they were within what they had
//! begun is looked up only when that does not suffice.

use super::backlog::Knot;
use super::config::RedisConfig;
use super::link::{Link, LinkState};
use super::replica::Sent;
use super::replication::Replication;
use super::server::Server;
use super::work::Work;
use crate::units::Nanos;

impl Link {
    /// Whether it is a replica of this primary that gets the stream.
    fn takes_stream(&self) -> bool {
        self.spec.of.is_none() && self.state == LinkState::Online
    }

    /// What its socket takes at `now` at least.
    fn room_at_least(&mut self, now: Nanos, config: &RedisConfig) -> u64 {
        if self.sync.rdb_channel {
            return self.room(now, config);
        }
        self.settle(now);
        self.spec.socket_buffer.saturating_sub(self.node.unsettled())
    }
}

impl Replication {
    /// Whether a turn's bytes go straight to every replica, and how many bytes may do so at `now`.
    pub fn room(&mut self, now: Nanos, config: &RedisConfig) -> Option<u64> {
        self.room_by(|link| link.room(now, config))
    }

    /// The same, and how many bytes may do so at least; [`room`](Self::room) of the same time may be asked for as long as
    /// nothing more was sent.
    pub fn room_at_least(&mut self, now: Nanos, config: &RedisConfig) -> Option<u64> {
        self.room_by(|link| link.room_at_least(now, config))
    }

    #[inline(always)]
    fn room_by(&mut self, mut of: impl FnMut(&mut Link) -> u64) -> Option<u64> {
        if self.pending || self.select_due || self.getack_due {
            return None;
        }
        let offset = self.offset;
        let mut room = u64::MAX;
        for link in self.links.iter_mut().filter(|link| link.spec.of.is_none() && link.state.is_fed()) {
            if link.state != LinkState::Online || link.node.sent != offset || link.getack.is_some() {
                return None;
            }
            room = room.min(of(link));
        }
        Some(room)
    }
}

impl Server {
    /// What feeding and writing do for the writes of `writes` quiet turns, from `first_at` to `last_at`, and the stream's
    /// books of them; `changes` is the number of the last write command.
    pub fn replicated_in_bulk(
        &mut self,
        (first_at, last_at): (Nanos, Nanos),
        writes: u64,
        done: &Work,
        changes: u64,
    ) {
        let (bytes, work) = (done.repl_bytes, done.repl_work);
        let replication = &mut self.replication;
        replication.offset += bytes;
        replication.work += work;
        let offset = replication.offset;
        let knot = Knot { offset, at: last_at, changes, work: replication.work };
        replication.history.push(knot);
        (replication.now, replication.sent_up_to) = (knot, knot);
        if let Some(backlog) = &mut replication.backlog {
            backlog.feed(offset, offset);
        }
        for index in 0..replication.links.len() {
            let link = &mut replication.links[index];
            if link.takes_stream() {
                let work = link.spec.apply.map_or(work, |each| done.changed * each);
                link.send(&Sent { first_at, last_at, writes, end: offset, work });
            }
        }
    }
}
