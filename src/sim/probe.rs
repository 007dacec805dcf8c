//! What can be watched of a run while it goes on. Whoever watches changes nothing.

use crate::observe::journal::Journal;
use crate::redis::server::Server;
use crate::units::Nanos;

/// What a probe may watch. `()` watches nothing and costs nothing.
pub trait Probe {
    /// Whether anything is watched.
    fn is_on(&self) -> bool {
        true
    }
    /// Whether turns are watched, piece by piece.
    fn wants_turns(&self) -> bool {
        false
    }
    /// Commands of one client write were answered.
    fn replied(&mut self, _seen: &Replied) {}
    /// A turn is over, and whatever else happened in the server since the last one.
    fn turned(&mut self, _seen: &Turned) {}
    /// The run is over; what happened since the last turn.
    fn ended(&mut self, _seen: &Turned) {}
}

impl Probe for () {
    #[inline(always)]
    fn is_on(&self) -> bool {
        false
    }
}

impl<P: Probe> Probe for &mut P {
    #[inline(always)]
    fn is_on(&self) -> bool {
        (**self).is_on()
    }
    #[inline(always)]
    fn wants_turns(&self) -> bool {
        (**self).wants_turns()
    }
    fn replied(&mut self, seen: &Replied) {
        (**self).replied(seen);
    }
    fn turned(&mut self, seen: &Turned) {
        (**self).turned(seen);
    }
    fn ended(&mut self, seen: &Turned) {
        (**self).ended(seen);
    }
}

/// A probe that may be there, of a server that is one of several.
pub type NodeProbe = Option<Box<dyn Probe>>;

impl Probe for NodeProbe {
    #[inline(always)]
    fn is_on(&self) -> bool {
        self.is_some()
    }
    fn wants_turns(&self) -> bool {
        self.as_ref().is_some_and(|probe| probe.wants_turns())
    }
    fn replied(&mut self, seen: &Replied) {
        self.iter_mut().for_each(|probe| probe.replied(seen));
    }
    fn turned(&mut self, seen: &Turned) {
        self.iter_mut().for_each(|probe| probe.turned(seen));
    }
    fn ended(&mut self, seen: &Turned) {
        self.iter_mut().for_each(|probe| probe.ended(seen));
    }
}

/// What a probe sees at the end of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Turned<'a> {
    /// The server as the turn leaves it.
    pub server: &'a Server,
    /// Commands answered or refused so far.
    pub answered: u64,
    /// What happened since the last look.
    pub journal: &'a Journal,
}

/// The life of the commands of one client write that a turn answered. Times do not fall in the order of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replied {
    /// Group and connection.
    pub group: u16,
    /// Connection, over all groups.
    pub connection: u32,
    /// Commands answered.
    pub commands: u32,
    /// Intended arrival.
    pub arrived_at: Nanos,
    /// Bytes readable at the server.
    pub readable_at: Nanos,
    /// The poll that saw them returned.
    pub polled_at: Nanos,
    /// The turn's commands have been executed.
    pub executed_at: Nanos,
    /// The AOF flush of the turn is over.
    pub flushed_at: Nanos,
    /// Reply handed to the socket.
    pub sent_at: Nanos,
    /// Reply read by the client.
    pub read_at: Nanos,
    /// Main-thread time of executing them: CPU, faults and moved buckets, eviction not included.
    pub service: Nanos,
}
