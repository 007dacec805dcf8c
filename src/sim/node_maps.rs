//! The map of slots that a node gives to clients.

use std::sync::Arc;

use super::member::{Asker, Told};
use super::run::Simulation;
use super::turn::{MAX_WRITE, Probe};
use crate::cause::Cause;
use crate::redis::cluster_slots_reply::{ADDRESS, Known, MapCommand, MapReply};
use crate::units::NEVER;

/// A map as a node gave it last.
#[derive(Clone, Debug)]
pub(super) struct GivenMap {
    command: MapCommand,
    owners: Arc<Vec<u16>>,
    reply: MapReply,
}

impl<P: Probe> Simulation<P> {
    /// Executes a client's request for the map.
    #[cold]
    pub(super) fn give_map(&mut self, asker: Asker, command: MapCommand) {
        let version = self.server.config.version;
        let replicas = vec![self.server.replication.links.len() as u32; self.seat().machines.len()];
        let offset = self.server.replication.offset;
        let member = self.member.as_mut().expect("only of a node");
        let owners = member.view.owners();
        let same = member.map.as_ref().is_some_and(|map| map.command == command && map.owners[..] == *owners);
        if !same {
            let known = Known { owners, replicas: &replicas, myself: member.index, address: ADDRESS, offset };
            // Clients that speak RESP3 are not told apart from others.
            let Some(reply) = command.reply(&known, version, false) else { return };
            member.map = Some(GivenMap { command, owners: Arc::new(owners.to_vec()), reply });
        }
        let Some(GivenMap { owners, reply, .. }) = member.map.clone() else { return };
        let cost = command.cost(reply.ranges, same, version, &self.server.prices.cluster);
        // The first write is that of any reply.
        let writes = reply.reply / MAX_WRITE * self.server.prices.cpu.write;
        self.server.main.charge(Cause::ClusterCommand, cost + writes);
        self.server.counters.net_input_bytes += reply.request;
        self.server.counters.net_output_bytes += reply.reply;
        if let Asker::Client(fetch) = asker {
            self.seat().replies.push(Told::Map(fetch, owners, NEVER));
        }
    }

    /// When the client of a map that is written now has read it.
    pub(super) fn map_read_at(&self) -> u64 {
        let bytes =
            self.member.as_ref().and_then(|member| member.map.as_ref()).map_or(0, |map| map.reply.reply);
        let there_at =
            self.server.main.now + self.transmission.of(bytes) + self.server.prices.network.one_way;
        there_at + self.groups.first().map_or(0, |group| group.per_reply())
    }
}
