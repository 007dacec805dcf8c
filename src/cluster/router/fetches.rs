//! Slot maps on their way from a node to a client process.

use std::sync::Arc;

use super::super::router::{ClientTask, Node, Router};
use super::pipelines::Split;
use crate::client::libraries::{MapCommand, OnMoved, Source};
use crate::client::redirect::Then;
use crate::client::slot_maps::Begin;
use crate::redis::cluster_slots_reply::MapCommand as MapRequest;
use crate::rng::Uniform;
use crate::sim::member::{Asker, Call};
use crate::units::Nanos;

/// `CLUSTER SLOTS` and `CLUSTER NODES`: both have as many letters \[bytes\].
const REQUEST: u64 = 28;

/// A map that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    process: u32,
    source: Source,
    /// The node whose reply was the reason.
    sender: u16,
    /// One of its process at a time, the others do without.
    alone: bool,
    waits: Waits,
}

/// Who goes on when it is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waits {
    Nobody,
    Command(u32, Then),
    Pipeline(Split),
}

impl Router {
    /// A process wants a new map, in the background.
    pub(super) fn wish(&mut self, process: u32, source: Source, sender: u16, now: Nanos, nodes: &mut [Node]) {
        if self.maps.begin_refresh(process, now) == Begin::Now {
            self.ask(Fetch { process, source, sender, alone: true, waits: Waits::Nobody }, now, nodes);
        }
    }

    /// Somebody waits for a new map, from `at` on.
    pub(super) fn fetch(
        &mut self,
        process: u32,
        source: Source,
        sender: u16,
        waits: Waits,
        (at, now): (Nanos, Nanos),
        nodes: &mut [Node],
    ) {
        // Jedis' `rediscoverLock.tryLock`; redis-py has each thread fetch for itself.
        let alone = self.profile.on_moved == OnMoved::FetchFirst;
        let fetch = Fetch { process, source, sender, alone, waits };
        match at > now {
            true => self.todo.push((at, ClientTask::Fetch(fetch))),
            false => self.begin_fetch(fetch, now, nodes),
        }
    }

    /// The map is asked for now, unless another thread is asking and the library then goes on without.
    pub(super) fn begin_fetch(&mut self, fetch: Fetch, now: Nanos, nodes: &mut [Node]) {
        if fetch.alone && self.maps.begin_refresh(fetch.process, now) == Begin::UnderWay {
            return self.go_on(fetch.waits, now, nodes);
        }
        self.ask(fetch, now, nodes);
    }

    fn ask(&mut self, fetch: Fetch, now: Nanos, nodes: &mut [Node]) {
        let node = match fetch.source {
            Source::Sender => fetch.sender as usize,
            Source::First => 0,
            Source::Any => self.draws.below(nodes.len() as u64) as usize,
        };
        let command = match self.profile.map_command {
            MapCommand::Slots => MapRequest::Slots,
            MapCommand::Nodes => MapRequest::Nodes,
        };
        self.flying += 1;
        let ticket = self.fetches.insert(fetch);
        nodes[node].call(now + self.way(REQUEST), Asker::Client(ticket.place), Call::Map(command));
    }

    /// A map has been read at `now`: `owners` as the asked node saw them.
    pub(super) fn map_arrives(&mut self, place: u32, owners: &Arc<Vec<u16>>, now: Nanos, nodes: &mut [Node]) {
        let Some((_, fetch)) = self.fetches.remove(place) else { return };
        self.flying -= 1;
        if self.maps.map(fetch.process) != &owners[..] {
            self.changed_at = now;
        }
        if !fetch.alone {
            self.maps.refresh(fetch.process, owners, now);
        } else if let Some(until) =
            self.maps.end_refresh(fetch.process, Some(owners), now, self.profile.cooldown)
        {
            self.todo.push((until, ClientTask::Rested(fetch.process)));
        }
        self.go_on(fetch.waits, now, nodes);
    }

    fn go_on(&mut self, waits: Waits, now: Nanos, nodes: &mut [Node]) {
        match waits {
            Waits::Nobody => {}
            Waits::Command(place, then) => self.then(place, then, now, nodes),
            Waits::Pipeline(split) => self.run_held(split, now, nodes),
        }
    }

    /// The pause of a process between two fetches is over.
    pub(super) fn rested(&mut self, process: u32, now: Nanos, nodes: &mut [Node]) {
        if self.maps.rested(process, now) {
            let source = self.profile.source;
            self.ask(Fetch { process, source, sender: 0, alone: true, waits: Waits::Nobody }, now, nodes);
        }
    }
}
