//! New requests on their way to the nodes.
//!
//! What clients mean to send before some time is taken in batches, one step for all of a batch after the other: when and
//! by whom, the slots of the keys, the nodes. The look-ups of one step do not wait for one another.

use std::iter;

use super::{Group, Node, Origin, Router, known};
use crate::client::key_names::KeyNames;
use crate::client::routed::Sent;
use crate::client::slot_maps::SlotMaps;
use crate::units::{NEVER, Nanos};

/// Commands sent in one go; a client write is sent as a whole.
const BATCH: usize = 128;

/// Client writes of one group that are sent in one go.
#[derive(Debug, Default)]
pub(super) struct Meant {
    /// When each is meant, and on which connection.
    writes: Vec<(Nanos, u32)>,
    /// Slots of the keys of all their commands, and whom their processes take for the owners.
    slots: Vec<u16>,
    owners: Vec<u16>,
}

impl Meant {
    /// Takes what `group` means to send before `end` and nodes can read before `until`, up to a batch; returns whether
    /// there may be more.
    fn take(&mut self, group: &mut Group, (until, end): (Nanos, Nanos), names: &KeyNames) -> bool {
        self.writes.clear();
        self.slots.clear();
        let most = BATCH.div_ceil(group.pipeline as usize);
        while self.writes.len() < most {
            let arrived_at = group.origin.next_at();
            if arrived_at.saturating_add(group.way_in) >= until || arrived_at >= end {
                break;
            }
            let connection = match &mut group.origin {
                Origin::Open(open) => open.take(),
                Origin::Closed(closed) => closed.take(group.pipeline, &mut []),
            };
            self.writes.push((arrived_at, connection));
        }
        let commands = self.writes.len() as u64 * group.pipeline as u64;
        let numbers = group.next..group.next + commands;
        let (sampler, keys) = (&group.sampler, &group.keys);
        self.slots.extend(numbers.map(|n| names.slot_of(sampler.draw(n, &mut keys.of(n)))));
        self.writes.len() == most
    }

    fn look_up_owners(&mut self, maps: &SlotMaps, pipeline: usize) {
        self.owners.clear();
        if let Some(map) = maps.only() {
            return self.owners.extend(self.slots.iter().map(|&slot| map[slot as usize]));
        }
        for (write, slots) in self.writes.iter().zip(self.slots.chunks_exact(pipeline)) {
            let process = maps.process_of(write.1);
            self.owners.extend(slots.iter().map(|&slot| maps.owner(process, slot)));
        }
    }
}

impl Router {
    /// Sends everything that nodes can read before `until`.
    pub(in super::super) fn send_until(&mut self, until: Nanos, nodes: &mut [Node]) {
        if until > self.sent_until {
            self.send_meant(nodes, until, NEVER);
            self.sent_until = until;
        }
    }

    /// Sends what clients mean to send before `end`, the end of the run, although no node reads it any more.
    pub(in super::super) fn send_rest(&mut self, end: Nanos, nodes: &mut [Node]) {
        self.send_meant(nodes, NEVER, end);
    }

    /// Sends what can be read before `until` and is meant to be sent before `end`.
    fn send_meant(&mut self, nodes: &mut [Node], until: Nanos, end: Nanos) {
        let mut old_maps = Vec::new();
        for index in 0..self.groups.len() {
            loop {
                let more = self.meant.take(&mut self.groups[index], (until, end), &self.names);
                self.note_old_maps(&mut old_maps);
                self.send_batch(index, nodes);
                if !more {
                    break;
                }
            }
        }
        for node in nodes.iter_mut() {
            node.groups.iter_mut().for_each(|group| {
                group.with_routed(|routed| routed.reuse());
            });
        }
        for (at, process) in old_maps {
            self.wish(process, self.profile.source, 0, at, nodes);
        }
    }

    /// Processes that send with a map that is too old for their library, and when.
    fn note_old_maps(&self, old_maps: &mut Vec<(Nanos, u32)>) {
        let (Some(age), Some(last)) = (self.profile.map_age, self.meant.writes.last()) else { return };
        if !self.maps.any_too_old(last.0, age) {
            return;
        }
        for &(at, connection) in &self.meant.writes {
            let process = self.maps.process_of(connection);
            if self.maps.too_old(process, at, age) {
                old_maps.push((at, process));
            }
        }
    }

    /// Every command goes to the node that its process takes for the owner of the slot.
    fn send_batch(&mut self, index: usize, nodes: &mut [Node]) {
        let group = &mut self.groups[index];
        let pipeline = group.pipeline as usize;
        self.meant.look_up_owners(&self.maps, pipeline);
        let commands = self.meant.slots.iter().zip(&self.meant.owners);
        let writes = self.meant.writes.iter().flat_map(|write| iter::repeat_n(write, pipeline));
        for ((&slot, &owner), &(arrived_at, connection)) in commands.zip(writes) {
            let readable_at = arrived_at.saturating_add(group.way_in);
            let sent = Sent { arrived_at, readable_at, number: group.next, connection, ticket: 0, slot };
            nodes[known(owner, slot, nodes.len())].groups[index].push_routed(sent);
            group.next += 1;
            self.measured += u64::from(arrived_at >= self.measured_from);
        }
    }
}
